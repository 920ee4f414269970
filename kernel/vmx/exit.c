/* SPDX-License-Identifier: MIT
 * One round through the guest, and the translation of its exit into the neutral record. The path of an exit that
 * needs nothing but RIP (CPUID, I/O) is counted in instructions: keep it short. */
#include "vmx.h"

#define LIKELY(c) __builtin_expect(c, 1) /* only to keep the short path straight */
#define INJECT_MASK (INJECT_VALID | INJECT_ERROR_CODE | 7u << INJECT_TYPE_SHIFT | 0xffu) /* the rest must be 0 */

/* --- entry --- */

/* An exception has no error code in real mode (SDM 3C 27.2.1.3), whatever the monitor says. */
static void inject(struct vcpu_state *s, uint32_t event)
{
    event &= INJECT_MASK;
    if ((event & INJECT_ERROR_CODE) && !(vmread(GUEST_CR0) & CR0_PE))
        event &= ~INJECT_ERROR_CODE;
    if (event & INJECT_ERROR_CODE)
        vmwrite(ENTRY_ERROR_CODE, s->inject_error);
    if (INJECT_TYPE(event) >= INJECT_SOFT_INT)
        vmwrite(ENTRY_LENGTH, s->inject_length);
    vmwrite(ENTRY_INTERRUPTION, event);
    s->inject = 0;
}

/* Injects the interrupt that is offered if the guest can take it now. Else: returns the window to wait for. */
static __attribute__((noinline)) uint32_t offer_inject(struct vcpu *vcpu, const struct vmx_vcpu *v, uint32_t offer)
{
    struct vcpu_state *s = vcpu->state;
    if ((s->inject & INJECT_VALID) || !(s->rflags & RFLAGS_IF) ||
        (v->interruptibility & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)) ||
        !OFFER_PASSES(offer, __atomic_load_n(vcpu->vapic + VAPIC_TPR, __ATOMIC_RELAXED)))
        return WANT_IRQ_WINDOW;
    s->inject = INJECT_VALID | INJECT_VECTOR(offer);
    return s->offer = 0;
}

/* Past, or further away than the timer counts: then it exits earlier, and the caller comes back. */
static __attribute__((noinline)) uint64_t timer_limit(uint64_t deadline)
{
    return deadline > rdtsc() ? UINT32_MAX : 0;
}

/* Exits after the deadline, by one tick of the timer at most. */
static inline void set_timer(struct vmx_vcpu *v, uint64_t deadline)
{
    uint64_t left = deadline - rdtsc();
    uint64_t ticks = LIKELY(left < vmx_caps.timer_range) ? (left >> vmx_caps.timer_rate) + 1 : timer_limit(deadline);
    vmwrite(PREEMPTION_TIMER, ticks);
    if (!v->timer)
        vmx_timer_switch(v, true);
}

/* --- what single exits tell --- */

/* An IRET that faults, or exits, has unblocked NMIs already, but is going to be executed again (SDM 3C 28.2.3). */
static void block_nmi_again(struct vmx_vcpu *v, struct vcpu_state *s)
{
    v->interruptibility |= INTERRUPTIBILITY_NMI;
    vmwrite(GUEST_INTERRUPTIBILITY, v->interruptibility);
    s->blocking |= BLOCKING_NMI;
}

/* The exit interrupted the delivery of an event: it is due again. The layout is that of an injection (SDM 3C
 * 25.9.3). */
static void vectoring(struct vmx_vcpu *v, struct vcpu_state *s)
{
    uint32_t event = vmread(IDT_VECTORING) & INJECT_MASK;
    v->vectoring = event;
    if (!(event & INJECT_VALID))
        return;
    s->inject = event;
    if (event & INJECT_ERROR_CODE)
        s->inject_error = vmread(IDT_VECTORING_ERROR);
    if (INJECT_TYPE(event) >= INJECT_SOFT_INT)
        s->inject_length = vmread(EXIT_LENGTH);
    if (INJECT_TYPE(event) == INJECT_NMI) {
        /* Its delivery has begun to block NMIs; the entry wants that undone (SDM 3C 32.7.1.2). */
        v->interruptibility &= ~INTERRUPTIBILITY_NMI;
        vmwrite(GUEST_INTERRUPTIBILITY, v->interruptibility);
        s->blocking &= ~BLOCKING_NMI;
    }
}

