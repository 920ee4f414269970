/* SPDX-License-Identifier: MIT
 * The scheduler: fixed priorities, round robin among equals, sleeping with a deadline. */
#include "scheduler.h"
#include "api.h"
#include "guest.h"
#include "paravirt.h"
#include "hardening.h"
#include "sync.h"
#include "vendor.h"
#include "x86.h"

_Noreturn void trap_return(struct trap_frame *frame);
_Noreturn void return_sysexit(struct vcpu *vcpu);
_Noreturn void return_sysret(struct vcpu *vcpu);
_Noreturn void call_on_fresh_stack(void (*function)(void));
void idle_wait(void);

#define PERIOD_SLICES 2

static uint64_t slice(void)
{
    return tsc_hz / 1000000 * SLICE_MICROSECONDS;
}

/* --- queues: circular, doubly linked; cpu.queue[p] is the head. Queue lock held. --- */

static void queue_insert(struct cpu *cpu, struct vcpu *vcpu, bool front)
{
    struct vcpu **head = &cpu->queue[vcpu->priority];
    if (!*head) {
        vcpu->next = vcpu->prev = vcpu;
        *head = vcpu;
    } else {
        vcpu->next = *head;
        vcpu->prev = (*head)->prev;
        vcpu->prev->next = vcpu;
        (*head)->prev = vcpu;
        if (front)
            *head = vcpu;
    }
    cpu->queue_map |= 1u << vcpu->priority;
}

static void queue_remove(struct cpu *cpu, struct vcpu *vcpu)
{
    struct vcpu **head = &cpu->queue[vcpu->priority];
    if (vcpu->next == vcpu) {
        *head = NULL;
        cpu->queue_map &= ~(1u << vcpu->priority);
    } else {
        vcpu->next->prev = vcpu->prev;
        vcpu->prev->next = vcpu->next;
        if (*head == vcpu)
            *head = vcpu->next;
    }
}

static void sleepers_insert(struct cpu *cpu, struct vcpu *vcpu, uint64_t deadline)
{
    struct vcpu **at = &cpu->sleepers;
    while (*at && (*at)->sleep_deadline <= deadline)
        at = &(*at)->sleep_next;
    vcpu->sleep_deadline = deadline;
    vcpu->sleep_next = *at;
    *at = vcpu;
}

static void sleepers_remove(struct cpu *cpu, struct vcpu *vcpu)
{
    if (!vcpu->sleep_deadline)
        return;
    struct vcpu **at = &cpu->sleepers;
    while (*at != vcpu)
        at = &(*at)->sleep_next;
    *at = vcpu->sleep_next;
    vcpu->sleep_deadline = 0;
}

/* A burst vcpu that has run for its part of the period takes turns with the most urgent of those that are ready, until the period is over:
 * it comes at once while it does little, and cannot keep the CPU from others. */
static void choose_queue(const struct cpu *cpu, struct vcpu *vcpu)
{
    vcpu->priority = vcpu->own_priority;
    if (!vcpu->burst)
        return;
    uint64_t now = rdtsc();
    uint8_t ready = cpu->queue_map ? (uint8_t)(31 - __builtin_clz(cpu->queue_map)) : 0;
    if (cpu->current && cpu->current != vcpu && cpu->current->priority > ready)
        ready = cpu->current->priority; /* else it would wait for as long as that one likes to run */
    if (now - vcpu->period >= PERIOD_SLICES * slice()) {
        vcpu->period = now;
        vcpu->period_used = 0;
    }
    if (vcpu->period_used >= slice() && ready < vcpu->own_priority)
        vcpu->priority = ready;
}

/* Does somebody wait for the end of the current vcpu's slice? */
static bool contended(const struct cpu *cpu)
{
    return cpu->queue[cpu->current->priority] || (cpu->current->burst && cpu->queue_map);
}

/* Makes vcpu ready on its CPU; true if that CPU should look at its queue. A paused one is ready, but in no queue. */
static bool enqueue(struct cpu *cpu, struct vcpu *vcpu)
{
    vcpu->run_state = VCPU_READY;
    if (vcpu->paused)
        return false;
    choose_queue(cpu, vcpu);
    queue_insert(cpu, vcpu, false);
    const struct vcpu *current = cpu->current;
    if (!current || vcpu->priority > current->priority)
        cpu->resched = true;
    return !current || vcpu->priority >= current->priority || current->burst;
}

