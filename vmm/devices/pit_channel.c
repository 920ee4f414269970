/* SPDX-License-Identifier: MIT
 * One channel of the 8254: count and output computed from the time since the count was loaded. */
#include "devices/pit_channel.h"

#define NS_PER_S 1000000000ull
#define COUNT_MAX 0x10000u
#define COUNT_MAX_BCD 10000u

enum mode { MODE_TERMINAL, MODE_ONE_SHOT, MODE_RATE, MODE_SQUARE, MODE_SOFT_STROBE, MODE_HARD_STROBE };

static inline bool periodic(const struct pit_channel *c) { return c->mode == MODE_RATE || c->mode == MODE_SQUARE; }
static inline bool gate_triggers(const struct pit_channel *c) { return c->mode == MODE_ONE_SHOT || c->mode == MODE_HARD_STROBE; }
static inline bool gate_pauses(const struct pit_channel *c) { return c->mode == MODE_TERMINAL || c->mode == MODE_SOFT_STROBE; }

static inline uint64_t ticks_of(uint64_t ns) { return muldiv64(ns, PIT_HZ, NS_PER_S); }
/* First ns at which ticks_of() has reached ticks. */
static inline uint64_t ns_of(uint64_t ticks)
{
    uint64_t ns = muldiv64(ticks, NS_PER_S, PIT_HZ);

    return ticks_of(ns) < ticks ? ns + 1 : ns;
}

/* A count written while modes 2 and 3 run replaces the old one at the end of the period. */
static void settle(struct pit_channel *c, uint64_t now)
{
    if (c->pending_at == 0 || now < c->pending_at)
        return;
    c->start = c->pending_at;
    c->count = c->pending;
    c->pending_at = 0;
}

static uint64_t elapsed(const struct pit_channel *c, uint64_t now)
{
    if (gate_pauses(c) && !c->gate)
        return c->held;
    return now > c->start ? ticks_of(now - c->start) : 0;
}

/* Mode 3 counts by twos; the high half is one tick longer if the count is odd. */
static uint32_t square_count(const struct pit_channel *c, uint32_t phase)
{
    uint32_t high = (c->count + 1) / 2;
    uint32_t from = c->count & ~1u;

    return from - 2 * (phase < high ? phase : phase - high);
}

static uint16_t current(struct pit_channel *c, uint64_t now)
{
    uint64_t ticks = elapsed(c, now);
    uint32_t value = c->count;
    uint32_t limit = c->bcd ? COUNT_MAX_BCD : COUNT_MAX;

    if (c->counting && c->mode == MODE_SQUARE)
        value = square_count(c, (uint32_t)(ticks % c->count));
    else if (c->counting && c->mode == MODE_RATE)
        value = c->count - (uint32_t)(ticks % c->count);
    else if (c->counting)
        value = (uint32_t)((c->count + limit - ticks % limit) % limit); /* goes on below zero */
    value %= limit;
    if (!c->bcd)
        return (uint16_t)value;
    return (uint16_t)(value / 1000 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 | value % 10);
}

bool pit_channel_output(struct pit_channel *c, uint64_t now)
{
    uint64_t ticks;

    settle(c, now);
    if (!c->counting || (periodic(c) && !c->gate))
        return c->mode != MODE_TERMINAL;
    ticks = elapsed(c, now);
    switch (c->mode) {
    case MODE_TERMINAL:
    case MODE_ONE_SHOT:
        return ticks >= c->count;
    case MODE_RATE:
        return ticks % c->count != c->count - 1;
    case MODE_SQUARE:
        return ticks % c->count < (c->count + 1) / 2;
    default:
        return ticks != c->count; /* a strobe of one tick */
    }
}

/* The end of the period after the one that `from` lies in, as a time. */
static uint64_t period_end(const struct pit_channel *c, uint64_t from)
{
    return c->start + ns_of((elapsed(c, from) / c->count + 1) * c->count);
}

uint64_t pit_channel_rise(struct pit_channel *c, uint64_t now, uint64_t earliest)
{
    uint64_t ticks;

    settle(c, now);
    if (!c->counting || (!c->gate && !gate_triggers(c)))
        return 0;
    if (periodic(c)) {
        if (c->pending_at != 0)
            return c->pending_at;
        return period_end(c, now > earliest ? now : earliest);
    }
    ticks = c->count + (c->mode == MODE_TERMINAL || c->mode == MODE_ONE_SHOT ? 0 : 1);
    return elapsed(c, now) < ticks ? c->start + ns_of(ticks) : 0;
}

