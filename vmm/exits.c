/* SPDX-License-Identifier: MIT
 * The table of exits and the handlers of those that need no emulation of an instruction. */
#include "exits.h"
#include <stdio.h>
#include "abi/syscall.h"
#include "control.h"
#include "cpuid.h"
#include "cr.h"
#include "devices/lapic.h"
#include "emulate.h"
#include "entry_rules.h"
#include "exit_memory.h"
#include "fetch.h"
#include "hypercall.h"
#include "interrupts.h"
#include "msr.h"
#include "task_switch.h"
#include "vcpu_loop.h"

/* Apart, so that the short way needs no stack for a fault. */
static __attribute__((noinline)) unsigned length_decoded(struct vcpu *vcpu)
{
    struct fault fault;
    unsigned length = insn_length(vcpu, (enum exit_reason)vcpu->state->exit.reason, &fault);
    if (!length)
        fault_inject(vcpu->state, &fault);
    return length;
}

/* Of the instruction that exited; 0: a fault is injected. */
static inline unsigned exit_length(struct vcpu *vcpu)
{
    unsigned length = vcpu->state->exit.length;
    if (!length)
        length = insn_length_fast(vcpu);
    return length ? length : length_decoded(vcpu);
}

bool vcpu_skip(struct vcpu *vcpu)
{
    unsigned length = exit_length(vcpu);
    if (length)
        insn_retire(vcpu, length);
    return length != 0;
}

static void gp(struct vcpu *vcpu)
{
    vcpu_exception(vcpu, EXCEPTION_GP, true, 0);
}

static void undefined(struct vcpu *vcpu)
{
    vcpu_exception(vcpu, EXCEPTION_UD, false, 0);
}

static void on_event(struct vcpu *vcpu)
{
    events_take(vcpu);
}

static void on_window(struct vcpu *vcpu)
{
    atomic_fetch_or_explicit(&vcpu->requests, REQUEST_IRQ, memory_order_relaxed);
}

static void on_cpuid(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    struct cpuid_result r;
    if (!vcpu_skip(vcpu))
        return;
    cpuid_query(vcpu, (uint32_t)state->gpr[RAX], (uint32_t)state->gpr[RCX], &r);
    state->gpr[RAX] = r.eax;
    state->gpr[RBX] = r.ebx;
    state->gpr[RCX] = r.ecx;
    state->gpr[RDX] = r.edx;
}

/* The single-step trap behind HLT ends it at once. */
static void on_hlt(struct vcpu *vcpu)
{
    if (vcpu_skip(vcpu) && !(vcpu->state->inject & INJECT_VALID))
        vcpu_halt(vcpu);
}

/* Only EFER needs GROUP_CR (LMA and CR0.PG change without exits). It is rare: ask for the group and let the guest execute
 * the instruction once more, so that no other MSR pays for it. */
static bool msr_groups_valid(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    if (__builtin_expect((uint32_t)state->gpr[RCX] != MSR_EFER, 1))
        return true;
    bool valid = state->valid & GROUP_CR;
    state->wanted[state->exit.reason] = exit_groups(state, state->exit.reason) | (valid ? 0 : GROUP_CR);
    return valid;
}

static void on_msr_read(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t value;
    if (!msr_groups_valid(vcpu))
        return;
    if (!msr_read(vcpu, (uint32_t)state->gpr[RCX], &value)) {
        gp(vcpu);
        return;
    }
    if (!vcpu_skip(vcpu))
        return;
    state->gpr[RAX] = (uint32_t)value;
    state->gpr[RDX] = value >> 32;
}

/* The instruction's length is found before the write: a write may change the mode in which it would be decoded. */
static void on_msr_write(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t value = (uint32_t)state->gpr[RAX] | state->gpr[RDX] << 32;
    if (!msr_groups_valid(vcpu))
        return;
    unsigned length = exit_length(vcpu);
    if (!length)
        return;
    if (msr_write(vcpu, (uint32_t)state->gpr[RCX], value))
        insn_retire(vcpu, length);
    else
        gp(vcpu);
}

#define REASON(name) (1ull << EXIT_##name)
/* Exits before an instruction, which comes again if nothing is done. */
#define INSTRUCTIONS (REASON(CPUID) | REASON(HLT) | REASON(IO) | REASON(MSR_READ) | REASON(MSR_WRITE) | REASON(PAGE) | REASON(CR) | \
                      REASON(DR) | REASON(RDTSC) | REASON(INVD) | REASON(WBINVD) | REASON(INVLPG) | REASON(PAUSE) | REASON(XSETBV) | \
                      REASON(HYPERCALL))

