/* SPDX-License-Identifier: MIT
 * The local APIC of a vcpu (SDM 3A chapter 11): xAPIC and x2APIC mode, six LVT entries, TSC-deadline timer.
 *
 * The registers live in vcpu->vapic in the layout of SDM 3A 11.4.1, because hardware that virtualizes the APIC works on
 * that page. What has no register is in struct lapic_state; both together are what a saved machine holds.
 *
 * Threads: the functions whose first argument is the acting vcpu run in that vcpu's thread, WITHOUT the device lock (an
 * end of interrupt may take it, to tell the I/O APIC). lapic_deliver and lapic_lint run in any thread, with or without the
 * device lock: they change IRR and TMR atomically and then call vcpu_request.
 * Whatever the vcpu's own thread changes so that another interrupt may now be deliverable sets REQUEST_IRQ in its
 * own vcpu.requests, so a vcpu loop needs to call lapic_pending only after that bit was set. */
#pragma once

#include "cpuid.h"
#include "machine.h"

#define LAPIC_BASE 0xfee00000ull
#define LAPIC_SIZE 0x1000u
#define LAPIC_TIMER_HZ 1000000000ull /* input clock of the timer before the divider, equal on every host */
#define LAPIC_VERSION 0x00050014u    /* version 0x14, highest LVT entry 5 */

/* Offsets of the registers in the page. */
enum lapic_register {
    APIC_ID = 0x020, APIC_VERSION = 0x030, APIC_TPR = 0x080, APIC_APR = 0x090, APIC_PPR = 0x0a0, APIC_EOI = 0x0b0,
    APIC_LDR = 0x0d0, APIC_DFR = 0x0e0, APIC_SVR = 0x0f0, APIC_ISR = 0x100, APIC_TMR = 0x180, APIC_IRR = 0x200,
    APIC_ESR = 0x280, APIC_ICR = 0x300, APIC_ICR_HIGH = 0x310, APIC_LVT_TIMER = 0x320, APIC_LVT_THERMAL = 0x330,
    APIC_LVT_PERF = 0x340, APIC_LVT_LINT0 = 0x350, APIC_LVT_LINT1 = 0x360, APIC_LVT_ERROR = 0x370, APIC_TMICT = 0x380,
    APIC_TMCCT = 0x390, APIC_TDCR = 0x3e0, APIC_SELF_IPI = 0x3f0,
};

#define APIC_SVR_ENABLE (1u << 8)
#define APIC_LVT_MASKED (1u << 16)
#define APIC_LVT_LEVEL (1u << 15)
#define APIC_LVT_REMOTE_IRR (1u << 14)
#define APIC_LVT_MODE(lvt) (((lvt) >> 8) & 7u) /* enum lapic_delivery */
#define APIC_LVT_TIMER_MODE(lvt) (((lvt) >> 17) & 3u)
enum lapic_timer_mode { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE };

#define APIC_ESR_SEND_ILLEGAL (1u << 5)
#define APIC_ESR_RECEIVE_ILLEGAL (1u << 6)
#define APIC_ESR_REGISTER (1u << 7)

#define MSR_APIC_BASE 0x1bu
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC_FIRST 0x800u
#define MSR_X2APIC_LAST 0x8ffu
#define APIC_BASE_BSP (1u << 8)
#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)
#define APIC_BASE_ADDRESS ((1ull << MODEL_PHYS_BITS) - LAPIC_SIZE)

struct lapic_state {
    uint64_t base;           /* IA32_APIC_BASE */
    uint64_t tsc_deadline;   /* IA32_TSC_DEADLINE, guest TSC; 0 = not armed */
    uint64_t timer_deadline; /* machine time of the next expiry (ns), 0 = stopped */
    uint64_t pv_eoi_address; /* guest-physical address of the paravirtual EOI word */
    uint32_t esr_pending;    /* atomic: errors since the last write to ESR */
    uint32_t irr_words;      /* atomic: bit i set if and only if IRR word i is not 0 (other than in a race, then set) */
    uint32_t isr_words;      /* bit i set if and only if ISR word i is not 0 */
    uint32_t hardware;       /* atomic: the CPU runs this APIC (WANT_X2APIC); then the hints above are not kept */
    uint32_t control_changed; /* atomic: eoi_exit[] of the state page has new bits */
    uint32_t extint;         /* atomic: an ExtINT message waits for the 8259's vector */
    uint8_t lint[2];         /* levels of LINT0 and LINT1 */
    uint8_t timer_shift;     /* log2 of the timer's divider */
    bool pv_eoi_enabled;
    bool pv_eoi_armed;       /* the guest was told that it may skip the EOI of its only interrupt in service */
};

struct lapic {
    struct lapic_state s;
    struct vcpu *vcpu;
};

