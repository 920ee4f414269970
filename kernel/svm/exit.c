/* SPDX-License-Identifier: MIT
 * Entry and exit: runs the guest once and turns the exit code into the neutral record. */
#include "svm.h"
#include "x86.h"

#define RFLAGS_GUEST 0x3f7fd7ul
#define VECTOR_AC 17
#define unlikely(c) __builtin_expect(!!(c), 0)
/* One read of what ring 3 may change at any time. */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))

#define SIZED 0xff

struct exit_rule {
    uint8_t reason; /* enum exit_reason */
    uint8_t sized;  /* SIZED: an instruction that nRIP lies behind */
    /* Fills the rest of the record; may choose another reason. */
    enum run_result (*fill)(struct vcpu *vcpu, const struct vmcb_control *control, struct exit_record *record);
};

static enum run_result fill_host(struct vcpu *vcpu, const struct vmcb_control *control, struct exit_record *record)
{
    return RUN_HOST; /* it is pending and arrives as soon as the core lets it; an NMI has arrived with STGI */
}

static enum run_result fill_io(struct vcpu *vcpu, const struct vmcb_control *control, struct exit_record *record)
{
    uint32_t info = (uint32_t)control->exitinfo1;
    record->length = (uint8_t)(control->exitinfo2 - vcpu->state->rip);
    record->io = (struct exit_io){
        .port = (uint16_t)(info >> IOIO_PORT_SHIFT), .size = info >> IOIO_SIZE_SHIFT & 7, .in = info & IOIO_IN,
        .string = !!(info & IOIO_STRING), .rep = !!(info & IOIO_REP),
    };
    return RUN_EXIT;
}

static enum run_result fill_msr(struct vcpu *vcpu, const struct vmcb_control *control, struct exit_record *record)
{
    record->reason = control->exitinfo1 & MSR_WRITE ? EXIT_MSR_WRITE : EXIT_MSR_READ;
    return RUN_EXIT;
}

static enum run_result fill_page(struct vcpu *vcpu, const struct vmcb_control *control, struct exit_record *record)
{
    uint64_t error = control->exitinfo1;
    record->gpa = control->exitinfo2;
    record->access = error & NPF_WRITE ? ACCESS_WRITE : error & NPF_FETCH ? ACCESS_EXEC : ACCESS_READ;
    return RUN_EXIT;
}

static enum run_result fill_cr(struct vcpu *vcpu, const struct vmcb_control *control, struct exit_record *record)
{
    record->cr = (struct exit_cr){ .number = control->exitcode & 0xf };
    if ((svm_features & SVM_DECODE_ASSISTS) && (control->exitinfo1 & CR_MOV)) {
        record->cr.known = 1;
        record->cr.gpr = control->exitinfo1 & CR_GPR_MASK;
    }
    return RUN_EXIT;
}

/* CR8 and IRET are stepped over: see window.c. */
static enum run_result fill_step(struct vcpu *vcpu, const struct vmcb_control *control, struct exit_record *record)
{
    struct svm_vcpu *svm = vcpu->vendor_state;
    svm->step_next = control->exitcode == VMEXIT_IRET ? STEP_IRET : STEP_CR8;
    svm->attention = ATTENTION_CONTROLS;
    return RUN_AGAIN;
}

/* DR6 has been updated as the handler would see it (15.12.2). */
static enum run_result fill_exception(struct vcpu *vcpu, const struct vmcb_control *control, struct exit_record *record)
{
    uint8_t vector = (uint8_t)(control->exitcode - VMEXIT_EXCEPTION);
    record->vector = vector;
    record->has_error = vector == VECTOR_AC;
    record->error = (uint32_t)control->exitinfo1;
    record->gva = vector == VECTOR_DB ? ((const struct vmcb *)vcpu->vendor)->save.dr6 : 0;
    return RUN_EXIT;
}

/* The host's hardware has a problem. The exit took the exception away: it is raised again for the host's handler. */
static enum run_result fill_machine_check(struct vcpu *vcpu, const struct vmcb_control *control,
                                          struct exit_record *record)
{
    __asm__ volatile("int %0" : : "i"(VECTOR_MC) : "memory");
    return RUN_HOST;
}

/* Nothing to tell but which instruction, and its length. */
#define INSTRUCTION(reason) { reason, SIZED, NULL }

