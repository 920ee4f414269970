/* SPDX-License-Identifier: MIT
 * What the four files of the local APIC share: lapic.c (registers), lapic_irq.c (IRR, ISR, EOI), lapic_ipi.c (destinations,
 * messages), lapic_timer.c. Nobody else includes this. */
#pragma once

#include "devices/lapic.h"

/* lapic_irq.c */
/* Sets IRR (and TMR) of the vector; false if the APIC does not take it (disabled). `own`: the caller is the vcpu's thread. */
bool lapic_raise(struct vcpu *vcpu, uint8_t vector, bool level, bool own);
void lapic_recheck(struct vcpu *vcpu);             /* own thread: something may have become deliverable */
/* REQUEST_*; the own thread is awake, so needs no poke. */
static inline void lapic_request(struct vcpu *vcpu, uint32_t bits, bool own)
{
    if (own)
        atomic_fetch_or_explicit(&vcpu->requests, bits, memory_order_relaxed);
    else
        vcpu_request(vcpu, bits);
}
/* Lets the CPU run the APIC or takes it back; the registers in the page stay. Own thread. */
void lapic_hardware_set(struct vcpu *vcpu, bool on);
uint32_t lapic_ppr(const struct vcpu *vcpu);
void lapic_pv_eoi_settle(struct vcpu *vcpu); /* looks whether the guest has skipped an EOI */
static inline void lapic_pv_eoi_sync(struct vcpu *vcpu)
{
    if (vcpu->lapic->s.pv_eoi_armed)
        lapic_pv_eoi_settle(vcpu);
}
void lapic_error(struct vcpu *vcpu, uint32_t bits, bool own); /* ESR bits, and the error interrupt */
/* Delivers a local interrupt as its LVT entry says. */
void lapic_local(struct vcpu *vcpu, uint32_t lvt_offset, bool own);
void lapic_lint_changed(struct vcpu *vcpu, unsigned pin, bool own);

/* lapic_ipi.c */
void lapic_icr_write(struct vcpu *vcpu, uint32_t low, uint32_t dest);

/* lapic_timer.c */
void lapic_timer_lvt_write(struct vcpu *vcpu, uint32_t value);
void lapic_timer_initial_write(struct vcpu *vcpu, uint32_t value);
void lapic_timer_divide_write(struct vcpu *vcpu, uint32_t value);
void lapic_timer_stop(struct vcpu *vcpu);
uint32_t lapic_timer_current(struct vcpu *vcpu);
uint64_t lapic_tsc_deadline_read(struct vcpu *vcpu);
void lapic_tsc_deadline_write(struct vcpu *vcpu, uint64_t value);
