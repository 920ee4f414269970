/* SPDX-License-Identifier: MIT
 * A guest for the back ends of drivers-dom: its memory, a virtio driver written for tests, and a loop in place of
 * service.c. Included by one file of a program: it defines what service.h and blk.h promise. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "abi/channel.h"
#include "abi/control.h"
#include "service.h"

#ifndef RING_MEMORY
#define RING_MEMORY (4u << 20)
#endif
#define RING_HIGH 0x100000000ull /* the second half of memory is here, behind a hole */
#define RING_HANDLES 64

/* Where a test may end it all: it defines this before. */
#ifndef RING_KILL_POINT
#define RING_KILL_POINT() ((void)0)
#endif

/* --- the loop --- */

static unsigned ring_signals[RING_HANDLES];
static void (*ring_on_signal)(uint32_t handle); /* null: nobody listens */
static char ring_log[4096]; /* the last messages */
static uint64_t ring_now;
static struct service_bottom *ring_bottoms;
static struct service_timer *ring_timers;

void service_signal(uint32_t handle)
{
    RING_KILL_POINT();
    if (handle < RING_HANDLES) {
        ring_signals[handle]++;
    }
    if (ring_on_signal != NULL) {
        ring_on_signal(handle);
    }
    RING_KILL_POINT();
}

void service_log(const char *format, ...)
{
    va_list args;
    size_t used = strlen(ring_log);
    if (used > sizeof(ring_log) / 2) {
        ring_log[0] = 0;
        used = 0;
    }
    va_start(args, format);
    vsnprintf(ring_log + used, sizeof(ring_log) - used - 2, format, args);
    va_end(args);
    strcat(ring_log, "\n");
}

uint64_t service_now(void) { return ring_now; }

void service_bottom_arm(struct service_bottom *bottom)
{
    RING_KILL_POINT();
    if (!bottom->armed) {
        struct service_bottom **link = &ring_bottoms;
        while (*link != NULL) {
            link = &(*link)->next;
        }
        *link = bottom;
        bottom->next = NULL;
        bottom->armed = true;
    }
}

void service_bottom_cancel(struct service_bottom *bottom)
{
    for (struct service_bottom **link = &ring_bottoms; *link != NULL; link = &(*link)->next) {
        if (*link == bottom) {
            *link = bottom->next;
            break;
        }
    }
    bottom->armed = false;
}

