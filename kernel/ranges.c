/* SPDX-License-Identifier: MIT
 * A map of machine memory. */
#include "ranges.h"
#include <string.h>

static uint64_t end_of(const struct boot_range *r)
{
    return r->base + r->size;
}

static void replace(struct ranges *ranges, uint32_t at, uint32_t gone, const struct boot_range *with, uint32_t count)
{
    memmove(&ranges->list[at + count], &ranges->list[at + gone], (ranges->count - at - gone) * sizeof(ranges->list[0]));
    memcpy(&ranges->list[at], with, count * sizeof(ranges->list[0]));
    ranges->count += count - gone;
}

static void merge(struct ranges *ranges, uint32_t from)
{
    for (uint32_t i = from; i + 1 < ranges->count && i < from + 4;) {
        struct boot_range *a = &ranges->list[i], *b = a + 1;
        if (a->kind == b->kind && end_of(a) == b->base) {
            a->size += b->size;
            replace(ranges, i + 1, 1, b, 0);
        } else {
            i++;
        }
    }
}

bool ranges_set(struct ranges *ranges, uint64_t base, uint64_t end, uint32_t kind)
{
    struct boot_range pieces[3];
    uint32_t first = 0, last, count = 0;
    while (first < ranges->count && end_of(&ranges->list[first]) <= base)
        first++;
    last = first;
    while (last < ranges->count && ranges->list[last].base < end)
        last++;
    if (ranges->count + 2 > BOOT_MAX_RANGES)
        return false;
    if (last > first && ranges->list[first].base < base) {
        const struct boot_range *r = &ranges->list[first];
        pieces[count++] = (struct boot_range){ .base = r->base, .size = base - r->base, .kind = r->kind };
    }
    if (kind)
        pieces[count++] = (struct boot_range){ .base = base, .size = end - base, .kind = kind };
    if (last > first && end_of(&ranges->list[last - 1]) > end) {
        const struct boot_range *r = &ranges->list[last - 1];
        pieces[count++] = (struct boot_range){ .base = end, .size = end_of(r) - end, .kind = r->kind };
    }
    replace(ranges, first, last - first, pieces, count);
    merge(ranges, first ? first - 1 : 0);
    return true;
}

uint64_t ranges_find(const struct ranges *ranges, uint64_t size, uint64_t align, uint64_t limit)
{
    uint64_t best = 0, best_size = ~0ull;
    for (uint32_t i = 0; i < ranges->count; i++) {
        const struct boot_range *r = &ranges->list[i];
        uint64_t start = ALIGN_UP(r->base, align);
        uint64_t end = end_of(r) < limit ? end_of(r) : limit;
        if (r->kind == RANGE_FREE && start >= r->base && start < end && end - start >= size && r->size < best_size) {
            best = start;
            best_size = r->size;
        }
    }
    return best;
}
