/* SPDX-License-Identifier: MIT
 * What an operation costs: median of TSC differences, less the cost of reading the TSC. One line "bench NAME MEDIAN" each.
 * Where one TSC tick is one instruction (QEMU -icount shift=0, Bochs) these are instruction counts. */
#include "lib/guest.h"

#define ROUNDS 101
#define MSR_DEADLINE 0x6e0
#define DISTANCE 40000 /* ticks from programming the timer to its expiry */
enum { V_TIMER = 0x60, V_SELF = 0x61, V_PING = 0x62, V_PONG = 0x63 };

static uint64_t samples[ROUNDS], overhead;
static volatile uint32_t fired, self_fired, pongs, ready;
static volatile uint64_t fired_at;

static inline uint64_t ticks(void)
{
    uint32_t a, d;
    __asm__ volatile("rdtsc" : "=a"(a), "=d"(d) : : "memory");
    return a | (uint64_t)d << 32;
}

static uint64_t median(void)
{
    for (unsigned i = 1; i < ROUNDS; i++)
        for (unsigned j = i; j && samples[j - 1] > samples[j]; j--) {
            uint64_t t = samples[j];
            samples[j] = samples[j - 1];
            samples[j - 1] = t;
        }
    return samples[ROUNDS / 2];
}

static void report(const char *name)
{
    uint64_t m = median();
    print("bench %s %lu\n", name, m > overhead ? m - overhead : 0);
}

#define MEASURE(name, code) \
    do { \
        for (unsigned i_ = 0; i_ < ROUNDS; i_++) { \
            uint64_t begin_ = ticks(); \
            code; \
            samples[i_] = ticks() - begin_; \
        } \
        report(name); \
    } while (0)

static void on_timer(struct frame *f) { (void)f; lapic_eoi(); fired_at = ticks(); fired++; }
static void on_self(struct frame *f) { (void)f; lapic_eoi(); self_fired++; }
static void on_ping(struct frame *f) { (void)f; lapic_icr(0, 0x4000 | V_PONG); lapic_eoi(); }
static void on_pong(struct frame *f) { (void)f; pongs++; lapic_eoi(); }

static void vmcall(void *p) { (void)p; __asm__ volatile("vmcall" : : "a"(1000) : "memory", "rcx", "rdx"); }
static void vmmcall(void *p) { (void)p; __asm__ volatile("vmmcall" : : "a"(1000) : "memory", "rcx", "rdx"); }

/* HYPERCALL_EVENT_SIGNAL (kernel/include/abi/hypercall.h) of a handle that nobody has. */
static void signal_nobody(bool amd)
{
    uint64_t number = 0x42480001;
    if (amd)
        __asm__ volatile("vmmcall" : "+a"(number) : "D"(~0ul) : "memory");
    else
        __asm__ volatile("vmcall" : "+a"(number) : "D"(~0ul) : "memory");
}

static void bench_instructions(void)
{
    static const struct { const char *name; uint16_t port; } inputs[] = { { "in-cmos-0x71", 0x71 }, { "in-pit-0x42", 0x42 }, { "in-nobody-0x1234", 0x1234 } };
    MEASURE("cpuid", cpuid(0, 0));
    for (unsigned i = 0; i < COUNT(inputs); i++)
        MEASURE(inputs[i].name, inb(inputs[i].port));
    MEASURE("out-0x80", outb(0x80, 0));
    const uint8_t *fadt = acpi_find("FACP");
    uint16_t pm_timer = fadt ? read32((uint64_t)fadt + 76) : 0;
    MEASURE("in-pm-timer", inl(pm_timer));
    MEASURE("mmio-hpet-read", read32(0xfed000f0));
    MEASURE("mmio-hpet-write", write32(0xfed00108, 0xffffffff));
    MEASURE("rdmsr-apic-base", rdmsr(0x1b));
    void (*call)(void *) = cpuid(0, 0).ebx == 0x68747541 ? vmmcall : vmcall;
    if (cpuid(1, 0).ecx >> 31 && !boot_option("bare") && try_call(call, 0) == -1)
        MEASURE("hypercall-monitor", call(0));
    /* Handled in the kernel: the signal of an event that this domain does not have. */
    bool amd = call == vmmcall;
    if (cpuid(0x40000100, 0).ebx == 0x6b6c7542)
        MEASURE("hypercall-kernel", signal_nobody(amd));
}

