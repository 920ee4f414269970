/* SPDX-License-Identifier: MIT
 * The fast path of the emulator: a plain load or store of a device register. It does what execute_mov() does, for an
 * instruction that was decoded and a page that was translated before; whatever is unusual is left to that. */
#include <stddef.h>
#include "emulation.h"
#include "fetch.h"
#include "fetch_cached.h"

#define SIMPLE_FORMS (1u << FORM_RM_REG | 1u << FORM_REG_RM | 1u << FORM_RM_IMM)

/* FS and GS would need a register group that the exit may not have brought. */
bool emulate_is_simple(const struct insn *insn)
{
    return (insn->op == OP_MOV || insn->op == OP_MOVZX) && insn->memory && (SIMPLE_FORMS >> insn->form & 1) &&
           insn->mode == INSN_64 && insn->segment < SEG_FS;
}

bool emulate_simple(struct vcpu *vcpu, const struct emulate_ops *ops)
{
    struct vcpu_state *state = vcpu->state;
    struct emulation e;
    e.state = state;
    const struct decoded *d = fetch_remembered(vcpu);
    if (d == NULL || !d->simple || (~state->valid & FETCH_GROUPS) || (state->rflags & (RFLAGS_AC | RFLAGS_TF))) {
        return false;
    }
    const struct insn *insn = e.insn = &d->insn;
    bool load = insn->form == FORM_REG_RM;
    unsigned access = load ? WALK_READ : WALK_WRITE, size = insn->source_size, length = insn->length;
    uint64_t linear = operand_address(&e), offset = linear & PAGE_MASK;
    const struct translation *t = walk_slot(vcpu, linear, access);
    __asm__("" : "+r"(t)); /* as in fetch_cached.h */
    if (offset + size > PAGE_SIZE || !walk_hits(t, linear, walk_key(state, access)) || t->host != NULL) {
        return false;
    }
    if (load) {
        reg_write(&e, insn->reg, insn->size, ops->mmio_read(vcpu, t->gpa + offset, size) & size_mask(size));
    } else {
        uint64_t value = insn->form == FORM_RM_IMM ? insn->immediate : reg_read(&e, insn->reg, size);
        ops->mmio_write(vcpu, t->gpa + offset, size, value & size_mask(size));
    }
    insn_retire(vcpu, length);
    return true;
}
