/* SPDX-License-Identifier: MIT
 * The scheduler: fixed priorities, round robin among equals, one run queue per CPU. The kernel does not block: a vcpu that
 * waits gives its CPU away by schedule(), which drops the kernel stack.
 *
 * Lock order of the whole kernel: manage_lock (sync.h) -> cpu.queue_lock -> console.c. Interrupts are always off. */
#pragma once

#include "vcpu.h"

#define SLICE_MICROSECONDS 10000u /* among equals of one priority */

/* Gives the CPU to the most urgent vcpu. The current one must have been put where it belongs (queue, sleepers, dead). */
_Noreturn void schedule(void);
/* Puts the current vcpu back into its queue (at its end if its slice is over) and schedules. */
_Noreturn void preempt(struct vcpu *vcpu, enum resume_kind resume);
/* Returns to ring 3 from a system call with vcpu->result and result2. */
_Noreturn void resume_syscall(struct vcpu *vcpu);
/* Blocks the current vcpu until an event bit is set or its deadline passes. Returns only if that is so already. */
void vcpu_block(struct vcpu *vcpu);
/* Makes a stopped vcpu runnable. */
void vcpu_ready(struct vcpu *vcpu);
/* Sets event bits of a vcpu; wakes it if it waits, makes it exit if it is in guest mode. Any CPU. */
void vcpu_notify(struct vcpu *vcpu, uint64_t bits);
/* Makes an interrupt vector pending in pir[] of the vcpu's state page: the CPU delivers it if it runs the guest's local APIC, else the monitor is
 * told by EVENT_POSTED. Any CPU. */
void vcpu_post(struct vcpu *vcpu, uint8_t vector);
/* HYPERCALL_EVENT_WAIT of the current vcpu: blocks until an event of its domain's pv page or of its state page, or until the host TSC
 * reaches deadline (0: none). Returns if there is one already; else the vcpu goes on in the guest later. */
void vcpu_wait_paravirt(struct vcpu *vcpu, uint64_t deadline);
void vcpu_wake_paravirt(struct vcpu *vcpu);
/* A paused vcpu does not run, whatever happens; events are kept for it. */
void vcpu_pause(struct vcpu *vcpu, bool on);
/* Moves a paused vcpu to another CPU or priority. ERR_BUSY if it has not left its CPU yet: try again. */
must_use enum status vcpu_place(struct vcpu *vcpu, struct cpu *to, uint8_t priority);
/* Takes a vcpu off its CPU for ever. If it is running elsewhere it stops at its next entry into the kernel. */
void vcpu_kill(struct vcpu *vcpu);

/* Timer interrupt: wakes sleepers whose deadline has passed, asks for a reschedule where due. */
void scheduler_tick(struct cpu *cpu);
/* Another CPU changed this one's queue: arms the timer for what is there now. */
void scheduler_kicked(struct cpu *cpu);
/* Programs the CPU's timer to `deadline` (TSC) unless it is armed for an earlier moment. 0: nothing. */
void scheduler_arm(struct cpu *cpu, uint64_t deadline);
