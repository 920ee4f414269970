/* SPDX-License-Identifier: MIT
 * MC146818 real-time clock and CMOS memory. Register names and bits: MC146818A data sheet. */
#include <string.h>
#include "date.h"
#include "devices/rtc.h"
#include "devices/split.h"
#include "machine.h"
#include "pc.h"

#define RTC_PORT 0x70
#define RTC_PORTS 2

enum rtc_register {
    REG_SECOND, REG_SECOND_ALARM, REG_MINUTE, REG_MINUTE_ALARM, REG_HOUR, REG_HOUR_ALARM,
    REG_WEEKDAY, REG_DAY, REG_MONTH, REG_YEAR, REG_A, REG_B, REG_C, REG_D,
    REG_EQUIPMENT = 0x14, REG_BASE_MEMORY = 0x15, REG_EXT_MEMORY = 0x17, REG_CHECKSUM = 0x2e, REG_EXT_MEMORY_2 = 0x30,
    REG_CENTURY = 0x32, REG_BOOT_ORDER = 0x3d, REG_MEMORY_16M = 0x34, REG_CENTURY_PS2 = 0x37, REG_MEMORY_4G = 0x5b, REG_CPUS = 0x5f,
};

#define A_UIP 0x80u
#define A_DIVIDER(a) (((a) >> 4) & 7u)
#define A_RATE(a) ((a) & 15u)
#define A_DIVIDER_RESET 6u /* and 7 */
#define A_DEFAULT 0x26u    /* 32.768 kHz, periodic rate 1024 Hz */

#define B_SET 0x80u
#define B_PIE 0x40u
#define B_AIE 0x20u
#define B_UIE 0x10u
#define B_SQWE 0x08u
#define B_BINARY 0x04u
#define B_24H 0x02u

#define C_IRQF 0x80u
#define C_PF 0x40u
#define C_AF 0x20u
#define C_UF 0x10u

#define D_VALID 0x80u
#define HOUR_PM 0x80u
#define ALARM_ANY 0xc0u /* "don't care" */

#define BOOT_DISK 2u /* first the hard disks: firmware of emulated PCs reads it so */

#define NS_PER_SECOND 1000000000ll
#define OSCILLATOR_HZ 32768ull
#define UPDATE_NS 2228000ll /* UIP rises 244 us before an update cycle, which takes 1984 us */
#define HALF_SECOND 500000000ll /* the first update after a divider reset */
#define SECONDS_PER_DAY 86400

static bool running(const struct rtc *rtc)
{
    return !(rtc->cmos[REG_B] & B_SET) && A_DIVIDER(rtc->cmos[REG_A]) < A_DIVIDER_RESET;
}

static int64_t elapsed_ns(const struct rtc *rtc)
{
    int64_t elapsed = (int64_t)clock_now(&rtc->machine->clock) - rtc->base_ns;
    return elapsed < 0 ? 0 : elapsed;
}

static int64_t seconds_now(const struct rtc *rtc)
{
    return rtc->base_seconds + elapsed_ns(rtc) / NS_PER_SECOND;
}

/* ---- numbers as the guest sees them ---- */

static uint8_t encode(const struct rtc *rtc, unsigned value)
{
    return (uint8_t)(rtc->cmos[REG_B] & B_BINARY ? value : value / 10 % 10 << 4 | value % 10);
}

static unsigned decode(const struct rtc *rtc, uint8_t value)
{
    return rtc->cmos[REG_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 15u);
}

static uint8_t encode_hour(const struct rtc *rtc, unsigned hour)
{
    if (rtc->cmos[REG_B] & B_24H)
        return encode(rtc, hour);
    return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const struct rtc *rtc, uint8_t value)
{
    if (rtc->cmos[REG_B] & B_24H)
        return decode(rtc, value);
    return decode(rtc, value & 0x7f) % 12 + (value & HOUR_PM ? 12 : 0);
}

/* ---- time ---- */

/* A guest reads one register after the other: the calendar is computed once. */
static void registers_from_time(struct rtc *rtc)
{
    int64_t seconds = seconds_now(rtc);
    if (seconds == rtc->seconds_shown)
        return;
    struct date date = date_from_seconds(seconds);
    rtc->seconds_shown = seconds;
    rtc->cmos[REG_SECOND] = encode(rtc, date.second);
    rtc->cmos[REG_MINUTE] = encode(rtc, date.minute);
    rtc->cmos[REG_HOUR] = encode_hour(rtc, date.hour);
    rtc->cmos[REG_WEEKDAY] = encode(rtc, date.weekday + 1u);
    rtc->cmos[REG_DAY] = encode(rtc, date.day);
    rtc->cmos[REG_MONTH] = encode(rtc, date.month);
    rtc->cmos[REG_YEAR] = encode(rtc, (unsigned)(date.year % 100));
    rtc->cmos[REG_CENTURY] = rtc->cmos[REG_CENTURY_PS2] = encode(rtc, (unsigned)(date.year / 100 % 100));
}

