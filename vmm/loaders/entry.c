/* SPDX-License-Identifier: MIT
 * The boot processor's registers when a guest is entered past the firmware. */
#include "load.h"

#include <string.h>

/* attr of struct segment. */
#define ATTR_CODE32 0xc09bu /* G, D, P, S, execute/read, accessed */
#define ATTR_CODE64 0xa09bu /* G, L */
#define ATTR_DATA 0xc093u   /* G, B, P, S, read/write, accessed */
#define ATTR_TSS32 0x8bu    /* P, busy 32-bit TSS */
#define ATTR_LDT 0x82u

#define ATTR_REAL_CODE 0x9bu
#define ATTR_REAL_DATA 0x93u
#define REAL_VECTORS_LIMIT 0x3ffu

#define CR0_ET 0x10u
#define CR0_PE_ET 0x11u
#define CR0_PG 0x80000000u
#define CR4_PAE 0x20u
#define EFER_LME_LMA 0x500u
#define PAT_RESET 0x0007040600070406ull

/* A flat descriptor with these attributes (SDM 3A 3.4.5): limit 0xfffff in pages. */
static uint64_t flat_descriptor(uint32_t attr) { return 0x000f00000000ffffull | (uint64_t)(attr & 0xf0ff) << 40; }

static uint32_t code_attr(const struct entry_state *entry)
{
    return entry->page_table != 0 ? ATTR_CODE64 : ATTR_CODE32;
}

void entry_gdt_write(uint64_t gdt[4], const struct entry_state *entry)
{
    memset(gdt, 0, ENTRY_GDT_SIZE);
    gdt[entry->code / 8] = flat_descriptor(code_attr(entry));
    gdt[entry->data / 8] = flat_descriptor(ATTR_DATA);
}

static void set_segments(struct vcpu_state *state, const struct entry_state *entry)
{
    const struct segment data = {.limit = 0xffffffff, .attr = ATTR_DATA, .selector = entry->data};
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        state->seg[i] = data;
    }
    state->seg[SEG_CS] = (struct segment){.limit = 0xffffffff, .attr = code_attr(entry), .selector = entry->code};
    state->seg[SEG_LDTR] = (struct segment){.limit = 0xffff, .attr = ATTR_LDT};
    state->seg[SEG_TR] = (struct segment){.limit = 0x67, .attr = ATTR_TSS32};
    state->gdtr = (struct table_register){.base = entry->gdt, .limit = ENTRY_GDT_SIZE - 1};
    state->idtr = (struct table_register){.base = 0, .limit = 0};
}

void entry_set(struct vcpu_state *state, const struct entry_state *entry)
{
    memset(state->gpr, 0, sizeof(state->gpr));
    state->gpr[RSP] = entry->rsp;
    state->rip = entry->rip;
    state->rflags = 2;
    state->cr0 = CR0_PE_ET | (entry->page_table != 0 ? CR0_PG : 0);
    state->cr2 = 0;
    state->cr3 = entry->page_table;
    state->cr4 = entry->page_table != 0 ? CR4_PAE : 0;
    state->efer = entry->page_table != 0 ? EFER_LME_LMA : 0;
    memset(state->pdpte, 0, sizeof(state->pdpte));
    set_segments(state, entry);
    state->star = state->lstar = state->cstar = state->fmask = state->kernel_gs_base = 0;
    state->sysenter_cs = state->sysenter_esp = state->sysenter_eip = 0;
    state->pat = PAT_RESET;
    memset(state->dr, 0, sizeof(state->dr));
    state->dr6 = 0xffff0ff0;
    state->dr7 = 0x400;
    state->blocking = 0;
    state->inject = state->offer = 0;
    state->dirty |=
        GROUP_RIP | GROUP_CR | GROUP_CODE | GROUP_SEG | GROUP_TABLE | GROUP_MSR | GROUP_DEBUG | GROUP_BLOCKING;
}

static struct segment real_segment(uint16_t selector, uint32_t attr)
{
    return (struct segment){ .selector = selector, .base = (uint64_t)selector << 4, .limit = 0xffff, .attr = attr };
}

void entry_set_real(struct vcpu_state *state, uint16_t code, uint16_t data, uint16_t stack)
{
    const struct entry_state entry = { .rsp = stack };
    entry_set(state, &entry);
    state->cr0 = CR0_ET;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        state->seg[i] = real_segment(data, ATTR_REAL_DATA);
    }
    state->seg[SEG_CS] = real_segment(code, ATTR_REAL_CODE);
    state->gdtr = (struct table_register){ .base = 0, .limit = 0xffff };
    state->idtr = (struct table_register){ .base = 0, .limit = REAL_VECTORS_LIMIT };
}
