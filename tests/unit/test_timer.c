/* SPDX-License-Identifier: MIT
 * Machine time and timer queues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "timer.h"

static uint64_t tsc;
static uint64_t read_tsc(void) { return tsc; }

static void muldiv_is_exact(void **state)
{
    (void)state;
    assert_int_equal(muldiv64(7, 3, 2), 10);
    assert_int_equal(muldiv64(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    assert_int_equal(muldiv64(UINT64_MAX, 1000000000, 1000000001), (uint64_t)((unsigned __int128)UINT64_MAX * 1000000000 / 1000000001));
    assert_int_equal(muldiv64(UINT64_MAX, 2, 1), UINT64_MAX);
    assert_int_equal(muldiv64(1, 1, 0), UINT64_MAX);
}

/* The two directions fit: at clock_tsc_at(ns) the clock shows ns or later, one tick earlier it does not. */
static void a_deadline_is_never_early_and_never_late(void **state)
{
    static const uint64_t hz[] = { 1000000000, 2399987654, 999999937, 3700000001, 100000000 };
    (void)state;
    for (unsigned h = 0; h < sizeof hz / sizeof hz[0]; h++) {
        struct clock clock = { .tsc_hz = hz[h], .tsc_start = 123456789, .read_tsc = read_tsc };
        uint64_t ns = 1;
        for (unsigned i = 0; i < 40; i++, ns = ns * 3 + i) {
            tsc = clock_tsc_at(&clock, ns);
            if (tsc == UINT64_MAX)
                break;
            assert_true(clock_now(&clock) >= ns);
            tsc--;
            assert_true(clock_now(&clock) < ns);
            assert_true(clock_tsc_at(&clock, clock_ns_at(&clock, tsc)) >= tsc);
        }
        assert_int_equal(clock_ns_at(&clock, 5), 0);
        if (hz[h] >= 1000000000)
            assert_int_equal(clock_tsc_at(&clock, UINT64_MAX), UINT64_MAX);
    }
}

static struct clock test_clock = { .tsc_hz = 1000000000, .read_tsc = read_tsc };
static struct timer_queue queue;
static struct timer a, b, c;
static char log[32];
static unsigned changes;

static void fire_a(void *context, uint64_t deadline) { (void)context; (void)deadline; strcat(log, "a"); }
static void fire_b(void *context, uint64_t deadline) { (void)context; (void)deadline; strcat(log, "b"); }
static void fire_again(void *context, uint64_t deadline) { strcat(log, "c"); timer_arm(&queue, context, deadline); }
static void fire_cancel(void *context, uint64_t deadline) { (void)deadline; strcat(log, "x"); timer_cancel(&queue, context); }
static void changed(void *context) { (void)context; changes++; }

static int setup(void **state)
{
    (void)state;
    queue = (struct timer_queue){ .clock = &test_clock, .changed = changed };
    a = (struct timer){ .fire = fire_a };
    b = (struct timer){ .fire = fire_b };
    c = (struct timer){ .fire = fire_again, .context = &c };
    log[0] = 0;
    changes = 0;
    return 0;
}

static void timers_fire_in_order(void **state)
{
    (void)state;
    assert_int_equal(timer_next(&queue), 0);
    timer_arm(&queue, &a, 200);
    timer_arm(&queue, &b, 100);
    assert_int_equal(changes, 2);
    assert_int_equal(timer_next(&queue), 100);
    timer_expire(&queue, 99);
    assert_string_equal(log, "");
    timer_expire(&queue, 250);
    assert_string_equal(log, "ba");
    assert_int_equal(timer_next(&queue), 0);
}

static void rearming_moves(void **state)
{
    (void)state;
    timer_arm(&queue, &a, 200);
    timer_arm(&queue, &b, 300);
    assert_int_equal(changes, 1);
    timer_arm(&queue, &a, 400);
    assert_int_equal(changes, 1);
    timer_arm(&queue, &a, 0); /* at once */
    assert_int_equal(changes, 2);
    assert_int_equal(timer_next(&queue), 1);
    timer_cancel(&queue, &a);
    timer_cancel(&queue, &a);
    timer_expire(&queue, 1000);
    assert_string_equal(log, "b");
}

static void a_timer_that_rearms_in_the_past_does_not_hang(void **state)
{
    (void)state;
    timer_arm(&queue, &c, 10);
    timer_expire(&queue, 1000);
    assert_string_equal(log, "c");
    assert_int_equal(timer_next(&queue), 10);
}

static void a_timer_may_cancel_another(void **state)
{
    (void)state;
    a.fire = fire_cancel;
    a.context = &b;
    timer_arm(&queue, &a, 10);
    timer_arm(&queue, &b, 20);
    timer_expire(&queue, 1000);
    assert_string_equal(log, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(muldiv_is_exact),
        cmocka_unit_test(a_deadline_is_never_early_and_never_late),
        cmocka_unit_test_setup(timers_fire_in_order, setup),
        cmocka_unit_test_setup(rearming_moves, setup),
        cmocka_unit_test_setup(a_timer_that_rearms_in_the_past_does_not_hang, setup),
        cmocka_unit_test_setup(a_timer_may_cancel_another, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
