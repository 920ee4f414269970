/* SPDX-License-Identifier: MIT
 * The machine's memory that the manager hands out, in extents. One thread: no locking. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/info.h"
#include "abi/status.h"

struct extent {
    uint64_t base, size; /* page-aligned machine memory */
};

/* Takes over all RANGE_FREE ranges above 1 MiB. */
void memory_init(const struct boot_info *info);
/* A piece of exactly `size` bytes (a multiple of the page size) aligned to `align` (a power of two), from the smallest
 * extent that holds one. ERR_MEMORY if there is none. Contents: whatever was there. */
must_use enum status memory_take(uint64_t size, uint64_t align, uint64_t *base);
/* The largest aligned piece of at most `max` bytes whose size is a multiple of `align`. ERR_MEMORY if there is none. */
must_use enum status memory_take_some(uint64_t max, uint64_t align, struct extent *piece);
void memory_give(uint64_t base, uint64_t size);
uint64_t memory_available(void); /* bytes, all extents together */
uint64_t memory_total(void);     /* bytes that memory_init() found */