/* --- time --- */

void scheduler_arm(struct cpu *cpu, uint64_t deadline)
{
    if (!deadline || (cpu->timer_armed && cpu->timer_armed <= deadline))
        return;
    cpu->timer_armed = deadline;
    lapic_timer(deadline);
}

/* Arms for the end of the slice if somebody of the same priority waits, and for the first sleeper. */
static void arm_for_core(struct cpu *cpu)
{
    if (cpu->sleepers)
        scheduler_arm(cpu, cpu->sleepers->sleep_deadline);
    if (cpu->current && !cpu->resched && contended(cpu)) /* a slice that is over is dealt with already: its end would come again and again */
        scheduler_arm(cpu, cpu->slice_end);
}

void scheduler_tick(struct cpu *cpu)
{
    uint64_t now = rdtsc();
    cpu->timer_armed = 0;
    spin_lock(&cpu->queue_lock);
    while (cpu->sleepers && cpu->sleepers->sleep_deadline <= now) {
        struct vcpu *vcpu = cpu->sleepers;
        sleepers_remove(cpu, vcpu);
        if (vcpu->resume == RESUME_SYSCALL) /* a guest that waits knows its deadline itself; vcpu_run looks at the monitor's */
            __atomic_or_fetch(&vcpu->state->events, 1ull << EVENT_TIMER, __ATOMIC_RELAXED);
        enqueue(cpu, vcpu);
    }
    if (cpu->current) {
        cpu->current->deadline = 0; /* vcpu_run looks at it again */
        if (contended(cpu) && now >= cpu->slice_end)
            cpu->resched = true;
    }
    arm_for_core(cpu);
    spin_unlock(&cpu->queue_lock);
}

/* --- dispatch --- */

void resume_syscall(struct vcpu *vcpu)
{
    if (vendor->sysenter)
        return_sysexit(vcpu);
    return_sysret(vcpu);
}

static _Noreturn void dispatch(struct cpu *cpu, struct vcpu *vcpu)
{
    uint64_t cr3 = pool_hpa(vcpu->domain->process.root).v;
    if (cpu->user_cr3 != cr3) {
        cpu->user_cr3 = cr3;
        write_cr3(cr3);
        speculation_barrier();
    }
    switch (vcpu->resume) {
    case RESUME_GUEST:
        vcpu_run(vcpu);
    case RESUME_SYSCALL:
        resume_syscall(vcpu);
    default:
        trap_return(&vcpu->frame);
    }
}

static void schedule_fresh(void)
{
    struct cpu *cpu = this_cpu();
    for (;;) {
        spin_lock(&cpu->queue_lock);
        cpu->resched = false;
        if (cpu->queue_map) {
            struct vcpu *vcpu = cpu->queue[31 - __builtin_clz(cpu->queue_map)];
            uint64_t now = rdtsc();
            queue_remove(cpu, vcpu);
            vcpu->run_state = VCPU_CURRENT;
            vcpu->run_since = vcpu->monitor_since = now;
            vcpu->deadline = 0;
            vcpu->pv_waiting = false;
            cpu->current = vcpu;
            cpu->slice_end = now + slice();
            arm_for_core(cpu);
            spin_unlock(&cpu->queue_lock);
            dispatch(cpu, vcpu);
        }
        arm_for_core(cpu);
        spin_unlock(&cpu->queue_lock);
        guest_drop_idle(cpu);
        idle_wait();
    }
}

/* The current vcpu has stopped being current: account for it. Its queue lock is held. */
static void leave(struct cpu *cpu, struct vcpu *vcpu)
{
    uint64_t now = rdtsc();
    vcpu->ticks_run += now - vcpu->run_since;
    vcpu->period_used += now - vcpu->run_since;
    if (!vcpu->in_guest)
        vcpu->ticks_monitor += now - vcpu->monitor_since;
    cpu->current = NULL;
}