/* Connects lapic and vcpu and resets. vcpu->index, vapic, state and machine must be set. */
void lapic_init(struct lapic *lapic, struct vcpu *vcpu);
/* Power-up reset, or INIT (which keeps IA32_APIC_BASE; SDM 3A 11.4.7). */
void lapic_reset(struct vcpu *vcpu, bool is_init);
/* The state in which firmware hands over the boot processor: software-enabled, LINT0 = ExtINT, LINT1 = NMI (virtual wire). */
void lapic_virtual_wire(struct vcpu *vcpu);

/* xAPIC registers. offset in the page, size 1, 2, 4 or 8. The caller dispatches what lapic_owns() says. */
uint64_t lapic_mmio_read(struct vcpu *vcpu, uint32_t offset, unsigned size);
void lapic_mmio_write(struct vcpu *vcpu, uint32_t offset, unsigned size, uint64_t value);
/* MSR_APIC_BASE, MSR_TSC_DEADLINE, MSR_X2APIC_FIRST to _LAST. False: #GP(0). */
bool lapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool lapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);
uint8_t lapic_cr8_read(const struct vcpu *vcpu);
void lapic_cr8_write(struct vcpu *vcpu, uint8_t value); /* value 0 to 15 */

/* Interrupts for the vcpu loop. */
/* Highest vector in IRR above the PPR, -1 if none. Always -1 while the CPU itself delivers (STATE_FEATURE_APICV in x2APIC mode). */
int lapic_pending(struct vcpu *vcpu);
bool lapic_wakes(struct vcpu *vcpu);                     /* an interrupt is above the PPR, whoever delivers it: ends HLT if IF is set */
void lapic_accept(struct vcpu *vcpu, uint8_t vector);    /* it is offered to the guest: IRR -> ISR */
void lapic_withdraw(struct vcpu *vcpu, uint8_t vector);  /* and the guest did not take it: ISR -> IRR */
bool lapic_accepts_extint(const struct vcpu *vcpu);      /* the 8259's INTR reaches this vcpu */
uint32_t lapic_tpr_threshold(struct vcpu *vcpu);         /* vcpu_state.tpr_threshold: class of the highest request if only the TPR holds it back, else 0 */
void lapic_eoi(struct vcpu *vcpu);                       /* as a write to the EOI register */
void lapic_eoi_exit(struct vcpu *vcpu, uint8_t vector);  /* EXIT_EOI: the CPU did the EOI of this level-triggered vector */

/* EVENT_POSTED: takes the vectors that the kernel has put into pir[], unless the CPU does it itself. Own thread. */
void lapic_posted(struct vcpu *vcpu);

/* The timer. A masked timer has no deadline: nobody need wake for it. */
uint64_t lapic_timer_deadline(const struct vcpu *vcpu);  /* machine time (ns), 0 = none */
void lapic_timer_expire(struct vcpu *vcpu, uint64_t now);
void lapic_timer_tsc_changed(struct vcpu *vcpu);         /* the guest's TSC (vcpu_state.tsc_offset) was set */

/* Drives LINT0 (pin 0: the 8259) or LINT1 (pin 1: NMI) as its LVT entry says. */
void lapic_lint(struct vcpu *vcpu, unsigned pin, bool level);

/* Paravirtual end of interrupt (KVM's MSR 0x4b564d04): gpa of an aligned 32-bit word whose bit 0 the monitor sets when the
 * EOI of the interrupt in service needs no exit, and which the guest then clears instead. False if the address is not
 * in RAM or not aligned (#GP). */
bool lapic_pv_eoi_set(struct vcpu *vcpu, uint64_t gpa, bool enabled);

static inline uint32_t lapic_get(const struct vcpu *vcpu, uint32_t offset)
{
    return __atomic_load_n((const uint32_t *)(vcpu->vapic + offset), __ATOMIC_RELAXED);
}
static inline void lapic_put(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
    __atomic_store_n((uint32_t *)(vcpu->vapic + offset), value, __ATOMIC_RELAXED);
}
/* IA32_APIC_BASE says: enabled (CPUID.1:EDX.APIC must follow it), in x2APIC mode. */
static inline bool lapic_enabled(const struct vcpu *vcpu) { return (vcpu->lapic->s.base & APIC_BASE_ENABLE) != 0; }
static inline bool lapic_x2apic(const struct vcpu *vcpu) { return (vcpu->lapic->s.base & APIC_BASE_X2APIC) != 0; }
/* gpa is in this vcpu's APIC page (xAPIC mode only). */
static inline bool lapic_owns(const struct vcpu *vcpu, uint64_t gpa)
{
    uint64_t base = vcpu->lapic->s.base;

    return ((gpa ^ base) & ~0xfffull) == 0 && (base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == APIC_BASE_ENABLE;
}
