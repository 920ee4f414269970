/* SPDX-License-Identifier: MIT
 * Guest-physical to machine addresses. */
#include <string.h>
#include "extent.h"
#include "service.h"

static bool overlap(const struct control_extent *a, const struct control_extent *b)
{
    return a->guest < b->guest + b->size && b->guest < a->guest + a->size;
}

enum status extent_init(struct extent_map *map, const struct control_extent *extents, unsigned count)
{
    map->count = 0;
    if (count > CONTROL_MAX_EXTENTS) {
        return ERR_PARAM;
    }
    for (unsigned i = 0; i < count; i++) {
        struct control_extent extent = extents[i];
        if (extent.size == 0 || ((extent.guest | extent.machine | extent.size) & PAGE_MASK) != 0 ||
            extent.guest + extent.size < extent.guest || extent.machine + extent.size < extent.machine) {
            return ERR_PARAM;
        }
        for (unsigned k = 0; k < i; k++) {
            if (overlap(&extent, &map->extents[k])) {
                return ERR_PARAM;
            }
        }
        map->extents[i] = extent;
    }
    map->count = count;
    return OK;
}

uint64_t extent_translate(const struct extent_map *map, uint64_t guest, uint64_t size, uint64_t *machine_address)
{
    for (unsigned i = 0; i < map->count; i++) {
        const struct control_extent *extent = &map->extents[i];
        uint64_t offset = guest - extent->guest; /* below the extent it wraps to a huge number */
        if (offset < extent->size) {
            uint64_t rest = extent->size - offset;
            *machine_address = extent->machine + offset;
            return size < rest ? size : rest;
        }
    }
    return 0;
}

bool extent_read(const struct extent_map *map, uint64_t guest, void *to, uint32_t size)
{
    uint8_t *out = to;
    while (size > 0) {
        uint64_t address;
        uint32_t part = (uint32_t)extent_translate(map, guest, size, &address);
        if (part == 0) {
            return false;
        }
        memcpy(out, machine(address), part);
        out += part;
        guest += part;
        size -= part;
    }
    return true;
}
