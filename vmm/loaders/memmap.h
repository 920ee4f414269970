/* SPDX-License-Identifier: MIT
 * What a loader has placed in guest memory, so that nothing overlaps. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"
#include "e820.h"

struct machine;

#define MEMMAP_MAX_PLACES 96

struct place {
    uint64_t base, size;
    const char *name;
};

struct memmap {
    struct e820_entry e820[E820_MAX_ENTRIES]; /* as the guest gets it */
    unsigned e820_count;
    struct e820_entry ram[E820_MAX_ENTRIES]; /* its RAM, neighbours merged */
    unsigned ram_count;
    struct place places[MEMMAP_MAX_PLACES];
    unsigned place_count;
};

/* A wish for memory: `size` bytes aligned to `align` (a power of two) inside [from, to), as low or as high as possible.
 */
struct wish {
    uint64_t size, align, from, to;
    bool highest;
};

void memmap_init(struct memmap *map, const struct machine *machine);
/* Is [base, base + size) all RAM of the memory map? */
bool memmap_is_ram(const struct memmap *map, uint64_t base, uint64_t size);
/* The place that [base, base + size) overlaps, or null. */
const struct place *memmap_overlap(const struct memmap *map, uint64_t base, uint64_t size);
/* Marks a range as used. ERR_DENIED: not all RAM; ERR_EXISTS: it overlaps; ERR_MEMORY: too many places. A range of
 * size 0 is always fine. */
must_use enum status memmap_place(struct memmap *map, uint64_t base, uint64_t size, const char *name);
/* Finds room; ERR_MEMORY if there is none. Marks nothing. */
must_use enum status memmap_find(const struct memmap *map, const struct wish *wish, uint64_t *base);
/* The most bytes that the wish's range could hold at its alignment: for messages. */
uint64_t memmap_largest(const struct memmap *map, const struct wish *wish);