/* The guest is being single-stepped: from now on every exit brings what a step over its instruction needs. */
static void want_debug(struct vcpu_state *state)
{
    for (unsigned i = 0; i < EXIT_COUNT; i++)
        state->wanted[i] |= GROUP_DEBUG;
    state->wanted[EXIT_IO] |= EMULATE_GROUPS;
    state->wanted[EXIT_PAGE] |= EMULATE_GROUPS;
}

bool exit_lacks_debug(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    if ((state->valid & GROUP_DEBUG) || !(INSTRUCTIONS >> state->exit.reason & 1))
        return false;
    want_debug(state);
    return true;
}

/* An exception that is intercepted only so that its endless repetition inside the hardware stays interruptible. */
static void on_exception(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    if (state->exit.vector == EXCEPTION_DB) {
        if (state->blocking & BLOCKING_SHADOW)
            state->dirty |= GROUP_BLOCKING; /* VT-x enters only with a trap pending then (SDM 3C 27.3.1.5): let it be computed */
        state->dr6 = (state->dr6 & ~DR6_BREAKPOINTS) | state->exit.gva; /* the others are sticky (SDM 3B 17.2.3) */
        state->dr7 &= ~(1ull << 13); /* GD is cleared before the handler runs (SDM 3B 17.2.4) */
        state->dirty |= GROUP_DEBUG;
        want_debug(state);
    }
    if (state->exit.vector == EXCEPTION_PF) {
        state->cr2 = state->exit.gva;
        state->dirty |= GROUP_CR;
    }
    vcpu_exception(vcpu, state->exit.vector, state->exit.has_error, state->exit.error);
    if (state->exit.length) { /* INT1: the handler is to return behind it */
        state->inject = INJECT_VALID | (uint32_t)INJECT_PRIV_SOFT << INJECT_TYPE_SHIFT | state->exit.vector;
        state->inject_length = state->exit.length;
    }
}

static void on_rdpmc(struct vcpu *vcpu)
{
    gp(vcpu); /* the model has no counters */
}

static void on_xsetbv(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t value = (uint32_t)state->gpr[RAX] | state->gpr[RDX] << 32;
    if (control_write_xcr(vcpu, (uint32_t)state->gpr[RCX], value))
        (void)vcpu_skip(vcpu);
    else
        gp(vcpu);
}

static void on_nop(struct vcpu *vcpu)
{
    (void)vcpu_skip(vcpu);
}

/* PAUSE in a loop: another vcpu of this CPU may be what it waits for. The guest goes on behind it. */
static void on_pause(struct vcpu *vcpu)
{
    if (vcpu_skip(vcpu))
        vcpu_yield();
}

static void on_rdtsc(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t tsc = vcpu->machine->clock.read_tsc() + state->tsc_offset;
    if (!vcpu_skip(vcpu))
        return;
    state->gpr[RAX] = (uint32_t)tsc;
    state->gpr[RDX] = tsc >> 32;
}

static void on_shutdown(struct vcpu *vcpu)
{
    const struct vcpu_state *state = vcpu->state;
    machine_end(vcpu->machine, END_TRIPLE_FAULT, "triple fault of vcpu %u at 0x%llx (cr0 0x%llx, cr3 0x%llx, rsp 0x%llx)", vcpu->index,
                (unsigned long long)state->rip, (unsigned long long)state->cr0, (unsigned long long)state->cr3,
                (unsigned long long)state->gpr[RSP]);
}

static void on_entry_failed(struct vcpu *vcpu)
{
    const struct vcpu_state *state = vcpu->state;
    machine_end(vcpu->machine, END_GUEST_ERROR,
                "vcpu %u at 0x%llx: the CPU refuses this state: %s (code 0x%llx, cr0 0x%llx, cr3 0x%llx, cr4 0x%llx, "
                "efer 0x%llx, dr7 0x%llx, inject 0x%x)",
                vcpu->index, (unsigned long long)state->rip, entry_rule_broken(state), (unsigned long long)state->exit.raw,
                (unsigned long long)state->cr0, (unsigned long long)state->cr3, (unsigned long long)state->cr4,
                (unsigned long long)state->efer, (unsigned long long)state->dr7, state->inject);
}

static void on_unknown(struct vcpu *vcpu)
{
    const struct vcpu_state *state = vcpu->state;
    machine_end(vcpu->machine, END_GUEST_ERROR, "vcpu %u at 0x%llx: exit %u, code 0x%llx, which this virtual machine does not have",
                vcpu->index, (unsigned long long)state->rip, state->exit.reason, (unsigned long long)state->exit.raw);
}