void schedule(void)
{
    struct cpu *cpu = this_cpu();
    struct vcpu *vcpu = cpu->current;
    if (vcpu) { /* it was killed while it ran */
        spin_lock(&cpu->queue_lock);
        leave(cpu, vcpu);
        spin_unlock(&cpu->queue_lock);
    }
    call_on_fresh_stack(schedule_fresh);
}

void preempt(struct vcpu *vcpu, enum resume_kind how)
{
    struct cpu *cpu = this_cpu();
    spin_lock(&cpu->queue_lock);
    if (vcpu->run_state != VCPU_DEAD) {
        uint64_t now = rdtsc();
        vcpu->resume = how;
        vcpu->run_state = VCPU_READY;
        leave(cpu, vcpu);
        if (!vcpu->paused) {
            choose_queue(cpu, vcpu);
            queue_insert(cpu, vcpu, now < cpu->slice_end);
        }
    }
    spin_unlock(&cpu->queue_lock);
    schedule();
}

/* The current vcpu waits. Queue lock held. */
static _Noreturn void block(struct cpu *cpu, struct vcpu *vcpu, enum resume_kind how, uint64_t deadline)
{
    vcpu->resume = how;
    vcpu->run_state = VCPU_BLOCKED;
    leave(cpu, vcpu);
    if (deadline)
        sleepers_insert(cpu, vcpu, deadline);
    spin_unlock(&cpu->queue_lock);
    schedule();
}

void vcpu_block(struct vcpu *vcpu)
{
    struct cpu *cpu = this_cpu();
    struct vcpu_state *state = vcpu->state;
    uint64_t deadline = __atomic_load_n(&state->deadline, __ATOMIC_RELAXED);
    spin_lock(&cpu->queue_lock);
    if (deadline && rdtsc() >= deadline)
        __atomic_or_fetch(&state->events, 1ull << EVENT_TIMER, __ATOMIC_RELAXED);
    if (__atomic_load_n(&state->events, __ATOMIC_RELAXED) || vcpu->run_state == VCPU_DEAD) {
        spin_unlock(&cpu->queue_lock);
        return;
    }
    vcpu->result = OK;
    block(cpu, vcpu, RESUME_SYSCALL, deadline);
}

void vcpu_wait_paravirt(struct vcpu *vcpu, uint64_t deadline)
{
    struct cpu *cpu = this_cpu();
    uint64_t monitors = __atomic_load_n(&vcpu->state->deadline, __ATOMIC_RELAXED);
    if (!deadline || (monitors && monitors < deadline))
        deadline = monitors;
    spin_lock(&cpu->queue_lock);
    vcpu->pv_waiting = true;
    if ((deadline && rdtsc() >= deadline) || __atomic_load_n(&vcpu->state->events, __ATOMIC_RELAXED) || !paravirt_waits(vcpu) ||
        vcpu->run_state == VCPU_DEAD) {
        vcpu->pv_waiting = false;
        spin_unlock(&cpu->queue_lock);
        return;
    }
    block(cpu, vcpu, RESUME_GUEST, deadline);
}

/* --- from outside --- */

void scheduler_kicked(struct cpu *cpu)
{
    spin_lock(&cpu->queue_lock);
    arm_for_core(cpu);
    spin_unlock(&cpu->queue_lock);
}

static void kick(struct cpu *cpu)
{
    if (cpu != this_cpu())
        lapic_command(cpu->apic_id, VECTOR_KICK);
    else
        scheduler_kicked(cpu);
}

/* Its CPU, with the queue lock held: the vcpu may be on its way to another (vcpu_place). */
static struct cpu *lock_cpu_of(struct vcpu *vcpu)
{
    for (;;) {
        struct cpu *cpu = __atomic_load_n(&vcpu->cpu, __ATOMIC_ACQUIRE);
        spin_lock(&cpu->queue_lock);
        if (cpu == vcpu->cpu)
            return cpu;
        spin_unlock(&cpu->queue_lock);
    }
}

void vcpu_ready(struct vcpu *vcpu)
{
    struct cpu *cpu = lock_cpu_of(vcpu);
    bool look = vcpu->run_state == VCPU_STOPPED && enqueue(cpu, vcpu);
    spin_unlock(&cpu->queue_lock);
    if (look)
        kick(cpu);
}

