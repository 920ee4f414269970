/* SPDX-License-Identifier: MIT
 * High-precision event timer: 64-bit counter at 100 MHz on every host, three comparators (IA-PC HPET specification 1.0a). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"
#include "timer.h"

struct machine;

#define HPET_BASE 0xfed00000ull
#define HPET_TIMERS 3
#define HPET_PERIOD_FS 10000000u /* femtoseconds of a count: 10 ns */

struct hpet_timer_state {
    uint64_t config;     /* configuration and capability register */
    uint64_t comparator;
    uint64_t period;     /* periodic mode: what is added at each match */
    uint64_t fsb;        /* message: value 31:0, address 63:32 */
};

struct hpet_state {
    uint64_t config;
    uint64_t status;
    uint64_t counter;    /* at machine time `since` while it runs, else as it stands */
    uint64_t since;      /* ns */
    struct hpet_timer_state timer[HPET_TIMERS];
};

struct hpet {
    struct hpet_state s;
    struct machine *machine;
    struct timer timer[HPET_TIMERS];
    struct hpet_match { struct hpet *hpet; unsigned index; } match[HPET_TIMERS]; /* contexts of the timers */
};

/* 1 KiB at HPET_BASE. */
must_use enum status hpet_init(struct hpet *hpet, struct machine *machine);
void hpet_reset(struct hpet *hpet);
