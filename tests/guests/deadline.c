/* SPDX-License-Identifier: MIT
 * The TSC-deadline timer, and the registers that only x2APIC mode has. */
#include "lib/guest.h"

#define MSR_DEADLINE 0x6e0
#define MSR_SELF_IPI 0x83f
enum { V_TIMER = 0x60, V_SELF = 0x61 };

static volatile uint32_t count, self_count;

static void on_timer(struct frame *f) { (void)f; count++; lapic_eoi(); }
static void on_self(struct frame *f) { (void)f; self_count++; lapic_eoi(); }

static void do_wrmsr(void *p) { uint64_t *a = p; wrmsr(a[0], a[1]); }
static void do_rdmsr(void *p) { uint64_t *a = p; a[1] = rdmsr(a[0]); }

static int attempt(void (*f)(void *), uint32_t index, uint64_t value)
{
    uint64_t a[2] = { index, value };
    return try_call(f, a);
}

static void check_deadline(void)
{
    irq_set_handler(V_TIMER, on_timer);
    lapic_write(LAPIC_LVT_TIMER, 0x40000 | V_TIMER);
    ok(rdmsr(MSR_DEADLINE) == 0, "not armed");
    sti();
    uint64_t due = rdtsc() + 2 * tsc_khz;
    wrmsr(MSR_DEADLINE, due);
    ok(rdmsr(MSR_DEADLINE) == due || rdtsc() >= due, "armed");
    ok(wait_for(&count, 1, 500) && rdtsc() >= due, "fires, not too early");
    ok(rdmsr(MSR_DEADLINE) == 0, "is 0 when it has fired");
    wrmsr(MSR_DEADLINE, 1);
    ok_wait(&count, 2, 500, "a deadline in the past fires at once");
    wrmsr(MSR_DEADLINE, rdtsc() + 2 * tsc_khz);
    wrmsr(MSR_DEADLINE, 0);
    delay_us(5000);
    ok(count == 2, "0 disarms");
    cli();
    wrmsr(MSR_DEADLINE, rdtsc() + tsc_khz);
    sti_hlt();
    ok(count == 3, "wakes HLT up");
    for (unsigned i = 0; i < 50; i++) {
        wrmsr(MSR_DEADLINE, rdtsc() + tsc_khz / 20);
        if (!wait_for(&count, 4 + i, 500))
            break;
    }
    ok(count == 53, "50 short deadlines: %u", count);
    wrmsr(MSR_DEADLINE, rdtsc() + 2 * tsc_khz);
    lapic_write(LAPIC_LVT_TIMER, V_TIMER);
    ok(rdmsr(MSR_DEADLINE) == 0, "another timer mode disarms");
    delay_us(4000);
    ok(count == 53, "and no interrupt comes");
    cli();
}

static void check_x2apic(void)
{
    irq_set_handler(V_SELF, on_self);
    ok(attempt(do_rdmsr, 0x802, 0) == GP, "x2APIC MSRs are #GP in xAPIC mode");
    x2apic_enable();
    ok(lapic_read(LAPIC_ID) == cpuid(1, 0).ebx >> 24, "ID %u", lapic_read(LAPIC_ID));
    uint32_t id = lapic_read(LAPIC_ID);
    ok(lapic_read(LAPIC_LDR) == ((id & ~15u) << 12 | 1u << (id & 15)), "LDR %x is derived from the ID", lapic_read(LAPIC_LDR));
    sti();
    wrmsr(MSR_SELF_IPI, V_SELF);
    ok_wait(&self_count, 1, 500, "SELF IPI register");
    wrmsr(0x830, (uint64_t)id << 32 | 0x4000 | V_SELF);
    ok_wait(&self_count, 2, 500, "64-bit ICR");
    cli();
    ok(attempt(do_wrmsr, 0x802, 5) == GP, "the ID is read-only");
    ok(attempt(do_wrmsr, 0x80b, 1) == GP, "EOI takes only 0");
    ok(attempt(do_rdmsr, 0x80b, 0) == GP, "EOI cannot be read");
    ok(attempt(do_rdmsr, 0x80e, 0) == GP, "there is no DFR");
    ok(attempt(do_wrmsr, 0x808, 0x100) == GP, "TPR's reserved bits");
    ok(attempt(do_rdmsr, 0x831, 0) == GP, "there is no high half of the ICR");
    ok(attempt(do_wrmsr, 0x1b, rdmsr(0x1b) & ~0x400ul) == GP, "no way from x2APIC back to xAPIC");
}

void main(void)
{
    time_init();
    lapic_init();
    uint32_t ecx = cpuid(1, 0).ecx;
    if (ecx & CPUID1_ECX_DEADLINE)
        check_deadline();
    else
        skip("TSC deadline", "not offered");
    if (ecx & CPUID1_ECX_X2APIC)
        check_x2apic();
    else
        skip("x2APIC", "not offered");
    count = 0;
    if (x2apic && (ecx & CPUID1_ECX_DEADLINE))
        check_deadline(); /* once more, in x2APIC mode */
    done();
}
