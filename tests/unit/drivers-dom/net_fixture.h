/* SPDX-License-Identifier: MIT
 * What the drivers of network cards find around them, under a test's control: time, timers, bottoms, PCI; and a switch
 * that counts. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "net.h"
#include "pci.h"
#include "service.h"

#define MS         1000000ull
#define FRAMES     1024
#define FRAME_SIZE 2048

static uint64_t fake_now;
static void (*on_time)(void); /* the hardware's chance to act while a driver waits */
static struct service_timer *fake_timer;
static struct service_bottom *fake_bottom;
static char fake_log[16384];
static bool fake_present, fake_master, fake_msix;
static void (*fake_handler)(void *context);
static void *fake_handler_context;
static void *all_cards[64]; /* drivers never free one: no leak */
static unsigned all_count;

/* The switch. */
static struct net_card *the_card;
static unsigned received, returned;
static uint8_t received_frame[FRAME_SIZE];
static uint32_t received_size;
static uint8_t sent_state[FRAMES]; /* 1: given to the card */

uint64_t service_now(void)
{
    if (on_time != NULL) {
        on_time();
    }
    return fake_now += 1000;
}
void service_log(const char *format, ...)
{
    va_list arguments;
    size_t length = strlen(fake_log);
    va_start(arguments, format);
    vsnprintf(fake_log + length, sizeof(fake_log) - length, format, arguments);
    va_end(arguments);
    strncat(fake_log, "\n", sizeof(fake_log) - strlen(fake_log) - 1);
}
void service_timer_arm(struct service_timer *timer, uint64_t deadline)
{
    timer->deadline = deadline;
    fake_timer = timer;
}
void service_timer_cancel(struct service_timer *timer)
{
    timer->deadline = 0;
    fake_timer = NULL;
}
void service_bottom_arm(struct service_bottom *bottom) { fake_bottom = bottom; }
void service_bottom_cancel(struct service_bottom *bottom)
{
    (void)bottom;
    fake_bottom = NULL;
}
void *dma_alloc(size_t size, size_t align)
{
    size = (size + align - 1) / align * align;
    return memset(aligned_alloc(align, size), 0, size);
}

bool pci_present(const struct pci_device *device)
{
    (void)device;
    return fake_present;
}
void pci_enable(const struct pci_device *device, bool bus_master)
{
    (void)device;
    fake_master = bus_master;
}
enum status pci_interrupt(struct pci_device *device, unsigned vector, void (*handler)(void *context), void *context)
{
    (void)device, (void)vector;
    fake_handler = handler;
    fake_handler_context = context;
    all_cards[all_count++ % 64] = context;
    return OK;
}
bool pci_msix_active(const struct pci_device *device)
{
    (void)device;
    return fake_msix;
}

static void fire_timer(void)
{
    struct service_timer *timer = fake_timer;
    assert_non_null(timer);
    fake_now = fake_now > timer->deadline ? fake_now : timer->deadline;
    fake_timer = NULL;
    timer->deadline = 0;
    timer->fire(timer->context);
}

static void run_bottom(void)
{
    struct service_bottom *bottom = fake_bottom;
    assert_non_null(bottom);
    fake_bottom = NULL;
    bottom->run(bottom->context);
}

static void interrupt(void) { fake_handler(fake_handler_context); }
static bool said(const char *text) { return strstr(fake_log, text) != NULL; }

static void take_frame(void *context, const uint8_t *frame, uint32_t size)
{
    (void)context;
    received++;
    received_size = size;
    memcpy(received_frame, frame, size);
}

static void frame_done(void *context)
{
    uint8_t *state = context;
    assert_int_equal(*state, 1); /* once */
    *state = 0;
    returned++;
}

static unsigned outstanding(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < FRAMES; i++) {
        count += sent_state[i];
    }
    return count;
}

/* Frame `number`, cut into `count` pieces, to the card. */
static bool send_frame(unsigned number, const uint8_t *bytes, uint32_t size, uint32_t count)
{
    struct net_segment segments[NET_MAX_SEGMENTS + 1];
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t piece = i + 1 == count ? size - at : size / count;
        segments[i] = (struct net_segment){dma_of(bytes + at), piece};
        at += piece;
    }
    bool taken = the_card->ops->transmit(the_card, segments, count, frame_done, &sent_state[number]);
    if (taken) {
        assert_int_equal(sent_state[number], 0);
        sent_state[number] = 1;
    }
    return taken;
}

static void fixture_reset(void)
{
    /* Of the test before, whose cards stay registered. */
    for (struct net_card *card = net_next(NULL), *next; card != NULL; card = next) {
        next = card->next;
        net_unregister(card);
    }
    fake_now = 1000;
    on_time = NULL;
    fake_timer = NULL;
    fake_bottom = NULL;
    fake_log[0] = 0;
    fake_present = true;
    fake_master = fake_msix = false;
    the_card = NULL;
    received = returned = 0;
    memset(sent_state, 0, sizeof(sent_state));
}

static void fill(uint8_t *bytes, uint32_t size, unsigned seed)
{
    for (uint32_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 256 + seed);
    }
}