/* Ticks of the 32.768 kHz oscillator between periodic interrupts; 0 = none. Rates 1 and 2 repeat 8 and 9. */
static uint64_t period_ticks(const struct rtc *rtc)
{
    unsigned rate = A_RATE(rtc->cmos[REG_A]);
    if (!rate || A_DIVIDER(rtc->cmos[REG_A]) >= A_DIVIDER_RESET)
        return 0;
    return 1ull << ((rate <= 2 ? rate + 7 : rate) - 1);
}

/* Rounded up: at that time the tick has happened. */
static uint64_t ticks_to_ns(uint64_t ticks)
{
    uint64_t ns = muldiv64(ticks, (uint64_t)NS_PER_SECOND, OSCILLATOR_HZ);
    return ns + (muldiv64(ns, OSCILLATOR_HZ, (uint64_t)NS_PER_SECOND) < ticks);
}

static uint64_t periods_now(const struct rtc *rtc)
{
    uint64_t period = period_ticks(rtc);
    return period ? muldiv64((uint64_t)elapsed_ns(rtc), OSCILLATOR_HZ, (uint64_t)NS_PER_SECOND) / period : 0;
}

/* Starts the clock with the registers' time. `fraction` of the current second counts as passed, in ns. */
static void time_from_registers(struct rtc *rtc, int64_t fraction)
{
    unsigned month = decode(rtc, rtc->cmos[REG_MONTH]);
    struct date date = {
        .year = decode(rtc, rtc->cmos[REG_CENTURY]) * 100 + decode(rtc, rtc->cmos[REG_YEAR]),
        .month = (uint8_t)(month < 1 ? 1 : month > 12 ? 12 : month),
        .day = (uint8_t)decode(rtc, rtc->cmos[REG_DAY]),
        .hour = (uint8_t)decode_hour(rtc, rtc->cmos[REG_HOUR]),
        .minute = (uint8_t)decode(rtc, rtc->cmos[REG_MINUTE]),
        .second = (uint8_t)decode(rtc, rtc->cmos[REG_SECOND]),
    };
    rtc->base_seconds = rtc->seconds_seen = date_to_seconds(&date);
    rtc->base_ns = (int64_t)clock_now(&rtc->machine->clock) - fraction;
    rtc->periods_seen = periods_now(rtc);
}

/* ---- interrupts ---- */

static bool alarm_matches(uint8_t alarm, unsigned wanted, unsigned value)
{
    return (alarm & ALARM_ANY) == ALARM_ANY || wanted == value;
}

static bool alarm_possible(uint8_t alarm, unsigned wanted, unsigned limit)
{
    return (alarm & ALARM_ANY) == ALARM_ANY || wanted < limit;
}

/* The first second after `after` at which the alarm goes off; 0 if it never does. Skips hours and minutes that do not
 * match, so a day is searched in a few dozen steps. */
static int64_t next_alarm(const struct rtc *rtc, int64_t after)
{
    const uint8_t *cmos = rtc->cmos;
    const uint8_t hour = cmos[REG_HOUR_ALARM], minute = cmos[REG_MINUTE_ALARM], second = cmos[REG_SECOND_ALARM];
    if (!alarm_possible(second, decode(rtc, second), 60) || !alarm_possible(minute, decode(rtc, minute), 60))
        return 0;
    int64_t time = after + 1;
    while (time <= after + SECONDS_PER_DAY) {
        struct date date = date_from_seconds(time);
        if (!alarm_matches(hour, decode_hour(rtc, hour), date.hour))
            time += 3600 - date.minute * 60 - date.second;
        else if (!alarm_matches(minute, decode(rtc, minute), date.minute))
            time += 60 - date.second;
        else if (!alarm_matches(second, decode(rtc, second), date.second))
            time++;
        else
            return time;
    }
    return 0;
}

/* Brings the flags of register C up to date. */
static void update_flags(struct rtc *rtc)
{
    uint64_t periods = periods_now(rtc);
    if (periods != rtc->periods_seen)
        rtc->cmos[REG_C] |= C_PF;
    rtc->periods_seen = periods;
    if (!running(rtc))
        return;
    int64_t seconds = seconds_now(rtc);
    if (seconds != rtc->seconds_seen) {
        int64_t alarm = next_alarm(rtc, rtc->seconds_seen);
        rtc->cmos[REG_C] |= C_UF | (alarm && alarm <= seconds ? C_AF : 0);
    }
    rtc->seconds_seen = seconds;
}

