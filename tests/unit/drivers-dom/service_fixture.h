/* SPDX-License-Identifier: MIT
 * The frame of drivers-dom for tests of drivers: time stands still until the test moves it, messages are kept, memory
 * is the heap's. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "service.h"

/* Devices live as long as the machine: nothing frees them. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

static uint64_t fixture_now = 1;
static struct service_timer *fixture_timers;
static struct service_bottom *fixture_bottoms;
static char fixture_log[8192];

uint64_t service_now(void) { return fixture_now; }
void service_delay(uint64_t ns) { fixture_now += ns; }

void service_log(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t used = strlen(fixture_log);
    vsnprintf(fixture_log + used, sizeof(fixture_log) - used, format, args);
    va_end(args);
}

_Noreturn void service_end(const char *format, ...)
{
    (void)format;
    abort();
}

void service_timer_cancel(struct service_timer *timer)
{
    for (struct service_timer **link = &fixture_timers; *link != NULL; link = &(*link)->next) {
        if (*link == timer) {
            *link = timer->next;
            break;
        }
    }
    timer->deadline = 0;
}

void service_timer_arm(struct service_timer *timer, uint64_t deadline)
{
    service_timer_cancel(timer);
    timer->deadline = deadline;
    timer->next = fixture_timers;
    fixture_timers = timer;
}

void service_bottom_arm(struct service_bottom *bottom)
{
    if (!bottom->armed) {
        bottom->armed = true;
        bottom->next = NULL;
        struct service_bottom **link = &fixture_bottoms;
        while (*link != NULL) {
            link = &(*link)->next;
        }
        *link = bottom;
    }
}

void service_bottom_cancel(struct service_bottom *bottom)
{
    for (struct service_bottom **link = &fixture_bottoms; *link != NULL; link = &(*link)->next) {
        if (*link == bottom) {
            *link = bottom->next;
            break;
        }
    }
    bottom->armed = false;
}

void *dma_alloc(size_t size, size_t align)
{
    align = align < 64 ? 64 : align;
    void *memory = aligned_alloc(align, (size + align - 1) & ~(align - 1));
    return memory != NULL ? memset(memory, 0, size) : NULL;
}

void dma_free(void *memory, size_t size)
{
    (void)size;
    free(memory);
}

/* Bottoms until there are none. */
static inline void fixture_settle(void)
{
    while (fixture_bottoms != NULL) {
        struct service_bottom *bottom = fixture_bottoms;
        fixture_bottoms = bottom->next;
        bottom->armed = false;
        bottom->run(bottom->context);
    }
}

/* Moves time, in steps of a millisecond, with timers and bottoms. */
static inline void fixture_pass(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        fixture_now += 1000000;
        for (struct service_timer *timer = fixture_timers, *next; timer != NULL; timer = next) {
            next = timer->next;
            if (timer->deadline <= fixture_now) {
                service_timer_cancel(timer);
                timer->fire(timer->context);
                next = fixture_timers; /* the list may have changed */
            }
        }
        fixture_settle();
    }
}

static inline void fixture_reset(void)
{
    fixture_timers = NULL;
    fixture_bottoms = NULL;
    fixture_log[0] = 0;
}

static inline void assert_logged(const char *text)
{
    if (strstr(fixture_log, text) == NULL) {
        fail_msg("not told: \"%s\"; what was: \"%s\"", text, fixture_log);
    }
}
