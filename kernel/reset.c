/* SPDX-License-Identifier: MIT
 * The architectural reset state of a virtual CPU, the same on both vendors. */
#include "reset.h"

#define CR0_RESET 0x60000010u /* CD, NW, ET */
#define DR6_RESET 0xffff0ff0u
#define DR7_RESET 0x400u
#define PAT_RESET 0x0007040600070406ull
#define RFLAGS_RESET 0x2u
#define RIP_RESET 0xfff0u
#define RDX_RESET 0x600u /* family 6: the monitor's CPU model says more */
#define XCR0_RESET 1u    /* x87 */

#define ATTR_DATA (0x3 | SEG_ATTR_S | SEG_ATTR_P)   /* read/write, accessed */
#define ATTR_CODE (0xb | SEG_ATTR_S | SEG_ATTR_P)   /* execute/read, accessed */
#define ATTR_LDT (0x2 | SEG_ATTR_P)
#define ATTR_TSS (0xb | SEG_ATTR_P)  /* busy TSS */
#define DATA { .limit = 0xffff, .attr = ATTR_DATA }

static const struct segment reset_segments[SEG_COUNT] = {
    [SEG_ES] = DATA, [SEG_SS] = DATA, [SEG_DS] = DATA, [SEG_FS] = DATA, [SEG_GS] = DATA,
    [SEG_CS] = { .base = 0xffff0000, .limit = 0xffff, .attr = ATTR_CODE, .selector = 0xf000 },
    [SEG_LDTR] = { .limit = 0xffff, .attr = ATTR_LDT },
    [SEG_TR] = { .limit = 0xffff, .attr = ATTR_TSS },
};

void vcpu_state_reset(struct vcpu_state *state)
{
    for (unsigned i = 0; i < 16; i++)
        state->gpr[i] = 0;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        state->seg[i] = reset_segments[i];
    for (unsigned i = 0; i < 4; i++)
        state->pdpte[i] = state->dr[i] = state->eoi_exit[i] = 0;
    state->gpr[RDX] = RDX_RESET;
    state->rip = RIP_RESET;
    state->rflags = RFLAGS_RESET;
    state->cr0 = CR0_RESET;
    state->cr2 = state->cr3 = state->cr4 = state->efer = 0;
    state->gdtr = state->idtr = (struct table_register){ .limit = 0xffff };
    state->star = state->lstar = state->cstar = state->fmask = state->kernel_gs_base = 0;
    state->sysenter_cs = state->sysenter_esp = state->sysenter_eip = 0;
    state->pat = PAT_RESET;
    state->dr6 = DR6_RESET;
    state->dr7 = DR7_RESET;
    state->blocking = state->inject = state->inject_error = state->inject_length = state->want = 0;
    state->tpr_threshold = 0;
    state->tsc_offset = 0;
    state->xcr0 = XCR0_RESET;
    state->valid = 0;
    state->dirty = GROUP_ALL;
}