static uint64_t second_to_ns(const struct rtc *rtc, int64_t second)
{
    return (uint64_t)(rtc->base_ns + (second - rtc->base_seconds) * NS_PER_SECOND);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return !a || b < a ? b : a;
}

/* Machine time of the next enabled interrupt whose flag is not set already; 0 if there is none. */
static uint64_t next_interrupt(const struct rtc *rtc)
{
    uint8_t idle = rtc->cmos[REG_B] & (uint8_t)~rtc->cmos[REG_C]; /* enables and flags have the same bits */
    uint64_t next = 0;
    if ((idle & B_PIE) && period_ticks(rtc)) {
        next = (uint64_t)rtc->base_ns + ticks_to_ns((rtc->periods_seen + 1) * period_ticks(rtc));
    }
    if ((idle & B_UIE) && running(rtc))
        next = earlier(next, second_to_ns(rtc, rtc->seconds_seen + 1));
    if ((idle & B_AIE) && running(rtc)) {
        int64_t alarm = next_alarm(rtc, rtc->seconds_seen);
        if (alarm)
            next = earlier(next, second_to_ns(rtc, alarm));
    }
    return next;
}

static void update_irq(struct rtc *rtc)
{
    uint8_t *c = &rtc->cmos[REG_C];
    update_flags(rtc);
    *c &= (uint8_t)~C_IRQF;
    if (*c & rtc->cmos[REG_B] & (C_PF | C_AF | C_UF))
        *c |= C_IRQF;
    irq_set(rtc->machine, PC_IRQ_RTC, *c & C_IRQF);
    timer_cancel(&rtc->machine->timers, &rtc->timer);
    uint64_t next = next_interrupt(rtc);
    if (next)
        timer_arm(&rtc->machine->timers, &rtc->timer, next);
}

static void timer_fired(void *context, uint64_t deadline)
{
    (void)deadline;
    update_irq(context);
}

/* ---- registers ---- */

static bool is_time(uint8_t index)
{
    return index == REG_SECOND || index == REG_MINUTE || index == REG_HOUR ||
           (index >= REG_WEEKDAY && index <= REG_YEAR) || index == REG_CENTURY || index == REG_CENTURY_PS2;
}

static uint8_t read_register(struct rtc *rtc, uint8_t index)
{
    uint8_t value;
    if (is_time(index) && running(rtc))
        registers_from_time(rtc);
    value = rtc->cmos[index];
    if (index == REG_A && running(rtc) && elapsed_ns(rtc) % NS_PER_SECOND >= NS_PER_SECOND - UPDATE_NS)
        value |= A_UIP;
    if (index == REG_C) {
        update_irq(rtc);
        value = rtc->cmos[REG_C];
        rtc->cmos[REG_C] = 0; /* reading acknowledges */
        /* The next tick may be here already: the line falls before it rises for that one. */
        irq_set(rtc->machine, PC_IRQ_RTC, false);
        update_irq(rtc);
    }
    return value;
}

static void write_time(struct rtc *rtc, uint8_t index, uint8_t value)
{
    bool runs = running(rtc);
    update_flags(rtc);
    if (runs)
        registers_from_time(rtc);
    rtc->cmos[index] = value;
    if (index == REG_CENTURY || index == REG_CENTURY_PS2)
        rtc->cmos[REG_CENTURY] = rtc->cmos[REG_CENTURY_PS2] = value;
    if (runs)
        time_from_registers(rtc, elapsed_ns(rtc) % NS_PER_SECOND);
}

/* Registers A and B: what they change may stop or start the clock. */
static void write_control(struct rtc *rtc, uint8_t index, uint8_t value)
{
    bool ran = running(rtc);
    bool was_reset = A_DIVIDER(rtc->cmos[REG_A]) >= A_DIVIDER_RESET;
    int64_t fraction = was_reset ? HALF_SECOND : elapsed_ns(rtc) % NS_PER_SECOND;
    update_flags(rtc);
    if (ran)
        registers_from_time(rtc); /* in the format that was valid until now */
    if (index == REG_A)
        rtc->cmos[REG_A] = value & (uint8_t)~A_UIP;
    else
        rtc->cmos[REG_B] = value & B_SET ? value & (uint8_t)~B_UIE : value;
    if (!ran && running(rtc))
        time_from_registers(rtc, fraction);
    rtc->periods_seen = periods_now(rtc);
}

