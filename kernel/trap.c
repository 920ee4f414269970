/* SPDX-License-Identifier: MIT
 * Traps and interrupts. From ring 3 a fault ends that process's domain; in the kernel it is a bug. Interrupts only note what is to
 * be done; whoever they interrupted looks at cpu.resched before it goes on. */
#include "api.h"
#include "scheduler.h"
#include "interrupt.h"
#include "iommu.h"
#include "panic.h"
#include "sync.h"
#include "x86.h"

extern const char return_sysexit_fault[];
extern const struct fixup { uint64_t fault, recover; } fixup_start[], fixup_end[]; /* linker.ld */

enum { EXCEPTIONS = 32 };
static const char *const exception_names[EXCEPTIONS] = {
    "divide error", "debug", "NMI", "breakpoint", "overflow", "bound range", "invalid opcode", "device not available (FPU or SSE used in ring 3)",
    "double fault", "coprocessor segment", "invalid TSS", "segment not present", "stack fault", "general protection", "page fault",
    "reserved", "x87 error", "alignment check", "machine check", "SIMD error", "virtualization", "control protection",
};

static const char *exception_name(uint64_t vector)
{
    return vector < EXCEPTIONS && exception_names[vector] ? exception_names[vector] : "unknown";
}

static void interrupt(struct cpu *cpu, uint64_t vector)
{
    if (vector == VECTOR_SPURIOUS)
        return;
    bool device = interrupt_deliver(vector); /* masks a line before its EOI */
    lapic_eoi();
    if (device)
        return;
    if (vector == VECTOR_TIMER)
        scheduler_tick(cpu);
    else if (vector == VECTOR_IOMMU)
        iommu_faults();
    else if (vector == VECTOR_KICK) {
        sync_answer(cpu);
        scheduler_kicked(cpu);
    }
}

/* True if the instruction may fault (fixup.h): then it goes on elsewhere. */
static bool fixup(struct trap_frame *frame)
{
    const struct fixup *f = fixup_start;
    while (f < fixup_end && f->fault != frame->rip)
        f++;
    if (f < fixup_end)
        frame->rip = f->recover;
    return f < fixup_end;
}

/* A fault of the process that is current. */
static _Noreturn void process_fault(struct cpu *cpu, const struct trap_frame *frame)
{
    domain_end(cpu->current->domain, END_MONITOR, "fault in ring 3, thread of vcpu %u: %s at 0x%lx, error 0x%lx, address 0x%lx, stack 0x%lx",
               cpu->current->index, exception_name(frame->vector), frame->rip, frame->error, frame->vector == VECTOR_PF ? read_cr2() : 0, frame->rsp);
    schedule();
}

void trap(struct trap_frame *frame)
{
    if (frame->vector == VECTOR_NMI) {
        if (panic_active())
            panic_stop();
        return;
    }
    bool user = (frame->cs & 3) == 3;
    struct cpu *cpu = this_cpu();
    if (frame->vector >= EXCEPTIONS) {
        interrupt(cpu, frame->vector);
        if (user && cpu->resched) {
            cpu->current->frame = *frame;
            preempt(cpu->current, RESUME_TRAP);
        }
        return;
    }
    if (frame->vector == VECTOR_DF || frame->vector == VECTOR_MC)
        panic_trap(frame, exception_names[frame->vector]); /* on stacks of their own, where this_cpu() still holds */
    if (user)
        process_fault(cpu, frame);
    if (frame->vector == VECTOR_DB) { /* SYSENTER with TF set: the trap hits the first instruction of the kernel */
        frame->rflags &= ~(uint64_t)RFLAGS_TF;
        return;
    }
    if (frame->vector == VECTOR_GP && frame->rip == (uint64_t)return_sysexit_fault)
        process_fault(cpu, frame);
    if ((frame->vector == VECTOR_GP || frame->vector == VECTOR_UD) && fixup(frame))
        return;
    panic_trap(frame, exception_name(frame->vector));
}