static void on_eoi(struct vcpu *vcpu)
{
    lapic_eoi_exit(vcpu, vcpu->state->exit.vector);
}

static void on_task_switch(struct vcpu *vcpu)
{
    struct fault fault;
    if (task_switch(vcpu, &fault) == TASK_FAULT)
        fault_inject(vcpu->state, &fault);
}

const struct exit_entry exit_table[EXIT_COUNT] = {
    [EXIT_NONE] = { on_unknown, 0, 0, "none" },
    [EXIT_EVENT] = { on_event, 0, 0, "event" },
    [EXIT_CPUID] = { on_cpuid, 0, 1, "cpuid" }, /* CR4.OSXSAVE is always current: state.h */
    [EXIT_HLT] = { on_hlt, 0, 1, "hlt" },
    [EXIT_IO] = { exit_io, 0, 0, "io" },
    [EXIT_MSR_READ] = { on_msr_read, 0, 1, "rdmsr" },
    [EXIT_MSR_WRITE] = { on_msr_write, 0, 1, "wrmsr" },
    [EXIT_PAGE] = { exit_page, EMULATE_GROUPS, 0, "mmio" },
    [EXIT_CR] = { control_exit_cr, FETCH_GROUPS, 0, "cr" },
    [EXIT_DR] = { control_exit_dr, FETCH_GROUPS | GROUP_DEBUG, 0, "dr" },
    [EXIT_EXCEPTION] = { on_exception, GROUP_CR | GROUP_DEBUG, 0, "exception" },
    [EXIT_IRQ_WINDOW] = { on_window, 0, 0, "irq-window" },
    [EXIT_NMI_WINDOW] = { on_window, 0, 0, "nmi-window" },
    [EXIT_TPR] = { on_window, 0, 0, "tpr" },
    [EXIT_EOI] = { on_eoi, 0, 0, "eoi" },
    [EXIT_APIC_WRITE] = { on_unknown, 0, 0, "apic-write" },
    [EXIT_RDTSC] = { on_rdtsc, 0, 1, "rdtsc" },
    [EXIT_RDTSCP] = { undefined, 0, 0, "rdtscp" },
    [EXIT_RDPMC] = { on_rdpmc, 0, 0, "rdpmc" },
    [EXIT_INVD] = { on_nop, 0, 1, "invd" },
    [EXIT_WBINVD] = { on_nop, 0, 1, "wbinvd" },
    [EXIT_INVLPG] = { on_nop, 0, 1, "invlpg" },
    [EXIT_MONITOR] = { undefined, 0, 0, "monitor" },
    [EXIT_MWAIT] = { undefined, 0, 0, "mwait" },
    [EXIT_PAUSE] = { on_pause, 0, 1, "pause" },
    [EXIT_XSETBV] = { on_xsetbv, FETCH_GROUPS, 1, "xsetbv" },
    [EXIT_HYPERCALL] = { exit_hypercall, 0, 0, "hypercall" },
    [EXIT_VIRT] = { undefined, 0, 0, "vmx-svm" },
    [EXIT_TASK_SWITCH] = { on_task_switch, GROUP_ALL, 0, "task-switch" },
    [EXIT_SHUTDOWN] = { on_shutdown, GROUP_CR, 0, "shutdown" },
    [EXIT_DESCRIPTOR] = { on_unknown, 0, 0, "descriptor" },
    [EXIT_ENTRY_FAILED] = { on_entry_failed, GROUP_ALL, 0, "entry-failed" },
    [EXIT_STEP] = { on_window, 0, 0, "step" },
    [EXIT_UNKNOWN] = { on_unknown, 0, 0, "unknown" },
};

uint16_t exit_groups(const struct vcpu_state *state, unsigned reason)
{
    bool decodes = exit_table[reason].fetches && !(state->features & STATE_FEATURE_LENGTH);
    return exit_table[reason].groups | (decodes ? FETCH_GROUPS : 0);
}

void exits_init(struct vcpu_state *state)
{
    for (unsigned i = 0; i < EXIT_COUNT; i++)
        state->wanted[i] = exit_groups(state, i);
}

void exits_print(const struct machine *machine)
{
    for (uint32_t i = 0; i < machine->vcpu_count; i++) {
        const struct vcpu *vcpu = &machine->vcpus[i];
        printf("exits of %s vcpu %u: kernel %llu", machine->start->name, i, (unsigned long long)vcpu->state->exits_kernel);
        for (unsigned reason = 0; reason < EXIT_COUNT; reason++)
            if (vcpu->exits[reason])
                printf(" %s %llu", exit_table[reason].name, (unsigned long long)vcpu->exits[reason]);
        printf("\n");
    }
}
