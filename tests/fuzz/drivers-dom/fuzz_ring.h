/* SPDX-License-Identifier: MIT
 * A hostile guest out of a fuzzer's bytes: it writes its rings and buffers whenever it likes, also while the back end
 * is in the middle of reading them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

static const uint8_t *fuzz_at, *fuzz_end;

static inline uint8_t fuzz_byte(void) { return fuzz_at < fuzz_end ? *fuzz_at++ : 0; }
static inline uint16_t fuzz_word(void) { return (uint16_t)(fuzz_byte() << 8 | fuzz_byte()); }

static void fuzz_mutate(void);
#define RING_MEMORY (256u << 10)
#define RING_KILL_POINT() fuzz_mutate()
#include "ring_fixture.h"

static struct ring_guest fuzz_guest;
static struct ring fuzz_rings[CHANNEL_MAX_QUEUES];
static unsigned fuzz_ring_count;
static uint64_t fuzz_data;
static bool fuzz_live; /* mutate while the back end works */

/* A place that matters more often than others. */
static uint64_t fuzz_place(void)
{
    const struct ring *ring = &fuzz_rings[fuzz_byte() % fuzz_ring_count];
    switch (fuzz_byte() % 6) {
    case 0: return ring->desc + fuzz_byte() % ring->size * 16u + fuzz_byte() % 16;
    case 1: return ring->avail + fuzz_byte() % (6 + 2u * ring->size);
    case 2: return ring->used + fuzz_byte() % (6 + 8u * ring->size);
    case 3: return fuzz_data + fuzz_byte();
    default: return fuzz_data + fuzz_word() % 0x8000;
    }
}

static void fuzz_mutate(void)
{
    if (fuzz_live && fuzz_at < fuzz_end && fuzz_byte() < 64) {
        *(uint8_t *)ring_at(&fuzz_guest, fuzz_place()) = fuzz_byte();
    }
}

/* An address: mostly of buffers, sometimes of a ring, beyond, in the hole, or in the second extent. */
static uint64_t fuzz_address(void)
{
    switch (fuzz_byte() % 8) {
    case 0: return RING_HIGH + fuzz_word();
    case 1: return RING_MEMORY / 2 - fuzz_byte();
    case 2: return fuzz_rings[0].desc + fuzz_byte();
    case 3: return (uint64_t)fuzz_word() << 48 | (uint64_t)fuzz_word() << 24 | fuzz_word();
    default: return fuzz_data + fuzz_word() % 0x8000;
    }
}

static void fuzz_descriptor(void)
{
    struct ring *ring = &fuzz_rings[fuzz_byte() % fuzz_ring_count];
    uint32_t size = fuzz_byte() % 4 == 0 ? (uint32_t)fuzz_word() << (fuzz_byte() % 17) : fuzz_word() % 2048;
    *ring_desc(ring, fuzz_byte() % ring->size) =
        (struct vring_desc){ fuzz_address(), size, fuzz_byte() % 8, fuzz_byte() % (ring->size + 1u) };
}

/* Makes a chain of up to 6 plausible buffers available. */
static void fuzz_chain(void)
{
    struct ring *ring = &fuzz_rings[fuzz_byte() % fuzz_ring_count];
    struct ring_buffer buffers[6];
    unsigned count = 1 + fuzz_byte() % 6, writable = fuzz_byte() % (count + 1);
    for (unsigned i = 0; i < count; i++) {
        buffers[i] =
            (struct ring_buffer){ fuzz_data + fuzz_word() % 0x8000,
                                  fuzz_byte() % 3 == 0 ? fuzz_byte() : 512u * (fuzz_byte() % 9), i >= writable };
    }
    if (fuzz_byte() % 4 == 0) {
        ring_add_table(ring, fuzz_data + fuzz_word() % 0x7000, buffers, count);
    } else {
        ring_add(ring, buffers, count);
    }
}

/* Sets up memory and `count` rings of a size out of the input. */
static void fuzz_guest_begin(enum channel_type type, unsigned count)
{
    ring_forget();
    ring_log[0] = 0;
    fuzz_live = false;
    ring_guest_init(&fuzz_guest, type);
    fuzz_ring_count = count;
    uint16_t size = (uint16_t)(1u << fuzz_byte() % 7);
    for (unsigned i = 0; i < count; i++) {
        ring_init(&fuzz_rings[i], &fuzz_guest, i, size, true);
    }
    fuzz_data = ring_alloc(&fuzz_guest, 0x10000, 0x1000);
}

/* Back to well-formed rings, in new places. */
static inline void fuzz_guest_reset(void)
{
    fuzz_guest.next = PAGE_SIZE;
    memset(fuzz_guest.memory, 0, RING_MEMORY);
    for (unsigned i = 0; i < fuzz_ring_count; i++) {
        ring_init(&fuzz_rings[i], &fuzz_guest, i, fuzz_rings[i].size, true);
    }
}

/* Is this range inside of the guest's memory? */
static inline bool fuzz_inside(uint64_t machine_address, uint64_t size)
{
    uint64_t offset = machine_address - dma_of(fuzz_guest.memory);
    return offset < RING_MEMORY && size <= RING_MEMORY - offset;
}
