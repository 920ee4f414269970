/* SPDX-License-Identifier: MIT
 * Calendar arithmetic. Years are counted from March, so that the leap day is the last day of a year. */
#include "date.h"

#define DAYS_PER_CYCLE 146097 /* of 400 years */
#define DAYS_TO_EPOCH 719468  /* from 0000-03-01 to 1970-01-01 */
#define SECONDS_PER_DAY 86400

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days from 1 March to the first of the month that is `month` months later: 31, 30, 31, 30, 31 repeats. */
static int64_t days_before(int64_t month)
{
    return (153 * month + 2) / 5;
}

int64_t date_to_seconds(const struct date *date)
{
    int64_t year = date->month > 2 ? date->year : date->year - 1;
    int64_t month = (date->month + 9) % 12;
    int64_t days = 365 * year + floor_div(year, 4) - floor_div(year, 100) + floor_div(year, 400) + days_before(month) +
                   date->day - 1 - DAYS_TO_EPOCH;
    return days * SECONDS_PER_DAY + date->hour * 3600 + date->minute * 60 + date->second;
}

struct date date_from_seconds(int64_t seconds)
{
    int64_t days = floor_div(seconds, SECONDS_PER_DAY);
    int64_t rest = seconds - days * SECONDS_PER_DAY;
    int64_t march_days = days + DAYS_TO_EPOCH;
    int64_t cycle = floor_div(march_days, DAYS_PER_CYCLE);
    int64_t day = march_days - cycle * DAYS_PER_CYCLE;
    /* Take out the leap days passed, then every year has 365. */
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    int64_t month = (5 * day + 2) / 153;
    return (struct date){
        .year = year + cycle * 400 + (month >= 10),
        .month = (uint8_t)(month < 10 ? month + 3 : month - 9),
        .day = (uint8_t)(day - days_before(month) + 1),
        .hour = (uint8_t)(rest / 3600),
        .minute = (uint8_t)(rest / 60 % 60),
        .second = (uint8_t)(rest % 60),
        .weekday = (uint8_t)(((days + 4) % 7 + 7) % 7), /* 1970-01-01 was a Thursday */
    };
}
