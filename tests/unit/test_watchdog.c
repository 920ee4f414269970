/* SPDX-License-Identifier: MIT
 * The watchdog: it ends the domain when nobody resets it, and only then. */
#include "fake_pc.h"
#include "abi/syscall.h"
#include "devices/watchdog.h"
#include "pc.h"

static struct machine *pc;
static struct watchdog watchdog;

static int setup(void **state)
{
    (void)state;
    pc = fake_machine(1 * MIB, 0, 2400000000, 777);
    assert_int_equal(watchdog_init(&watchdog, pc), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(pc);
    return 0;
}

static uint32_t read_register(uint16_t offset) { return bus_port_read(&pc->bus, PC_WATCHDOG + offset, 4); }
static void write_register(uint16_t offset, uint32_t value) { bus_port_write(&pc->bus, PC_WATCHDOG + offset, 4, value); }

static void stopped_it_never_ends_the_domain(void **state)
{
    (void)state;
    write_register(WATCHDOG_COUNT, 1);
    advance(pc, 1000 * SECOND_NS);
    assert_int_equal(fake.ends, 0);
    assert_int_equal(read_register(WATCHDOG_RUN), 0);
}

static void reset_in_time_it_runs_on(void **state)
{
    (void)state;
    write_register(WATCHDOG_COUNT, 20);
    write_register(WATCHDOG_RUN, 1);
    for (unsigned i = 0; i < 10; i++) {
        advance(pc, SECOND_NS + SECOND_NS / 2);
        assert_int_equal(read_register(WATCHDOG_CURRENT), 5);
        write_register(WATCHDOG_CURRENT, 1);
        assert_int_equal(read_register(WATCHDOG_CURRENT), 20);
    }
    assert_int_equal(fake.ends, 0);
    write_register(WATCHDOG_RUN, 0);
    advance(pc, 1000 * SECOND_NS);
    assert_int_equal(fake.ends, 0);
}

static void forgotten_it_ends_the_domain(void **state)
{
    (void)state;
    write_register(WATCHDOG_COUNT, 20);
    write_register(WATCHDOG_RUN, 1);
    advance(pc, 2 * SECOND_NS + 1);
    assert_int_equal(fake.ends, 1);
    assert_int_equal(fake.end_code, END_WATCHDOG);
}

static void values_out_of_range_change_nothing(void **state)
{
    (void)state;
    write_register(WATCHDOG_COUNT, 30);
    write_register(WATCHDOG_COUNT, 0);
    write_register(WATCHDOG_COUNT, WATCHDOG_COUNT_MAX + 1);
    bus_port_write(&pc->bus, PC_WATCHDOG + WATCHDOG_COUNT, 2, 7);
    bus_port_write(&pc->bus, PC_WATCHDOG + WATCHDOG_RUN + 1, 4, 1);
    assert_int_equal(read_register(WATCHDOG_COUNT), 30);
    assert_int_equal(read_register(WATCHDOG_RUN), 0);
    assert_int_equal(read_register(WATCHDOG_STATUS), 0);
}

static void a_reset_of_the_machine_stops_it(void **state)
{
    (void)state;
    write_register(WATCHDOG_RUN, 1);
    watchdog_reset(&watchdog);
    advance(pc, 10000 * SECOND_NS);
    assert_int_equal(fake.ends, 0);
    assert_int_equal(read_register(WATCHDOG_COUNT), WATCHDOG_COUNT_RESET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stopped_it_never_ends_the_domain, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_in_time_it_runs_on, setup, teardown),
        cmocka_unit_test_setup_teardown(forgotten_it_ends_the_domain, setup, teardown),
        cmocka_unit_test_setup_teardown(values_out_of_range_change_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reset_of_the_machine_stops_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