static enum run_result decode_exception(struct vmx_vcpu *v, struct vcpu_state *s)
{
    uint32_t info = vmread(EXIT_INTERRUPTION), vector = INJECT_VECTOR(info);
    struct exit_record *e = &s->exit;
    if (vector == VECTOR_NMI || vector == VECTOR_MC) { /* both are the host's */
        v->reason = EXIT_EVENT;
        if (vector == VECTOR_NMI)
            host_nmi();
        else
            host_machine_check();
        return RUN_HOST;
    }
    if ((info & INTERRUPTION_NMI_UNBLOCKED) && !(v->vectoring & INJECT_VALID) && vector != VECTOR_DF)
        block_nmi_again(v, s);
    e->vector = vector;
    e->has_error = !!(info & INJECT_ERROR_CODE);
    e->error = e->has_error ? vmread(EXIT_ERROR_CODE) : 0;
    e->gva = vmread(EXIT_QUALIFICATION);
    if (INJECT_TYPE(info) >= INJECT_PRIV_SOFT) /* INT1: RIP is still at it */
        e->length = vmread(EXIT_LENGTH);
    return RUN_EXIT;
}

/* SDM 3C table 28-5. */
static inline void decode_io(struct exit_io *io)
{
    uint32_t q = vmread(EXIT_QUALIFICATION);
    *io = (struct exit_io){ .port = q >> 16, .size = (q & 7) + 1, .in = q >> 3 & 1, .string = q >> 4 & 1, .rep = q >> 5 & 1 };
}

static enum run_result decode_page(struct vmx_vcpu *v, struct vcpu_state *s)
{
    uint32_t q = vmread(EXIT_QUALIFICATION); /* SDM 3C table 28-7 */
    struct exit_record *e = &s->exit;
    e->access = q & EPT_QUALIFICATION_RIGHTS; /* ACCESS_* are the same bits */
    e->gpa = vmread(GUEST_PHYSICAL_ADDRESS);
    if ((q & (EPT_QUALIFICATION_GVA | EPT_QUALIFICATION_FINAL)) == (EPT_QUALIFICATION_GVA | EPT_QUALIFICATION_FINAL)) {
        e->access |= ACCESS_GVA_VALID;
        e->gva = vmread(GUEST_LINEAR_ADDRESS);
    }
    if ((q & INTERRUPTION_NMI_UNBLOCKED) && !(v->vectoring & INJECT_VALID))
        block_nmi_again(v, s);
    return RUN_EXIT;
}

static enum run_result decode_cr(struct vmx_vcpu *v, struct vcpu_state *s)
{
    uint32_t q = vmread(EXIT_QUALIFICATION); /* SDM 3C table 28-3 */
    s->exit.cr = (struct exit_cr){
        .known = 1, .number = q & 15, .kind = q >> 4 & 3, .gpr = q >> 8 & 15, .lmsw = q >> 16,
    };
    return RUN_EXIT;
}

static enum run_result decode_task(struct vmx_vcpu *v, struct vcpu_state *s)
{
    uint32_t q = vmread(EXIT_QUALIFICATION); /* SDM 3C table 28-2 */
    bool error = v->vectoring & INJECT_ERROR_CODE && v->vectoring & INJECT_VALID;
    s->exit.task = (struct exit_task){ .selector = q, .source = q >> 30, .has_error = error };
    if (error)
        s->exit.task.error = vmread(IDT_VECTORING_ERROR);
    return RUN_EXIT;
}

