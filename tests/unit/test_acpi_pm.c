/* SPDX-License-Identifier: MIT
 * ACPI power management: the timer, power off, the power button, general-purpose events. */
#include "fake_pc.h"
#include "abi/syscall.h"
#include "devices/acpi_pm.h"

#define STATUS 0x600
#define ENABLE 0x602
#define CONTROL 0x604
#define TIMER 0x608
#define GPE_STATUS 0x620
#define GPE_ENABLE 0x622
#define SCI 9

static struct machine *pc;
static struct acpi_pm pm;

static int setup(void **state)
{
    (void)state;
    pc = fake_machine(1 * MIB, 0, 2400000000, 777);
    assert_int_equal(acpi_pm_init(&pm, pc), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(pc);
    return 0;
}

static uint16_t inw(uint16_t port) { return (uint16_t)bus_port_read(&pc->bus, port, 2); }
static uint32_t inl(uint16_t port) { return bus_port_read(&pc->bus, port, 4); }
static void outw(uint16_t port, uint16_t value) { bus_port_write(&pc->bus, port, 2, value); }

static void timer_runs_at_3_579545_mhz(void **state)
{
    (void)state;
    uint32_t before = inl(TIMER);
    advance(pc, SECOND_NS);
    assert_in_range(inl(TIMER) - before, 3579544, 3579546);
    advance(pc, 3600 * SECOND_NS); /* wraps after 20 minutes, and counts on */
    assert_in_range(inl(TIMER) - before, (uint32_t)(3601ull * 3579545) - 2, (uint32_t)(3601ull * 3579545) + 2);
    assert_int_equal(inb(pc, TIMER + 1), inl(TIMER) >> 8 & 0xff);
    assert_int_equal(inw(TIMER + 2), inl(TIMER) >> 16);
    outw(TIMER, 0); /* read-only */
    assert_int_not_equal(inl(TIMER), 0);
}

static void timer_overflow_interrupts_when_enabled(void **state)
{
    (void)state;
    outw(ENABLE, 1);
    advance(pc, 599 * SECOND_NS);
    assert_false(fake.level[SCI]);
    advance(pc, 2 * SECOND_NS); /* 2^31 ticks are 599.9 s */
    assert_true(fake.level[SCI]);
    assert_int_equal(inw(STATUS), 1);
    outw(STATUS, 1);
    assert_false(fake.level[SCI]);
    advance(pc, 600 * SECOND_NS);
    assert_true(fake.level[SCI]);
    outw(ENABLE, 0);
    assert_false(fake.level[SCI]);
    outw(STATUS, 0xffff);
    advance(pc, 600 * SECOND_NS);
    assert_int_equal(inw(STATUS), 1); /* the bit is set without the interrupt too */
}

static void machine_is_in_acpi_mode(void **state)
{
    (void)state;
    assert_int_equal(inw(CONTROL) & 1, 1);
    outw(CONTROL, 0);
    assert_int_equal(inw(CONTROL) & 1, 1);
}

static void soft_off_ends_the_domain(void **state)
{
    (void)state;
    outw(CONTROL, 1 << 10 | 1 << 13); /* S1: not offered */
    assert_int_equal(fake.ends, 0);
    outw(CONTROL, 0x2000 >> 13 << 10); /* without SLP_EN nothing happens */
    assert_int_equal(fake.ends, 0);
    outw(CONTROL, 0x2000);
    assert_int_equal(fake.ends, 1);
    assert_int_equal(fake.end_code, END_POWEROFF);
    outb(pc, CONTROL, 0);
    outb(pc, CONTROL + 1, 0x20); /* in bytes too */
    assert_int_equal(fake.ends, 2);
}

static void power_button_raises_the_sci(void **state)
{
    (void)state;
    acpi_pm_power_button(&pm);
    assert_false(fake.level[SCI]);
    outw(ENABLE, 1 << 8);
    assert_true(fake.level[SCI]);
    outw(STATUS, 1 << 9);
    assert_true(fake.level[SCI]);
    outw(STATUS, 1 << 8);
    assert_false(fake.level[SCI]);
    assert_int_equal(inw(ENABLE), 1 << 8);
}

static void general_purpose_events(void **state)
{
    (void)state;
    acpi_pm_gpe(&pm, 9);
    outb(pc, GPE_ENABLE + 1, 0xff);
    assert_true(fake.level[SCI]);
    assert_int_equal(inb(pc, GPE_STATUS + 1), 1 << 1);
    assert_int_equal(inl(GPE_STATUS), 0xff000200);
    outb(pc, GPE_STATUS + 1, 1 << 1);
    assert_false(fake.level[SCI]);
    assert_int_equal(inl(GPE_STATUS), 0xff000000);
    bus_port_write(&pc->bus, GPE_STATUS, 4, 0x00010000);
    assert_int_equal(inw(GPE_ENABLE), 1);
}

static void any_access_is_survived(void **state)
{
    (void)state;
    srand(2);
    for (unsigned i = 0; i < 100000; i++) {
        uint16_t port = (uint16_t)(0x600 + rand() % 0x24);
        unsigned size = 1u << rand() % 3;
        if (rand() & 1)
            bus_port_write(&pc->bus, port, size, (uint32_t)rand());
        else
            (void)bus_port_read(&pc->bus, port, size);
        advance(pc, (uint64_t)rand() * 100);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(timer_runs_at_3_579545_mhz), CASE(timer_overflow_interrupts_when_enabled), CASE(machine_is_in_acpi_mode),
        CASE(soft_off_ends_the_domain), CASE(power_button_raises_the_sci), CASE(general_purpose_events),
        CASE(any_access_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
