/* SPDX-License-Identifier: MIT
 * Injected events, offered interrupts, interrupt and NMI windows, and single steps: what an entry and an exit seldom
 * need.
 *
 * An interrupt that is offered is the virtual interrupt of 15.21.4: the CPU takes it when the guest can, and V_IRQ
 * tells after the exit whether it did. It is injected only if the monitor wants to know when the guest can take another
 * one. Not every CPU keeps the interrupt shadow over an entry (QEMU's TCG does not): while something waits, the
 * instruction in it is stepped over.
 *
 * AMD-V has no exit for "the NMI handler has returned". Its IRET exits before it is executed, so it is stepped
 * over with RFLAGS.TF. During a step of ours every exception exits: none gets to push our TF onto the guest's
 * stack. A step lasts for one entry; if that ended for another reason, the IRET (or MOV to CR8) is intercepted
 * again. */
#include "svm.h"
#include "api.h"
#include "x86.h"

#define WANT_BITS (WANT_IRQ_WINDOW | WANT_NMI_WINDOW | WANT_SINGLE_STEP)
#define EXCEPTIONS_ALL (~(1u << VECTOR_NMI))
#define INTERCEPT_CR8_WRITE (1u << 8)
#define DR6_BREAKPOINTS 0xful
#define DR6_BS (1ul << 14)
#define INSTRUCTION_MAX 15
#define EVENT_FIELDS 0xfffu /* vector, type, error-code flag */
enum { VECTOR_BP = 3, VECTOR_OF = 4, EXCEPTIONS = 32 };
#define VECTORS_WITH_ERROR (1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17 | 1u << 21)

/* By inject_type: the type in EVENTINJ, and whether the return address lies behind the instruction. */
static const struct { bool known, behind; uint8_t type; } inject_types[8] = {
    [INJECT_IRQ] = { true, false, EVENTINJ_INTR },
    [INJECT_NMI] = { true, false, EVENTINJ_NMI },
    [INJECT_EXCEPTION] = { true, false, EVENTINJ_EXCEPTION },
    [INJECT_SOFT_INT] = { true, true, EVENTINJ_SOFTWARE },
    [INJECT_PRIV_SOFT] = { true, true, EVENTINJ_EXCEPTION },
    [INJECT_SOFT_EXCEPTION] = { true, true, EVENTINJ_EXCEPTION },
};

/* Without NRIP save the CPU pushes RIP for a software event, with it the nRIP field: set both. */
static void skip_instruction(struct svm_vcpu *svm, struct vmcb *vmcb, uint32_t length)
{
    svm->soft_length = length <= INSTRUCTION_MAX ? (uint8_t)length : 0;
    svm->soft = true;
    vmcb->save.rip += svm->soft_length;
    vmcb->control.nrip = svm->soft_rip = vmcb->save.rip;
}

bool svm_inject(struct vcpu *vcpu, uint32_t inject)
{
    struct svm_vcpu *svm = vcpu->vendor_state;
    struct vmcb *vmcb = vcpu->vendor;
    uint32_t type = INJECT_TYPE(inject), vector = INJECT_VECTOR(inject);
    if (!inject_types[type].known)
        return false;
    uint32_t event = EVENTINJ_VALID | (uint32_t)inject_types[type].type << EVENTINJ_TYPE_SHIFT | vector;
    if (inject_types[type].type == EVENTINJ_EXCEPTION && (vector == VECTOR_NMI || vector >= EXCEPTIONS))
        return false;
    if (inject & INJECT_ERROR_CODE) {
        if (type != INJECT_EXCEPTION || !(VECTORS_WITH_ERROR & 1u << vector))
            return false;
        event |= EVENTINJ_ERROR_CODE;
    }
    if (inject_types[type].behind)
        skip_instruction(svm, vmcb, vcpu->state->inject_length);
    if (type == INJECT_NMI)
        svm->blocking_nmi = BLOCKING_NMI;
    vmcb->control.eventinj = event;
    vmcb->control.eventinj_error = vcpu->state->inject_error;
    svm->injected = true;
    return true;
}

/* Puts the interrupt in if the guest can take it at once and the virtual one would not do. Returns what is still to be
 * offered. */
static uint32_t offer_inject(struct vcpu *vcpu, struct svm_vcpu *svm, const struct vmcb *vmcb, uint32_t offer)
{
    bool blocked = svm->injected || (vmcb->control.interrupt_shadow & INTERRUPT_SHADOW);
    svm->open = (offer & INJECT_VALID) && !blocked && (vmcb->save.rflags & RFLAGS_IF) &&
                OFFER_PASSES(offer, vmcb->control.v_tpr << 4);
    if (!svm->open || !(svm->entry_blind || (svm->want & (WANT_IRQ_WINDOW | WANT_SINGLE_STEP))))
        return offer;
    (void)svm_inject(vcpu, INJECT_VALID | INJECT_IRQ << INJECT_TYPE_SHIFT | INJECT_VECTOR(offer));
    return vcpu->state->offer = 0;
}