static enum run_result decode_apic(struct vmx_vcpu *v, struct vcpu_state *s)
{
    uint32_t q = vmread(EXIT_QUALIFICATION);
    s->exit.vector = q;
    s->exit.gpa = q & 0xfff;
    return RUN_EXIT;
}

/* --- the table --- */

/* Instructions: nothing to tell but which one and its length. */
static const uint8_t instructions[VMX_EXIT_COUNT] = {
    [VMX_CPUID] = EXIT_CPUID, [VMX_HLT] = EXIT_HLT, [VMX_INVD] = EXIT_INVD, [VMX_INVLPG] = EXIT_INVLPG,
    [VMX_RDPMC] = EXIT_RDPMC, [VMX_RDTSC] = EXIT_RDTSC, [VMX_VMCALL] = EXIT_HYPERCALL, [VMX_DR] = EXIT_DR,
    [VMX_RDMSR] = EXIT_MSR_READ, [VMX_WRMSR] = EXIT_MSR_WRITE, [VMX_MWAIT] = EXIT_MWAIT, [VMX_MONITOR] = EXIT_MONITOR,
    [VMX_PAUSE] = EXIT_PAUSE, [VMX_GDTR_IDTR] = EXIT_DESCRIPTOR, [VMX_LDTR_TR] = EXIT_DESCRIPTOR,
    [VMX_RDTSCP] = EXIT_RDTSCP, [VMX_WBINVD] = EXIT_WBINVD, [VMX_XSETBV] = EXIT_XSETBV, [VMX_GETSEC] = EXIT_VIRT,
    [VMX_RSM] = EXIT_VIRT, [VMX_VMCLEAR] = EXIT_VIRT, [VMX_VMLAUNCH] = EXIT_VIRT, [VMX_VMPTRLD] = EXIT_VIRT,
    [VMX_VMPTRST] = EXIT_VIRT, [VMX_VMREAD] = EXIT_VIRT, [VMX_VMRESUME] = EXIT_VIRT, [VMX_VMWRITE] = EXIT_VIRT,
    [VMX_VMXOFF] = EXIT_VIRT, [VMX_VMXON] = EXIT_VIRT, [VMX_INVEPT] = EXIT_VIRT, [VMX_INVVPID] = EXIT_VIRT,
    [VMX_VMFUNC] = EXIT_VIRT, [VMX_ENCLS] = EXIT_VIRT, [VMX_PCONFIG] = EXIT_VIRT, [VMX_LOADIWKEY] = EXIT_VIRT,
    [VMX_ENCLV] = EXIT_VIRT,
};

/* All others. */
struct exit_map {
    uint8_t reason;     /* enum exit_reason; EXIT_NONE: unknown */
    uint8_t result;     /* enum run_result, without decode */
    bool has_length;    /* the exit says how long the instruction was */
    bool may_vector;    /* it may have interrupted the delivery of an event */
    enum run_result (*decode)(struct vmx_vcpu *v, struct vcpu_state *s);
};

static const struct exit_map exits[VMX_EXIT_COUNT] = {
    [VMX_EXCEPTION] = { .reason = EXIT_EXCEPTION, .may_vector = true, .decode = decode_exception },
    [VMX_EXTERNAL_INTERRUPT] = { .reason = EXIT_EVENT, .result = RUN_HOST },
    [VMX_TRIPLE_FAULT] = { .reason = EXIT_SHUTDOWN },
    [VMX_INIT] = { .reason = EXIT_EVENT, .result = RUN_HOST },
    [VMX_IRQ_WINDOW] = { .reason = EXIT_IRQ_WINDOW },
    [VMX_NMI_WINDOW] = { .reason = EXIT_NMI_WINDOW },
    [VMX_TASK_SWITCH] = { .reason = EXIT_TASK_SWITCH, .has_length = true, .may_vector = true, .decode = decode_task },
    [VMX_CR] = { .reason = EXIT_CR, .has_length = true, .decode = decode_cr },
    [VMX_TRAP_FLAG] = { .reason = EXIT_STEP },
    [VMX_TPR] = { .reason = EXIT_TPR },
    [VMX_EOI] = { .reason = EXIT_EOI, .decode = decode_apic },
    [VMX_EPT_VIOLATION] = { .reason = EXIT_PAGE, .may_vector = true, .decode = decode_page },
    [VMX_EPT_MISCONFIG] = { .reason = EXIT_UNKNOWN, .may_vector = true },
    [VMX_TIMER] = { .reason = EXIT_EVENT, .result = RUN_AGAIN },
    [VMX_APIC_WRITE] = { .reason = EXIT_APIC_WRITE, .decode = decode_apic },
};

