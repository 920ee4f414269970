/* SPDX-License-Identifier: MIT
 * High-precision event timer: registers, comparators, interrupts. The counter is computed from machine time. */
#include <string.h>
#include "devices/hpet.h"
#include "machine.h"

#define NS_PER_COUNT (HPET_PERIOD_FS / 1000000u)

#define CAPABILITIES (0x8086a001ull | (HPET_TIMERS - 1) << 8 | (uint64_t)HPET_PERIOD_FS << 32)

#define REG_CAPABILITIES 0x000
#define REG_CONFIG 0x010
#define REG_STATUS 0x020
#define REG_COUNTER 0x0f0
#define REG_TIMERS 0x100
#define TIMER_STRIDE 0x20
#define TIMER_CONFIG 0x00
#define TIMER_COMPARATOR 0x08
#define TIMER_MESSAGE 0x10

#define CONFIG_ENABLE 1u
#define CONFIG_LEGACY 2u

#define TIMER_LEVEL (1u << 1)
#define TIMER_ENABLE (1u << 2)
#define TIMER_PERIODIC (1u << 3)
#define TIMER_CAN_PERIODIC (1u << 4)
#define TIMER_CAN_64 (1u << 5)
#define TIMER_SET_VALUE (1u << 6)
#define TIMER_32 (1u << 8)
#define TIMER_ROUTE(config) ((unsigned)(config) >> 9 & 31)
#define TIMER_FSB (1u << 14)
#define TIMER_CAN_FSB (1u << 15)
#define TIMER_WRITABLE 0x7f4eull /* bits 1, 2, 3, 6, 8 to 14 */
/* I/O APIC pins: 2 (with line 0), 8, 20 to 23. */
#define TIMER_ROUTES 0x00f00104ull
#define TIMER_FIXED (TIMER_ROUTES << 32 | TIMER_CAN_FSB | TIMER_CAN_64 | TIMER_CAN_PERIODIC)

/* A comparator never interrupts more often: a guest that asks for more loses ticks, not its processor. */
#define MIN_INTERVAL_COUNTS (50000u / NS_PER_COUNT)
/* A match farther away than 365 years is no match. */
#define NEVER_COUNTS (1ull << 60)

static uint64_t counter_now(const struct hpet *hpet)
{
    if ((hpet->s.config & CONFIG_ENABLE) == 0)
        return hpet->s.counter;
    return hpet->s.counter + (clock_now(&hpet->machine->clock) - hpet->s.since) / NS_PER_COUNT;
}

static inline uint64_t width_mask(const struct hpet_timer_state *t)
{
    return (t->config & TIMER_32) != 0 ? UINT32_MAX : UINT64_MAX;
}

/* In legacy replacement mode comparator 0 has line 0 and comparator 1 line 8. I/O APIC pin 2 is line 0. */
static unsigned line_of(const struct hpet *hpet, unsigned index)
{
    unsigned route = TIMER_ROUTE(hpet->s.timer[index].config);

    if ((hpet->s.config & CONFIG_LEGACY) != 0 && index < 2)
        return index == 0 ? 0 : 8;
    return route == 2 ? 0 : route;
}

static void lower(struct hpet *hpet, unsigned index)
{
    irq_set_hpet(hpet->machine, line_of(hpet, index), false);
}

/* A level-triggered interrupt that waits for its status bit to be cleared. */
static void raise_again(struct hpet *hpet, unsigned index)
{
    uint64_t config = hpet->s.timer[index].config;

    if ((hpet->s.config & CONFIG_ENABLE) != 0 && (config & TIMER_ENABLE) != 0 && (config & TIMER_LEVEL) != 0 &&
        (config & TIMER_FSB) == 0 && (hpet->s.status >> index & 1) != 0)
        irq_set_hpet(hpet->machine, line_of(hpet, index), true);
}

static void interrupt(struct hpet *hpet, unsigned index)
{
    const struct hpet_timer_state *t = &hpet->s.timer[index];

    if ((t->config & TIMER_LEVEL) != 0)
        hpet->s.status |= 1u << index;
    if ((t->config & TIMER_ENABLE) == 0 || (hpet->s.config & CONFIG_ENABLE) == 0)
        return;
    if ((t->config & TIMER_FSB) != 0) {
        irq_message(hpet->machine, t->fsb >> 32, (uint32_t)t->fsb);
        return;
    }
    irq_set_hpet(hpet->machine, line_of(hpet, index), true);
    if ((t->config & TIMER_LEVEL) == 0)
        lower(hpet, index);
}

