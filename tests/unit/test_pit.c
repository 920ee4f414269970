/* SPDX-License-Identifier: MIT
 * 8254: how operating systems calibrate with channel 2, the system tick of channel 0, every mode, latches, BCD. */
#include "irq_fixture.h"

#define MS 1000000ull
#define TICK_NS 838ull

static unsigned ticks; /* rising edges of line 0 */

static int setup(void **state)
{
    (void)state;
    machine_create(1);
    ticks = 0;
    return 0;
}

/* Every interrupt is taken at once, so each edge counts. */
static void run_ns(uint64_t ns)
{
    uint64_t end = clock_now(&machine.clock) + ns;

    ioapic_program(2, 0x30);
    while (clock_now(&machine.clock) < end) {
        uint64_t next = timer_next(&machine.timers);
        uint64_t now = clock_now(&machine.clock);

        pass_ns(next != 0 && next < end && next > now ? next - now : next != 0 && next <= now ? 1 : end - now);
        while (take(&machine.vcpus[0]) == 0x30) {
            ticks++;
            lapic_eoi(&machine.vcpus[0]);
        }
    }
}

static void load(unsigned channel, unsigned mode, unsigned count)
{
    out(0x43, channel << 6 | 0x30 | mode << 1);
    out((uint16_t)(0x40 + channel), count & 0xff);
    out((uint16_t)(0x40 + channel), count >> 8);
}

static unsigned count_of(unsigned channel)
{
    out(0x43, channel << 6);
    unsigned low = in((uint16_t)(0x40 + channel));
    return low | in((uint16_t)(0x40 + channel)) << 8;
}

/* Linux: open the gate of channel 2 without sound, one-shot of 50 ms, wait for OUT2 in port 0x61. */
static void calibration_by_out2(void **state)
{
    unsigned latch = PIT_HZ / 20;
    uint64_t start, end;
    (void)state;
    out(0x61, (in(0x61) & ~2u) | 1);
    out(0x43, 0xb0);
    out(0x42, latch & 0xff);
    out(0x42, latch >> 8);
    start = clock_now(&machine.clock);
    while ((in(0x61) & 0x20) == 0)
        pass_ns(1000);
    end = clock_now(&machine.clock);
    assert_in_range(end - start, 50 * MS - 1000, 50 * MS + 1000);
}

/* Linux, quick: count down from 0xffff and watch the high byte while it changes; two reads, no latch. */
static void calibration_by_high_byte(void **state)
{
    unsigned seen = 0;
    uint64_t start;
    (void)state;
    out(0x61, 1);
    load(2, 0, 0xffff);
    in(0x42);
    assert_int_equal(in(0x42), 0xff);
    start = clock_now(&machine.clock);
    for (unsigned expect = 0xfe; expect > 0xe0; expect--) {
        unsigned high;
        do {
            pass_ns(2000);
            in(0x42);
            high = in(0x42);
        } while (high == expect + 1);
        assert_int_equal(high, expect);
        seen++;
    }
    assert_in_range((clock_now(&machine.clock) - start) / seen, 256 * TICK_NS - 1000, 256 * TICK_NS + 1000);
}

static void the_system_tick(void **state)
{
    (void)state;
    load(0, 2, 11932); /* 100 Hz */
    run_ns(1000 * MS);
    assert_in_range(ticks, 99, 101);
    assert_in_range(count_of(0), 1, 11932);
    load(0, 3, 1193); /* 1000 Hz */
    ticks = 0;
    run_ns(1000 * MS);
    assert_in_range(ticks, 999, 1002);
}

static void one_shot_tick(void **state)
{
    (void)state;
    load(0, 0, 11932);
    run_ns(9 * MS);
    assert_int_equal(ticks, 0);
    run_ns(100 * MS);
    assert_int_equal(ticks, 1);
    out(0x40, 0x9c); /* again, without a new control word */
    out(0x40, 0x2e);
    run_ns(100 * MS);
    assert_int_equal(ticks, 2);
    load(0, 4, 11932); /* software strobe */
    ticks = 0;
    run_ns(100 * MS);
    assert_int_equal(ticks, 1);
}

static void lost_ticks_do_not_come_in_a_burst(void **state)
{
    (void)state;
    load(0, 2, 1193);
    run_ns(10 * MS);
    ticks = 0;
    tsc += 1000 * MS * 2; /* the machine did not run for a second */
    run_ns(10 * MS);
    assert_in_range(ticks, 10, 12);
    load(0, 2, 2); /* 600 kHz cannot be delivered */
    ticks = 0;
    run_ns(10 * MS);
    assert_in_range(ticks, 100, 201);
}

static void modes_of_channel_2(void **state)
{
    (void)state;
    out(0x61, 0);
    load(2, 1, 1000); /* one-shot by the gate */
    assert_int_equal(in(0x61) & 0x20, 0x20);
    pass_ns(5 * MS);
    out(0x61, 1);
    assert_int_equal(in(0x61) & 0x20, 0);
    pass_ns(1000 * TICK_NS - 2000);
    out(0x61, 0);
    out(0x61, 1); /* retriggered */
    pass_ns(1000 * TICK_NS - 2000);
    assert_int_equal(in(0x61) & 0x20, 0);
    pass_ns(4000);
    assert_int_equal(in(0x61) & 0x20, 0x20);

    load(2, 3, 1000); /* square wave */
    assert_int_equal(in(0x61) & 0x20, 0x20);
    pass_ns(600 * TICK_NS);
    assert_int_equal(in(0x61) & 0x20, 0);
    out(0x61, 0); /* a low gate sets the output and stops */
    assert_int_equal(in(0x61) & 0x20, 0x20);
    out(0x61, 1);
    pass_ns(400 * TICK_NS);
    assert_int_equal(in(0x61) & 0x20, 0x20);

    load(2, 5, 100); /* hardware strobe: no trigger yet */
    pass_ns(200 * TICK_NS);
    assert_int_equal(in(0x61) & 0x20, 0x20);
    out(0x61, 0);
    out(0x61, 1);
    pass_ns(100 * TICK_NS + 500);
    assert_int_equal(in(0x61) & 0x20, 0);
    pass_ns(1000);
    assert_int_equal(in(0x61) & 0x20, 0x20);
}

