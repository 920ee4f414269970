/* SPDX-License-Identifier: MIT
 * The time-stamp counter's frequency, measured against the ACPI PM timer (ACPI 6.5, 4.8.3.3), else the 8254's channel 2. */
#include "acpi.h"
#include "api.h"
#include "boot.h"
#include "x86.h"

#define PM_HZ 3579545ull
#define PM_TICKS (PM_HZ / 40) /* 25 ms */
#define PIT_HZ 1193182ull
#define PIT_TICKS 29830u /* 25 ms */
#define SAMPLES 5
#define STEP_POLLS 1000 /* a step of the PM timer takes fewer reads */
#define POLLS 10000000u /* a counter that does not reach its end within so many reads stands still */
enum { PIT_CHANNEL_2 = 0x42, PIT_COMMAND = 0x43, PORT_61 = 0x61 };
#define PIT_ONE_SHOT 0xb0 /* channel 2, both bytes, mode 0 */
#define PORT_61_GATE 0x01
#define PORT_61_SPEAKER 0x02
#define PORT_61_OUT 0x20
#define CPUID_80000007_EDX_INVARIANT (1u << 8)

uint64_t tsc_hz = 4000000000; /* until it is measured: delays are long enough */

static uint32_t pm_since(uint32_t start)
{
    return (inl(acpi.pm_timer) - start) & (acpi.pm_timer_32 ? ~0u : 0xffffffu);
}

/* One moment on both clocks, at a step of the slower one: of several reads, the one that took least. */
static uint64_t pm_sample(uint32_t *pm)
{
    uint64_t best = ~0ull, tsc = 0, before, after;
    for (int i = 0; i < SAMPLES; i++) {
        uint32_t last = pm_since(0), now = last;
        for (int n = 0; now == last && n < STEP_POLLS; n++) {
            before = rdtsc();
            now = pm_since(0);
            after = rdtsc();
        }
        if (after - before < best) {
            best = after - before;
            tsc = before + best / 2;
            *pm = now;
        }
    }
    return tsc;
}

static uint64_t measure_pm(void)
{
    uint32_t pm_start, pm_end, polls = 0;
    if (!acpi.pm_timer)
        return 0;
    uint64_t start = pm_sample(&pm_start);
    while (pm_since(pm_start) < PM_TICKS)
        if (++polls == POLLS)
            return 0;
    uint64_t end = pm_sample(&pm_end);
    return (end - start) * PM_HZ / ((pm_end - pm_start) & (acpi.pm_timer_32 ? ~0u : 0xffffffu));
}

static uint64_t measure_pit(void)
{
    uint32_t polls = 0;
    uint8_t gate = (inb(PORT_61) & ~PORT_61_SPEAKER) | PORT_61_GATE;
    outb(PORT_61, gate);
    outb(PIT_COMMAND, PIT_ONE_SHOT);
    outb(PIT_CHANNEL_2, PIT_TICKS & 0xff);
    uint64_t start = rdtsc();
    outb(PIT_CHANNEL_2, PIT_TICKS >> 8);
    while (!(inb(PORT_61) & PORT_61_OUT))
        if (++polls == POLLS)
            return 0;
    uint64_t ticks = rdtsc() - start;
    outb(PORT_61, gate & ~PORT_61_GATE);
    return ticks * PIT_HZ / PIT_TICKS;
}

/* CPUID 15H: crystal * numerator / denominator, exact; 0 if the CPU does not say. */
static uint64_t enumerated(void)
{
    if (cpuid(0, 0).eax < 0x15)
        return 0;
    struct cpuid r = cpuid(0x15, 0);
    return r.eax && r.ebx && r.ecx ? (uint64_t)r.ecx * r.ebx / r.eax : 0;
}

void tsc_calibrate(void)
{
    const char *source = "PM timer";
    uint64_t exact = enumerated(), hz = measure_pm();
    if (!hz) {
        source = "PIT";
        hz = measure_pit();
    }
    if (exact && (!hz || (exact > hz - hz / 100 && exact < hz + hz / 100))) {
        source = "CPUID"; /* believed only if the measurement agrees, or there is none */
        hz = exact;
    }
    if (!hz)
        panic("no clock to measure the TSC against: neither PM timer nor PIT counts");
    tsc_hz = hz;
    bool invariant = cpuid(0x80000000, 0).eax >= 0x80000007 && (cpuid(0x80000007, 0).edx & CPUID_80000007_EDX_INVARIANT);
    print("tsc: %lu.%06lu MHz (%s)%s\n", (hz / 1000000), (hz % 1000000), source,
          invariant ? "" : ", not declared invariant");
}

void tsc_delay(uint64_t microseconds)
{
    uint64_t until = rdtsc() + tsc_hz * microseconds / 1000000;
    while (rdtsc() < until)
        cpu_pause();
}