/* --- the round --- */

static __attribute__((noinline)) enum run_result entry_failed(struct vcpu *vcpu, uint64_t raw)
{
    struct vcpu_state *s = vcpu->state;
    const struct vmx_vcpu *v = vcpu->vendor_state;
    vmwrite(ENTRY_INTERRUPTION, 0); /* an exit would have cleared it */
    if (v->injected & INJECT_VALID)
        s->inject = v->injected;
    if (raw < ENTRY_FAILED_STATE || (raw & ~0xffffffffull) == ENTRY_FAILED_STATE)
        vmx_state_store(vcpu, GROUP_ALL);
    s->exit.reason = EXIT_ENTRY_FAILED;
    s->exit.length = 0;
    s->exit.raw = raw;
    s->valid = GROUP_ALL;
    return RUN_EXIT;
}

/* VMLAUNCH or VMRESUME failed at once, or after checks of the guest state, which looks like an exit. */
static enum run_result not_entered(struct vcpu *vcpu, uint32_t reason)
{
    if (reason == VMX_NOT_ENTERED)
        return entry_failed(vcpu, vmread(VM_INSTRUCTION_ERROR));
    reason &= ~EXIT_REASON_ENTRY_FAILURE;
    if (reason == VMX_ENTRY_MC)
        host_machine_check();
    return entry_failed(vcpu, (uint64_t)reason << 32 | (uint32_t)vmread(EXIT_QUALIFICATION));
}

static inline void store_common(struct vmx_vcpu *v, struct vcpu_state *s)
{
    v->launched = 1;
    v->cr2 = read_cr2();
    s->rip = vmread(GUEST_RIP);
    s->rflags = vmread(GUEST_RFLAGS);
    s->gpr[RSP] = vmread(GUEST_RSP);
    uint32_t blocking = v->interruptibility = vmread(GUEST_INTERRUPTIBILITY);
    if (blocking)
        blocking = (blocking & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS) ? BLOCKING_SHADOW : 0) |
                   (blocking & INTERRUPTIBILITY_NMI ? BLOCKING_NMI : 0);
    s->blocking = blocking;
}

static inline void store_wanted(struct vcpu *vcpu, struct vcpu_state *s, uint32_t reason)
{
    uint32_t groups = __atomic_load_n(&s->wanted[reason], __ATOMIC_RELAXED);
    s->exit.reason = reason;
    s->valid = groups | GROUP_RIP | GROUP_BLOCKING;
    if (groups)
        vmx_state_store(vcpu, groups);
}

/* Not an exit of the hardware: the guest was not entered. */
static __attribute__((noinline)) enum run_result tpr_exit(struct vcpu *vcpu)
{
    vcpu->state->exit.length = 0;
    vcpu->state->exit.raw = VMX_TPR;
    store_wanted(vcpu, vcpu->state, EXIT_TPR);
    return RUN_EXIT;
}

