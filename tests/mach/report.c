/* SPDX-License-Identifier: MIT
 * A line is put together and handed to the kernel in one piece. */
#include <stdarg.h>
#include <stdint.h>
#include "bytes.h"
#include "report.h"
#include "rpc.h"

#define LINE_SIZE 256u

struct line {
    char text[LINE_SIZE];
    uint32_t length;
};

static unsigned count, failures;

static void put(struct line *line, char character)
{
    if (line->length < LINE_SIZE - 1) {
        line->text[line->length++] = character;
        line->text[line->length] = 0;
    }
}

static void put_text(struct line *line, const char *text)
{
    while (*text != 0) {
        put(line, *text++);
    }
}

static void put_number(struct line *line, uint32_t value, uint32_t base)
{
    char digits[12];
    uint32_t used = sizeof(digits) - 1;
    digits[used] = 0;
    do {
        digits[--used] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    put_text(line, digits + used);
}

static void put_list(struct line *line, const char *format, va_list list)
{
    for (; *format != 0; format++) {
        if (*format != '%') {
            put(line, *format);
            continue;
        }
        switch (*++format) {
        case 's': put_text(line, va_arg(list, const char *)); break;
        case 'u': put_number(line, va_arg(list, uint32_t), 10); break;
        case 'x': put_number(line, va_arg(list, uint32_t), 16); break;
        default: put(line, *format); break;
        }
    }
}

void report(const char *format, ...)
{
    struct line line = {.length = 0};
    va_list list;
    va_start(list, format);
    put_list(&line, format, list);
    va_end(list);
    put(&line, '\n');
    mach_print(line.text);
}

bool ok(bool condition, const char *format, ...)
{
    struct line line = {.length = 0};
    va_list list;
    put_text(&line, condition ? "ok " : "not ok ");
    put_number(&line, ++count, 10);
    put_text(&line, " - ");
    va_start(list, format);
    put_list(&line, format, list);
    va_end(list);
    put(&line, '\n');
    mach_print(line.text);
    failures += !condition;
    return condition;
}

void report_end(void)
{
    report("1..%u", count);
    report("# %s: %u failed", failures == 0 ? "passed" : "FAILED", failures);
}
