/* SPDX-License-Identifier: MIT
 * Numbers from text. */
#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static unsigned digit_value(int c)
{
    if (isdigit(c)) {
        return (unsigned)(c - '0');
    }
    return isalpha(c) ? (unsigned)(tolower(c) - 'a' + 10) : UINT_MAX;
}

/* Magnitude of the number at text; *negative tells its sign. Saturates. */
static unsigned long long parse(const char *text, char **end, int base, bool *negative)
{
    const char *at = text;
    while (isspace((unsigned char)*at)) {
        at++;
    }
    *negative = *at == '-';
    if (*at == '-' || *at == '+') {
        at++;
    }
    bool hexadecimal = at[0] == '0' && (at[1] == 'x' || at[1] == 'X') && isxdigit((unsigned char)at[2]);
    if (hexadecimal && (base == 0 || base == 16)) {
        base = 16;
        at += 2;
    } else if (base == 0) {
        base = *at == '0' ? 8 : 10;
    }
    unsigned long long value = 0;
    const char *digits = at;
    for (; digit_value((unsigned char)*at) < (unsigned)base; at++) {
        if (__builtin_mul_overflow(value, (unsigned long long)base, &value) ||
            __builtin_add_overflow(value, (unsigned long long)digit_value((unsigned char)*at), &value)) {
            value = ULLONG_MAX;
        }
    }
    if (end != NULL) {
        *end = (char *)(uintptr_t)(at > digits ? at : text);
    }
    return value;
}

unsigned long long strtoull(const char *text, char **end, int base)
{
    bool negative;
    unsigned long long value = parse(text, end, base, &negative);
    return negative && value != ULLONG_MAX ? 0 - value : value;
}

unsigned long strtoul(const char *text, char **end, int base) { return strtoull(text, end, base); }

long strtol(const char *text, char **end, int base)
{
    bool negative;
    unsigned long long value = parse(text, end, base, &negative);
    if (negative) {
        return value > LONG_MAX ? LONG_MIN : -(long)value;
    }
    return value > LONG_MAX ? LONG_MAX : (long)value;
}
