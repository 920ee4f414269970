/* SPDX-License-Identifier: MIT
 * Interrupts as the control area names them: messages are handed out once, lines are shared, and acknowledged by the
 * number that the kernel gave them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "hypercall.h"
#include "service.h"

static void (*handlers[PV_EVENTS])(void *context);
static void *contexts[PV_EVENTS];
static uint64_t unmasked[8], announced;
static unsigned unmasks, calls[2];

void service_on_event(unsigned bit, void (*handler)(void *context), void *context)
{
    handlers[bit] = handler;
    contexts[bit] = context;
}
enum status hypercall(uint64_t number, uint64_t first, uint64_t second)
{
    if (number == HYPERCALL_IRQ_SOURCE) {
        announced = first << 16 | second;
        return OK;
    }
    assert_int_equal(number, HYPERCALL_IRQ_UNMASK);
    unmasked[unmasks++ % 8] = first;
    return OK;
}

static void count(void *context) { ++*(unsigned *)context; }

/* One message; line 11 whose number is another one than its place. */
static struct control area = {.irq_count = 3,
                              .irqs = {{.event_bit = 5, .data = 0x41, .address = 0xfee01000, .number = 3},
                                       {.event_bit = 6, .line = 1, .gsi = 10, .number = 16},
                                       {.event_bit = 9, .line = 1, .gsi = 11, .number = 19}}};

static int start(void **state)
{
    (void)state;
    unmasks = calls[0] = calls[1] = 0;
    irq_init(&area);
    return 0;
}

static void messages_are_given_once(void **state)
{
    (void)state;
    uint64_t address = 0;
    uint32_t data = 0;
    assert_int_equal(service_msi(0x10, count, &calls[0], &address, &data), OK);
    assert_int_equal(address, 0xfee01000);
    assert_int_equal(data, 0x41);
    assert_int_equal(announced, 3 << 16 | 0x10);
    handlers[5](contexts[5]);
    assert_int_equal(calls[0], 1);
    assert_int_equal(service_msi(0x10, count, &calls[1], &address, &data), ERR_NONE);
    assert_int_equal(unmasks, 0);
}

static void a_shared_line(void **state)
{
    (void)state;
    assert_int_equal(service_line(11, count, &calls[0]), OK);
    assert_int_equal(unmasks, 1); /* whatever it did before */
    assert_int_equal(service_line(11, count, &calls[1]), OK);
    unmasks = 0;
    handlers[9](contexts[9]);
    assert_int_equal(calls[0], 1);
    assert_int_equal(calls[1], 1);
    assert_int_equal(unmasks, 1);
    assert_int_equal(unmasked[0], 19);
}

static void a_line_that_was_not_given(void **state)
{
    (void)state;
    assert_int_equal(service_line(9, count, &calls[0]), ERR_NONE);
    assert_int_equal(service_line(0x41, count, &calls[0]), ERR_NONE);
    irq_init(NULL);
    uint64_t address;
    uint32_t data;
    assert_int_equal(service_line(11, count, &calls[0]), ERR_NONE);
    assert_int_equal(service_msi(0x10, count, &calls[0], &address, &data), ERR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(messages_are_given_once, start),
        cmocka_unit_test_setup(a_line_that_was_not_given, start),
        cmocka_unit_test_setup(a_shared_line, start), /* the last: users of a line are for ever */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