/* `matched`: the match at the present count has been served, the next one is a whole turn later. */
static void arm(struct hpet *hpet, unsigned index, bool matched)
{
    const struct hpet_timer_state *t = &hpet->s.timer[index];
    uint64_t counts = (t->comparator - counter_now(hpet)) & width_mask(t);

    if (matched && counts == 0)
        counts = (t->config & TIMER_32) != 0 ? 1ull << 32 : UINT64_MAX;
    if ((hpet->s.config & CONFIG_ENABLE) == 0 || (t->config & TIMER_ENABLE) == 0 || counts > NEVER_COUNTS)
        timer_cancel(&hpet->machine->timers, &hpet->timer[index]);
    else
        timer_arm(&hpet->machine->timers, &hpet->timer[index], clock_now(&hpet->machine->clock) + counts * NS_PER_COUNT);
}

/* Periodic: on to the first match after now that is not sooner than the guest can bear. */
static void advance(const struct hpet *hpet, struct hpet_timer_state *t)
{
    uint64_t late = (counter_now(hpet) - t->comparator) & width_mask(t);

    if (t->period < MIN_INTERVAL_COUNTS)
        late += MIN_INTERVAL_COUNTS;
    t->comparator = (t->comparator + (late / t->period + 1) * t->period) & width_mask(t);
}

static void fire(void *context, uint64_t deadline)
{
    const struct hpet_match *match = context;
    struct hpet *hpet = match->hpet;
    struct hpet_timer_state *t = &hpet->s.timer[match->index];

    (void)deadline;
    if ((t->config & TIMER_PERIODIC) != 0 && t->period != 0)
        advance(hpet, t);
    arm(hpet, match->index, true);
    interrupt(hpet, match->index);
}

/* Arms the timers from the state. Device lock held. */
static void rearm(struct hpet *hpet)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        arm(hpet, i, false);
}

static void write_config(struct hpet *hpet, uint64_t value)
{
    uint64_t changed = (hpet->s.config ^ value) & (CONFIG_ENABLE | CONFIG_LEGACY);

    if (changed == 0)
        return;
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        lower(hpet, i);
    if ((changed & CONFIG_ENABLE) != 0) {
        hpet->s.counter = counter_now(hpet);
        hpet->s.since = clock_now(&hpet->machine->clock);
    }
    hpet->s.config ^= changed;
    if ((changed & CONFIG_LEGACY) != 0)
        irq_legacy_replacement(hpet->machine, (value & CONFIG_LEGACY) != 0);
    rearm(hpet);
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        raise_again(hpet, i);
}

/* A level-triggered interrupt lasts until its status bit is cleared by writing it. */
static void write_status(struct hpet *hpet, uint64_t value)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        if ((value & hpet->s.status & 1u << i) != 0) {
            hpet->s.status &= ~(1ull << i);
            lower(hpet, i);
        }
    }
}

static void write_timer_config(struct hpet *hpet, unsigned index, uint64_t value)
{
    struct hpet_timer_state *t = &hpet->s.timer[index];

    if ((TIMER_ROUTES >> TIMER_ROUTE(value) & 1) == 0)
        value &= ~(31ull << 9); /* a route that is not offered does not stick */
    lower(hpet, index);
    t->config = (value & TIMER_WRITABLE) | TIMER_FIXED;
    t->comparator &= width_mask(t);
    t->period &= width_mask(t);
    raise_again(hpet, index);
    arm(hpet, index, false);
}

/* Periodic mode: a write sets the period, and the next match too if TIMER_SET_VALUE asked for it. */
static void write_comparator(struct hpet *hpet, unsigned index, uint64_t value, uint64_t written)
{
    struct hpet_timer_state *t = &hpet->s.timer[index];
    bool is_periodic = (t->config & TIMER_PERIODIC) != 0;

    value &= width_mask(t);
    if (!is_periodic || (t->config & TIMER_SET_VALUE) != 0)
        t->comparator = ((t->comparator & ~written) | (value & written)) & width_mask(t);
    if (is_periodic)
        t->period = ((t->period & ~written) | (value & written)) & width_mask(t);
    t->config &= ~(uint64_t)TIMER_SET_VALUE;
    arm(hpet, index, false);
}