static void write_register(struct rtc *rtc, uint8_t index, uint8_t value)
{
    rtc->seconds_shown = RTC_STALE;
    if (is_time(index))
        write_time(rtc, index, value);
    else if (index == REG_A || index == REG_B)
        write_control(rtc, index, value);
    else if (index == REG_C || index == REG_D)
        return; /* read-only */
    else
        rtc->cmos[index] = value;
    rtc->seconds_shown = RTC_STALE; /* the write has used the old format, too */
    update_irq(rtc);
}

static uint8_t rtc_read_byte(void *device, uint16_t offset)
{
    struct rtc *rtc = device;
    return offset == 1 ? read_register(rtc, rtc->index) : 0xff; /* the index is write-only */
}

static void rtc_write_byte(void *device, uint16_t offset, uint8_t value)
{
    struct rtc *rtc = device;
    if (offset == 1) {
        write_register(rtc, rtc->index, value);
        return;
    }
    rtc->index = value & 0x7f;
    rtc->nmi_masked = value & 0x80;
}

static uint32_t rtc_read(void *device, uint16_t offset, unsigned size)
{
    return split_read(rtc_read_byte, device, offset, size, RTC_PORTS);
}

static void rtc_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    split_write(rtc_write_byte, device, offset, size, value, RTC_PORTS);
}

/* ---- construction ---- */

static void put_bytes(struct rtc *rtc, unsigned index, unsigned count, uint64_t value, uint64_t limit)
{
    value = value < limit ? value : limit;
    for (unsigned i = 0; i < count; i++)
        rtc->cmos[index + i] = (uint8_t)(value >> (8 * i));
}

/* What PC firmware leaves in the CMOS memory about the machine (Ralf Brown's CMOS list). */
static void fill_memory(struct rtc *rtc)
{
    const struct memory *memory = &rtc->machine->memory;
    uint64_t above_1m = memory->low > (1ull << 20) ? memory->low - (1ull << 20) : 0;
    uint64_t above_16m = memory->low > (16ull << 20) ? memory->low - (16ull << 20) : 0;
    unsigned sum = 0;
    rtc->cmos[REG_EQUIPMENT] = 0x06; /* a mathematics coprocessor, a PS/2 mouse, VGA, no floppy */
    put_bytes(rtc, REG_BASE_MEMORY, 2, 640, 640);
    put_bytes(rtc, REG_EXT_MEMORY, 2, above_1m >> 10, 0xffff);
    put_bytes(rtc, REG_EXT_MEMORY_2, 2, above_1m >> 10, 0xffff);
    put_bytes(rtc, REG_MEMORY_16M, 2, above_16m >> 16, 0xffff);
    put_bytes(rtc, REG_MEMORY_4G, 3, memory->high >> 16, 0xffffff);
    rtc->cmos[REG_BOOT_ORDER] = BOOT_DISK;
    rtc->cmos[REG_CPUS] = (uint8_t)(rtc->machine->vcpu_count - 1);
    for (unsigned i = 0x10; i < REG_CHECKSUM; i++)
        sum += rtc->cmos[i];
    rtc->cmos[REG_CHECKSUM] = (uint8_t)(sum >> 8);
    rtc->cmos[REG_CHECKSUM + 1] = (uint8_t)sum;
}

void rtc_reset(struct rtc *rtc)
{
    rtc->cmos[REG_B] &= (uint8_t)~(B_PIE | B_AIE | B_UIE | B_SQWE);
    rtc->cmos[REG_C] = 0;
    rtc->nmi_masked = false;
    update_irq(rtc);
}

enum status rtc_init(struct rtc *rtc, struct machine *machine)
{
    const struct start *start = machine->start;
    uint64_t since_epoch = machine->clock.tsc_start > start->boot_tsc ? machine->clock.tsc_start - start->boot_tsc : 0;
    uint64_t ns = muldiv64(since_epoch, (uint64_t)NS_PER_SECOND, machine->clock.tsc_hz);
    memset(rtc, 0, sizeof(*rtc));
    rtc->machine = machine;
    rtc->timer.fire = timer_fired;
    rtc->timer.context = rtc;
    rtc->cmos[REG_A] = A_DEFAULT;
    rtc->cmos[REG_B] = B_24H;
    rtc->cmos[REG_D] = D_VALID;
    rtc->base_seconds = (int64_t)(start->epoch + ns / (uint64_t)NS_PER_SECOND);
    rtc->base_ns = -(int64_t)(ns % (uint64_t)NS_PER_SECOND);
    rtc->seconds_shown = RTC_STALE;
    rtc->seconds_seen = seconds_now(rtc);
    rtc->periods_seen = periods_now(rtc);
    fill_memory(rtc);
    return bus_add_port(&machine->bus, &(struct port_range){
        .base = RTC_PORT, .count = RTC_PORTS, .read = rtc_read, .write = rtc_write, .device = rtc, .name = "RTC" });
}