void pit_channel_control(struct pit_channel *c, uint8_t word)
{
    uint8_t mode = word >> 1 & 7;

    c->access = word >> 4 & 3;
    c->mode = mode > MODE_HARD_STROBE ? mode - 4 : mode;
    c->bcd = (word & 1) != 0;
    c->counting = c->loaded = false;
    c->write_high = c->read_high = false;
    c->latched_left = 0;
    c->status_latched = false;
    c->pending_at = 0;
    c->held = 0;
    if (c->count == 0)
        c->count = COUNT_MAX;
}

static void start_count(struct pit_channel *c, uint64_t now)
{
    c->start = now;
    c->held = 0;
    c->counting = true;
}

static void load(struct pit_channel *c, uint64_t now, uint32_t value)
{
    bool running = c->counting;

    if (c->bcd)
        value = (value >> 12) * 1000 + (value >> 8 & 15) * 100 + (value >> 4 & 15) * 10 + (value & 15);
    if (value == 0)
        value = c->bcd ? COUNT_MAX_BCD : COUNT_MAX;
    c->loaded = true;
    if (periodic(c) && running && c->gate) {
        settle(c, now);
        if (c->pending_at == 0)
            c->pending_at = period_end(c, now);
        c->pending = value;
        return;
    }
    c->pending_at = 0;
    if (gate_triggers(c) && running) {
        c->pending = value; /* the pulse goes on; the next trigger takes the new count */
        return;
    }
    c->count = c->pending = value;
    if (!gate_triggers(c))
        start_count(c, now);
}

void pit_channel_write(struct pit_channel *c, uint64_t now, uint8_t value)
{
    if (c->access == 3 && !c->write_high) {
        c->low_byte = value;
        c->write_high = true;
        if (c->mode == MODE_TERMINAL)
            c->counting = false; /* the first byte stops the count */
        return;
    }
    if (c->access == 3) {
        c->write_high = false;
        load(c, now, c->low_byte | (uint32_t)value << 8);
    } else {
        load(c, now, c->access == 2 ? (uint32_t)value << 8 : value);
    }
}

static uint8_t status_of(struct pit_channel *c, uint64_t now)
{
    bool null_count = !c->loaded || c->pending_at != 0;

    return (uint8_t)(pit_channel_output(c, now) << 7 | (null_count ? 1 : 0) << 6 | c->access << 4 | c->mode << 1 | (c->bcd ? 1 : 0));
}

void pit_channel_read_back(struct pit_channel *c, uint64_t now, bool count, bool status)
{
    settle(c, now);
    if (status && !c->status_latched) {
        c->status = status_of(c, now);
        c->status_latched = true;
    }
    if (count && c->latched_left == 0) {
        c->latched = current(c, now);
        c->latched_left = c->access == 3 ? 2 : 1;
        c->read_high = c->access == 2;
    }
}

uint8_t pit_channel_read(struct pit_channel *c, uint64_t now)
{
    uint16_t value;
    bool high;

    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    settle(c, now);
    value = c->latched_left != 0 ? c->latched : current(c, now);
    high = c->access == 2 || (c->access == 3 && c->read_high);
    if (c->access == 3)
        c->read_high = !c->read_high;
    if (c->latched_left != 0)
        c->latched_left--;
    return (uint8_t)(high ? value >> 8 : value);
}

/* Modes 0 and 4 stand still while the gate is low; a rising gate starts modes 1, 2, 3 and 5 from the top. */
void pit_channel_gate(struct pit_channel *c, uint64_t now, bool level)
{
    if (level == c->gate)
        return;
    settle(c, now);
    if (gate_pauses(c) && c->counting) {
        if (!level)
            c->held = elapsed(c, now);
        else
            c->start = now - ns_of(c->held);
    } else if (level && c->loaded) {
        if (gate_triggers(c) && c->pending != 0)
            c->count = c->pending;
        start_count(c, now);
    }
    c->gate = level;
}
