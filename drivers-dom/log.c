/* SPDX-License-Identifier: MIT
 * Messages to the console, in whole lines, and the ways in which drivers-dom ends itself. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bulkhead/libc.h"
#include "hypercall.h"
#include "service.h"

#define PREFIX "drivers-dom: "
#define LINE_SIZE 1024u
#define SHUTDOWN_FAILED 1

/* The hypercall wants a guest-physical address, which memory of the direct map has. */
static struct {
    char *line;
    size_t used;
} log_buffer;

_Noreturn void __stack_chk_fail(void);

void log_init(void)
{
    log_buffer.line = dma_alloc(LINE_SIZE, 64);
    if (log_buffer.line == NULL) {
        service_end("no memory for messages");
    }
}

static void flush(void)
{
    if (log_buffer.used > 0) {
        (void)hypercall(HYPERCALL_CONSOLE_WRITE, dma_of(log_buffer.line), log_buffer.used);
        log_buffer.used = 0;
    }
}

/* Lines go out when they are complete, or longer than the buffer. */
void libc_write(const char *text, size_t length)
{
    if (log_buffer.line == NULL) {
        return;
    }
    for (size_t i = 0; i < length; i++) {
        log_buffer.line[log_buffer.used++] = text[i];
        if (text[i] == '\n' || log_buffer.used == LINE_SIZE) {
            flush();
        }
    }
}

void libc_relax(void) {}

static void log_line(const char *format, va_list args)
{
    char text[512];
    int length = vsnprintf(text, sizeof(text), format, args);
    size_t used = length < 0 ? 0 : (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
    libc_write(PREFIX, sizeof(PREFIX) - 1);
    libc_write(text, used);
    if (used == 0 || text[used - 1] != '\n') {
        libc_write("\n", 1);
    }
}

void service_log(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(format, args);
    va_end(args);
}

static _Noreturn void shut_down(void)
{
    flush();
    for (;;) {
        (void)hypercall(HYPERCALL_SHUTDOWN, SHUTDOWN_FAILED, 0);
    }
}

_Noreturn void service_end(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(format, args);
    va_end(args);
    shut_down();
}

_Noreturn void abort(void) { service_end("abort() was called"); }

_Noreturn void __stack_chk_fail(void) { service_end("a stack buffer overflowed"); }

_Noreturn void assert_failed(const char *condition, const char *file, unsigned line, const char *function)
{
    service_end("%s:%u: %s: assertion failed: %s", file, line, function, condition);
}