/* An exit that is not just an instruction. */
static __attribute__((noinline)) enum run_result exit_other(struct vcpu *vcpu, uint32_t reason)
{
    struct vmx_vcpu *v = vcpu->vendor_state;
    struct vcpu_state *s = vcpu->state;
    if (reason & EXIT_REASON_ENTRY_FAILURE)
        return not_entered(vcpu, reason);
    store_common(v, s);
    static const struct exit_map unknown = { .reason = EXIT_UNKNOWN };
    uint16_t basic = reason;
    const struct exit_map *map = basic < VMX_EXIT_COUNT && exits[basic].reason ? &exits[basic] : &unknown;
    s->exit.raw = reason;
    s->exit.length = map->has_length ? vmread(EXIT_LENGTH) : 0;
    v->reason = map->reason;
    v->vectoring = 0;
    if (map->may_vector)
        vectoring(v, s);
    enum run_result result = map->decode ? map->decode(v, s) : map->result;
    store_wanted(vcpu, s, v->reason);
    return result;
}

/* GROUP_RIP. */
static inline void load_rip(struct vcpu *vcpu, const struct vmx_vcpu *v, const struct vcpu_state *s)
{
    vmwrite(GUEST_RIP, s->rip);
    vmwrite(GUEST_RFLAGS, s->rflags);
    vmwrite(GUEST_RSP, s->gpr[RSP]);
    if (v->interruptibility & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS))
        vmx_blocking_load(vcpu, GROUP_RIP);
}

static __attribute__((noinline)) uint64_t load_dirty(struct vcpu *vcpu, uint32_t dirty)
{
    if (dirty & GROUP_RIP)
        load_rip(vcpu, vcpu->vendor_state, vcpu->state);
    return vmx_state_load(vcpu, dirty);
}

enum run_result vmx_run(struct vcpu *vcpu, uint64_t deadline)
{
    struct vmx_vcpu *v = vcpu->vendor_state;
    struct vcpu_state *s = vcpu->state;
    uint32_t dirty = __atomic_load_n(&s->dirty, __ATOMIC_RELAXED);
    s->dirty = 0;
    if (LIKELY(dirty == GROUP_RIP)) {
        load_rip(vcpu, v, s);
    } else if (dirty) {
        uint64_t refused = load_dirty(vcpu, dirty);
        if (refused)
            return entry_failed(vcpu, refused);
    }
    uint32_t want = __atomic_load_n(&s->want, __ATOMIC_RELAXED), offer = __atomic_load_n(&s->offer, __ATOMIC_RELAXED);
    if (__builtin_expect(offer & INJECT_VALID, 0))
        want |= offer_inject(vcpu, v, offer);
    if (want != v->want)
        vmx_controls_want(vcpu, want);
    if (v->attention && !vmx_apic_idle(v, s) && vmx_apic_entry(vcpu))
        return tpr_exit(vcpu);
    v->injected = __atomic_load_n(&s->inject, __ATOMIC_RELAXED);
    if (v->injected & INJECT_VALID)
        inject(s, v->injected);
    if (deadline)
        set_timer(v, deadline);
    else if (v->timer)
        vmx_timer_switch(v, false);
    if (read_cr2() != v->cr2)
        write_cr2(v->cr2);

    uint32_t reason = vmx_enter(s, v);
    uint32_t neutral = LIKELY(reason < VMX_EXIT_COUNT) ? instructions[reason] : EXIT_NONE;
    if (neutral == EXIT_NONE) {
        if (reason != VMX_IO)
            return exit_other(vcpu, reason);
        decode_io(&s->exit.io);
        neutral = EXIT_IO;
    }
    store_common(v, s);
    s->exit.raw = reason;
    s->exit.length = vmread(EXIT_LENGTH);
    store_wanted(vcpu, s, neutral);
    return RUN_EXIT;
}

/* SDM 3C 26.3.1.5: SS.DPL is the CPL in every mode. */
unsigned vmx_guest_cpl(const struct vcpu *vcpu)
{
    return vmread(GUEST_ACCESS_RIGHTS + 2 * SEG_SS) >> SEG_ATTR_DPL_SHIFT & 3;
}
