/* SPDX-License-Identifier: MIT
 * Moves with a memory operand: MOV, MOVZX, MOVSX, MOVBE, CMOVcc, SETcc, PUSH, POP, CMPXCHG8B/16B. */
#include <stddef.h>
#include "emulation.h"

static enum emulate_result store(struct emulation *e, unsigned size, uint64_t value)
{
    struct operand operand;
    if (!operand_memory(e, 0, size, WALK_WRITE, &operand)) {
        return EMULATE_FAULT;
    }
    operand_write(e, &operand, value);
    return EMULATE_DONE;
}

static enum emulate_result load(struct emulation *e, unsigned reg)
{
    const struct insn *insn = e->insn;
    struct operand operand;
    if (!operand_memory(e, 0, insn->source_size, WALK_READ, &operand)) {
        return EMULATE_FAULT;
    }
    uint64_t value = operand_read(e, &operand);
    reg_write(e, reg, insn->size, insn->op == OP_MOVSX ? sign_extend(value, insn->source_size) : value);
    return EMULATE_DONE;
}

enum emulate_result execute_mov(struct emulation *e)
{
    const struct insn *insn = e->insn;
    switch (insn->form) {
    case FORM_REG_RM:
        return load(e, insn->reg);
    case FORM_RM_REG:
        return store(e, insn->size, reg_read(e, insn->reg, insn->size));
    case FORM_RM_IMM:
        return store(e, insn->size, insn->immediate);
    case FORM_ACC_MEM:
        return load(e, RAX);
    case FORM_MEM_ACC:
        return store(e, insn->size, reg_read(e, RAX, insn->size));
    case FORM_RM_SREG:
        if (insn->reg >= 6) {
            fault_set(&e->fault, EXCEPTION_UD, 0);
            return EMULATE_FAULT;
        }
        return store(e, 2, e->state->seg[insn->reg].selector);
    default:
        return EMULATE_UNKNOWN; /* a segment register loaded from a device */
    }
}

static uint64_t swap_bytes(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

enum emulate_result execute_movbe(struct emulation *e)
{
    const struct insn *insn = e->insn;
    if (insn->form == FORM_RM_REG) {
        return store(e, insn->size, swap_bytes(reg_read(e, insn->reg, insn->size), insn->size));
    }
    struct operand operand;
    if (!operand_memory(e, 0, insn->size, WALK_READ, &operand)) {
        return EMULATE_FAULT;
    }
    reg_write(e, insn->reg, insn->size, swap_bytes(operand_read(e, &operand), insn->size));
    return EMULATE_DONE;
}

/* The source is read, and a 32-bit destination zero-extended, whether the condition holds or not (SDM 2, CMOVcc). */
enum emulate_result execute_cmov(struct emulation *e)
{
    const struct insn *insn = e->insn;
    struct operand operand;
    if (!operand_memory(e, 0, insn->size, WALK_READ, &operand)) {
        return EMULATE_FAULT;
    }
    uint64_t value = operand_read(e, &operand);
    bool move = alu_condition(e->state->rflags, insn->opcode & 15);
    reg_write(e, insn->reg, insn->size, move ? value : reg_read(e, insn->reg, insn->size));
    return EMULATE_DONE;
}

enum emulate_result execute_setcc(struct emulation *e)
{
    return store(e, 1, alu_condition(e->state->rflags, e->insn->opcode & 15));
}

/* Address size of the stack: 8 in 64-bit mode, else by SS.B. */
static unsigned stack_address_size(const struct emulation *e)
{
    return e->insn->mode == INSN_64 ? 8 : e->state->seg[SEG_SS].attr & SEG_ATTR_DB ? 4 : 2;
}

static void set_stack_pointer(struct emulation *e, uint64_t *rsp, uint64_t value)
{
    uint64_t mask = address_mask(stack_address_size(e));
    *rsp = (mask == 0xffff ? *rsp & ~mask : 0) | (value & mask);
}

enum emulate_result execute_push(struct emulation *e)
{
    const struct insn *insn = e->insn;
    struct operand stack, source;
    uint64_t rsp = e->state->gpr[RSP];
    set_stack_pointer(e, &rsp, rsp - insn->size);
    if (insn->memory && !operand_memory(e, 0, insn->size, WALK_READ, &source)) {
        return EMULATE_FAULT;
    }
    if (!operand_at(e, SEG_SS, rsp & address_mask(stack_address_size(e)), insn->size, WALK_WRITE, &stack)) {
        return EMULATE_FAULT;
    }
    uint64_t value = insn->immediate;
    if (insn->memory) {
        value = operand_read(e, &source);
    } else if (insn->form != FORM_IMM) {
        value = reg_read(e, insn->form == FORM_RM ? insn->rm : insn->reg, insn->size);
    }
    operand_write(e, &stack, value & size_mask(insn->size));
    e->state->gpr[RSP] = rsp;
    return EMULATE_DONE;
}

/* An address based on RSP is computed with the pointer already incremented (SDM 2, POP). */
enum emulate_result execute_pop(struct emulation *e)
{
    const struct insn *insn = e->insn;
    struct operand stack, target;
    uint64_t before = e->state->gpr[RSP], rsp = before;
    if (!operand_at(e, SEG_SS, rsp & address_mask(stack_address_size(e)), insn->size, WALK_READ, &stack)) {
        return EMULATE_FAULT;
    }
    set_stack_pointer(e, &rsp, rsp + insn->size);
    e->state->gpr[RSP] = rsp;
    if (insn->memory && !operand_memory(e, 0, insn->size, WALK_WRITE, &target)) {
        e->state->gpr[RSP] = before;
        return EMULATE_FAULT;
    }
    uint64_t value = operand_read(e, &stack);
    if (insn->memory) {
        operand_write(e, &target, value);
    } else {
        reg_write(e, insn->form == FORM_RM ? insn->rm : insn->reg, insn->size, value);
    }
    return EMULATE_DONE;
}

static bool replace16(uint8_t *host, const uint64_t *old, const uint64_t *value)
{
    uint64_t low = old[0], high = old[1];
    bool same;
    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(same), "+m"(*(volatile unsigned __int128 *)host), "+a"(low), "+d"(high)
                     : "b"(value[0]), "c"(value[1])
                     : "memory");
    return same;
}