static void bench_memory(void)
{
    uint64_t at = 0x800000;
    MEASURE("touch-4k", (write32(at, 1), at += 0x1000));
    at = 0x1000000;
    WRITE_CR(3, READ_CR(3));
    MEASURE("touch-again", (write32(0x800000, 1)));
    MEASURE("cr3-write", WRITE_CR(3, READ_CR(3)));
}

static void bench_apic(const char *mode)
{
    print("# local APIC mode: %s\n", mode);
    irq_set_handler(V_SELF, on_self);
    sti();
    MEASURE(x2apic ? "x2apic-eoi" : "xapic-eoi", lapic_eoi());
    uint32_t count = self_fired;
    MEASURE(x2apic ? "x2apic-self-ipi" : "xapic-self-ipi", ({
        if (x2apic)
            wrmsr(0x830, 0x44000 | V_SELF);
        else
            write32(LAPIC_BASE + LAPIC_ICR, 0x44000 | V_SELF);
        count++;
        while (self_fired < count)
            pause();
    }));
    MEASURE(x2apic ? "x2apic-tpr-write" : "xapic-tpr-write", lapic_write(LAPIC_TPR, 0));
    cli();
}

/* Each sample: from the programming to the end of the handler, less the distance that was programmed. */
static void bench_deadline(void)
{
    irq_set_handler(V_TIMER, on_timer);
    lapic_write(LAPIC_LVT_TIMER, 0x40000 | V_TIMER);
    sti();
    MEASURE("deadline-program", wrmsr(MSR_DEADLINE, ticks() + 1000000000));
    wrmsr(MSR_DEADLINE, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t before = fired;
        uint64_t begin = ticks();
        wrmsr(MSR_DEADLINE, begin + DISTANCE);
        uint64_t programmed = ticks();
        while (fired == before)
            pause();
        samples[i] = fired_at - (begin + DISTANCE) + (programmed - begin);
    }
    report("deadline-one-shot");
    for (unsigned i = 0; i < ROUNDS; i++) {
        cli();
        uint64_t due = ticks() + DISTANCE;
        wrmsr(MSR_DEADLINE, due);
        sti_hlt();
        samples[i] = ticks() - due;
    }
    report("hlt-wake-up");
    cli();
}

static void bench_timer(void)
{
    irq_set_handler(V_TIMER, on_timer);
    lapic_write(LAPIC_TIMER_DIVIDE, 0xb);
    lapic_write(LAPIC_LVT_TIMER, V_TIMER);
    MEASURE("timer-program", lapic_write(LAPIC_TIMER_INITIAL, 0x7fffffff));
    lapic_write(LAPIC_TIMER_INITIAL, 0);
}

static void secondary(void *argument)
{
    (void)argument;
    if (x2apic)
        x2apic_enable();
    lapic_write(LAPIC_SVR, 0x1ff);
    sti();
    ready = 1;
    for (;;)
        if (boot_option("halted"))
            __asm__ volatile("hlt");
        else
            pause();
}

static void bench_ipi(void)
{
    irq_set_handler(V_PING, on_ping);
    irq_set_handler(V_PONG, on_pong);
    if (!cpu_start(1, secondary, 0) || !wait_for(&ready, 1, 1000))
        return;
    sti();
    uint32_t count = pongs;
    MEASURE("ipi-round-trip", ({
        lapic_icr(1, 0x4000 | V_PING);
        count++;
        while (pongs < count)
            pause();
    }));
    cli();
}

void main(void)
{
    time_init();
    lapic_init();
    write32(0xfed00010, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t begin = ticks();
        samples[i] = ticks() - begin;
    }
    overhead = median();
    outb(0x21, 0xff); /* as every kernel does; a tick of the firmware's timer that is pending already costs each entry a look, until it is let in */
    outb(0xa1, 0xff);
    __asm__ volatile("sti; nop; cli");
    bench_instructions();
    bench_memory();
    bench_timer();
    bench_apic("xAPIC");
    bool deadline = cpuid(1, 0).ecx & CPUID1_ECX_DEADLINE;
    if (x2apic_enable())
        bench_apic("x2APIC");
    if (deadline)
        bench_deadline();
    if (boot_option("smp"))
        bench_ipi();
    finish(0);
}