static uint64_t read_register(const struct hpet *hpet, uint64_t reg)
{
    const struct hpet_timer_state *t = &hpet->s.timer[reg >= REG_TIMERS ? (reg - REG_TIMERS) / TIMER_STRIDE % HPET_TIMERS : 0];

    if (reg >= REG_TIMERS + HPET_TIMERS * TIMER_STRIDE)
        return 0;
    switch (reg >= REG_TIMERS ? REG_TIMERS + reg % TIMER_STRIDE : reg) {
    case REG_CAPABILITIES:
        return CAPABILITIES;
    case REG_CONFIG:
        return hpet->s.config;
    case REG_STATUS:
        return hpet->s.status;
    case REG_COUNTER:
        return counter_now(hpet);
    case REG_TIMERS + TIMER_CONFIG:
        return t->config;
    case REG_TIMERS + TIMER_COMPARATOR:
        return t->comparator;
    case REG_TIMERS + TIMER_MESSAGE:
        return t->fsb;
    default:
        return 0;
    }
}

static void write_timer(struct hpet *hpet, uint64_t reg, uint64_t value, uint64_t written)
{
    unsigned index = (unsigned)((reg - REG_TIMERS) / TIMER_STRIDE);

    if (index >= HPET_TIMERS)
        return;
    if (reg % TIMER_STRIDE == TIMER_CONFIG)
        write_timer_config(hpet, index, value);
    else if (reg % TIMER_STRIDE == TIMER_COMPARATOR)
        write_comparator(hpet, index, value, written);
    else if (reg % TIMER_STRIDE == TIMER_MESSAGE)
        hpet->s.timer[index].fsb = value;
}

/* `value` is the whole register with the bits in `written` replaced. */
static void write_register(struct hpet *hpet, uint64_t reg, uint64_t value, uint64_t written)
{
    if (reg == REG_CONFIG) {
        write_config(hpet, value);
    } else if (reg == REG_STATUS) {
        write_status(hpet, value & written);
    } else if (reg == REG_COUNTER) {
        hpet->s.counter = value;
        hpet->s.since = clock_now(&hpet->machine->clock);
        rearm(hpet);
    } else if (reg >= REG_TIMERS) {
        write_timer(hpet, reg, value, written);
    }
}

static uint64_t mmio_read(void *device, uint64_t offset, unsigned size)
{
    (void)size;
    return read_register(device, offset & ~7ull) >> (offset & 7) * 8;
}

/* Only aligned accesses of 4 and 8 bytes are defined (HPET 1.0a, 2.3.2). */
static void mmio_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    unsigned shift = (unsigned)(offset & 7) * 8;
    uint64_t written;

    if (size < 4 || (offset & (size - 1)) != 0)
        return;
    written = size == 8 ? UINT64_MAX : 0xffffffffull << shift;
    write_register(device, offset & ~7ull, (read_register(device, offset & ~7ull) & ~written) | (value << shift & written), written);
}

void hpet_reset(struct hpet *hpet)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        timer_cancel(&hpet->machine->timers, &hpet->timer[i]);
        lower(hpet, i);
    }
    if ((hpet->s.config & CONFIG_LEGACY) != 0)
        irq_legacy_replacement(hpet->machine, false);
    memset(&hpet->s, 0, sizeof hpet->s);
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        hpet->s.timer[i].config = TIMER_FIXED;
        hpet->s.timer[i].comparator = UINT64_MAX;
    }
}

enum status hpet_init(struct hpet *hpet, struct machine *machine)
{
    const struct mmio_range range = { .base = HPET_BASE, .count = 0x400, .read = mmio_read, .write = mmio_write,
                                      .device = hpet, .name = "HPET" };

    memset(hpet, 0, sizeof *hpet);
    hpet->machine = machine;
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        hpet->match[i] = (struct hpet_match){ .hpet = hpet, .index = i };
        hpet->timer[i] = (struct timer){ .fire = fire, .context = &hpet->match[i] };
    }
    hpet_reset(hpet);
    return bus_add_mmio(&machine->bus, &range);
}