/* Wakes it if it waits; interrupts its guest if that runs on another CPU and `running`. */
static void wake(struct vcpu *vcpu, bool running)
{
    struct cpu *cpu = lock_cpu_of(vcpu);
    bool look = running && vcpu->run_state == VCPU_CURRENT;
    if (vcpu->run_state == VCPU_BLOCKED) {
        sleepers_remove(cpu, vcpu);
        look = enqueue(cpu, vcpu);
    }
    spin_unlock(&cpu->queue_lock);
    if (look)
        kick(cpu);
}

void vcpu_notify(struct vcpu *vcpu, uint64_t bits)
{
    __atomic_or_fetch(&vcpu->state->events, bits, __ATOMIC_SEQ_CST);
    wake(vcpu, true);
}

void vcpu_post(struct vcpu *vcpu, uint8_t vector)
{
    struct vcpu_state *state = vcpu->state;
    __atomic_or_fetch(&state->pir[vector / 64], 1ull << (vector % 64), __ATOMIC_SEQ_CST);
    bool by_hardware = __atomic_load_n(&vcpu->in_guest, __ATOMIC_SEQ_CST) && (state->want & WANT_X2APIC);
    if (!by_hardware)
        __atomic_or_fetch(&state->events, 1ull << EVENT_POSTED, __ATOMIC_SEQ_CST);
    wake(vcpu, true);
}

void vcpu_wake_paravirt(struct vcpu *vcpu)
{
    if (__atomic_load_n(&vcpu->pv_waiting, __ATOMIC_SEQ_CST))
        wake(vcpu, false);
}

void vcpu_pause(struct vcpu *vcpu, bool on)
{
    struct cpu *cpu = lock_cpu_of(vcpu);
    bool look = vcpu->run_state == VCPU_CURRENT;
    if (vcpu->paused != on) {
        vcpu->paused = on;
        if (look)
            cpu->resched = true;
        else if (vcpu->run_state == VCPU_READY && on)
            queue_remove(cpu, vcpu);
        else if (vcpu->run_state == VCPU_READY)
            look = enqueue(cpu, vcpu);
    }
    spin_unlock(&cpu->queue_lock);
    if (look)
        kick(cpu);
}

enum status vcpu_place(struct vcpu *vcpu, struct cpu *to, uint8_t priority)
{
    struct cpu *from = lock_cpu_of(vcpu);
    uint64_t deadline = vcpu->sleep_deadline;
    bool free = vcpu->paused && vcpu->run_state != VCPU_CURRENT && __atomic_load_n(&from->loaded, __ATOMIC_ACQUIRE) != vcpu;
    if (free) {
        sleepers_remove(from, vcpu);
        vcpu->priority = vcpu->own_priority = priority;
        vcpu->seen_generation = UINT64_MAX; /* the new CPU may have translations from an earlier stay */
        __atomic_store_n(&vcpu->cpu, to, __ATOMIC_RELEASE);
    }
    spin_unlock(&from->queue_lock);
    if (!free) {
        kick(from); /* it unloads the guests of paused vcpus when it is idle */
        return ERR_BUSY;
    }
    if (deadline) { /* paused: it cannot have begun to wait for another in between; it may have been woken */
        spin_lock(&to->queue_lock);
        if (vcpu->run_state == VCPU_BLOCKED)
            sleepers_insert(to, vcpu, deadline);
        spin_unlock(&to->queue_lock);
        kick(to);
    }
    return OK;
}

void vcpu_kill(struct vcpu *vcpu)
{
    struct cpu *cpu = lock_cpu_of(vcpu);
    bool running = vcpu->run_state == VCPU_CURRENT;
    if (vcpu->run_state == VCPU_READY && !vcpu->paused)
        queue_remove(cpu, vcpu);
    if (vcpu->run_state == VCPU_BLOCKED)
        sleepers_remove(cpu, vcpu);
    vcpu->run_state = VCPU_DEAD;
    if (running)
        cpu->resched = true;
    spin_unlock(&cpu->queue_lock);
    if (running)
        kick(cpu);
}

void scheduler_start(void)
{
    struct cpu *cpu = this_cpu();
    __atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
    call_on_fresh_stack(schedule_fresh);
}
