/* SPDX-License-Identifier: MIT
 * HPET: counter, comparators, legacy replacement, levels, messages. */
#include "irq_fixture.h"

#define MS_COUNTS 100000ull
#define MS 1000000ull
#define ENABLE 0x4
#define PERIODIC 0x8
#define SET_VALUE 0x40
#define BITS_32 0x100

static struct vcpu *const cpu = machine.vcpus;

static uint64_t get(uint64_t reg) { return bus_mmio_read(&machine.bus, HPET_BASE + reg, 8); }
static void set(uint64_t reg, uint64_t value) { bus_mmio_write(&machine.bus, HPET_BASE + reg, 8, value); }
static uint64_t config(unsigned timer) { return 0x100 + timer * 0x20; }
static uint64_t comparator(unsigned timer) { return config(timer) + 8; }

static int setup(void **state)
{
    (void)state;
    machine_create(1);
    ioapic_program(2, 0x30);
    ioapic_program(8, 0x40);
    ioapic_program(20, 0x8050);
    return 0;
}

static int take_eoi(void)
{
    int vector = take(cpu);
    if (vector >= 0)
        lapic_eoi(cpu);
    return vector;
}

static void capabilities(void **state)
{
    (void)state;
    assert_int_equal(get(0), 10000000ull << 32 | 0x8086a201);
    assert_int_equal(bus_mmio_read(&machine.bus, HPET_BASE + 4, 4), 10000000);
    assert_int_equal(get(config(0)) & 0x30, 0x30);
    set(0, UINT64_MAX);
    assert_int_equal(get(0), 10000000ull << 32 | 0x8086a201);
    assert_int_equal(get(0x160), 0);
    set(config(1), UINT64_MAX);
    assert_int_equal(get(config(1)) & 0x81, 0);
    set(config(1), 20 << 9);
    assert_int_equal(get(config(1)) >> 9 & 31, 20);
    set(config(1), 3 << 9); /* not offered */
    assert_int_equal(get(config(1)) >> 9 & 31, 0);
}

static void the_counter_runs_when_enabled(void **state)
{
    (void)state;
    pass_ns(5 * MS);
    assert_int_equal(get(0xf0), 0);
    set(0xf0, 1000);
    set(0x10, 1);
    pass_ns(2 * MS);
    assert_int_equal(get(0xf0), 1000 + 2 * MS_COUNTS);
    set(0x10, 0);
    pass_ns(2 * MS);
    assert_int_equal(get(0xf0), 1000 + 2 * MS_COUNTS);
    bus_mmio_write(&machine.bus, HPET_BASE + 0xf4, 4, 7);
    assert_int_equal(get(0xf0), 7ull << 32 | (1000 + 2 * MS_COUNTS));
    assert_int_equal(bus_mmio_read(&machine.bus, HPET_BASE + 0xf4, 4), 7);
}

static void one_shot_in_legacy_replacement(void **state)
{
    (void)state;
    set(0x10, 3);
    set(config(0), ENABLE | BITS_32);
    set(comparator(0), get(0xf0) + 3 * MS_COUNTS);
    pass_ns(3 * MS - 1000);
    assert_int_equal(take_eoi(), -1);
    pass_ns(2000);
    assert_int_equal(take_eoi(), 0x30);
    pass_ns(1000 * MS);
    assert_int_equal(take_eoi(), -1);
    set(comparator(1), get(0xf0) + 100);
    set(config(1), ENABLE);
    pass_ns(2000);
    assert_int_equal(take_eoi(), 0x40); /* line 8 */
    out(0x43, 0x34); /* the 8254 has no line now */
    out(0x40, 0);
    out(0x40, 1);
    pass_ns(5 * MS);
    assert_int_equal(take_eoi(), -1);
    set(0x10, 1);
    take_eoi(); /* its output is high */
    pass_ns(5 * MS);
    assert_int_equal(take_eoi(), 0x30);
}

/* As Linux programs the tick: set both, wait, then the period. */
static void periodic(void **state)
{
    unsigned ticks = 0;
    (void)state;
    set(0x10, 3);
    set(config(0), ENABLE | PERIODIC | SET_VALUE | BITS_32);
    set(comparator(0), get(0xf0) + MS_COUNTS);
    pass_ns(1000);
    set(comparator(0), MS_COUNTS);
    for (unsigned i = 0; i < 100; i++) {
        pass_ns(MS);
        ticks += take_eoi() == 0x30;
    }
    assert_in_range(ticks, 99, 100);
    tsc += 2 * 1000 * MS;
    pass_ns(10);
    assert_int_equal(take_eoi(), 0x30);
    assert_true(timer_next(&machine.timers) > clock_now(&machine.clock));
    set(comparator(0), 1); /* a period of 10 ns is not for us */
    pass_ns(2 * MS);
    take_eoi();
    assert_true(timer_next(&machine.timers) > clock_now(&machine.clock) + 20000);
}

static void a_32_bit_comparator_comes_round(void **state)
{
    (void)state;
    set(0xf0, 0xfffffff0);
    set(0x10, 3);
    set(config(0), ENABLE | BITS_32);
    set(comparator(0), 0x10);
    pass_ns(310);
    assert_int_equal(take_eoi(), -1);
    pass_ns(20);
    assert_int_equal(take_eoi(), 0x30);
    pass_ns((1ull << 32) * 10);
    assert_int_equal(take_eoi(), 0x30);
    set(config(0), ENABLE); /* 64 bits: the value is behind, so never */
    set(comparator(0), get(0xf0) - 1);
    assert_int_equal(timer_next(&machine.timers), 0);
}

static void levels_wait_for_their_status_bit(void **state)
{
    (void)state;
    set(0x10, 1);
    set(config(2), ENABLE | 2 | 20 << 9);
    set(comparator(2), get(0xf0) + 100);
    pass_ns(2000);
    assert_int_equal(take_eoi(), 0x50);
    assert_int_equal(take_eoi(), 0x50);
    assert_int_equal(get(0x20), 4);
    set(0x20, 3); /* others' bits */
    assert_int_equal(get(0x20), 4);
    set(0x20, 4);
    take_eoi();
    assert_int_equal(take_eoi(), -1);
    assert_int_equal(get(0x20), 0);
}

static void messages(void **state)
{
    (void)state;
    set(0x10, 1);
    set(config(2) + 0x10, LAPIC_BASE << 32 | 0x77);
    set(config(2), ENABLE | 1 << 14);
    set(comparator(2), get(0xf0) + 100);
    pass_ns(2000);
    assert_int_equal(take_eoi(), 0x77);
}

static void nonsense(void **state)
{
    uint64_t seed = 1;
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        bus_mmio_write(&machine.bus, HPET_BASE + (seed >> 50 & 0x1ff), 1u << (seed >> 48 & 3), i % 3 == 0 ? seed : seed >> 40);
        bus_mmio_read(&machine.bus, HPET_BASE + (seed >> 46 & 0x3ff), 1u << (seed >> 48 & 3));
        tsc += seed >> 54;
        timer_expire(&machine.timers, clock_now(&machine.clock));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(capabilities, setup),
        cmocka_unit_test_setup(the_counter_runs_when_enabled, setup),
        cmocka_unit_test_setup(one_shot_in_legacy_replacement, setup),
        cmocka_unit_test_setup(periodic, setup),
        cmocka_unit_test_setup(a_32_bit_comparator_comes_round, setup),
        cmocka_unit_test_setup(levels_wait_for_their_status_bit, setup),
        cmocka_unit_test_setup(messages, setup),
        cmocka_unit_test_setup(nonsense, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
