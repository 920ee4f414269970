/* SPDX-License-Identifier: MIT
 * Memory operands of an emulated instruction: address, checks, and access to RAM or a device. */
#include <stddef.h>
#include "emulation.h"
#include "unaligned.h"

/* Alignment check of user code (SDM 3A 6.15, interrupt 17). */
static bool misaligned(const struct vcpu_state *state, uint64_t linear, unsigned size)
{
    return (state->rflags & RFLAGS_AC) && (linear & (size - 1)) && (state->cr0 & CR0_AM) && walk_cpl(state) == 3;
}

bool operand_at(struct emulation *e, unsigned segment, uint64_t offset, unsigned size, unsigned access,
                struct operand *operand)
{
    uint64_t linear;
    enum insn_mode mode = (enum insn_mode)e->insn->mode;
    if (!segment_linear(e->state, mode, segment, offset, size, access, &linear, &e->fault)) {
        return false;
    }
    if (misaligned(e->state, linear, size)) {
        return fault_set(&e->fault, EXCEPTION_AC, 0);
    }
    struct walk at;
    if (!walk(e->vcpu, linear, access, &at, &e->fault)) {
        return false;
    }
    unsigned first = (unsigned)(PAGE_SIZE - (linear & PAGE_MASK));
    operand->parts = 1;
    operand->part[0].gpa = at.gpa;
    operand->part[0].host = at.host;
    operand->part[0].size = size;
    if (size <= first) {
        return true;
    }
    uint64_t next = linear + first;
    if (!walk(e->vcpu, mode == INSN_64 ? next : next & 0xffffffff, access, &at, &e->fault)) {
        return false;
    }
    operand->parts = 2;
    operand->part[0].size = first;
    operand->part[1].gpa = at.gpa;
    operand->part[1].host = at.host;
    operand->part[1].size = size - first;
    return true;
}

bool operand_memory(struct emulation *e, uint64_t displace, unsigned size, unsigned access, struct operand *operand)
{
    uint64_t offset = (operand_address(e) + displace) & address_mask(e->insn->address_size);
    return operand_at(e, e->insn->segment, offset, size, access, operand);
}

static uint64_t ram_read(const uint8_t *host, unsigned size)
{
    switch (size) {
    case 1: return *(const volatile uint8_t *)host;
    case 2: return load16(host);
    case 4: return load32(host);
    case 8: return load64(host);
    }
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)((const volatile uint8_t *)host)[i] << 8 * i;
    }
    return value;
}

static void ram_write(uint8_t *host, unsigned size, uint64_t value)
{
    switch (size) {
    case 1: *(volatile uint8_t *)host = (uint8_t)value; return;
    case 2: store16(host, (uint16_t)value); return;
    case 4: store32(host, (uint32_t)value); return;
    case 8: store64(host, value); return;
    }
    for (unsigned i = 0; i < size; i++) {
        ((volatile uint8_t *)host)[i] = (uint8_t)(value >> 8 * i);
    }
}

/* The largest power of two not above size: devices see 1, 2, 4 or 8 bytes. */
static unsigned device_chunk(unsigned size)
{
    return 1u << (31 - __builtin_clz(size));
}

static uint64_t device_read(const struct emulation *e, uint64_t gpa, unsigned size)
{
    uint64_t value = 0;
    for (unsigned done = 0; done < size;) {
        unsigned chunk = device_chunk(size - done);
        value |= (e->ops->mmio_read(e->vcpu, gpa + done, chunk) & size_mask(chunk)) << 8 * done;
        done += chunk;
    }
    return value;
}

static void device_write(const struct emulation *e, uint64_t gpa, unsigned size, uint64_t value)
{
    for (unsigned done = 0; done < size;) {
        unsigned chunk = device_chunk(size - done);
        e->ops->mmio_write(e->vcpu, gpa + done, chunk, value >> 8 * done & size_mask(chunk));
        done += chunk;
    }
}

uint64_t operand_read(const struct emulation *e, const struct operand *operand)
{
    uint64_t value = 0;
    for (unsigned i = 0, done = 0; i < operand->parts && done < sizeof(value); done += operand->part[i++].size) {
        uint8_t *host = operand->part[i].host;
        unsigned size = operand->part[i].size;
        value |= (host ? ram_read(host, size) : device_read(e, operand->part[i].gpa, size)) << 8 * done;
    }
    return value;
}

void operand_write(const struct emulation *e, const struct operand *operand, uint64_t value)
{
    for (unsigned i = 0; i < operand->parts; i++) {
        uint8_t *host = operand->part[i].host;
        unsigned size = operand->part[i].size;
        if (host) {
            ram_write(host, size, value);
        } else {
            device_write(e, operand->part[i].gpa, size, value & size_mask(size));
        }
        value = size < 8 ? value >> 8 * size : 0;
    }
}

#define LOCKED_REPLACE(type) \
    ({ \
        type expected = (type)old; \
        __asm__ volatile("lock cmpxchg %2, %1" \
                         : "+a"(expected), "+m"(*(volatile type *)host) \
                         : "r"((type)value) \
                         : "memory", "cc"); \
        expected == (type)old; \
    })

/* x86 compares and exchanges at any alignment, which C does not promise: hence the instruction itself. */
static bool ram_replace(uint8_t *host, unsigned size, uint64_t old, uint64_t value)
{
    switch (size) {
    case 1: return LOCKED_REPLACE(uint8_t);
    case 2: return LOCKED_REPLACE(uint16_t);
    case 4: return LOCKED_REPLACE(uint32_t);
    default: return LOCKED_REPLACE(uint64_t);
    }
}

bool operand_replace(const struct emulation *e, const struct operand *operand, uint64_t old, uint64_t value,
                     bool atomic)
{
    if (atomic && operand->parts == 1 && operand->part[0].host != NULL) {
        return ram_replace(operand->part[0].host, operand->part[0].size, old, value);
    }
    operand_write(e, operand, value);
    return true;
}
