/* SPDX-License-Identifier: MIT
 * A map of machine memory: ascending ranges of one kind each, none overlapping, neighbours of one kind merged. Pure. */
#pragma once

#include "abi/info.h"
#include "types.h"

struct ranges {
    uint32_t count;
    struct boot_range list[BOOT_MAX_RANGES];
};

/* Makes [base, end) of this kind, whatever it was; kind 0 removes it. base < end, page-aligned. False, nothing changed: no room. */
must_use bool ranges_set(struct ranges *ranges, uint64_t base, uint64_t end, uint32_t kind);
/* Start of `size` free bytes aligned to `align` (a power of two) that end at or below limit, in the smallest range
 * that has them; 0 if there are none. */
uint64_t ranges_find(const struct ranges *ranges, uint64_t size, uint64_t align, uint64_t limit);
