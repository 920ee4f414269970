/* SPDX-License-Identifier: MIT
 * Writes to control registers on the guest's behalf (SDM 3A 2.5, APM 2 3.1). */
#include "control.h"
#include <string.h>
#include "cpuid.h"
#include "cr.h"
#include "devices/lapic.h"
#include "fetch.h"
#include "vcpu_loop.h"
#include "walk.h"

#define CR3_PAE_TABLE 0xffffffe0ull
#define PDPTE_RESERVED (0x1e6ull | ~((1ull << MODEL_PHYS_BITS) - 1))

/* With PAE paging the CPU keeps the four PDPTEs (SDM 3A 4.4.1). False: one of them has a reserved bit set. */
static bool load_pdptes(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4)
{
    struct vcpu_state *state = vcpu->state;
    if (!(cr0 & CR0_PG) || !(cr4 & CR4_PAE) || (state->efer & EFER_LMA))
        return true;
    uint64_t entries[4];
    const void *table = memory_at(&vcpu->machine->memory, cr3 & CR3_PAE_TABLE, sizeof(entries));
    if (!table)
        return false;
    memcpy(entries, table, sizeof(entries));
    for (unsigned i = 0; i < 4; i++)
        if ((entries[i] & 1) && (entries[i] & PDPTE_RESERVED))
            return false;
    memcpy(state->pdpte, entries, sizeof(entries));
    return true;
}

static bool write_cr0(struct vcpu *vcpu, uint64_t value)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t changed = value ^ state->cr0;
    if ((value >> 32) || ((value & CR0_PG) && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)))
        return false;
    value = (value & ~MODEL_CR0_RESERVED) | CR0_ET;
    uint64_t efer = state->efer;
    if ((changed & CR0_PG) && (value & CR0_PG) && (efer & EFER_LME)) {
        if (!(state->cr4 & CR4_PAE) || (state->seg[SEG_CS].attr & SEG_ATTR_L))
            return false;
        efer |= EFER_LMA;
    }
    if ((changed & CR0_PG) && !(value & CR0_PG) && (efer & EFER_LMA)) {
        if (state->seg[SEG_CS].attr & SEG_ATTR_L)
            return false;
        efer &= ~EFER_LMA;
    }
    uint64_t before = state->efer;
    state->efer = efer;
    if ((changed & (CR0_PG | CR0_CD | CR0_NW)) && !load_pdptes(vcpu, value, state->cr3, state->cr4)) {
        state->efer = before;
        return false;
    }
    state->cr0 = value;
    state->dirty |= GROUP_CR;
    return true;
}

static bool write_cr3(struct vcpu *vcpu, uint64_t value)
{
    struct vcpu_state *state = vcpu->state;
    if (!(state->efer & EFER_LMA))
        value = (uint32_t)value;
    else if (value >> MODEL_PHYS_BITS)
        return false;
    if (!load_pdptes(vcpu, state->cr0, value, state->cr4))
        return false;
    state->cr3 = value;
    state->dirty |= GROUP_CR;
    return true;
}

static bool write_cr4(struct vcpu *vcpu, uint64_t value)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t changed = value ^ state->cr4;
    if (value & ~cpuid_cr4_allowed())
        return false;
    if ((changed & CR4_PAE) && (state->efer & EFER_LMA))
        return false;
    if ((changed & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP)) && !load_pdptes(vcpu, state->cr0, state->cr3, value))
        return false;
    state->cr4 = value;
    state->dirty |= GROUP_CR;
    return true;
}

bool control_write_xcr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
    if (index != 0 || !(value & 1) || (value & ~MODEL_XCR0_ALLOWED) || walk_cpl(vcpu->state) != 0)
        return false;
    vcpu->state->xcr0 = value;
    vcpu->state->dirty |= GROUP_CONTROL;
    return true;
}

/* --- exits --- */

static bool write_cr(struct vcpu *vcpu, unsigned number, uint64_t value)
{
    switch (number) {
    case 0:
        return write_cr0(vcpu, value);
    case 2:
        vcpu->state->cr2 = value;
        vcpu->state->dirty |= GROUP_CR;
        return true;
    case 3:
        return write_cr3(vcpu, value);
    case 4:
        return write_cr4(vcpu, value);
    default:
        if (value >> 4)
            return false;
        lapic_cr8_write(vcpu, (uint8_t)value);
        return true;
    }
}

