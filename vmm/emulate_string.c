/* SPDX-License-Identifier: MIT
 * String instructions, one element at a time: registers are up to date after each, so that a repetition may be
 * interrupted, or fault, between any two (SDM 2, REP). */
#include "emulation.h"
#include "fetch.h"

/* What a repetition does after one element. */
enum element { ELEMENT_FAULT, ELEMENT_DONE, ELEMENT_LAST };

static uint64_t address_read(const struct emulation *e, unsigned reg)
{
    return e->state->gpr[reg] & address_mask(e->insn->address_size);
}

static void address_write(struct emulation *e, unsigned reg, uint64_t value)
{
    uint64_t mask = address_mask(e->insn->address_size);
    e->state->gpr[reg] = (mask == 0xffff ? e->state->gpr[reg] & ~mask : 0) | (value & mask);
}

static void address_step(struct emulation *e, unsigned reg)
{
    uint64_t step = e->state->rflags & RFLAGS_DF ? -(uint64_t)e->insn->size : e->insn->size;
    address_write(e, reg, e->state->gpr[reg] + step);
}

static bool source_at(struct emulation *e, struct operand *operand)
{
    return operand_at(e, e->insn->segment, address_read(e, RSI), e->insn->size, WALK_READ, operand);
}

/* The destination is ES:rDI, whatever the override. */
static bool target_at(struct emulation *e, unsigned access, struct operand *operand)
{
    return operand_at(e, SEG_ES, address_read(e, RDI), e->insn->size, access, operand);
}

static enum element element_movs(struct emulation *e)
{
    struct operand source, target;
    if (!source_at(e, &source) || !target_at(e, WALK_WRITE, &target)) {
        return ELEMENT_FAULT;
    }
    operand_write(e, &target, operand_read(e, &source));
    address_step(e, RSI);
    address_step(e, RDI);
    return ELEMENT_DONE;
}

static enum element element_stos(struct emulation *e)
{
    struct operand target;
    if (!target_at(e, WALK_WRITE, &target)) {
        return ELEMENT_FAULT;
    }
    operand_write(e, &target, reg_read(e, RAX, e->insn->size));
    address_step(e, RDI);
    return ELEMENT_DONE;
}

static enum element element_lods(struct emulation *e)
{
    struct operand source;
    if (!source_at(e, &source)) {
        return ELEMENT_FAULT;
    }
    reg_write(e, RAX, e->insn->size, operand_read(e, &source));
    address_step(e, RSI);
    return ELEMENT_DONE;
}

/* Compares and says whether REPE or REPNE ends here. */
static enum element compare(struct emulation *e, uint64_t left, uint64_t right)
{
    struct alu alu = { .op = OP_CMP, .size = e->insn->size, .flags = e->state->rflags, .dst = left, .src = right };
    alu_compute(&alu);
    set_arith_flags(e, alu.flags);
    bool zero = alu.flags & RFLAGS_ZF;
    bool last = (e->insn->prefixes & INSN_REP) ? !zero : (e->insn->prefixes & INSN_REPNE) ? zero : true;
    return last ? ELEMENT_LAST : ELEMENT_DONE;
}

static enum element element_cmps(struct emulation *e)
{
    struct operand source, target;
    if (!source_at(e, &source) || !target_at(e, WALK_READ, &target)) {
        return ELEMENT_FAULT;
    }
    uint64_t left = operand_read(e, &source);
    enum element result = compare(e, left, operand_read(e, &target));
    address_step(e, RSI);
    address_step(e, RDI);
    return result;
}

static enum element element_scas(struct emulation *e)
{
    struct operand target;
    if (!target_at(e, WALK_READ, &target)) {
        return ELEMENT_FAULT;
    }
    enum element result = compare(e, reg_read(e, RAX, e->insn->size), operand_read(e, &target));
    address_step(e, RDI);
    return result;
}

static enum element element_ins(struct emulation *e)
{
    struct operand target;
    if (!target_at(e, WALK_WRITE, &target)) {
        return ELEMENT_FAULT;
    }
    operand_write(e, &target, e->ops->port_read(e->vcpu, (uint16_t)e->state->gpr[RDX], e->insn->size));
    address_step(e, RDI);
    return ELEMENT_DONE;
}

static enum element element_outs(struct emulation *e)
{
    struct operand source;
    if (!source_at(e, &source)) {
        return ELEMENT_FAULT;
    }
    e->ops->port_write(e->vcpu, (uint16_t)e->state->gpr[RDX], e->insn->size, (uint32_t)operand_read(e, &source));
    address_step(e, RSI);
    return ELEMENT_DONE;
}

typedef enum element element_fn(struct emulation *e);

/* Another element is to come: RIP stays. RF keeps an instruction breakpoint from firing again; TF traps after each
 * element. */
static enum emulate_result pause_repeat(struct emulation *e)
{
    e->state->rflags |= RFLAGS_RF;
    e->state->dirty |= GROUP_RIP;
    if (e->state->rflags & RFLAGS_TF) {
        insn_step_trap(e->state);
    }
    return EMULATE_AGAIN;
}

static enum emulate_result repeat(struct emulation *e, element_fn *element)
{
    if (!(e->insn->prefixes & (INSN_REP | INSN_REPNE))) {
        return element(e) == ELEMENT_FAULT ? EMULATE_FAULT : EMULATE_DONE;
    }
    unsigned most = e->state->rflags & RFLAGS_TF ? 1 : EMULATE_REPEAT_MAX;
    for (unsigned i = 0; address_read(e, RCX) != 0; i++) {
        if (i == most) {
            return pause_repeat(e);
        }
        enum element result = element(e);
        if (result == ELEMENT_FAULT) {
            return EMULATE_FAULT;
        }
        address_write(e, RCX, e->state->gpr[RCX] - 1);
        if (result == ELEMENT_LAST) {
            break;
        }
    }
    return EMULATE_DONE;
}

enum emulate_result execute_string(struct emulation *e)
{
    static element_fn *const elements[] = {
        [0] = element_movs, [OP_CMPS - OP_MOVS] = element_cmps, [OP_STOS - OP_MOVS] = element_stos,
        [OP_LODS - OP_MOVS] = element_lods, [OP_SCAS - OP_MOVS] = element_scas,
    };
    return repeat(e, elements[e->insn->op - OP_MOVS]);
}

enum emulate_result execute_io_string(struct emulation *e)
{
    return repeat(e, e->insn->op == OP_INS ? element_ins : element_outs);
}

enum emulate_result execute_io(struct emulation *e)
{
    const struct insn *insn = e->insn;
    uint16_t port = insn->form == FORM_ACC_IMM ? insn->immediate & 0xff : e->state->gpr[RDX] & 0xffff;
    if (insn->op == OP_IN) {
        reg_write(e, RAX, insn->size, e->ops->port_read(e->vcpu, port, insn->size));
    } else {
        e->ops->port_write(e->vcpu, port, insn->size, (uint32_t)reg_read(e, RAX, insn->size));
    }
    return EMULATE_DONE;
}
