/* SPDX-License-Identifier: MIT
 * A guest's memory as drivers-dom sees it: extents of guest-physical addresses and where they are in the machine. Every
 * address and length that a guest names goes through here; what is outside of the extents does not exist. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/control.h"
#include "abi/status.h"

struct extent_map {
    unsigned count;
    struct control_extent extents[CONTROL_MAX_EXTENTS];
};

/* Copies and checks them: whole pages, not empty, no wrap-around, no overlap in guest-physical space. ERR_PARAM
 * otherwise. */
must_use enum status extent_init(struct extent_map *map, const struct control_extent *extents, unsigned count);

/* How many bytes of [guest, guest + size) lie in one piece of the machine from `guest` on, and where; 0: `guest` is not
 * memory. Ranges that cross the end of an extent are translated piece by piece. */
uint64_t extent_translate(const struct extent_map *map, uint64_t guest, uint64_t size, uint64_t *machine_address);

/* Copies out of the guest, across extents. False: a part is not memory; the contents of `to` are then undefined. */
bool extent_read(const struct extent_map *map, uint64_t guest, void *to, uint32_t size);
