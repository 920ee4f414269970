/* SPDX-License-Identifier: MIT
 * The real-time clock: how operating systems read and set it, its interrupts, and the CMOS memory. */
#include "fake_pc.h"
#include <time.h>
#include "date.h"
#include "devices/rtc.h"

#define IRQ 8
#define EPOCH 1767225599 /* 2025-12-31 23:59:59, a Wednesday */

static struct machine *pc;
static struct rtc rtc;

static int setup(void **state)
{
    (void)state;
    pc = fake_machine(1 * MIB, 0, 1000000000, 0);
    fake.start.epoch = EPOCH;
    assert_int_equal(rtc_init(&rtc, pc), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(pc);
    return 0;
}

static uint8_t cmos(uint8_t index)
{
    outb(pc, 0x70, index);
    return inb(pc, 0x71);
}

static void set_cmos(uint8_t index, uint8_t value)
{
    outb(pc, 0x70, index);
    outb(pc, 0x71, value);
}

static void assert_time(uint8_t year, uint8_t month, uint8_t day, uint8_t hour, uint8_t minute, uint8_t second)
{
    assert_int_equal(cmos(9), year);
    assert_int_equal(cmos(8), month);
    assert_int_equal(cmos(7), day);
    assert_int_equal(cmos(4), hour);
    assert_int_equal(cmos(2), minute);
    assert_int_equal(cmos(0), second);
}

static void starts_at_the_hosts_time_in_bcd(void **state)
{
    (void)state;
    assert_time(0x25, 0x12, 0x31, 0x23, 0x59, 0x59);
    assert_int_equal(cmos(0x32), 0x20);
    assert_int_equal(cmos(6), 4); /* Wednesday */
    assert_int_equal(cmos(0x0d), 0x80);
    advance(pc, SECOND_NS);
    assert_time(0x26, 0x01, 0x01, 0x00, 0x00, 0x00);
    assert_int_equal(cmos(6), 5);
    advance(pc, 58ull * 86400 * SECOND_NS);
    assert_time(0x26, 0x02, 0x28, 0x00, 0x00, 0x00);
    advance(pc, 86400 * SECOND_NS);
    assert_time(0x26, 0x03, 0x01, 0x00, 0x00, 0x00);
}

static void boot_time_counts_from_the_epoch_reading(void **state)
{
    (void)state;
    struct rtc late;
    memset(&pc->bus, 0, sizeof(pc->bus));
    fake.start.boot_tsc = 1000;
    pc->clock.tsc_start = fake.tsc = 1000 + 2500000000ull; /* the machine was created 2.5 s later */
    assert_int_equal(rtc_init(&late, pc), OK);
    assert_time(0x26, 0x01, 0x01, 0x00, 0x00, 0x01);
    advance(pc, 499 * MS);
    assert_int_equal(cmos(0), 1);
    advance(pc, 2 * MS);
    assert_int_equal(cmos(0), 2);
}

/* Linux waits for UIP to fall, reads, and checks that UIP did not rise meanwhile. Older kernels wait for it to rise. */
static void update_in_progress_precedes_every_second(void **state)
{
    (void)state;
    assert_int_equal(cmos(0x0a), 0x26);
    advance(pc, 997 * MS);
    assert_int_equal(cmos(0x0a), 0x26);
    advance(pc, 1 * MS);
    assert_int_equal(cmos(0x0a), 0xa6);
    assert_int_equal(cmos(0), 0x59);
    advance(pc, 2 * MS);
    assert_int_equal(cmos(0x0a), 0x26);
    assert_int_equal(cmos(0), 0x00);
}

static void binary_and_12_hours(void **state)
{
    (void)state;
    set_cmos(0x0b, 0x06);
    assert_time(25, 12, 31, 23, 59, 59);
    set_cmos(0x0b, 0x04);
    assert_int_equal(cmos(4), 0x80 | 11);
    set_cmos(0x0b, 0x00);
    assert_int_equal(cmos(4), 0x91);
    advance(pc, SECOND_NS);
    assert_int_equal(cmos(4), 0x12); /* midnight is 12 AM */
    advance(pc, 12 * 3600 * SECOND_NS);
    assert_int_equal(cmos(4), 0x92);
    set_cmos(0x0b, 0x02);
    assert_int_equal(cmos(4), 0x12);
}

static void setting_the_clock_stops_it(void **state)
{
    (void)state;
    set_cmos(0x0b, 0x82);
    assert_int_equal(cmos(0x0a) & 0x80, 0);
    set_cmos(0x32, 0x20);
    set_cmos(9, 0x28);
    set_cmos(8, 0x02);
    set_cmos(7, 0x29);
    set_cmos(4, 0x12);
    set_cmos(2, 0x34);
    set_cmos(0, 0x56);
    advance(pc, 10 * SECOND_NS);
    assert_int_equal(cmos(0), 0x56);
    set_cmos(0x0b, 0x02);
    assert_time(0x28, 0x02, 0x29, 0x12, 0x34, 0x56);
    advance(pc, SECOND_NS);
    assert_int_equal(cmos(0), 0x57);
    assert_int_equal(cmos(6), 3); /* 2028-02-29 is a Tuesday */
}

/* A divider reset starts the next second half a second later: how Linux sets the clock to the fraction. */
static void divider_reset_restarts_the_second(void **state)
{
    (void)state;
    advance(pc, 800 * MS);
    set_cmos(0x0a, 0x76);
    advance(pc, 5 * SECOND_NS);
    assert_int_equal(cmos(0), 0x59);
    set_cmos(0x0a, 0x26);
    advance(pc, 499 * MS);
    assert_int_equal(cmos(0), 0x59);
    advance(pc, 2 * MS);
    assert_int_equal(cmos(0), 0x00);
}

static void periodic_interrupt_keeps_its_rate(void **state)
{
    (void)state;
    unsigned count = 0;
    set_cmos(0x0a, 0x26);
    set_cmos(0x0b, 0x42);
    for (unsigned i = 0; i < 10000; i++) {
        advance(pc, 100000); /* 1 s in steps of 0.1 ms */
        if (fake.level[IRQ]) {
            assert_int_equal(cmos(0x0c) & 0xc0, 0xc0);
            assert_false(fake.level[IRQ]);
            count++;
        }
    }
    assert_int_equal(count, 1024);
    set_cmos(0x0b, 0x02);
    (void)cmos(0x0c);
    advance(pc, SECOND_NS);
    assert_false(fake.level[IRQ]);
    assert_int_equal(cmos(0x0c) & 0x40, 0x40); /* the flag is set without the interrupt too */
    /* A guest that never acknowledges costs nothing. */
    set_cmos(0x0b, 0x42);
    advance(pc, 10 * MS);
    assert_true(fake.level[IRQ]);
    assert_int_equal(timer_next(&pc->timers), 0);
}

/* The clock goes on while a register is read. A flag that is set again in the moment in which it is acknowledged must be
 * seen as a new edge, or the 8259 never asks again. */
static void a_tick_during_the_acknowledgement_is_an_edge(void **state)
{
    (void)state;
    unsigned at_once = 0;
    set_cmos(0x0a, 0x26);
    set_cmos(0x0b, 0x42);
    for (unsigned i = 0; i < 1000; i++) {
        advance(pc, 1 * MS);
        assert_true(fake.level[IRQ]);
        unsigned edges = fake.edges[IRQ];
        fake.step = i * 977; /* so that ticks, 0.98 ms apart, come at every point of it */
        (void)cmos(0x0c);
        fake.step = 0;
        at_once += fake.level[IRQ];
        assert_int_equal(fake.edges[IRQ] - edges, fake.level[IRQ]);
    }
    assert_true(at_once > 0);
}

static void update_interrupt_every_second(void **state)
{
    (void)state;
    set_cmos(0x0b, 0x12);
    for (unsigned i = 0; i < 5; i++) {
        advance(pc, SECOND_NS);
        assert_true(fake.level[IRQ]);
        assert_int_equal(cmos(0x0c) & 0x90, 0x90);
        assert_false(fake.level[IRQ]);
    }
    set_cmos(0x0b, 0x92); /* SET takes UIE away */
    assert_int_equal(cmos(0x0b), 0x82);
}

static void alarm_fires_at_its_time(void **state)
{
    (void)state;
    set_cmos(5, 0x07);
    set_cmos(3, 0x30);
    set_cmos(1, 0x15);
    set_cmos(0x0b, 0x22);
    advance(pc, (7 * 3600 + 30 * 60 + 15) * SECOND_NS);
    assert_false(fake.level[IRQ]);
    advance(pc, SECOND_NS);
    assert_true(fake.level[IRQ]);
    assert_int_equal(cmos(0x0c) & 0xa0, 0xa0);
    advance(pc, 86399 * SECOND_NS);
    assert_false(fake.level[IRQ]);
    advance(pc, SECOND_NS);
    assert_true(fake.level[IRQ]);
}

static void alarm_with_wildcards_and_impossible_alarm(void **state)
{
    (void)state;
    set_cmos(5, 0xff);
    set_cmos(3, 0xc0);
    set_cmos(1, 0x10);
    set_cmos(0x0b, 0x22);
    for (unsigned i = 0; i < 3; i++) {
        advance(pc, (i ? 60 : 11) * SECOND_NS);
        assert_true(fake.level[IRQ]);
        (void)cmos(0x0c);
    }
    set_cmos(1, 0x75);
    advance(pc, 86400 * SECOND_NS);
    assert_false(fake.level[IRQ]);
}

static void memory_holds_what_firmware_would_say(void **state)
{
    (void)state;
    struct machine *big = fake_machine(0, 1ull << 30, 1000000000, 0);
    struct rtc other;
    unsigned sum = 0;
    big->memory.low = 3ull << 30;
    big->vcpu_count = 4;
    assert_int_equal(rtc_init(&other, big), OK);
    fake_free(pc);
    pc = big;
    assert_int_equal(cmos(0x15) | cmos(0x16) << 8, 640);
    assert_int_equal(cmos(0x17) | cmos(0x18) << 8, 0xffff);
    assert_int_equal(cmos(0x34) | cmos(0x35) << 8, ((3u << 30) - (16u << 20)) >> 16);
    assert_int_equal(cmos(0x5b) | cmos(0x5c) << 8 | cmos(0x5d) << 16, (1u << 30) >> 16);
    assert_int_equal(cmos(0x5f), 3);
    for (uint8_t i = 0x10; i < 0x2e; i++)
        sum += cmos(i);
    assert_int_equal(cmos(0x2e) << 8 | cmos(0x2f), sum);
    set_cmos(0x7f, 0x5a);
    assert_int_equal(cmos(0x7f), 0x5a);
}

static void bit_7_of_the_index_masks_nmi(void **state)
{
    (void)state;
    outb(pc, 0x70, 0x8d);
    assert_true(rtc_nmi_masked(&rtc));
    assert_int_equal(inb(pc, 0x71), 0x80);
    bus_port_write(&pc->bus, 0x70, 2, 0x550f); /* index and data in one access */
    assert_false(rtc_nmi_masked(&rtc));
    assert_int_equal(cmos(0x0f), 0x55);
}

static void dates_agree_with_the_c_library(void **state)
{
    (void)state;
    srand(3);
    for (unsigned i = 0; i < 100000; i++) {
        int64_t seconds = (int64_t)rand() * 100 + rand();
        time_t t = (time_t)seconds;
        struct tm tm;
        gmtime_r(&t, &tm);
        struct date date = date_from_seconds(seconds);
        assert_int_equal(date.year, tm.tm_year + 1900);
        assert_int_equal(date.month, tm.tm_mon + 1);
        assert_int_equal(date.day, tm.tm_mday);
        assert_int_equal(date.hour, tm.tm_hour);
        assert_int_equal(date.minute, tm.tm_min);
        assert_int_equal(date.second, tm.tm_sec);
        assert_int_equal(date.weekday, tm.tm_wday);
        assert_int_equal(date_to_seconds(&date), seconds);
    }
}

static void any_access_is_survived(void **state)
{
    (void)state;
    srand(4);
    for (unsigned i = 0; i < 100000; i++) {
        if (rand() & 1)
            set_cmos((uint8_t)(rand() % 16), (uint8_t)rand());
        else
            (void)cmos((uint8_t)rand());
        if (rand() % 8 == 0)
            advance(pc, (uint64_t)(rand() % 2000) * 10000);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(starts_at_the_hosts_time_in_bcd), CASE(boot_time_counts_from_the_epoch_reading),
        CASE(update_in_progress_precedes_every_second), CASE(binary_and_12_hours), CASE(setting_the_clock_stops_it),
        CASE(divider_reset_restarts_the_second), CASE(periodic_interrupt_keeps_its_rate),
        CASE(a_tick_during_the_acknowledgement_is_an_edge),
        CASE(update_interrupt_every_second), CASE(alarm_fires_at_its_time), CASE(alarm_with_wildcards_and_impossible_alarm),
        CASE(memory_holds_what_firmware_would_say), CASE(bit_7_of_the_index_masks_nmi),
        CASE(dates_agree_with_the_c_library), CASE(any_access_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