static const struct exit_rule exit_rules[VMEXIT_LOW_COUNT] = {
    [VMEXIT_CR_WRITE + 4] = { EXIT_CR, SIZED, fill_cr },
    [VMEXIT_CR_WRITE + 8] = { EXIT_EVENT, 0, fill_step },
    [VMEXIT_EXCEPTION + VECTOR_DB] = { EXIT_EXCEPTION, 0, fill_exception },
    [VMEXIT_EXCEPTION + VECTOR_AC] = { EXIT_EXCEPTION, 0, fill_exception },
    [VMEXIT_EXCEPTION + VECTOR_MC] = { EXIT_EVENT, 0, fill_machine_check },
    [VMEXIT_INTR ... VMEXIT_INIT] = { EXIT_EVENT, 0, fill_host },
    [VMEXIT_VINTR] = { EXIT_IRQ_WINDOW, 0, NULL },
    [VMEXIT_IRET] = { EXIT_EVENT, 0, fill_step },
    [VMEXIT_IOIO] = { EXIT_IO, 0, fill_io },
    [VMEXIT_MSR] = { EXIT_MSR_READ, SIZED, fill_msr },
    [VMEXIT_SHUTDOWN] = { EXIT_SHUTDOWN, 0, NULL },
    [VMEXIT_CPUID] = INSTRUCTION(EXIT_CPUID), [VMEXIT_HLT] = INSTRUCTION(EXIT_HLT),
    [VMEXIT_RDPMC] = INSTRUCTION(EXIT_RDPMC), [VMEXIT_INVD] = INSTRUCTION(EXIT_INVD),
    [VMEXIT_PAUSE] = INSTRUCTION(EXIT_PAUSE), [VMEXIT_WBINVD] = INSTRUCTION(EXIT_WBINVD),
    [VMEXIT_MONITOR] = INSTRUCTION(EXIT_MONITOR), [VMEXIT_XSETBV] = INSTRUCTION(EXIT_XSETBV),
    [VMEXIT_MWAIT ... VMEXIT_MWAIT_CONDITIONAL] = INSTRUCTION(EXIT_MWAIT),
    [VMEXIT_VMMCALL] = INSTRUCTION(EXIT_HYPERCALL), [VMEXIT_VMRUN] = INSTRUCTION(EXIT_VIRT),
    [VMEXIT_VMLOAD ... VMEXIT_SKINIT] = INSTRUCTION(EXIT_VIRT),
    [VMEXIT_INVLPGA] = INSTRUCTION(EXIT_VIRT), [VMEXIT_RDPRU] = INSTRUCTION(EXIT_VIRT),
};
static const struct exit_rule rule_page = { EXIT_PAGE, 0, fill_page };
static const struct exit_rule rule_unknown = { EXIT_UNKNOWN, 0, NULL };

/* The state was refused. The state page has all of it (prepare() saw to that), and the VMCB is written anew next
 * time. */
static __attribute__((noinline, cold)) enum run_result refuse(struct vcpu *vcpu, uint64_t why)
{
    struct svm_vcpu *svm = vcpu->vendor_state;
    struct vcpu_state *state = vcpu->state;
    struct vmcb *vmcb = vcpu->vendor;
    vmcb->control.eventinj = 0;
    svm->injected = svm->offered = svm->soft = false;
    svm->step = svm->step_next = STEP_NONE;
    svm->attention = ATTENTION_CONTROLS;
    state->exit.reason = EXIT_ENTRY_FAILED;
    state->exit.length = 0;
    state->exit.raw = why;
    state->valid = state->dirty = GROUP_ALL;
    return RUN_EXIT;
}

/* What an entry seldom needs. Null: the state is refused. */
static __attribute__((noinline)) struct vcpu *prepare(struct vcpu *vcpu, uint32_t dirty, uint32_t want, uint32_t inject,
                                                      uint32_t offer)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t refused = 0;
    dirty &= GROUP_ALL & ~GROUP_RIP;
    if (dirty & ~(GROUP_CONTROL | GROUP_BLOCKING)) {
        /* This may be refused, and then the VMCB is no source for what the page does not have yet. */
        svm_state_store(vcpu, GROUP_ALL & ~dirty & ~state->valid, RUN_AGAIN);
        state->valid = GROUP_ALL;
    }
    if (dirty)
        refused = svm_state_load(vcpu, dirty);
    if (!refused && (inject & INJECT_VALID) && !svm_inject(vcpu, inject))
        refused = ENTRY_FAILED_STATE;
    if (refused) {
        refuse(vcpu, refused);
        return NULL;
    }
    svm_window_prepare(vcpu, want, offer);
    return vcpu;
}

struct vcpu *svm_entry(struct vcpu *vcpu)
{
    const struct svm_vcpu *svm = vcpu->vendor_state;
    struct vcpu_state *state = vcpu->state;
    struct vmcb *vmcb = vcpu->vendor;
    uint32_t dirty = READ_ONCE(state->dirty), want = READ_ONCE(state->want);
    uint32_t inject = READ_ONCE(state->inject), offer = READ_ONCE(state->offer);
    state->dirty = 0;
    vmcb->save.rax = state->gpr[RAX];
    vmcb->save.rsp = state->gpr[RSP];
    vmcb->save.rip = state->rip;
    vmcb->save.rflags = (state->rflags & RFLAGS_GUEST) | RFLAGS_FIXED;
    vmcb->control.v_tpr = READ_ONCE(vcpu->vapic[VAPIC_TPR]) >> 4;
    if (unlikely((dirty & ~GROUP_RIP) | (want ^ svm->want) | ((inject | offer) & INJECT_VALID) | svm->attention))
        return prepare(vcpu, dirty, want, inject, offer);
    return vcpu;
}