static void a_low_gate_pauses_mode_0(void **state)
{
    (void)state;
    out(0x61, 1);
    load(2, 0, 1000);
    pass_ns(400 * TICK_NS);
    out(0x61, 0);
    unsigned count = count_of(2);
    assert_in_range(count, 599, 601);
    pass_ns(5 * MS);
    assert_int_equal(count_of(2), count);
    assert_int_equal(in(0x61) & 0x20, 0);
    out(0x61, 1);
    pass_ns(610 * TICK_NS);
    assert_int_equal(in(0x61) & 0x20, 0x20);
    assert_in_range(count_of(2), 0xfff0, 0xffff); /* counts on below zero */
}

static void latches_and_status(void **state)
{
    (void)state;
    load(0, 2, 0x1234);
    out(0x43, 0xe2); /* read-back: status of channel 0 */
    assert_int_equal(in(0x40), 0xb4);
    out(0x43, 0xc2); /* count and status */
    pass_ns(100 * TICK_NS);
    out(0x43, 0x00); /* already latched: ignored */
    assert_int_equal(in(0x40), 0xb4);
    assert_int_equal(in(0x40), 0x34);
    assert_int_equal(in(0x40), 0x12);
    assert_in_range(count_of(0), 0x1234 - 102, 0x1234 - 98);
    out(0x43, 0x14); /* low byte only */
    out(0x43, 0xe2);
    assert_int_equal(in(0x40), 0xd4); /* null count: nothing loaded yet */
    out(0x40, 0x80);
    assert_int_equal(in(0x40), 0x80);
    assert_int_equal(in(0x40), 0x80);
    out(0x43, 0x24); /* high byte only */
    out(0x40, 0x80);
    pass_ns(TICK_NS * 256);
    assert_in_range(in(0x40), 0x7e, 0x7f);
    assert_int_equal(in(0x43), 0xff); /* the control word cannot be read */
}

static void bcd(void **state)
{
    (void)state;
    out(0x61, 1);
    out(0x43, 0xb1); /* channel 2, mode 0, BCD */
    out(0x42, 0x00);
    out(0x42, 0x10); /* 1000 */
    pass_ns(1 * TICK_NS + 100);
    assert_int_equal(count_of(2), 0x0999);
    pass_ns(1000 * TICK_NS);
    assert_in_range(count_of(2), 0x9997, 0x9999);
    out(0x43, 0xb1);
    out(0x42, 0);
    out(0x42, 0); /* 10000 */
    pass_ns(1 * TICK_NS + 100);
    assert_int_equal(count_of(2), 0x9999);
}

static void a_new_count_waits_for_the_period(void **state)
{
    (void)state;
    out(0x61, 1);
    load(2, 2, 1000);
    pass_ns(500 * TICK_NS);
    out(0x42, 100);
    out(0x42, 0);
    out(0x43, 0xe8);
    assert_int_equal(in(0x42) & 0x40, 0x40); /* null count */
    assert_in_range(count_of(2), 499, 501);
    pass_ns(510 * TICK_NS);
    assert_in_range(count_of(2), 85, 95);
}

static void the_refresh_bit_toggles(void **state)
{
    unsigned changes = 0, before = in(0x61) & 0x10;
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        pass_ns(1000);
        changes += (in(0x61) & 0x10) != before;
        before = in(0x61) & 0x10;
    }
    assert_in_range(changes, 60, 70);
    out(0x61, 0xff);
    assert_int_equal(in(0x61) & 0xcf, 0x0f);
}

/* Whatever is written, in whatever order: no hang, no fault, at most the bounded rate of interrupts. */
static void nonsense(void **state)
{
    uint32_t seed = 1;
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        bus_port_write(&machine.bus, (uint16_t)(0x40 + (seed >> 24) % 4), 1 << (seed >> 20 & 1), seed >> 8 & 0xffff);
        if ((seed >> 16 & 7) == 0)
            out(0x61, seed >> 12);
        bus_port_read(&machine.bus, (uint16_t)(0x40 + (seed >> 22) % 4), 1);
        pass_ns(seed >> 18);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(calibration_by_out2, setup),
        cmocka_unit_test_setup(calibration_by_high_byte, setup),
        cmocka_unit_test_setup(the_system_tick, setup),
        cmocka_unit_test_setup(one_shot_tick, setup),
        cmocka_unit_test_setup(lost_ticks_do_not_come_in_a_burst, setup),
        cmocka_unit_test_setup(modes_of_channel_2, setup),
        cmocka_unit_test_setup(a_low_gate_pauses_mode_0, setup),
        cmocka_unit_test_setup(latches_and_status, setup),
        cmocka_unit_test_setup(bcd, setup),
        cmocka_unit_test_setup(a_new_count_waits_for_the_period, setup),
        cmocka_unit_test_setup(the_refresh_bit_toggles, setup),
        cmocka_unit_test_setup(nonsense, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
