/* SPDX-License-Identifier: MIT
 * The virtual APIC: TPR shadow always, interrupt delivery by the hardware with WANT_X2APIC. The page is shared with
 * ring 3, so nothing here relies on two reads of it being equal. */
#include "vmx.h"

/* Offsets in the page (SDM 3A table 11-1). ISR and IRR: 8 registers of 32 bits, 16 bytes apart. */
#define APIC_ISR 0x100
#define APIC_IRR 0x200
#define REGISTER(page, base, i) ((uint32_t *)((page) + (base) + (i) * 16))
#define STATUS_RVI 0x00ffu
#define STATUS_SVI_SHIFT 8

/* The highest vector in ISR or IRR; 0 if none (vectors below 16 are not deliverable). */
static uint32_t highest(uint8_t *page, unsigned base)
{
    for (int i = 7; i >= 0; i--) {
        uint32_t bits = __atomic_load_n(REGISTER(page, base, i), __ATOMIC_RELAXED);
        if (bits)
            return i * 32 + 31 - __builtin_clz(bits);
    }
    return 0;
}

/* The requesting and the servicing vector from the page. */
static void refresh_status(struct vcpu *vcpu)
{
    uint32_t requesting = highest(vcpu->vapic, APIC_IRR), servicing = highest(vcpu->vapic, APIC_ISR);
    vmwrite(GUEST_INTERRUPT_STATUS, requesting | servicing << STATUS_SVI_SHIFT);
}

/* Moves the posted vectors to IRR; the highest of them may be the one to deliver next. */
static void merge_posted(struct vcpu *vcpu)
{
    uint64_t *pir = vcpu->state->pir;
    uint32_t top = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (!__atomic_load_n(&pir[i], __ATOMIC_RELAXED))
            continue;
        uint64_t bits = __atomic_exchange_n(&pir[i], 0, __ATOMIC_ACQ_REL);
        if (!bits)
            continue;
        *REGISTER(vcpu->vapic, APIC_IRR, 2 * i) |= (uint32_t)bits;
        *REGISTER(vcpu->vapic, APIC_IRR, 2 * i + 1) |= bits >> 32;
        top = i * 64 + 63 - __builtin_clzll(bits);
    }
    if (!top)
        return;
    uint16_t status = vmread(GUEST_INTERRUPT_STATUS);
    if ((status & STATUS_RVI) < top)
        vmwrite(GUEST_INTERRUPT_STATUS, (status & ~STATUS_RVI) | top);
}

void vmx_apic_control(struct vcpu *vcpu)
{
    struct vmx_vcpu *v = vcpu->vendor_state;
    struct vcpu_state *s = vcpu->state;
    bool delivery = v->proc2 & PROC2_INTERRUPT_DELIVERY;
    v->tpr_threshold = delivery ? 0 : s->tpr_threshold & 15;
    v->attention = delivery ? ATTENTION_X2APIC : v->tpr_threshold ? ATTENTION_TPR : 0;
    vmwrite(TPR_THRESHOLD, v->tpr_threshold);
    if (!delivery)
        return;
    for (unsigned i = 0; i < 4; i++)
        vmwrite(EOI_EXIT_BITMAP + 2 * i, s->eoi_exit[i]);
    refresh_status(vcpu);
}

/* The threshold must not be above the TPR at an entry (SDM 3C 27.2.1.1). If it is, what the monitor waits for has
 * happened. */
static bool tpr_below(struct vcpu *vcpu)
{
    const struct vmx_vcpu *v = vcpu->vendor_state;
    return __atomic_load_n(vcpu->vapic + VAPIC_TPR, __ATOMIC_RELAXED) >> 4 < v->tpr_threshold;
}

bool vmx_apic_entry(struct vcpu *vcpu)
{
    const struct vmx_vcpu *v = vcpu->vendor_state;
    if (v->attention & ATTENTION_TPR)
        return tpr_below(vcpu);
    merge_posted(vcpu);
    return false;
}