static enum svm_step step_due(const struct svm_vcpu *svm, uint32_t want, bool waits)
{
    if (svm->injected) /* its delivery would push TF; the step is for a later entry */
        return STEP_NONE;
    if (svm->step_next != STEP_NONE)
        return svm->step_next;
    if (waits || ((want & WANT_NMI_WINDOW) && !svm->blocking_nmi))
        return STEP_WINDOW;
    return want & WANT_SINGLE_STEP ? STEP_WANTED : STEP_NONE;
}

void svm_window_prepare(struct vcpu *vcpu, uint32_t want, uint32_t offer)
{
    struct svm_vcpu *svm = vcpu->vendor_state;
    struct vmcb *vmcb = vcpu->vendor;
    struct vmcb_control *control = &vmcb->control;
    want &= WANT_BITS;
    svm->want = want;
    svm->entry_rip = vmcb->save.rip;
    offer = offer_inject(vcpu, svm, vmcb, offer);
    bool offered = offer & INJECT_VALID, waits = offered || (want & WANT_IRQ_WINDOW);
    /* An exit as soon as the event is delivered. With an interrupt for the sake of QEMU's TCG, which keeps it noted as an
     * exception and may raise it again; an exit ends that. */
    bool irq = EVENTINJ_TYPE(control->eventinj) == EVENTINJ_INTR;
    if (svm->injected && (irq || (want & (WANT_NMI_WINDOW | WANT_SINGLE_STEP))))
        lapic_command(vcpu->cpu->apic_id, VECTOR_KICK);
    svm->step = step_due(svm, want, waits && (control->interrupt_shadow & INTERRUPT_SHADOW));
    svm->step_next = STEP_NONE;

    /* The virtual interrupt is the one that is offered, or any, whose delivery is intercepted. What the TPR allows has
     * been checked: all of its writes exit meanwhile. None during a step: its delivery would push our TF; and a MOV to
     * CR8 would deal with it itself, which QEMU's TCG does not survive. */
    bool window = !svm->step && (want & WANT_IRQ_WINDOW);
    svm->offered = offered && !svm->step && !window && OFFER_PASSES(offer, control->v_tpr << 4);
    control->v_intr_masking = V_INTR_MASKING; /* an entry that failed may have cost it */
    control->v_irq = window || svm->offered ? V_IRQ : 0;
    control->v_intr_prio = V_INTR_PRIO_MAX | V_IGN_TPR;
    control->v_intr_vector = INJECT_VECTOR(offer);
    uint32_t intercept1 = INTERCEPT1_FIXED | (control->intercept1 & INTERCEPT1_PAUSE);
    if (window)
        intercept1 |= INTERCEPT1_VINTR;
    if (svm->blocking_nmi && svm->step != STEP_IRET)
        intercept1 |= INTERCEPT1_IRET;
    control->intercept1 = intercept1;
    control->intercept_cr_write &= (uint16_t)~INTERCEPT_CR8_WRITE;
    if ((svm->tpr_threshold || waits) && svm->step != STEP_CR8)
        control->intercept_cr_write |= INTERCEPT_CR8_WRITE;
    control->intercept_exception = svm->step ? EXCEPTIONS_ALL : EXCEPTIONS_FIXED;
    control->clean &= ~(CLEAN_I | CLEAN_TPR);

    if (svm->step) {
        svm->guest_tf = vmcb->save.rflags & RFLAGS_TF;
        svm->guest_dr6 = vmcb->save.dr6;
        vmcb->save.rflags |= RFLAGS_TF;
    }
    bool controls = want || svm->step || svm->injected || svm->blocking_nmi || control->tlb_control;
    svm->attention = controls || offered != svm->offered ? ATTENTION_CONTROLS : offered ? ATTENTION_OFFER : 0;
}

/* The event that was being delivered when the exit came. Software events of the guest itself are not injected
 * again: RIP is at their instruction, which will be executed again. Ours are: RIP goes back to where the monitor
 * had it. */