void service_timer_cancel(struct service_timer *timer)
{
    for (struct service_timer **link = &ring_timers; *link != NULL; link = &(*link)->next) {
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
    timer->next = ring_timers;
    ring_timers = timer;
}

void *dma_alloc(size_t size, size_t align)
{
    void *memory = aligned_alloc(align, (size + align - 1) & ~(align - 1));
    return memory != NULL ? memset(memory, 0, size) : NULL;
}

void dma_free(void *memory, size_t size)
{
    (void)size;
    free(memory);
}

/* One round; false: nothing was to be done. */
static inline bool ring_round(void)
{
    bool any = false;
    for (struct service_timer *timer = ring_timers, *next; timer != NULL; timer = next) {
        next = timer->next;
        if (timer->deadline <= ring_now) {
            service_timer_cancel(timer);
            timer->fire(timer->context);
            any = true;
            next = ring_timers; /* the list may have changed */
            ring_now++;
        }
    }
    for (unsigned i = 0; i < 64 && ring_bottoms != NULL; i++) {
        struct service_bottom *bottom = ring_bottoms;
        ring_bottoms = bottom->next;
        bottom->armed = false;
        bottom->run(bottom->context);
        any = true;
    }
    return any;
}

static inline void ring_settle(void)
{
    for (unsigned i = 0; i < 10000 && ring_round(); i++) {
    }
}

/* What a drivers-dom knows when it starts: nothing. */
static inline void ring_forget(void)
{
    ring_bottoms = NULL;
    ring_timers = NULL;
}

/* --- the guest --- */

struct ring_guest {
    uint8_t *memory; /* RING_MEMORY, in two extents */
    struct channel *channel;
    struct control_channel entry;
    uint64_t next;   /* bump allocator, guest-physical, in the lower half */
};

static inline void *ring_at(struct ring_guest *guest, uint64_t address)
{
    return guest->memory + (address >= RING_HIGH ? address - RING_HIGH + RING_MEMORY / 2 : address);
}

static inline uint64_t ring_alloc(struct ring_guest *guest, uint64_t size, uint64_t align)
{
    guest->next = (guest->next + align - 1) & ~(align - 1);
    uint64_t address = guest->next;
    guest->next += size;
    if (guest->next > RING_MEMORY / 2) {
        abort();
    }
    return address;
}

static inline void ring_guest_init(struct ring_guest *guest, enum channel_type type)
{
    struct ring_guest old = *guest; /* a fuzzer uses its memory again and again */
    memset(guest, 0, sizeof(*guest));
    guest->memory = old.memory != NULL ? old.memory : aligned_alloc(PAGE_SIZE, RING_MEMORY);
    memset(guest->memory, 0, RING_MEMORY);
    guest->channel = old.channel != NULL ? old.channel : aligned_alloc(PAGE_SIZE, sizeof(struct channel));
    memset(guest->channel, 0, sizeof(struct channel));
    guest->channel->magic = CHANNEL_MAGIC;
    guest->channel->type = type;
    guest->next = PAGE_SIZE;
    struct control_channel *entry = &guest->entry;
    entry->used = entry->serial = 1;
    entry->type = type;
    entry->channel = dma_of(guest->channel);
    strcpy(entry->domain, "web");
    strcpy(entry->name, "root");
    entry->control_handle = 1;
    for (unsigned i = 0; i < CHANNEL_MAX_QUEUES; i++) {
        entry->call_handle[i] = 2 + i;
    }
    entry->extent_count = 2;
    entry->extents[0] = (struct control_extent){0, dma_of(guest->memory), RING_MEMORY / 2};
    entry->extents[1] = (struct control_extent){RING_HIGH, dma_of(guest->memory + RING_MEMORY / 2), RING_MEMORY / 2};
}

static inline void ring_guest_free(struct ring_guest *guest)
{
    free(guest->memory);
    free(guest->channel);
    memset(guest, 0, sizeof(*guest));
}

/* --- a virtqueue's driver --- */

struct ring_buffer {
    uint64_t address;
    uint32_t size;
    bool write;
};

struct ring {
    struct ring_guest *guest;
    unsigned index;
    uint16_t size, next_free, next_avail, last_used;
    bool event_idx;
    uint64_t desc, avail, used;
};

static inline struct vring_desc *ring_desc(struct ring *ring, unsigned i)
{
    return (struct vring_desc *)ring_at(ring->guest, ring->desc) + i;
}
static inline struct vring_avail *ring_avail(struct ring *ring) { return ring_at(ring->guest, ring->avail); }
static inline struct vring_used *ring_used(struct ring *ring) { return ring_at(ring->guest, ring->used); }

/* Places the rings and writes them into the channel. */
static inline void ring_init(struct ring *ring, struct ring_guest *guest, unsigned index, uint16_t size, bool event_idx)
{
    memset(ring, 0, sizeof(*ring));
    ring->guest = guest;
    ring->index = index;
    ring->size = size;
    ring->event_idx = event_idx;
    ring->desc = ring_alloc(guest, 16u * size, 16);
    ring->avail = ring_alloc(guest, 6 + 2u * size, 2);
    ring->used = ring_alloc(guest, 6 + 8u * size, 4);
    guest->channel->front.queues[index] = (struct channel_queue){ring->desc, ring->avail, ring->used, size, 1, 0};
}

static inline void ring_put(struct ring *ring, uint16_t head)
{
    ring_avail(ring)->ring[ring->next_avail & (ring->size - 1)] = head;
    ring->next_avail++;
    __atomic_store_n(&ring_avail(ring)->idx, ring->next_avail, __ATOMIC_RELEASE);
}

/* Makes a chain of the buffers available; descriptors are taken round robin. */
static inline uint16_t ring_add(struct ring *ring, const struct ring_buffer *buffers, unsigned count)
{
    uint16_t head = ring->next_free;
    for (unsigned i = 0; i < count; i++) {
        uint16_t at = (uint16_t)((head + i) % ring->size);
        *ring_desc(ring, at) = (struct vring_desc){
            buffers[i].address, buffers[i].size,
            (uint16_t)((buffers[i].write ? VRING_DESC_F_WRITE : 0) | (i + 1 < count ? VRING_DESC_F_NEXT : 0)),
            (uint16_t)((at + 1) % ring->size)};
    }
    ring->next_free = (uint16_t)((head + count) % ring->size);
    ring_put(ring, head);
    return head;
}

/* The same in an indirect table. */
static inline uint16_t ring_add_table(struct ring *ring, uint64_t table, const struct ring_buffer *buffers,
                                      unsigned count)
{
    struct vring_desc *entries = ring_at(ring->guest, table);
    for (unsigned i = 0; i < count; i++) {
        entries[i] = (struct vring_desc){ buffers[i].address, buffers[i].size,
                                          (uint16_t)((buffers[i].write ? VRING_DESC_F_WRITE : 0) |
                                                     (i + 1 < count ? VRING_DESC_F_NEXT : 0)),
                                          (uint16_t)(i + 1) };
    }
    uint16_t head = ring->next_free;
    *ring_desc(ring, head) = (struct vring_desc){table, count * 16, VRING_DESC_F_INDIRECT, 0};
    ring->next_free = (uint16_t)((head + 1) % ring->size);
    ring_put(ring, head);
    return head;
}

/* Takes the next used entry. */
static inline bool ring_take(struct ring *ring, uint32_t *head, uint32_t *written)
{
    if (__atomic_load_n(&ring_used(ring)->idx, __ATOMIC_ACQUIRE) == ring->last_used) {
        return false;
    }
    vring_used_elem_t *entry = &ring_used(ring)->ring[ring->last_used & (ring->size - 1)];
    *head = entry->id;
    *written = entry->len;
    ring->last_used++;
    return true;
}

/* Asks for a signal at the next used entry. */
static inline void ring_want_signal(struct ring *ring)
{
    ring_avail(ring)->ring[ring->size] = ring->last_used;
}

static inline uint16_t ring_kick_at(struct ring *ring)
{
    uint16_t event;
    memcpy(&event, &ring_used(ring)->ring[ring->size], sizeof(event));
    return event;
}

/* Would a driver ring the doorbell after it went from index `old` to its present one? */
static inline bool ring_would_kick(struct ring *ring, uint16_t old)
{
    return ring->event_idx ? vring_need_event(ring_kick_at(ring), ring->next_avail, old)
                           : !(ring_used(ring)->flags & VRING_USED_F_NO_NOTIFY);
}

/* The front goes to RUNNING with these features, or to IDLE. */
static inline void ring_front_run(struct ring_guest *guest, uint64_t features)
{
    guest->channel->front.features = features | 1ull << VIRTIO_F_VERSION_1;
    guest->channel->front.generation++;
    guest->channel->front.state = FRONT_RUNNING;
}

static inline void ring_front_idle(struct ring_guest *guest)
{
    guest->channel->front.state = FRONT_IDLE;
}
