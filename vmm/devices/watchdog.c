/* SPDX-License-Identifier: MIT
 * The watchdog. */
#include <string.h>
#include "abi/syscall.h"
#include "devices/watchdog.h"
#include "machine.h"
#include "pc.h"

#define TICK_NS (WATCHDOG_TICK_MS * 1000000ull)

static void arm(struct watchdog *watchdog)
{
    struct machine *machine = watchdog->machine;
    timer_cancel(&machine->timers, &watchdog->timer);
    if (watchdog->run)
        timer_arm(&machine->timers, &watchdog->timer, clock_now(&machine->clock) + watchdog->count * TICK_NS);
}

static void expired(void *context, uint64_t deadline)
{
    const struct watchdog *watchdog = context;
    (void)deadline;
    machine_end(watchdog->machine, END_WATCHDOG, "watchdog: the guest did not reset it within %u.%u s", watchdog->count / 10, watchdog->count % 10);
}

static uint32_t ticks_left(const struct watchdog *watchdog)
{
    uint64_t now = clock_now(&watchdog->machine->clock), deadline = watchdog->timer.deadline;
    if (!watchdog->run)
        return watchdog->count;
    return deadline > now ? (uint32_t)((deadline - now + TICK_NS - 1) / TICK_NS) : 0;
}

/* Only whole registers: that is what the table says. */
static uint32_t watchdog_read(void *device, uint16_t offset, unsigned size)
{
    const struct watchdog *watchdog = device;
    if (size != 4 || offset == WATCHDOG_STATUS)
        return 0;
    return offset == WATCHDOG_RUN ? watchdog->run : offset == WATCHDOG_COUNT ? watchdog->count : offset == WATCHDOG_CURRENT ? ticks_left(watchdog) : 0;
}

static void watchdog_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct watchdog *watchdog = device;
    if (size != 4)
        return;
    if (offset == WATCHDOG_COUNT && value >= 1 && value <= WATCHDOG_COUNT_MAX)
        watchdog->count = value;
    else if (offset == WATCHDOG_RUN)
        watchdog->run = value & 1;
    else if (offset != WATCHDOG_CURRENT)
        return;
    arm(watchdog);
}

void watchdog_reset(struct watchdog *watchdog)
{
    watchdog->run = 0;
    watchdog->count = WATCHDOG_COUNT_RESET;
    arm(watchdog);
}

enum status watchdog_init(struct watchdog *watchdog, struct machine *machine)
{
    memset(watchdog, 0, sizeof(*watchdog));
    watchdog->machine = machine;
    watchdog->timer.fire = expired;
    watchdog->timer.context = watchdog;
    watchdog_reset(watchdog);
    return bus_add_port(&machine->bus, &(struct port_range){ .base = PC_WATCHDOG, .count = WATCHDOG_PORTS, .read = watchdog_read,
        .write = watchdog_write, .device = watchdog, .name = "watchdog" });
}
