/* SPDX-License-Identifier: MIT
 * What the files of the emulator share: the instruction in work, register and memory operands. Private to
 * vmm/emulate*.c and vmm/operand.c. */
#pragma once

#include "alu.h"
#include "cr.h"
#include "emulate.h"
#include "fault.h"
#include "segment.h"
#include "walk.h"

struct emulation {
    struct vcpu *vcpu;
    struct vcpu_state *state;
    const struct emulate_ops *ops;
    const struct insn *insn;
    struct fault fault;
};

/* A memory operand, checked and translated: at most 16 bytes, in one page or two. */
struct operand {
    unsigned parts;
    struct {
        uint64_t gpa;
        uint8_t *host; /* null: a device */
        unsigned size;
    } part[2];
};

/* Checks an access of `size` bytes at segment:offset for rights and translates it; access is WALK_READ or WALK_WRITE
 * (also for read-modify-write). False: e->fault. */
bool operand_at(struct emulation *e, unsigned segment, uint64_t offset, unsigned size, unsigned access,
                struct operand *operand);
/* The explicit memory operand of the instruction, `displace` bytes on. */
bool operand_memory(struct emulation *e, uint64_t displace, unsigned size, unsigned access, struct operand *operand);
uint64_t operand_read(const struct emulation *e, const struct operand *operand);
void operand_write(const struct emulation *e, const struct operand *operand, uint64_t value);
/* Replaces old by value; atomic if `atomic` and the operand is RAM. False: it is RAM and does not read `old` any more.
 */
bool operand_replace(const struct emulation *e, const struct operand *operand, uint64_t old, uint64_t value,
                     bool atomic);

static inline uint64_t address_mask(unsigned address_size)
{
    return size_mask(address_size);
}

/* The offset of the explicit memory operand. */
static inline uint64_t operand_address(const struct emulation *e)
{
    const struct insn *insn = e->insn;
    uint64_t address = (uint64_t)insn->displacement;
    if (insn->base < 16) {
        address += e->state->gpr[insn->base];
    } else if (insn->base == INSN_RIP) {
        address += e->state->rip + insn->length;
    }
    if (insn->index < 16) {
        address += e->state->gpr[insn->index] << insn->scale;
    }
    return address & address_mask(insn->address_size);
}

static inline uint64_t reg_read(const struct emulation *e, unsigned reg, unsigned size)
{
    if (size == 1 && reg >= 4 && reg < 8 && e->insn->rex == 0) {
        return e->state->gpr[reg - 4] >> 8 & 0xff; /* AH, CH, DH, BH */
    }
    return e->state->gpr[reg] & size_mask(size);
}

static inline void reg_write(struct emulation *e, unsigned reg, unsigned size, uint64_t value)
{
    bool high = size == 1 && reg >= 4 && reg < 8 && e->insn->rex == 0;
    uint64_t *gpr = &e->state->gpr[high ? reg - 4 : reg];
    if (size >= 4) {
        *gpr = value & size_mask(size);
    } else if (high) {
        *gpr = (*gpr & ~0xff00ull) | (value & 0xff) << 8;
    } else {
        *gpr = (*gpr & ~size_mask(size)) | (value & size_mask(size));
    }
}

static inline void set_arith_flags(struct emulation *e, uint64_t flags)
{
    e->state->rflags = (e->state->rflags & ~RFLAGS_ARITH) | (flags & RFLAGS_ARITH);
}

/* The frequent case: MOV and MOVZX between a register and a device in 64-bit mode, decoded and translated before.
 * False: nothing was done. */
bool emulate_simple(struct vcpu *vcpu, const struct emulate_ops *ops);

/* The executors, by file. Each returns EMULATE_DONE (then emulate() ends the instruction), EMULATE_FAULT with e->fault,
 * EMULATE_AGAIN or EMULATE_UNKNOWN. */
typedef enum emulate_result execute_fn(struct emulation *e);
execute_fn execute_alu, execute_bit, execute_wide, execute_mov, execute_movbe, execute_cmov, execute_setcc,
    execute_xchg, execute_cmpxchg, execute_cmpxchg8b, execute_xadd, execute_push, execute_pop, execute_string,
    execute_io, execute_io_string;
