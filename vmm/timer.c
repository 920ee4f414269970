/* SPDX-License-Identifier: MIT
 * Machine time from the host's TSC, and queues of timers. */
#include <stddef.h>
#include "timer.h"

#define NS_PER_S 1000000000ull

/* MUL and DIV keep the 128-bit product in registers: no library division, six instructions. */
static inline uint64_t muldiv_carry(uint64_t a, uint64_t b, uint64_t carry, uint64_t c)
{
    uint64_t low, high, rest;

    __asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(a), "rm"(b) : "cc");
    __asm__("addq %2, %0\n\tadcq $0, %1" : "+r"(low), "+r"(high) : "r"(carry) : "cc");
    if (high >= c)
        return UINT64_MAX;
    __asm__("divq %4" : "=a"(low), "=d"(rest) : "0"(low), "1"(high), "rm"(c) : "cc");
    return low;
}

uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c)
{
    return muldiv_carry(a, b, 0, c);
}

uint64_t clock_now(const struct clock *clock)
{
    return muldiv_carry(clock->read_tsc() - clock->tsc_start, NS_PER_S, 0, clock->tsc_hz);
}

/* floor(d * NS / hz) >= ns holds exactly from d = ceil(ns * hz / NS) on. */
uint64_t clock_tsc_at(const struct clock *clock, uint64_t ns)
{
    uint64_t ticks = muldiv_carry(ns, clock->tsc_hz, NS_PER_S - 1, NS_PER_S);
    uint64_t tsc = clock->tsc_start + ticks;

    return tsc < ticks ? UINT64_MAX : tsc;
}

uint64_t clock_ns_at(const struct clock *clock, uint64_t tsc)
{
    if (tsc <= clock->tsc_start)
        return 0;
    return muldiv_carry(tsc - clock->tsc_start, NS_PER_S, clock->tsc_hz - 1, clock->tsc_hz);
}

static void unlink_timer(struct timer_queue *queue, struct timer *timer)
{
    for (struct timer **at = &queue->first; *at != NULL; at = &(*at)->next) {
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    }
    timer->deadline = 0;
    timer->next = NULL;
}

void timer_arm(struct timer_queue *queue, struct timer *timer, uint64_t deadline_ns)
{
    uint64_t before = timer_next(queue);
    struct timer **at = &queue->first;

    if (timer->deadline != 0)
        unlink_timer(queue, timer);
    timer->deadline = deadline_ns != 0 ? deadline_ns : 1;
    while (*at != NULL && (*at)->deadline <= timer->deadline)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
    if (queue->first == timer && (before == 0 || timer->deadline < before) && queue->changed != NULL)
        queue->changed(queue->context);
}

void timer_cancel(struct timer_queue *queue, struct timer *timer)
{
    if (timer->deadline != 0)
        unlink_timer(queue, timer);
}

uint64_t timer_next(const struct timer_queue *queue)
{
    return queue->first != NULL ? queue->first->deadline : 0;
}

/* No more timers fire than had expired when the call began, so one that rearms itself in the past cannot keep the thread here. */
void timer_expire(struct timer_queue *queue, uint64_t now_ns)
{
    unsigned expired = 0;

    for (const struct timer *t = queue->first; t != NULL && t->deadline <= now_ns; t = t->next)
        expired++;
    while (expired-- > 0 && queue->first != NULL && queue->first->deadline <= now_ns) {
        struct timer *timer = queue->first;
        uint64_t deadline = timer->deadline;

        queue->first = timer->next;
        timer->next = NULL;
        timer->deadline = 0;
        timer->fire(timer->context, deadline);
    }
}
