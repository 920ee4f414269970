/* SPDX-License-Identifier: MIT
 * Panic: says what it can, stops the other CPUs by NMI, resets. Also the kernel's end of the stack protector. */
#include "panic.h"
#include "api.h"
#include "apic.h"
#include "boot.h"
#include "x86.h"

#define RESET_SECONDS 30 /* time to read the screen */
#define BACKTRACE_MAX 16

extern const char text_start[], text_end[]; /* linker.ld */

static _Atomic uint32_t panicking;
uint64_t __stack_chk_guard = 0x00000aff0d595e1dull; /* main.c makes it random */

bool panic_active(void)
{
    return __atomic_load_n((uint32_t *)&panicking, __ATOMIC_RELAXED);
}

_Noreturn void panic_stop(void)
{
    for (;;) {
        interrupts_off();
        cpu_halt();
    }
}

static bool on_cpu_stack(uint64_t address)
{
    return address >= KERNEL_STACKS && address < KERNEL_STACKS + (uint64_t)MAX_CPUS * CPU_SLOT;
}

static _Noreturn void end(void)
{
    print("kernel: stopped; the machine is reset in %u seconds\n", RESET_SECONDS);
    tsc_delay(RESET_SECONDS * 1000000ull);
    machine_off(1);
    panic_stop();
}

/* The first CPU to come prints, the others stop. If it faults while it prints, it goes straight to the end. */
static void begin(void)
{
    static uint64_t first_slot;
    uint64_t rsp = (uint64_t)__builtin_frame_address(0), slot = ALIGN_DOWN(rsp, CPU_SLOT);
    interrupts_off();
    if (__atomic_exchange_n((uint32_t *)&panicking, 1u, __ATOMIC_SEQ_CST)) {
        if (slot == first_slot)
            end();
        panic_stop();
    }
    first_slot = slot;
    lapic_nmi_others();
    console_init(); /* the port was a domain's */
    print("\nbulkhead: panic on CPU %u: ", on_cpu_stack(rsp) ? this_cpu()->index : 0);
}

/* Without frame pointers: every word of the stack that points into the text. Too many rather than too few. */
static void backtrace(uint64_t rsp)
{
    if (!on_cpu_stack(rsp))
        return;
    print("kernel: possible return addresses:");
    uint64_t end = ALIGN_UP(rsp + 1, PAGE_SIZE), found = 0;
    for (uint64_t at = ALIGN_UP(rsp, 8); at < end && found < BACKTRACE_MAX; at += 8) {
        uint64_t word = *(const uint64_t *)at;
        if (word >= (uint64_t)text_start && word < (uint64_t)text_end) {
            print(" %lx", word);
            found++;
        }
    }
    print("\n");
}

_Noreturn void panic(const char *format, ...)
{
    va_list args;
    begin();
    va_start(args, format);
    vprint(format, args);
    va_end(args);
    print("\n");
    backtrace((uint64_t)__builtin_frame_address(0));
    end();
}

_Noreturn void panic_trap(const struct trap_frame *f, const char *what)
{
    begin();
    print("%s: vector %lu error %lx at %lx:%lx\n", what, f->vector, f->error, f->cs, f->rip);
    print("rax %016lx rbx %016lx rcx %016lx\n", f->rax, f->rbx, f->rcx); /* a line of the screen has 80 characters */
    print("rdx %016lx rsi %016lx rdi %016lx\n", f->rdx, f->rsi, f->rdi);
    print("rbp %016lx rsp %016lx r8  %016lx\n", f->rbp, f->rsp, f->r8);
    print("r9  %016lx r10 %016lx r11 %016lx\n", f->r9, f->r10, f->r11);
    print("r12 %016lx r13 %016lx r14 %016lx\n", f->r12, f->r13, f->r14);
    print("r15 %016lx rflags %lx ss %lx\n", f->r15, f->rflags, f->ss);
    print("cr0 %lx cr2 %lx cr3 %lx cr4 %lx\n", read_cr0(), read_cr2(), read_cr3(), read_cr4());
    backtrace(f->rsp);
    end();
}

_Noreturn void assert_failed(const char *condition, const char *file, int line)
{
    panic("assertion %s failed, %s:%d", condition, file, line);
}

_Noreturn void __stack_chk_fail(void);
_Noreturn void __stack_chk_fail(void)
{
    panic("stack overrun in the function that returns to %p", __builtin_return_address(0));
}
