/* SPDX-License-Identifier: MIT
 * A watchdog that ends the domain as crashed (key on-crash) when the guest does not reset it in time. The guest finds it by the ACPI table WDAT
 * (Microsoft, "Hardware Watchdog Timers Design Specification"), for which Linux (wdat_wdt), FreeBSD and Windows have drivers. */
#pragma once

#include "abi/status.h"
#include "timer.h"

struct machine;

/* 32-bit registers, by offset in the port range. */
#define WATCHDOG_PORTS 16
#define WATCHDOG_RUN 0     /* bit 0 */
#define WATCHDOG_COUNT 4   /* ticks that it begins with */
#define WATCHDOG_CURRENT 8 /* ticks left; writing anything begins anew */
#define WATCHDOG_STATUS 12 /* bit 0: the machine was reset by it; it never is, since its domain ends. Write 1 to clear */
#define WATCHDOG_TICK_MS 100u
#define WATCHDOG_COUNT_MAX 0xffffu
#define WATCHDOG_COUNT_RESET 600u

struct watchdog {
    struct machine *machine;
    uint32_t run, count;
    struct timer timer;
};

must_use enum status watchdog_init(struct watchdog *watchdog, struct machine *machine);
/* Stopped. Device lock held. */
void watchdog_reset(struct watchdog *watchdog);
