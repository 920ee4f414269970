/* SPDX-License-Identifier: MIT
 * MC146818 real-time clock with 128 bytes of CMOS memory, ports 0x70 and 0x71, IRQ 8 (Motorola MC146818A data sheet).
 * While the clock runs, its registers are computed from machine time; while it is stopped (SET, divider reset) they are
 * bytes in cmos[]. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"
#include "timer.h"

struct machine;

#define RTC_CMOS_SIZE 128
#define RTC_STALE INT64_MIN

struct rtc {
    struct machine *machine;
    uint8_t index;               /* of the register that port 0x71 shows */
    bool nmi_masked;             /* bit 7 of port 0x70 */
    uint8_t cmos[RTC_CMOS_SIZE]; /* registers A to D, alarm, memory; time and date only while stopped */
    int64_t base_seconds;        /* the clock's local time, in seconds since 1970, ... */
    int64_t base_ns;             /* ... at this machine time, if it runs */
    uint64_t periods_seen;       /* periodic ticks, seconds: how far flags in register C are up to date */
    int64_t seconds_seen;
    int64_t seconds_shown;       /* the time that the registers hold, in the format of register B; RTC_STALE: none */
    struct timer timer;          /* next enabled interrupt */
};

/* Starts at the wall-clock time of struct start and fills in the memory sizes and the CPU count. */
must_use enum status rtc_init(struct rtc *rtc, struct machine *machine);
/* RESET pin: interrupt enables and flags go, time and memory stay. */
void rtc_reset(struct rtc *rtc);
/* True while bit 7 of port 0x70 masks NMIs. */
static inline bool rtc_nmi_masked(const struct rtc *rtc) { return rtc->nmi_masked; }
