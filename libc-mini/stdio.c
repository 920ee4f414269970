/* SPDX-License-Identifier: MIT
 * Formatted output to the console, in pieces through a buffer on the stack: whole lines reach libc_write together. */
#include <stdio.h>
#include <string.h>
#include "bulkhead/libc.h"
#include "format.h"

struct console_sink {
    struct format_sink sink;
    size_t used;
    char buffer[512];
};

static void flush(struct console_sink *console)
{
    if (console->used > 0) {
        libc_write(console->buffer, console->used);
        console->used = 0;
    }
}

static void put_console(struct format_sink *sink, const char *text, size_t length)
{
    struct console_sink *console = (struct console_sink *)sink;
    while (length > 0) {
        size_t room = sizeof(console->buffer) - console->used;
        size_t part = length < room ? length : room;
        memcpy(console->buffer + console->used, text, part);
        console->used += part;
        text += part;
        length -= part;
        if (console->used == sizeof(console->buffer)) {
            flush(console);
        }
    }
}

int vprintf(const char *format, va_list args)
{
    struct console_sink console;
    console.sink = (struct format_sink){.put = put_console};
    console.used = 0;
    int length = format_to(&console.sink, format, args);
    flush(&console);
    return length;
}

int printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vprintf(format, args);
    va_end(args);
    return length;
}

int puts(const char *text) { return printf("%s\n", text); }

int putchar(int c)
{
    char byte = (char)c;
    libc_write(&byte, 1);
    return (unsigned char)byte;
}
