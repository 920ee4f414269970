/* SPDX-License-Identifier: MIT
 * Arithmetic with a memory operand. */
#include "emulation.h"

#define LOCKED_TRIES 1000 /* other CPUs may win so often before the guest is run again */

/* Operations that only look at their destination. */
static bool only_compares(unsigned op)
{
    return op == OP_CMP || op == OP_TEST || op == OP_BT;
}

static uint64_t source_of(const struct emulation *e)
{
    const struct insn *insn = e->insn;
    switch (insn->form) {
    case FORM_RM_REG:
    case FORM_RM_REG_IMM:
    case FORM_RM_REG_CL:
        return reg_read(e, insn->reg, insn->size);
    case FORM_RM_IMM:
        return insn->immediate & size_mask(insn->size);
    case FORM_RM_CL:
        return e->state->gpr[RCX] & 0xff;
    case FORM_RM_1:
        return 1;
    default:
        return 0;
    }
}

/* Memory is the destination: read, compute, write if it still reads the same (LOCK), else once more. */
static enum emulate_result modify(struct emulation *e, struct alu *alu, const struct operand *operand)
{
    bool write = !only_compares(alu->op);
    uint64_t flags = alu->flags, src = alu->src;
    for (unsigned i = 0; i < LOCKED_TRIES; i++) {
        uint64_t old = operand_read(e, operand);
        alu->dst = old;
        alu->src = src;
        alu->flags = flags;
        uint64_t result = alu_compute(alu);
        if (!write || operand_replace(e, operand, old, result, e->insn->prefixes & INSN_LOCK)) {
            set_arith_flags(e, alu->flags);
            return EMULATE_DONE;
        }
    }
    return EMULATE_AGAIN;
}

/* Memory is the source, a register the destination. */
static enum emulate_result load_compute(struct emulation *e, struct alu *alu)
{
    const struct insn *insn = e->insn;
    struct operand operand;
    if (!operand_memory(e, 0, insn->size, WALK_READ, &operand)) {
        return EMULATE_FAULT;
    }
    alu->dst = reg_read(e, insn->reg, insn->size);
    alu->src = operand_read(e, &operand);
    if (insn->form == FORM_REG_RM_IMM) {
        alu->dst = insn->immediate & size_mask(insn->size);
    }
    uint64_t result = alu_compute(alu);
    if (!alu->keep && !only_compares(insn->op)) {
        reg_write(e, insn->reg, insn->size, result);
    }
    set_arith_flags(e, alu->flags);
    return EMULATE_DONE;
}

enum emulate_result execute_alu(struct emulation *e)
{
    const struct insn *insn = e->insn;
    struct alu alu = { .op = insn->op, .size = insn->size, .flags = e->state->rflags };
    if (insn->op == OP_IMUL && insn->form == FORM_RM) {
        return execute_wide(e);
    }
    if (insn->form == FORM_REG_RM || insn->form == FORM_REG_RM_IMM) {
        return load_compute(e, &alu);
    }
    struct operand operand;
    if (!operand_memory(e, 0, insn->size, only_compares(insn->op) ? WALK_READ : WALK_WRITE, &operand)) {
        return EMULATE_FAULT;
    }
    alu.src = source_of(e);
    alu.extra = insn->form == FORM_RM_REG_IMM ? insn->immediate & 0xff : e->state->gpr[RCX] & 0xff;
    return modify(e, &alu, &operand);
}

/* BT, BTS, BTR, BTC: a bit number in a register reaches beyond the operand, in units of its size. */
enum emulate_result execute_bit(struct emulation *e)
{
    const struct insn *insn = e->insn;
    struct alu alu = { .op = insn->op, .size = insn->size, .flags = e->state->rflags, .src = source_of(e) };
    uint64_t displace = 0;
    if (insn->form == FORM_RM_REG) {
        int64_t bit = (int64_t)sign_extend(alu.src, insn->size);
        displace = (uint64_t)((bit >> 3) & -(int64_t)insn->size);
    }
    struct operand operand;
    if (!operand_memory(e, displace, insn->size, only_compares(insn->op) ? WALK_READ : WALK_WRITE, &operand)) {
        return EMULATE_FAULT;
    }
    return modify(e, &alu, &operand);
}

