/* SPDX-License-Identifier: MIT
 * 8254 interval timer: registers, and channel 0's interrupt. What a channel counts is in pit_channel.c. */
#include <string.h>
#include "devices/pit_channel.h"
#include "machine.h"

#define LINE_TIMER 0
#define PORT_CONTROL 3
#define SPEAKER_CHANNEL 2

#define PORT61_GATE 0x01u
#define PORT61_STORED 0x0fu
#define PORT61_REFRESH 0x10u
#define PORT61_OUT2 0x20u
#define REFRESH_HALF_PERIOD_NS 15085u

/* Channel 0 never interrupts more often: a guest that asks for more loses ticks, not its processor. */
#define MIN_INTERVAL_NS 50000u
#define MIN_INTERVAL_TICKS 60u

static uint64_t now_of(const struct pit *pit)
{
    return clock_now(&pit->machine->clock);
}

/* Arms the timer from the state. Device lock held. */
static void rearm(struct pit *pit)
{
    uint64_t earliest = pit->s.channel[0].count < MIN_INTERVAL_TICKS ? pit->s.last_tick + MIN_INTERVAL_NS : 0;
    uint64_t deadline = pit_channel_rise(&pit->s.channel[0], now_of(pit), earliest);

    if (deadline != 0)
        timer_arm(&pit->machine->timers, &pit->timer, deadline);
    else
        timer_cancel(&pit->machine->timers, &pit->timer);
}

/* The output may have changed by a write: the line follows; its next rise is an interrupt. */
static void channel0_changed(struct pit *pit)
{
    irq_set(pit->machine, LINE_TIMER, pit_channel_output(&pit->s.channel[0], now_of(pit)));
    rearm(pit);
}

static void fire(void *context, uint64_t deadline)
{
    struct pit *pit = context;

    (void)deadline;
    pit->s.last_tick = now_of(pit);
    irq_set(pit->machine, LINE_TIMER, false);
    irq_set(pit->machine, LINE_TIMER, true);
    rearm(pit);
}

/* Control word, latch command, read-back command. */
static void write_control(struct pit *pit, uint8_t value)
{
    unsigned select = value >> 6;
    uint64_t now = now_of(pit);

    if (select == 3) {
        for (unsigned i = 0; i < 3; i++)
            if ((value >> (i + 1) & 1) != 0)
                pit_channel_read_back(&pit->s.channel[i], now, (value & 0x20) == 0, (value & 0x10) == 0);
    } else if ((value & 0x30) == 0) {
        pit_channel_read_back(&pit->s.channel[select], now, true, false);
    } else {
        pit_channel_control(&pit->s.channel[select], value);
        if (select == 0)
            channel0_changed(pit);
    }
}

static uint32_t read_ports(void *device, uint16_t offset, unsigned size)
{
    struct pit *pit = device;
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = offset + i < PORT_CONTROL ? pit_channel_read(&pit->s.channel[offset + i], now_of(pit)) : 0xff;

        value |= (uint32_t)byte << i * 8;
    }
    return value;
}

static void write_ports(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct pit *pit = device;

    for (unsigned i = 0; i < size && offset + i <= PORT_CONTROL; i++) {
        uint8_t byte = (uint8_t)(value >> i * 8);

        if (offset + i == PORT_CONTROL)
            write_control(pit, byte);
        else
            pit_channel_write(&pit->s.channel[offset + i], now_of(pit), byte);
        if (offset + i == 0)
            channel0_changed(pit);
    }
}

static uint32_t read_port61(void *device, uint16_t offset, unsigned size)
{
    struct pit *pit = device;
    uint64_t now = now_of(pit);
    uint32_t value = pit->s.port61;

    (void)offset;
    (void)size;
    if ((now / REFRESH_HALF_PERIOD_NS & 1) != 0)
        value |= PORT61_REFRESH;
    if (pit_channel_output(&pit->s.channel[SPEAKER_CHANNEL], now))
        value |= PORT61_OUT2;
    return value;
}

static void write_port61(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct pit *pit = device;

    (void)offset;
    (void)size;
    pit->s.port61 = value & PORT61_STORED;
    pit_channel_gate(&pit->s.channel[SPEAKER_CHANNEL], now_of(pit), (value & PORT61_GATE) != 0);
}

void pit_reset(struct pit *pit)
{
    timer_cancel(&pit->machine->timers, &pit->timer);
    memset(&pit->s, 0, sizeof pit->s);
    for (unsigned i = 0; i < 3; i++) {
        pit_channel_control(&pit->s.channel[i], 0x36);
        pit->s.channel[i].gate = i != SPEAKER_CHANNEL;
    }
}

void pit_firmware_setup(struct pit *pit)
{
    static const uint8_t words[][2] = { { 3, 0x34 }, { 0, 0 }, { 0, 0 }, { 3, 0x54 }, { 1, 18 } };

    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        write_ports(pit, words[i][0], 1, words[i][1]);
}

enum status pit_init(struct pit *pit, struct machine *machine)
{
    const struct port_range ports = { .base = 0x40, .count = 4, .read = read_ports, .write = write_ports,
                                      .device = pit, .name = "8254" };
    const struct port_range port61 = { .base = 0x61, .count = 1, .read = read_port61, .write = write_port61,
                                       .device = pit, .name = "port 0x61" };
    enum status status = bus_add_port(&machine->bus, &ports);

    memset(pit, 0, sizeof *pit);
    pit->machine = machine;
    pit->timer = (struct timer){ .fire = fire, .context = pit };
    pit_reset(pit);
    return status != OK ? status : bus_add_port(&machine->bus, &port61);
}
