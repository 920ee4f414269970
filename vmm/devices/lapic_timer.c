/* SPDX-License-Identifier: MIT
 * Local APIC: the timer (SDM 3A 11.5.4). Only its expiry is kept; the current count is computed when it is read. */
#include "devices/lapic_parts.h"

/* A periodic timer never interrupts more often than this: a guest with a tiny period loses ticks, not its processor. */
#define MIN_PERIOD_NS 20000u

#define LVT_TIMER_VALID 0x700ffu

static inline uint32_t mode_of(const struct vcpu *vcpu)
{
    return APIC_LVT_TIMER_MODE(lapic_get(vcpu, APIC_LVT_TIMER));
}

/* The clock runs at 1 GHz: a count is 2^shift ns. */
static inline uint64_t period_ns(const struct vcpu *vcpu)
{
    return (uint64_t)lapic_get(vcpu, APIC_TMICT) << vcpu->lapic->s.timer_shift;
}

/* The vcpu loop computes its wake-up time anew only after REQUEST_TIMER. */
static void set_deadline(struct vcpu *vcpu, uint64_t deadline)
{
    vcpu->lapic->s.timer_deadline = deadline;
    lapic_request(vcpu, REQUEST_TIMER, true);
}

void lapic_timer_stop(struct vcpu *vcpu)
{
    vcpu->lapic->s.tsc_deadline = 0;
    if (vcpu->lapic->s.timer_deadline != 0)
        set_deadline(vcpu, 0);
}

uint64_t lapic_timer_deadline(const struct vcpu *vcpu)
{
    return (lapic_get(vcpu, APIC_LVT_TIMER) & APIC_LVT_MASKED) != 0 ? 0 : vcpu->lapic->s.timer_deadline;
}

/* Moves to the first period's end after now, and not sooner than the guest can bear. */
static void next_period(struct vcpu *vcpu, uint64_t now)
{
    uint64_t period = period_ns(vcpu);
    uint64_t deadline = vcpu->lapic->s.timer_deadline;
    uint64_t earliest = now + (period < MIN_PERIOD_NS ? MIN_PERIOD_NS : 1);

    if (period == 0)
        deadline = 0;
    else
        deadline += (deadline + period >= earliest ? 1 : (earliest - deadline + period - 1) / period) * period;
    set_deadline(vcpu, deadline);
}

void lapic_timer_expire(struct vcpu *vcpu, uint64_t now)
{
    struct lapic_state *s = &vcpu->lapic->s;

    if (s->timer_deadline == 0 || s->timer_deadline > now)
        return;
    if (mode_of(vcpu) == TIMER_PERIODIC)
        next_period(vcpu, now);
    else
        lapic_timer_stop(vcpu);
    lapic_local(vcpu, APIC_LVT_TIMER, true);
}

static void settle(struct vcpu *vcpu)
{
    if (vcpu->lapic->s.timer_deadline != 0)
        lapic_timer_expire(vcpu, clock_now(&vcpu->machine->clock));
}

void lapic_timer_lvt_write(struct vcpu *vcpu, uint32_t value)
{
    uint32_t before;

    settle(vcpu);
    before = mode_of(vcpu);
    value &= LVT_TIMER_VALID;
    if ((lapic_get(vcpu, APIC_SVR) & APIC_SVR_ENABLE) == 0)
        value |= APIC_LVT_MASKED;
    lapic_put(vcpu, APIC_LVT_TIMER, value);
    lapic_request(vcpu, REQUEST_TIMER, true);
    if ((before ^ APIC_LVT_TIMER_MODE(value)) & TIMER_TSC_DEADLINE) {
        lapic_timer_stop(vcpu);
        lapic_put(vcpu, APIC_TMICT, 0);
    }
}

void lapic_timer_initial_write(struct vcpu *vcpu, uint32_t value)
{
    if (mode_of(vcpu) >= TIMER_TSC_DEADLINE)
        return;
    lapic_put(vcpu, APIC_TMICT, value);
    set_deadline(vcpu, value != 0 ? clock_now(&vcpu->machine->clock) + period_ns(vcpu) : 0);
}

uint32_t lapic_timer_current(struct vcpu *vcpu)
{
    struct lapic_state *s = &vcpu->lapic->s;
    uint64_t now, left;

    if (mode_of(vcpu) >= TIMER_TSC_DEADLINE || s->timer_deadline == 0)
        return 0;
    now = clock_now(&vcpu->machine->clock);
    lapic_timer_expire(vcpu, now);
    if (s->timer_deadline <= now)
        return 0;
    left = s->timer_deadline - now;
    if (mode_of(vcpu) == TIMER_PERIODIC)
        left = (left - 1) % period_ns(vcpu) + 1; /* the deadline may lie some tiny periods ahead */
    left = (left + (1ull << s->timer_shift) - 1) >> s->timer_shift;
    return left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

/* The count goes on from where it is, at the new rate. */
void lapic_timer_divide_write(struct vcpu *vcpu, uint32_t value)
{
    struct lapic_state *s = &vcpu->lapic->s;
    uint32_t current = lapic_timer_current(vcpu);

    value &= 0xb;
    lapic_put(vcpu, APIC_TDCR, value);
    /* 0 divides by 2, 6 by 128, 7 by 1. */
    s->timer_shift = (uint8_t)((((value & 3) | (value >> 1 & 4)) + 1) & 7);
    if (mode_of(vcpu) < TIMER_TSC_DEADLINE && s->timer_deadline != 0)
        set_deadline(vcpu, clock_now(&vcpu->machine->clock) + ((uint64_t)current << s->timer_shift));
}

uint64_t lapic_tsc_deadline_read(struct vcpu *vcpu)
{
    if (mode_of(vcpu) != TIMER_TSC_DEADLINE)
        return 0;
    settle(vcpu);
    return vcpu->lapic->s.tsc_deadline;
}

/* Compared in the guest's TSC, so that an offset that wraps does no harm. */
void lapic_tsc_deadline_write(struct vcpu *vcpu, uint64_t value)
{
    struct lapic_state *s = &vcpu->lapic->s;
    const struct clock *clock = &vcpu->machine->clock;
    uint64_t host, left, tsc;

    if (mode_of(vcpu) != TIMER_TSC_DEADLINE)
        return;
    if (value == 0) {
        lapic_timer_stop(vcpu);
        return;
    }
    host = clock->read_tsc();
    left = value - (host + vcpu->state->tsc_offset);
    if (value <= host + vcpu->state->tsc_offset) {
        lapic_timer_stop(vcpu);
        lapic_local(vcpu, APIC_LVT_TIMER, true);
        return;
    }
    tsc = host + left < host ? UINT64_MAX : host + left;
    s->tsc_deadline = value;
    set_deadline(vcpu, clock_ns_at(clock, tsc));
}

void lapic_timer_tsc_changed(struct vcpu *vcpu)
{
    if (vcpu->lapic->s.tsc_deadline != 0)
        lapic_tsc_deadline_write(vcpu, vcpu->lapic->s.tsc_deadline);
}