/* CMPXCHG8B compares two 4-byte halves, CMPXCHG16B two of 8. */
enum emulate_result execute_cmpxchg8b(struct emulation *e)
{
    unsigned half = e->insn->size / 2;
    uint64_t old[2], *gpr = e->state->gpr, expected[2] = { gpr[RAX], gpr[RDX] }, value[2] = { gpr[RBX], gpr[RCX] };
    struct operand operand, part[2];
    if (half == 8 &&
        (operand_address(e) + (e->insn->segment >= SEG_FS ? e->state->seg[e->insn->segment].base : 0)) & 15) {
        fault_set(&e->fault, EXCEPTION_GP, 0);
        return EMULATE_FAULT;
    }
    if (!operand_memory(e, 0, e->insn->size, WALK_WRITE, &operand) ||
        !operand_memory(e, 0, half, WALK_WRITE, &part[0]) || !operand_memory(e, half, half, WALK_WRITE, &part[1])) {
        return EMULATE_FAULT;
    }
    for (unsigned i = 0; i < 2; i++) {
        old[i] = operand_read(e, &part[i]);
        expected[i] &= size_mask(half);
        value[i] &= size_mask(half);
    }
    bool equal = old[0] == expected[0] && old[1] == expected[1];
    const uint64_t *new = equal ? value : old;
    uint8_t *host = operand.part[0].host;
    bool atomic = (e->insn->prefixes & INSN_LOCK) && host != NULL && operand.parts == 1;
    if (atomic && half == 8) {
        if (!replace16(host, old, new)) {
            return EMULATE_AGAIN;
        }
    } else if (atomic) {
        if (!operand_replace(e, &operand, old[0] | old[1] << 32, new[0] | new[1] << 32, true)) {
            return EMULATE_AGAIN;
        }
    } else {
        operand_write(e, &part[0], new[0]);
        operand_write(e, &part[1], new[1]);
    }
    e->state->rflags = (e->state->rflags & ~RFLAGS_ZF) | (equal ? RFLAGS_ZF : 0);
    if (!equal) {
        reg_write(e, RAX, half, old[0]);
        reg_write(e, RDX, half, old[1]);
    }
    return EMULATE_DONE;
}
