/* SPDX-License-Identifier: MIT
 * The emulator's entry: from an exit to the executor of the instruction at CS:RIP, by a table. */
#include <stdio.h>
#include "emulation.h"
#include "fetch.h"

static execute_fn *const executors[OP_COUNT] = {
    [OP_ADD... OP_SAR] = execute_alu, [OP_TEST] = execute_alu,        [OP_NOT] = execute_alu,
    [OP_NEG] = execute_alu,           [OP_INC] = execute_alu,         [OP_DEC] = execute_alu,
    [OP_SHLD] = execute_alu,          [OP_SHRD] = execute_alu,        [OP_BSF] = execute_alu,
    [OP_BSR] = execute_alu,           [OP_TZCNT] = execute_alu,       [OP_LZCNT] = execute_alu,
    [OP_POPCNT] = execute_alu,        [OP_IMUL] = execute_alu,        [OP_MUL] = execute_wide,
    [OP_DIV] = execute_wide,          [OP_IDIV] = execute_wide,       [OP_BT] = execute_bit,
    [OP_BTS] = execute_bit,           [OP_BTR] = execute_bit,         [OP_BTC] = execute_bit,
    [OP_MOV] = execute_mov,           [OP_MOVZX] = execute_mov,       [OP_MOVSX] = execute_mov,
    [OP_MOVBE] = execute_movbe,       [OP_CMOV] = execute_cmov,       [OP_SETCC] = execute_setcc,
    [OP_XCHG] = execute_xchg,         [OP_CMPXCHG] = execute_cmpxchg, [OP_CMPXCHG8B] = execute_cmpxchg8b,
    [OP_XADD] = execute_xadd,         [OP_PUSH] = execute_push,       [OP_POP] = execute_pop,
    [OP_MOVS] = execute_string,       [OP_CMPS] = execute_string,     [OP_STOS] = execute_string,
    [OP_LODS] = execute_string,       [OP_SCAS] = execute_string,     [OP_INS] = execute_io_string,
    [OP_OUTS] = execute_io_string,    [OP_IN] = execute_io,           [OP_OUT] = execute_io,
};

#define STUCK_MAX 100

/* Has the instruction no memory operand at all? */
static bool touches_nothing(const struct insn *insn)
{
    return !insn->memory && insn->op != OP_PUSH && insn->op != OP_POP && (insn->op < OP_MOVS || insn->op > OP_OUT);
}

/* Such an instruction is not the one that exited if the guest changed its code meanwhile: then it is to run again. If that
 * happens time and again at the same place, it is one whose implicit access (to a descriptor table) hit a device. */
static enum emulate_result rerun(struct vcpu *vcpu)
{
    struct walk_cache *cache = &vcpu->walk_cache;
    cache->stuck = cache->stuck_rip == vcpu->state->rip ? cache->stuck + 1 : 0;
    cache->stuck_rip = vcpu->state->rip;
    if (cache->stuck < STUCK_MAX) {
        return EMULATE_AGAIN;
    }
    cache->stuck = 0;
    return EMULATE_UNKNOWN;
}

/* The data segments matter outside 64-bit mode, and there for FS and GS; DR6 for the single-step trap. Groups that this
 * exit did not bring are asked for, and the guest exits once more. */
static bool groups_missing(struct vcpu_state *state, const struct insn *insn)
{
    uint32_t needed = FETCH_GROUPS;
    if (insn != NULL && (insn->mode != INSN_64 || insn->segment >= SEG_FS)) {
        needed |= GROUP_SEG;
    }
    if (state->rflags & RFLAGS_TF) {
        needed |= GROUP_DEBUG;
    }
    if ((state->valid & needed) == needed) {
        return false;
    }
    if (state->exit.reason < EXIT_COUNT) {
        state->wanted[state->exit.reason] |= needed;
    }
    return true;
}

static enum emulate_result finish_fault(struct vcpu *vcpu, const struct fault *fault)
{
    fault_inject(vcpu->state, fault);
    return fault->vector == FAULT_RETRY ? EMULATE_AGAIN : EMULATE_FAULT;
}

/* Everything but the fast path. */
static __attribute__((noinline)) enum emulate_result emulate_any(struct vcpu *vcpu, const struct emulate_ops *ops)
{
    struct emulation e = { .vcpu = vcpu, .state = vcpu->state, .ops = ops };
    if (groups_missing(vcpu->state, NULL)) {
        return EMULATE_AGAIN;
    }
    e.insn = fetch_decoded(vcpu, &e.fault);
    if (e.insn == NULL) {
        return finish_fault(vcpu, &e.fault);
    }
    execute_fn *execute = executors[e.insn->op];
    if (execute == NULL) {
        return EMULATE_UNKNOWN;
    }
    if (groups_missing(vcpu->state, e.insn)) {
        return EMULATE_AGAIN;
    }
    if (touches_nothing(e.insn)) {
        return rerun(vcpu);
    }
    vcpu->walk_cache.stuck = 0;
    enum emulate_result result = execute(&e);
    if (result == EMULATE_DONE) {
        insn_retire(vcpu, e.insn->length);
    } else if (result == EMULATE_FAULT) {
        return finish_fault(vcpu, &e.fault);
    }
    return result;
}

enum emulate_result emulate(struct vcpu *vcpu, const struct emulate_ops *ops)
{
    return emulate_simple(vcpu, ops) ? EMULATE_DONE : emulate_any(vcpu, ops);
}

void emulate_describe(struct vcpu *vcpu, char *text, size_t size)
{
    static const char *const modes[] = { "16-bit", "32-bit", "64-bit" };
    const struct vcpu_state *state = vcpu->state;
    struct fault fault;
    uint8_t bytes[INSN_BUFFER];
    unsigned count = fetch(vcpu, bytes, &fault);
    int used = snprintf(text, size, "%s code at %04x:%lx:", modes[insn_mode(state)], state->seg[SEG_CS].selector,
                        (unsigned long)state->rip);
    for (unsigned i = 0; i < count && used > 0 && (size_t)used < size; i++) {
        used += snprintf(text + used, size - (size_t)used, " %02x", bytes[i]);
    }
}
