/* SPDX-License-Identifier: MIT
 * The loop around guest mode. It consumes what concerns the host and hands everything else to the monitor.
 *
 * FPU: ring 3 and the kernel never use it (CR0.TS is set in host mode, so an attempt ends the process), therefore the
 * guest's registers stay loaded across exits and are switched only when another vcpu's guest takes this CPU. */
#include "guest.h"
#include "paravirt.h"
#include "scheduler.h"
#include "vendor.h"
#include "x86.h"

void interrupts_take(void);

/* XCR0 components that a guest may ever own: x87, SSE, AVX (SDM 1 13.1). The XSAVE page holds them all. */
static uint64_t fpu_mask(void)
{
    static uint64_t mask;
    if (!mask)
        mask = cpuid(0xd, 0).eax & (XCR0_X87 | XCR0_SSE | XCR0_AVX);
    return mask;
}

static void set_xcr0(struct cpu *cpu, uint64_t value)
{
    if (cpu->xcr0 != value)
        xsetbv(0, value);
    cpu->xcr0 = value;
}

/* Not every CPU lets XSETBV exit (QEMU's AMD-V does not): what the guest has set since it was loaded is its XCR0. */
static void xcr0_learn(struct cpu *cpu, struct vcpu *vcpu)
{
    uint64_t now = xgetbv(0);
    if (now != cpu->xcr0)
        vcpu->xcr0 = vcpu->state->xcr0 = now & fpu_mask();
    cpu->xcr0 = now;
}

static void guest_unload(struct cpu *cpu, bool keep)
{
    struct vcpu *old = cpu->loaded;
    if (!old)
        return;
    xcr0_learn(cpu, old);
    if (keep) {
        set_xcr0(cpu, fpu_mask());
        clts();
        xsave(old->xsave, fpu_mask());
        write_cr0(read_cr0() | CR0_TS);
    }
    read_breakpoints(old->guest_dr);
    if (vendor->vcpu_unload)
        vendor->vcpu_unload(old);
    __atomic_store_n(&cpu->loaded, NULL, __ATOMIC_RELEASE);
}

void guest_drop_idle(struct cpu *cpu)
{
    const struct vcpu *vcpu = cpu->loaded;
    if (vcpu && vcpu != cpu->current && (vcpu->run_state == VCPU_DEAD || vcpu->paused))
        guest_unload(cpu, vcpu->run_state != VCPU_DEAD);
}

void guest_load(struct cpu *cpu, struct vcpu *vcpu)
{
    guest_unload(cpu, true);
    set_xcr0(cpu, fpu_mask());
    clts();
    xrstor(vcpu->xsave, fpu_mask());
    write_cr0(read_cr0() | CR0_TS);
    cpu->loaded = vcpu;
    write_breakpoints(vcpu->guest_dr);
    vendor->vcpu_load(vcpu);
}

/* What need not be looked at on every entry: another vcpu was loaded, XCR0 changed, mappings were removed. */
static __attribute__((noinline)) void prepare(struct cpu *cpu, struct vcpu *vcpu)
{
    if (cpu->loaded != vcpu)
        guest_load(cpu, vcpu);
    set_xcr0(cpu, vcpu->xcr0);
    uint64_t generation = __atomic_load_n(&vcpu->domain->guest_generation, __ATOMIC_ACQUIRE);
    if (vcpu->seen_generation != generation) {
        vcpu->seen_generation = generation;
        vendor->flush_guest_tlb(vcpu);
    }
}

/* The monitor chose another deadline. True if it has passed already. */
static __attribute__((noinline)) bool deadline_changed(struct cpu *cpu, struct vcpu *vcpu, uint64_t deadline)
{
    if (deadline && rdtsc() >= deadline) {
        __atomic_or_fetch(&vcpu->state->events, 1ull << EVENT_TIMER, __ATOMIC_RELAXED);
        return true;
    }
    vcpu->deadline = deadline;
    if (!vendor->has_guest_timer)
        scheduler_arm(cpu, deadline);
    return false;
}

/* Accepts the XCR0 that the monitor wants for its guest if the architecture and the kernel allow it. */
static __attribute__((noinline)) bool xcr0_accept(struct vcpu *vcpu)
{
    uint64_t wanted = vcpu->state->xcr0;
    if ((wanted & ~fpu_mask()) || !(wanted & XCR0_X87) || ((wanted & XCR0_AVX) && !(wanted & XCR0_SSE)))
        return false;
    vcpu->xcr0 = wanted;
    return true;
}

static _Noreturn void to_monitor(struct vcpu *vcpu, enum status status)
{
    vcpu->in_guest = false;
    vcpu->monitor_since = rdtsc();
    vcpu->result = status;
    resume_syscall(vcpu);
}

void vcpu_run(struct vcpu *vcpu)
{
    struct cpu *cpu = this_cpu();
    struct vcpu_state *state = vcpu->state;
    if (!vcpu->vendor)
        to_monitor(vcpu, ERR_CALL);
    if ((state->dirty & GROUP_CONTROL) && !xcr0_accept(vcpu))
        to_monitor(vcpu, ERR_PARAM);
    vcpu->in_guest = true;
    vcpu->ticks_monitor += rdtsc() - vcpu->monitor_since;
    for (;;) {
        if (cpu->resched)
            preempt(vcpu, RESUME_GUEST);
        uint64_t deadline = __atomic_load_n(&state->deadline, __ATOMIC_RELAXED);
        if (deadline != vcpu->deadline)
            deadline_changed(cpu, vcpu, deadline);
        if (__atomic_load_n(&state->events, __ATOMIC_RELAXED)) {
            state->exit.reason = EXIT_EVENT;
            to_monitor(vcpu, OK);
        }
        if (cpu->loaded != vcpu || cpu->xcr0 != vcpu->xcr0 || vcpu->seen_generation != vcpu->domain->guest_generation)
            prepare(cpu, vcpu);
        enum run_result result = vendor->run(vcpu, deadline);
        if (result == RUN_EXIT && !(paravirt_concerns(vcpu) && paravirt_exit(vcpu))) {
            state->exits_monitor++;
            to_monitor(vcpu, OK);
        }
        state->exits_kernel++;
        if (result == RUN_EXIT)
            continue;
        if (result == RUN_HOST)
            interrupts_take();
        else
            vcpu->deadline = 0; /* the guest timer expired: look at the deadline again */
    }
}
