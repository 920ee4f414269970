/* SPDX-License-Identifier: MIT
 * Time for the test guests: the TSC, calibrated by channel 2 of the 8254. */
#include "guest.h"

uint64_t tsc_khz;

static uint64_t ticks_of_10_ms(void)
{
    uint32_t ticks = 11932; /* 10 ms at 1193182 Hz */
    outb(0x61, (inb(0x61) & ~2) | 1); /* gate on, speaker off */
    outb(0x43, 0xb0);                 /* channel 2, both bytes, mode 0 */
    outb(0x42, ticks & 0xff);
    uint64_t begin = rdtsc(); /* before the count begins: whatever comes between makes the time too long, never too short */
    outb(0x42, ticks >> 8);
    while (!(inb(0x61) & 0x20))
        pause();
    return rdtsc() - begin;
}

/* The least of three: the CPU may have been another's in between. */
void time_init(void)
{
    uint64_t least = ~0ul;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t ticks = ticks_of_10_ms();
        least = ticks < least ? ticks : least;
    }
    tsc_khz = least / 10 ? least / 10 : 1;
}

void delay_us(uint64_t us)
{
    for (uint64_t end = rdtsc() + us * tsc_khz / 1000; rdtsc() < end;)
        pause();
}

bool wait_for(const volatile uint32_t *flag, uint32_t value, uint32_t ms)
{
    for (uint64_t end = rdtsc() + ms * tsc_khz; *flag < value && rdtsc() < end;)
        pause();
    return *flag >= value;
}

bool ok_wait(const volatile uint32_t *flag, uint32_t value, uint32_t ms, const char *name)
{
    bool there = wait_for(flag, value, ms);
    return ok(there, "%s (%u of %u)", name, *flag, value);
}
