/* SPDX-License-Identifier: MIT
 * The local APIC (SDM 3A chapter 11): x2APIC where the CPU has it, else xAPIC. IA32_APIC_BASE.EN is never cleared. */
#include "apic.h"
#include "api.h"
#include "boot.h"
#include "hostmap.h"
#include "x86.h"

enum {
    REG_ID = 0x20, REG_VERSION = 0x30, REG_TPR = 0x80, REG_EOI = 0xb0, REG_SPURIOUS = 0xf0, REG_ESR = 0x280, REG_ICR = 0x300,
    REG_ICR_HIGH = 0x310, REG_LVT_TIMER = 0x320, REG_LVT_PMC = 0x340, REG_LVT_LINT0 = 0x350, REG_LVT_LINT1 = 0x360,
    REG_LVT_ERROR = 0x370, REG_TIMER_COUNT = 0x380, REG_TIMER_NOW = 0x390, REG_TIMER_DIVIDE = 0x3e0,
};
#define SPURIOUS_ENABLE (1u << 8)
#define LVT_MASKED (1u << 16)
#define LVT_NMI (4u << 8)
#define TIMER_DEADLINE (2u << 17)
#define TIMER_DIVIDE_1 0xbu
#define ICR_NMI (4u << 8)
#define ICR_ASSERT (1u << 14)
#define ICR_OTHERS (3u << 18)
#define ICR_PENDING (1u << 12)
#define CPUID_1_ECX_X2APIC (1u << 21)
#define CPUID_1_ECX_DEADLINE (1u << 24)
#define CPUID_1_EDX_APIC (1u << 9)
#define XAPIC_BROADCAST 0xffu
#define CALIBRATE_MICROSECONDS 10000

static volatile uint8_t *page; /* xAPIC registers */
static bool x2apic, deadline_mode, ready;
static uint64_t count_scale; /* timer counts per TSC tick, 32.32 fixed point */

static uint32_t read(uint32_t reg)
{
    return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + reg / 16) : *(volatile uint32_t *)(page + reg);
}

static void write(uint32_t reg, uint32_t v)
{
    if (x2apic)
        wrmsr(MSR_X2APIC + reg / 16, v);
    else
        *(volatile uint32_t *)(page + reg) = v;
}

const char *lapic_init(void)
{
    struct cpuid id = cpuid(1, 0);
    if (!(id.edx & CPUID_1_EDX_APIC))
        return "this CPU has no local APIC (it may be off in the firmware's set-up)";
    x2apic = id.ecx & CPUID_1_ECX_X2APIC;
    if (!x2apic)
        page = device_map(rdmsr(MSR_APIC_BASE) & 0xffffffffff000ull, PAGE_SIZE);
    if (!x2apic && !page)
        return "there is no memory to map the local APIC";
    return NULL;
}

void lapic_enable(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);
    uint64_t on = base | APIC_BASE_EN | (x2apic ? APIC_BASE_EXTD : 0);
    if (!(base & APIC_BASE_EN)) /* x2APIC mode is entered from xAPIC mode only (SDM 3A 11.12.1) */
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_EN);
    if (on != base)
        wrmsr(MSR_APIC_BASE, on);
    write(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    uint32_t last = (read(REG_VERSION) >> 16) & 0xff;
    write(REG_LVT_TIMER, LVT_MASKED);
    write(REG_LVT_LINT0, LVT_MASKED);
    write(REG_LVT_LINT1, LVT_NMI);
    write(REG_LVT_ERROR, LVT_MASKED | VECTOR_SPURIOUS);
    if (last >= 4)
        write(REG_LVT_PMC, LVT_MASKED);
    write(REG_TPR, 0);
    write(REG_ESR, 0);
    if (deadline_mode) {
        write(REG_LVT_TIMER, TIMER_DEADLINE | VECTOR_TIMER);
        memory_fence(); /* before the first write of the deadline, SDM 3A 11.5.4.1 */
    } else {
        write(REG_TIMER_DIVIDE, TIMER_DIVIDE_1);
        write(REG_LVT_TIMER, VECTOR_TIMER);
    }
    ready = true;
}

void lapic_timer_init(void)
{
    deadline_mode = cpuid(1, 0).ecx & CPUID_1_ECX_DEADLINE;
    if (deadline_mode)
        return;
    write(REG_LVT_TIMER, LVT_MASKED);
    write(REG_TIMER_DIVIDE, TIMER_DIVIDE_1);
    uint64_t start = rdtsc();
    write(REG_TIMER_COUNT, ~0u);
    tsc_delay(CALIBRATE_MICROSECONDS);
    uint32_t count = ~0u - read(REG_TIMER_NOW);
    uint64_t ticks = rdtsc() - start;
    write(REG_TIMER_COUNT, 0);
    count_scale = ((uint64_t)count << 32) / ticks;
}

const char *lapic_mode(void)
{
    if (x2apic)
        return deadline_mode ? "x2APIC, TSC-deadline timer" : "x2APIC, one-shot timer";
    return deadline_mode ? "xAPIC, TSC-deadline timer" : "xAPIC, one-shot timer";
}

uint32_t lapic_id(void)
{
    return x2apic ? read(REG_ID) : read(REG_ID) >> 24;
}

bool lapic_reaches(uint32_t apic_id)
{
    return x2apic || apic_id < XAPIC_BROADCAST;
}

void lapic_eoi(void)
{
    write(REG_EOI, 0);
}

void lapic_command(uint32_t apic_id, uint32_t low)
{
    low |= ICR_ASSERT;
    if (x2apic) {
        __asm__ volatile("mfence; lfence" : : : "memory"); /* the write does not order earlier stores, SDM 3A 11.12.3 */
        wrmsr(MSR_X2APIC + REG_ICR / 16, (uint64_t)apic_id << 32 | low);
        return;
    }
    while (read(REG_ICR) & ICR_PENDING)
        cpu_pause();
    write(REG_ICR_HIGH, apic_id << 24);
    write(REG_ICR, low);
}

void lapic_nmi_others(void)
{
    if (ready)
        lapic_command(0, ICR_OTHERS | ICR_NMI);
}

/* The counter reaches 2^32 - 1 counts: for a farther deadline the interrupt comes early, and the core arms it again. */
static uint32_t count_until(uint64_t tsc_deadline)
{
    uint64_t now = rdtsc();
    if (tsc_deadline <= now)
        return 1;
    unsigned __int128 count = (((unsigned __int128)(tsc_deadline - now) * count_scale) >> 32) + 1;
    return count < ~0u ? (uint32_t)count : ~0u;
}

void lapic_timer(uint64_t tsc_deadline)
{
    if (deadline_mode)
        wrmsr(MSR_TSC_DEADLINE, tsc_deadline);
    else
        write(REG_TIMER_COUNT, tsc_deadline ? count_until(tsc_deadline) : 0);
}
