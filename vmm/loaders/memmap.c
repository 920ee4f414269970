/* SPDX-License-Identifier: MIT
 * What a loader has placed in guest memory. */
#include "memmap.h"

#include <stddef.h>
#include "machine.h"

static void add_ram(struct memmap *map, const struct e820_entry *entry)
{
    struct e820_entry *last = map->ram_count > 0 ? &map->ram[map->ram_count - 1] : NULL;
    if (last != NULL && last->base + last->size == entry->base) {
        last->size += entry->size;
    } else {
        map->ram[map->ram_count++] = *entry;
    }
}

void memmap_init(struct memmap *map, const struct machine *machine)
{
    map->e820_count = e820_build(machine, map->e820, E820_MAX_ENTRIES);
    map->ram_count = 0;
    map->place_count = 0;
    for (unsigned i = 0; i < map->e820_count; i++) {
        if (map->e820[i].type == E820_RAM && map->e820[i].size > 0) {
            add_ram(map, &map->e820[i]);
        }
    }
}

bool memmap_is_ram(const struct memmap *map, uint64_t base, uint64_t size)
{
    for (unsigned i = 0; i < map->ram_count; i++) {
        const struct e820_entry *ram = &map->ram[i];
        if (base >= ram->base && base - ram->base < ram->size && size <= ram->size - (base - ram->base)) {
            return true;
        }
    }
    return false;
}

const struct place *memmap_overlap(const struct memmap *map, uint64_t base, uint64_t size)
{
    for (unsigned i = 0; i < map->place_count; i++) {
        const struct place *place = &map->places[i];
        if (base < place->base + place->size && place->base < base + size) {
            return place;
        }
    }
    return NULL;
}

enum status memmap_place(struct memmap *map, uint64_t base, uint64_t size, const char *name)
{
    if (size == 0) {
        return OK;
    }
    if (!memmap_is_ram(map, base, size)) {
        return ERR_DENIED;
    }
    if (memmap_overlap(map, base, size) != NULL) {
        return ERR_EXISTS;
    }
    if (map->place_count == MEMMAP_MAX_PLACES) {
        return ERR_MEMORY;
    }
    map->places[map->place_count++] = (struct place){.base = base, .size = size, .name = name};
    return OK;
}

static uint64_t align_up(uint64_t value, uint64_t align) { return (value + align - 1) & ~(align - 1); }
static uint64_t align_down(uint64_t value, uint64_t align) { return value & ~(align - 1); }

/* Inside [low, high): from each obstacle on to behind it. */
static bool find_lowest(const struct memmap *map, const struct wish *wish, uint64_t low, uint64_t high, uint64_t *base)
{
    uint64_t at = align_up(low, wish->align);
    while (at >= low && at <= high && wish->size <= high - at) {
        const struct place *obstacle = memmap_overlap(map, at, wish->size);
        if (obstacle == NULL) {
            *base = at;
            return true;
        }
        low = obstacle->base + obstacle->size;
        at = align_up(low, wish->align);
    }
    return false;
}

static bool find_highest(const struct memmap *map, const struct wish *wish, uint64_t low, uint64_t high, uint64_t *base)
{
    while (high >= low && wish->size <= high - low) {
        uint64_t at = align_down(high - wish->size, wish->align);
        if (at < low) {
            return false;
        }
        const struct place *obstacle = memmap_overlap(map, at, wish->size);
        if (obstacle == NULL) {
            *base = at;
            return true;
        }
        high = obstacle->base;
    }
    return false;
}

enum status memmap_find(const struct memmap *map, const struct wish *wish, uint64_t *base)
{
    for (unsigned i = 0; i < map->ram_count; i++) {
        const struct e820_entry *ram = &map->ram[wish->highest ? map->ram_count - 1 - i : i];
        uint64_t low = ram->base > wish->from ? ram->base : wish->from;
        uint64_t high = ram->base + ram->size < wish->to ? ram->base + ram->size : wish->to;
        if (low < high && (wish->highest ? find_highest : find_lowest)(map, wish, low, high, base)) {
            return OK;
        }
    }
    return ERR_MEMORY;
}

uint64_t memmap_largest(const struct memmap *map, const struct wish *wish)
{
    uint64_t fits = 0, base;
    for (uint64_t step = 1ull << 46; step >= PAGE_SIZE; step >>= 1) {
        struct wish larger = *wish;
        larger.size = fits + step;
        if (memmap_find(map, &larger, &base) == OK) {
            fits = larger.size;
        }
    }
    return fits;
}
