/* SPDX-License-Identifier: MIT
 * A host CPU. Its struct lies in the last page of its stack slot, so the stack pointer finds it. The kernel runs with interrupts
 * off from entry to exit, one stack per CPU, and never blocks: a vcpu that waits is a vcpu that is not current. */
#pragma once

#include "layout.h"
#include "types.h"

struct vcpu;

/* The registers that a trap from ring 3 (or from the kernel itself) pushes: see kernel/entry.S. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss; /* pushed by the CPU */
};

struct cpu {
    uint64_t syscall_rsp;          /* SYSCALL entry: user RSP is parked here (offset 0: kernel/entry.S) */
    uint64_t stack_top;            /* offset 8: initial RSP of every kernel entry */
    uint32_t index;                /* 0 = boot CPU */
    uint32_t apic_id;
    struct vcpu *current;          /* null: idle */
    struct vcpu *loaded;           /* whose guest-mode state and FPU are in the hardware */
    struct vcpu *queue[PRIORITIES]; /* runnable vcpus except current: heads of circular lists */
    uint32_t queue_map;            /* bit p: queue[p] not empty */
    _Atomic uint32_t queue_lock;
    struct vcpu *sleepers;         /* blocked with a deadline, ascending */
    _Atomic bool resched;          /* look at the queue before returning to ring 3 or a guest */
    uint64_t slice_end;            /* TSC: round robin among equals */
    uint64_t timer_armed;          /* TSC deadline programmed in the local APIC timer, 0 = none */
    uint64_t xcr0;                 /* in the hardware */
    _Atomic uint64_t sync_request, sync_done; /* see sync.c */
    bool online;                   /* its scheduler runs */
    hpa_t vendor_page;             /* VMXON region or host save area */
    void *vendor;                  /* vendor's per-CPU data, pool memory */
    uint64_t user_cr3;             /* loaded now */
    struct { uint64_t gdt[GDT_ENTRIES]; } gdt;
    struct { uint32_t reserved0; uint32_t rsp[6]; uint32_t reserved1[2]; uint32_t ist[14]; uint32_t reserved2[2]; uint16_t reserved3, io_map; } __attribute__((packed, aligned(16))) tss;
};
_Static_assert(sizeof(struct cpu) <= 4096, "struct cpu is the last page of its slot");

static inline struct cpu *this_cpu(void)
{
    uint64_t rsp;
    __asm__("mov %%rsp, %0" : "=r"(rsp));
    return (struct cpu *)((rsp | (CPU_SLOT - 1)) + 1 - 4096);
}

extern uint32_t cpu_count;            /* CPUs that run */
struct cpu *cpu_by_index(uint32_t i); /* i < cpu_count */

extern uint64_t tsc_hz; /* measured at boot, invariant */
