/* SPDX-License-Identifier: MIT
 * The kernel's messages: kept in a ring for the manager, and printed until the manager prints them itself. A message comes out in one
 * piece. */
#include <stdio.h>
#include "api.h"
#include "log.h"
#include "panic.h"
#include "scheduler.h"
#include "sync.h"

#define LINE_SIZE 512
#define RING_SIZE 8192u /* power of two: boot messages and some hundred lines */

static _Atomic uint32_t lock;
static char ring[RING_SIZE];
static uint64_t written;      /* bytes, free running */
static struct vcpu *listener; /* told when there is a message; null: the kernel prints */

static void keep(const char *text, uint32_t length)
{
    spin_lock(&lock);
    for (uint32_t i = 0; i < length; i++)
        ring[written++ % RING_SIZE] = text[i];
    spin_unlock(&lock);
}

void vprint(const char *format, va_list args)
{
    char line[LINE_SIZE], out[LINE_SIZE + 16];
    uint32_t length = 0;
    vsnprintf(line, sizeof(line), format, args);
    for (const char *p = line; *p && length + 2 < sizeof(out); p++) {
        if (*p == '\n')
            out[length++] = '\r';
        out[length++] = *p;
    }
    if (!panic_active())
        keep(out, length);
    struct vcpu *told = __atomic_load_n(&listener, __ATOMIC_ACQUIRE);
    if (!told || panic_active())
        console_raw(out, length);
    else
        vcpu_notify(told, 1ull << EVENT_LOG);
}

void print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprint(format, args);
    va_end(args);
}

uint32_t log_read(uint64_t position, char *out, uint32_t max, uint64_t *lost)
{
    uint32_t count = 0;
    spin_lock(&lock);
    uint64_t first = written > RING_SIZE ? written - RING_SIZE : 0;
    if (position > written)
        position = written;
    *lost = position < first ? first - position : 0;
    for (position += *lost; count < max && position < written; position++)
        out[count++] = ring[position % RING_SIZE];
    spin_unlock(&lock);
    return count;
}

void log_listen(struct vcpu *vcpu)
{
    __atomic_store_n(&listener, vcpu, __ATOMIC_RELEASE);
}