/* The groups that the monitor wants with this reason. */
static inline enum run_result finish(struct vcpu *vcpu, struct vcpu_state *state, unsigned reason,
                                     enum run_result result)
{
    uint32_t groups = READ_ONCE(state->wanted[reason]);
    state->valid = groups | GROUP_RIP | GROUP_BLOCKING;
    if (unlikely(groups & ~(uint32_t)(GROUP_RIP | GROUP_BLOCKING)))
        return svm_state_store(vcpu, groups, result);
    return result;
}

static __attribute__((noinline)) enum run_result exit_filled(struct vcpu *vcpu, const struct exit_rule *rule)
{
    struct vcpu_state *state = vcpu->state;
    enum run_result result = rule->fill(vcpu, &((const struct vmcb *)vcpu->vendor)->control, &state->exit);
    return finish(vcpu, state, READ_ONCE(state->exit.reason) % ARRAY_COUNT(state->wanted), result);
}

/* After every exit: what is always stored, and the record by the exit code if `reason` is EXIT_NONE. */
static __attribute__((always_inline)) inline enum run_result record(struct vcpu *vcpu, struct vmcb *vmcb,
                                                                    const struct exit_rule *rule,
                                                                    enum exit_reason reason)
{
    const struct svm_vcpu *svm = vcpu->vendor_state;
    struct vcpu_state *state = vcpu->state;
    uint64_t code = vmcb->control.exitcode, rip = vmcb->save.rip;
    uint8_t *tpr = &vcpu->vapic[VAPIC_TPR], v_tpr = vmcb->control.v_tpr;
    /* QEMU's TCG forgets the shadow at an entry; it lasts until the instruction under it is done. */
    if (unlikely(state->blocking & BLOCKING_SHADOW) && state->rip == rip && code != VMEXIT_EXCEPTION + VECTOR_DB)
        vmcb->control.interrupt_shadow |= INTERRUPT_SHADOW;
    state->gpr[RAX] = vmcb->save.rax;
    state->gpr[RSP] = vmcb->save.rsp;
    state->rip = rip;
    state->rflags = vmcb->save.rflags;
    state->blocking = ((uint32_t)vmcb->control.interrupt_shadow & INTERRUPT_SHADOW) | svm->blocking_nmi;
    state->exit.raw = code;
    vmcb->control.clean = svm_clean;
    if (unlikely(v_tpr != *tpr >> 4))
        *tpr = (uint8_t)(v_tpr << 4);
    state->exit.length = 0;
    if (reason) {
        state->exit.reason = reason;
        return finish(vcpu, state, reason, reason == EXIT_EVENT ? RUN_AGAIN : RUN_EXIT);
    }
    state->exit.reason = rule->reason;
    if (svm_features & SVM_NRIPS)
        state->exit.length = (uint8_t)(vmcb->control.nrip - rip) & rule->sized;
    if (rule->fill)
        return exit_filled(vcpu, rule);
    return finish(vcpu, state, rule->reason, RUN_EXIT);
}

/* An exit with a code beyond the table, that ended a step, interrupted a delivery, or came after a flush of the TLB. */
static __attribute__((noinline)) enum run_result exit_special(struct vcpu *vcpu)
{
    const struct svm_vcpu *svm = vcpu->vendor_state;
    struct vmcb *vmcb = vcpu->vendor;
    uint64_t code = vmcb->control.exitcode;
    if ((uint32_t)code == VMEXIT_INVALID)
        return refuse(vcpu, ENTRY_FAILED_STATE);
    const struct exit_rule *rule = code == VMEXIT_NPF ? &rule_page : &exit_rules[code < VMEXIT_LOW_COUNT ? code : 0];
    if (!rule->reason)
        rule = &rule_unknown;
    bool look = svm->attention | (vmcb->control.exitintinfo & EVENTINJ_VALID);
    if (look)
        svm_tlb_flushed(vcpu);
    return record(vcpu, vmcb, rule, look ? svm_window_exit(vcpu) : EXIT_NONE);
}

enum run_result svm_exit(struct vcpu *vcpu)
{
    const struct svm_vcpu *svm = vcpu->vendor_state;
    struct vmcb *vmcb = vcpu->vendor;
    uint64_t code = vmcb->control.exitcode;
    if (unlikely(code >= VMEXIT_LOW_COUNT) || unlikely(svm->attention | (vmcb->control.exitintinfo & EVENTINJ_VALID)))
        return exit_special(vcpu);
    const struct exit_rule *rule = exit_rules[code].reason ? &exit_rules[code] : &rule_unknown;
    return record(vcpu, vmcb, rule, EXIT_NONE);
}

unsigned svm_guest_cpl(const struct vcpu *vcpu)
{
    return ((const struct vmcb *)vcpu->vendor)->save.cpl;
}
