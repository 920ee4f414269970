/* SPDX-License-Identifier: MIT
 * The loop of drivers-dom: when it waits, and which signals go out with the wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "drivers-dom/service.c"

#define MAX_CALLS 16
#define FAR 1000000000000ull /* ns */

static struct { uint64_t number, first, second; } calls[MAX_CALLS];
static unsigned call_count, waits_left;
static jmp_buf stopped;
static struct pv_page page;

enum status hypercall(uint64_t number, uint64_t first, uint64_t second)
{
    assert_true(call_count < MAX_CALLS);
    calls[call_count].number = number;
    calls[call_count].first = first;
    calls[call_count++].second = second;
    if (number == HYPERCALL_EVENT_WAIT && --waits_left == 0) {
        longjmp(stopped, 1);
    }
    return OK;
}

void log_init(void) {}
void heap_init(void *memory, size_t size) { (void)memory, (void)size; }

_Noreturn void service_end(const char *format, ...)
{
    (void)format;
    abort();
}

static void run(unsigned waits)
{
    call_count = 0;
    waits_left = waits;
    if (setjmp(stopped) == 0) {
        service_run();
    }
}

static int setup(void **state)
{
    (void)state;
    memset(&service, 0, sizeof(service));
    memset(&page, 0, sizeof(page));
    service.events = page.events;
    service.ns_per_tick = service.ticks_per_ns = 1ull << RATE_SHIFT;
    return 0;
}

static void set_event(unsigned bit) { page.events[bit / 64] |= 1ull << bit % 64; }

static void assert_call(unsigned index, uint64_t number, uint64_t value)
{
    assert_true(index < call_count);
    assert_int_equal(calls[index].number, number);
    assert_int_equal(number == HYPERCALL_EVENT_WAIT ? calls[index].second : calls[index].first, value);
}

static void signal_one(void *context) { service_signal((uint32_t)(uintptr_t)context); }

static void signal_three(void *context)
{
    (void)context;
    service_signal(5);
    service_signal(0);
    service_signal(0);
    service_signal(9);
}

static void test_nothing(void **state)
{
    (void)state;
    run(2);
    assert_int_equal(call_count, 2);
    assert_call(0, HYPERCALL_EVENT_WAIT, 0);
    assert_call(1, HYPERCALL_EVENT_WAIT, 0);
}

/* One exit for a round with one signal; not again with the next wait. */
static void test_with_the_wait(void **state)
{
    (void)state;
    service_on_event(70, signal_one, (void *)7);
    set_event(70);
    run(2);
    assert_int_equal(call_count, 2);
    assert_call(0, HYPERCALL_EVENT_WAIT, 7 + 1);
    assert_call(1, HYPERCALL_EVENT_WAIT, 0);
    assert_int_equal(page.events[1], 0);
}

static void test_several(void **state)
{
    (void)state;
    service_on_event(511, signal_three, NULL);
    set_event(511);
    run(1);
    assert_int_equal(call_count, 3);
    assert_call(0, HYPERCALL_EVENT_SIGNAL, 5);
    assert_call(1, HYPERCALL_EVENT_SIGNAL, 0);
    assert_call(2, HYPERCALL_EVENT_WAIT, 9 + 1);
}

static struct service_bottom again;
static void rearm(void *context)
{
    (void)context;
    set_event(3);
}

/* More to do: a signal does not wait for it. */
static void test_not_behind_work(void **state)
{
    (void)state;
    again = (struct service_bottom){.run = rearm};
    service_on_event(2, signal_one, (void *)4);
    service_on_event(3, signal_one, (void *)6);
    set_event(2);
    service_bottom_arm(&again);
    run(1);
    assert_int_equal(call_count, 2);
    assert_call(0, HYPERCALL_EVENT_SIGNAL, 4);
    assert_call(1, HYPERCALL_EVENT_WAIT, 6 + 1);
}

/* A round by itself leaves nothing behind. */
static void test_single_round(void **state)
{
    (void)state;
    service_on_event(2, signal_one, (void *)4);
    set_event(2);
    call_count = 0;
    assert_true(service_round());
    assert_int_equal(call_count, 1);
    assert_call(0, HYPERCALL_EVENT_SIGNAL, 4);
    assert_false(service_round());
    assert_int_equal(call_count, 1);
}

static void fire(void *context) { service_signal((uint32_t)(uintptr_t)context); }

static void test_deadline(void **state)
{
    (void)state;
    struct service_timer due = {.fire = fire, .context = (void *)3}, later = {.fire = fire};
    service_timer_arm(&later, service_now() + FAR);
    service_timer_arm(&due, 1);
    run(1);
    assert_int_equal(call_count, 1);
    assert_call(0, HYPERCALL_EVENT_WAIT, 3 + 1);
    assert_int_equal(calls[0].first, later.deadline);
}

#define TEST(test) cmocka_unit_test_setup(test, setup)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_nothing), TEST(test_with_the_wait), TEST(test_several), TEST(test_not_behind_work),
                                       TEST(test_single_round), TEST(test_deadline)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