enum emulate_result execute_wide(struct emulation *e)
{
    const struct insn *insn = e->insn;
    struct alu alu = { .op = insn->op, .size = insn->size, .flags = e->state->rflags };
    struct operand operand;
    if (!operand_memory(e, 0, insn->size, WALK_READ, &operand)) {
        return EMULATE_FAULT;
    }
    alu.src = operand_read(e, &operand);
    uint64_t low = e->state->gpr[RAX], high = e->state->gpr[RDX];
    if (!alu_wide(&alu, &low, &high)) {
        fault_set(&e->fault, EXCEPTION_DE, 0);
        return EMULATE_FAULT;
    }
    if (insn->size == 1) {
        reg_write(e, RAX, 2, low);
    } else {
        reg_write(e, RAX, insn->size, low);
        reg_write(e, RDX, insn->size, high);
    }
    set_arith_flags(e, alu.flags);
    return EMULATE_DONE;
}

enum emulate_result execute_xadd(struct emulation *e)
{
    const struct insn *insn = e->insn;
    struct operand operand;
    if (!operand_memory(e, 0, insn->size, WALK_WRITE, &operand)) {
        return EMULATE_FAULT;
    }
    for (unsigned i = 0; i < LOCKED_TRIES; i++) {
        struct alu alu = { .op = OP_ADD, .size = insn->size, .flags = e->state->rflags };
        alu.dst = operand_read(e, &operand);
        alu.src = reg_read(e, insn->reg, insn->size);
        if (operand_replace(e, &operand, alu.dst, alu_compute(&alu), insn->prefixes & INSN_LOCK)) {
            reg_write(e, insn->reg, insn->size, alu.dst);
            set_arith_flags(e, alu.flags);
            return EMULATE_DONE;
        }
    }
    return EMULATE_AGAIN;
}

enum emulate_result execute_xchg(struct emulation *e)
{
    const struct insn *insn = e->insn;
    struct operand operand;
    if (!operand_memory(e, 0, insn->size, WALK_WRITE, &operand)) {
        return EMULATE_FAULT;
    }
    for (unsigned i = 0; i < LOCKED_TRIES; i++) {
        uint64_t old = operand_read(e, &operand);
        if (operand_replace(e, &operand, old, reg_read(e, insn->reg, insn->size), true)) { /* XCHG always locks */
            reg_write(e, insn->reg, insn->size, old);
            return EMULATE_DONE;
        }
    }
    return EMULATE_AGAIN;
}

enum emulate_result execute_cmpxchg(struct emulation *e)
{
    const struct insn *insn = e->insn;
    struct operand operand;
    if (!operand_memory(e, 0, insn->size, WALK_WRITE, &operand)) {
        return EMULATE_FAULT;
    }
    for (unsigned i = 0; i < LOCKED_TRIES; i++) {
        uint64_t old = operand_read(e, &operand), accumulator = reg_read(e, RAX, insn->size);
        struct alu alu = {
            .op = OP_CMP, .size = insn->size, .flags = e->state->rflags, .dst = accumulator, .src = old
        };
        alu_compute(&alu);
        bool equal = old == accumulator;
        /* The destination is written in both cases (SDM 2, CMPXCHG). */
        if (operand_replace(e, &operand, old, equal ? reg_read(e, insn->reg, insn->size) : old,
                            insn->prefixes & INSN_LOCK)) {
            if (!equal) {
                reg_write(e, RAX, insn->size, old);
            }
            set_arith_flags(e, alu.flags);
            return EMULATE_DONE;
        }
    }
    return EMULATE_AGAIN;
}
