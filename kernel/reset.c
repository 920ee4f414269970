/* SPDX-License-Identifier: MIT
 * The architectural reset state of a virtual CPU, the same on both vendors. */
#include "reset.h"
#include <stddef.h>
#include <string.h>

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
    memset(state, 0, offsetof(struct vcpu_state, exit));
    memcpy(state->seg, reset_segments, sizeof(reset_segments));
    state->gpr[RDX] = RDX_RESET;
    state->rip = RIP_RESET;
    state->rflags = RFLAGS_RESET;
    state->cr0 = CR0_RESET;
    state->gdtr = state->idtr = (struct table_register){ .limit = 0xffff };
    state->pat = PAT_RESET;
    state->dr6 = DR6_RESET;
    state->dr7 = DR7_RESET;
    state->xcr0 = XCR0_RESET;
    state->dirty = GROUP_ALL;
}