static void interrupted_event(struct vcpu *vcpu, struct svm_vcpu *svm, struct vmcb *vmcb)
{
    uint32_t event = vmcb->control.exitintinfo, type = EVENTINJ_TYPE(event), vector = EVENTINJ_VECTOR(event);
    bool valid = event & EVENTINJ_VALID;
    if (valid && type == EVENTINJ_EXCEPTION && vector >= EXCEPTIONS) { /* QEMU's TCG means the virtual interrupt */
        event = vector;
        vmcb->control.v_irq = 0;
    }
    if (svm->offered && !(vmcb->control.v_irq & V_IRQ)) {
        vcpu->state->offer = 0;
    } else {
        svm->entry_blind |= svm->offered && svm->open && vmcb->save.rip != svm->entry_rip;
        svm->attention = ATTENTION_CONTROLS;
    }
    bool trap = type == EVENTINJ_EXCEPTION && (vector == VECTOR_BP || vector == VECTOR_OF);
    bool software = valid && (type == EVENTINJ_SOFTWARE || trap);
    if (software && svm->soft && vmcb->save.rip == svm->soft_rip) {
        vmcb->save.rip -= svm->soft_length;
    } else if (valid && !software) {
        vcpu->state->inject = INJECT_VALID | (event & EVENT_FIELDS);
        vcpu->state->inject_error = vmcb->control.exitintinfo_error;
        if (type == EVENTINJ_NMI)
            svm->blocking_nmi = 0;
    } else if (svm->injected) {
        vcpu->state->inject = 0;
    }
    svm->injected = svm->offered = svm->soft = false;
}

/* The stepped instruction faulted: the guest gets what it would have got. */
static enum exit_reason step_faulted(struct vcpu *vcpu, struct svm_vcpu *svm, struct vmcb *vmcb, enum svm_step step,
                                     uint32_t vector)
{
    uint32_t error = VECTORS_WITH_ERROR & 1u << vector ? INJECT_ERROR_CODE : 0;
    if (vector == VECTOR_PF) {
        vmcb->save.cr2 = vmcb->control.exitinfo2;
        vmcb->control.clean &= ~CLEAN_CR2;
    }
    if (step == STEP_IRET)
        svm->blocking_nmi = 0; /* an IRET that faults ends the blocking, too (SDM 3A 6.7.1) */
    vcpu->state->inject = INJECT_VALID | INJECT_EXCEPTION << INJECT_TYPE_SHIFT | error | vector;
    vcpu->state->inject_error = (uint32_t)vmcb->control.exitinfo1;
    return EXIT_EVENT;
}

/* The stepped instruction has ended with our trap. */
static enum exit_reason step_done(struct svm_vcpu *svm, struct vmcb *vmcb, enum svm_step step)
{
    bool breakpoint = vmcb->save.dr6 & ~svm->guest_dr6 & DR6_BREAKPOINTS;
    if (step == STEP_IRET)
        svm->blocking_nmi = 0;
    if (svm->guest_tf || breakpoint)
        return EXIT_NONE; /* the trap is the guest's, too; the monitor delivers it */
    vmcb->save.dr6 = svm->guest_dr6;
    vmcb->control.clean &= ~CLEAN_DRX;
    if (step == STEP_CR8 && vmcb->control.v_tpr < svm->tpr_threshold)
        return EXIT_TPR;
    if ((step == STEP_IRET || step == STEP_WINDOW) && (svm->want & WANT_NMI_WINDOW))
        return EXIT_NMI_WINDOW;
    return svm->want & WANT_SINGLE_STEP ? EXIT_STEP : EXIT_EVENT;
}

enum exit_reason svm_window_exit(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->vendor_state;
    struct vmcb *vmcb = vcpu->vendor;
    enum svm_step step = svm->step;
    interrupted_event(vcpu, svm, vmcb);
    svm->step = STEP_NONE;
    svm->attention &= ATTENTION_CONTROLS; /* those of this entry are to be taken back */
    if (step == STEP_NONE)
        return EXIT_NONE;

    uint32_t code = (uint32_t)vmcb->control.exitcode, vector = code - VMEXIT_EXCEPTION;
    /* Not a breakpoint at the instruction itself. Not every CPU has DR6 in the VMCB up to date at this exit. */
    bool trap = code == VMEXIT_EXCEPTION + VECTOR_DB && ((vmcb->save.dr6 & DR6_BS) || vmcb->save.rip != svm->entry_rip);
    /* IRET has loaded the guest's own TF; whatever else was stepped over left ours. */
    if (!svm->guest_tf && !(trap && step == STEP_IRET))
        vmcb->save.rflags &= ~RFLAGS_TF;
    if (trap)
        return step_done(svm, vmcb, step);
    if (vector < EXCEPTIONS && !(EXCEPTIONS_FIXED & 1u << vector))
        return step_faulted(vcpu, svm, vmcb, step, vector);
    return EXIT_NONE;
}
