/* SPDX-License-Identifier: MIT
 * The date from the real-time clock (MC146818), once at boot. */
#include "boot.h"
#include "x86.h"

enum { CMOS_INDEX = 0x70, CMOS_DATA = 0x71 };
enum { RTC_SECONDS = 0, RTC_MINUTES = 2, RTC_HOURS = 4, RTC_DAY = 7, RTC_MONTH = 8, RTC_YEAR = 9, RTC_A = 10, RTC_B = 11 };
#define RTC_A_UPDATING 0x80
#define RTC_B_BINARY 0x04
#define RTC_B_24H 0x02
#define HOUR_PM 0x80
#define READS 100000u

struct date { uint32_t second, minute, hour, day, month, year, century; };

static uint8_t cmos(uint8_t index)
{
    outb(CMOS_INDEX, index & 0x7f); /* bit 7 would block NMIs */
    return inb(CMOS_DATA);
}

static struct date read(uint8_t century_register)
{
    for (uint32_t i = 0; i < READS && (cmos(RTC_A) & RTC_A_UPDATING); i++) {
    }
    return (struct date){ cmos(RTC_SECONDS), cmos(RTC_MINUTES), cmos(RTC_HOURS), cmos(RTC_DAY), cmos(RTC_MONTH), cmos(RTC_YEAR),
                          century_register ? cmos(century_register) : 0 };
}

static uint32_t number(uint32_t v, bool binary)
{
    return binary ? v : (v & 0xf) + 10 * (v >> 4);
}

/* Days since 1970-01-01; years from March on, so that the leap day is the last of a year. */
static uint64_t days(uint32_t year, uint32_t month, uint32_t day)
{
    uint64_t y = month > 2 ? year : year - 1;
    uint64_t m = month > 2 ? month - 3 : month + 9;
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

uint64_t rtc_epoch(uint8_t century_register)
{
    struct date d = read(century_register), again;
    for (int i = 0; i < 10; i++) { /* an update may have come in between */
        again = d;
        d = read(century_register);
        if (d.second == again.second && d.minute == again.minute && d.hour == again.hour && d.day == again.day)
            break;
    }
    uint8_t mode = cmos(RTC_B);
    bool binary = mode & RTC_B_BINARY, pm = !(mode & RTC_B_24H) && (d.hour & HOUR_PM);
    uint32_t hour = number(d.hour & ~(mode & RTC_B_24H ? 0 : HOUR_PM), binary);
    if (!(mode & RTC_B_24H))
        hour = hour % 12 + (pm ? 12 : 0);
    uint32_t century = number(d.century, binary), year = number(d.year, binary);
    year += century >= 19 && century < 30 ? century * 100 : 2000;
    uint32_t month = number(d.month, binary);
    if (month < 1 || month > 12)
        return 0;
    return days(year, month, number(d.day, binary)) * 86400 + hour * 3600ull + number(d.minute, binary) * 60ull +
           number(d.second, binary);
}
