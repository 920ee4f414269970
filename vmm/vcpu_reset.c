/* SPDX-License-Identifier: MIT
 * Reset of a vcpu (SDM 3A 9.1.1, table 9-1). */
#include "vcpu_reset.h"
#include <string.h>
#include "cr.h"
#include "devices/lapic.h"
#include "msr.h"

#define RESET_PAT 0x0007040600070406ull

static struct segment segment(uint32_t attr, uint16_t selector, uint64_t base)
{
    return (struct segment){ .base = base, .limit = 0xffff, .attr = attr, .selector = selector };
}

static void segments(struct vcpu_state *state)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        state->seg[i] = segment(SEG_ATTR_P | SEG_ATTR_S | 3, 0, 0);
    state->seg[SEG_CS] = segment(SEG_ATTR_P | SEG_ATTR_S | 0xb, 0xf000, 0xffff0000);
    state->seg[SEG_LDTR] = segment(SEG_ATTR_P | 2, 0, 0);
    state->seg[SEG_TR] = segment(SEG_ATTR_P | 0xb, 0, 0);
    state->gdtr = state->idtr = (struct table_register){ .limit = 0xffff };
}

void reset_vcpu(struct vcpu *vcpu, bool is_init)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t cr0_kept = is_init ? state->cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW;
    memset(state->gpr, 0, sizeof(state->gpr));
    state->gpr[RDX] = 0x600;
    state->rip = 0xfff0;
    state->rflags = RFLAGS_FIXED;
    state->cr0 = CR0_ET | cr0_kept;
    state->cr2 = state->cr3 = state->cr4 = state->efer = 0;
    segments(state);
    memset(state->dr, 0, sizeof(state->dr));
    state->dr6 = 0xffff0ff0;
    state->dr7 = 0x400;
    if (!is_init) {
        state->star = state->lstar = state->cstar = state->fmask = state->kernel_gs_base = 0;
        state->sysenter_cs = state->sysenter_esp = state->sysenter_eip = 0;
        state->pat = RESET_PAT;
        state->xcr0 = 1;
        msr_reset(vcpu);
    }
    state->blocking = 0;
    state->inject = state->offer = 0;
    state->want = 0;
    vcpu->nmi_waiting = 0;
    state->dirty = GROUP_ALL;
    lapic_reset(vcpu, is_init);
}