static uint64_t read_cr(struct vcpu *vcpu, unsigned number)
{
    const struct vcpu_state *state = vcpu->state;
    switch (number) {
    case 0: return state->cr0;
    case 2: return state->cr2;
    case 3: return state->cr3;
    case 4: return state->cr4;
    default: return lapic_cr8_read(vcpu);
    }
}

/* LMSW sets the low four bits of CR0 and cannot clear PE (SDM 2A, LMSW). */
static uint64_t lmsw_value(const struct vcpu_state *state, uint64_t source)
{
    return (state->cr0 & ~0xeull) | (source & 0xf);
}

/* The exit record in the form of a decoded instruction; where the hardware does not say, by decoding. */
static bool decode_access(struct vcpu *vcpu, struct exit_cr *cr, unsigned *length)
{
    struct vcpu_state *state = vcpu->state;
    *cr = state->exit.cr;
    *length = state->exit.length;
    if (cr->known && *length)
        return true;
    struct insn insn;
    struct fault fault;
    if (fetch_insn(vcpu, &insn, &fault) != FETCH_OK) {
        fault_inject(state, &fault);
        return false;
    }
    *length = insn.length;
    cr->number = insn.reg;
    cr->gpr = insn.rm;
    switch (insn.op) {
    case OP_MOV_TO_CR:
    case OP_MOV_TO_DR:
        cr->kind = 0;
        return true;
    case OP_MOV_FROM_CR:
    case OP_MOV_FROM_DR:
        cr->kind = 1;
        return true;
    case OP_CLTS:
        cr->kind = 2;
        return true;
    case OP_LMSW:
        cr->kind = 3;
        if (!insn.memory) {
            cr->lmsw = (uint32_t)state->gpr[insn.rm] & 0xffff;
            return true;
        }
        return false; /* memory operand: never exits without the hardware telling the value */
    default:
        return false; /* the guest rewrote its code: let it run again */
    }
}

static uint64_t operand(const struct vcpu_state *state, unsigned gpr)
{
    return insn_mode(state) == INSN_64 ? state->gpr[gpr] : (uint32_t)state->gpr[gpr];
}

static void gp(struct vcpu *vcpu)
{
    vcpu_exception(vcpu, EXCEPTION_GP, true, 0);
}

void control_exit_cr(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    struct exit_cr cr;
    unsigned length;
    if (!decode_access(vcpu, &cr, &length))
        return;
    bool ok = true;
    if (cr.kind == 1)
        state->gpr[cr.gpr & 15] = read_cr(vcpu, cr.number);
    else if (cr.kind == 0)
        ok = write_cr(vcpu, cr.number, operand(state, cr.gpr & 15));
    else
        ok = write_cr0(vcpu, cr.kind == 2 ? state->cr0 & ~CR0_TS : lmsw_value(state, cr.lmsw));
    if (!ok) {
        gp(vcpu);
        return;
    }
    if (cr.kind == 1 && cr.gpr == RSP)
        state->dirty |= GROUP_RIP;
    insn_retire(vcpu, length);
}

/* Debug registers exit only where the hardware cannot leave them to the guest. */
void control_exit_dr(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    struct exit_cr access;
    unsigned length;
    if (!decode_access(vcpu, &access, &length))
        return;
    unsigned n = access.number;
    if (n == 4 || n == 5) /* DR4 and DR5 alias DR6 and DR7 unless CR4.DE */
        n += 2;
    if ((access.number == 4 || access.number == 5) && (state->cr4 & (1u << 3))) {
        vcpu_exception(vcpu, EXCEPTION_UD, false, 0);
        return;
    }
    uint64_t *slot = n < 4 ? &state->dr[n] : n == 6 ? &state->dr6 : &state->dr7;
    if (access.kind == 1) {
        state->gpr[access.gpr & 15] = *slot;
    } else {
        uint64_t value = operand(state, access.gpr & 15);
        if (n >= 6 && value >> 32) {
            gp(vcpu);
            return;
        }
        if (n == 6)
            value = (value & 0xe00full) | 0xffff0ff0ull;
        if (n == 7)
            value = (value & ~0xd800ull) | 0x400;
        *slot = value;
        state->dirty |= GROUP_DEBUG;
    }
    insn_retire(vcpu, length);
}
