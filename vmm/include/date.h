/* SPDX-License-Identifier: MIT
 * Calendar arithmetic of the proleptic Gregorian calendar, without time zones or leap seconds. */
#pragma once

#include <stdint.h>

struct date {
    int64_t year;
    uint8_t month, day;           /* from 1 */
    uint8_t hour, minute, second;
    uint8_t weekday;              /* 0 = Sunday; ignored by date_to_seconds */
};

/* Seconds since 1970-01-01 00:00:00. Fields out of range carry over, except month, which must be 1 to 12. */
int64_t date_to_seconds(const struct date *date);
struct date date_from_seconds(int64_t seconds);
