/* SPDX-License-Identifier: MIT
 * Machine time and timers. Machine time is in nanoseconds since the machine was created. Devices keep times in this
 * unit so that a saved machine can go on where the TSC has another frequency.
 * Timers of a queue fire in the thread that calls timer_expire; each queue belongs to one vcpu. Locking: the caller's
 * (the machine's device lock for the queue of devices; a local APIC's timer is not in a queue). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct clock {
    uint64_t tsc_hz;
    uint64_t tsc_start; /* host TSC at machine time 0 */
    uint64_t (*read_tsc)(void); /* rdtsc on the target, a fake one in tests */
};

/* a * b / c with a 128-bit product; the quotient must fit (c > a * b >> 64), else it saturates. Rounds down. */
uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c);
uint64_t clock_now(const struct clock *clock);                        /* ns */
uint64_t clock_tsc_at(const struct clock *clock, uint64_t ns);        /* first host TSC value at which clock_now() >= ns */
uint64_t clock_ns_at(const struct clock *clock, uint64_t tsc);        /* machine time when the host TSC has reached tsc (rounded up) */

struct timer {
    uint64_t deadline; /* ns; 0 = not armed */
    void (*fire)(void *context, uint64_t deadline);
    void *context;
    struct timer *next; /* in the queue, ascending by deadline */
};

struct timer_queue {
    struct timer *first;
    const struct clock *clock;
    void (*changed)(void *context); /* called when the first deadline became earlier */
    void *context;
};

void timer_arm(struct timer_queue *queue, struct timer *timer, uint64_t deadline_ns); /* (re)arms; deadline 0 counts as 1 */
void timer_cancel(struct timer_queue *queue, struct timer *timer);
uint64_t timer_next(const struct timer_queue *queue); /* earliest deadline in ns, 0 if none */
void timer_expire(struct timer_queue *queue, uint64_t now_ns); /* fires all with deadline <= now; a fired timer may rearm itself */
