/* SPDX-License-Identifier: MIT
 * Extents of free machine memory: a sorted list without neighbours that touch. */
#include "memory.h"

#include <stdio.h>
#include <string.h>

#define MAX_EXTENTS 512
#define FIRST_ADDRESS 0x100000ull /* below lies what firmware and start-up code use */

static struct extent extents[MAX_EXTENTS];
static unsigned extent_count;
static uint64_t total;

static uint64_t end_of(const struct extent *extent) { return extent->base + extent->size; }
static uint64_t align_up(uint64_t value, uint64_t align) { return (value + align - 1) & ~(align - 1); }

static void remove_at(unsigned at)
{
    extent_count--;
    memmove(&extents[at], &extents[at + 1], (extent_count - at) * sizeof(extents[0]));
}

static bool insert_at(unsigned at, uint64_t base, uint64_t size)
{
    if (extent_count == MAX_EXTENTS) {
        printf("bulkhead: the list of free memory is full; %llu KiB at %#llx are lost\n",
               (unsigned long long)(size >> 10), (unsigned long long)base);
        return false;
    }
    memmove(&extents[at + 1], &extents[at], (extent_count - at) * sizeof(extents[0]));
    extents[at] = (struct extent){base, size};
    extent_count++;
    return true;
}

void memory_give(uint64_t base, uint64_t size)
{
    unsigned at = 0;
    while (at < extent_count && extents[at].base < base) {
        at++;
    }
    if (at > 0 && end_of(&extents[at - 1]) == base) {
        extents[--at].size += size;
    } else if (size == 0 || !insert_at(at, base, size)) {
        return;
    }
    if (at + 1 < extent_count && end_of(&extents[at]) == extents[at + 1].base) {
        extents[at].size += extents[at + 1].size;
        remove_at(at + 1);
    }
}

/* Cuts [base, base + size) out of extent `at`. What lies behind it may be lost if the list is full; the caller still
 * has what it asked for. */
static void cut(unsigned at, uint64_t base, uint64_t size)
{
    uint64_t end = end_of(&extents[at]);
    extents[at].size = base - extents[at].base;
    if (base + size < end) {
        (void)insert_at(at + 1, base + size, end - base - size);
    }
    if (extents[at].size == 0) {
        remove_at(at);
    }
}

/* Bytes that extent `at` has from its first aligned address on, which is stored in *base. */
static uint64_t room(unsigned at, uint64_t align, uint64_t *base)
{
    *base = align_up(extents[at].base, align);
    return *base < end_of(&extents[at]) ? end_of(&extents[at]) - *base : 0;
}

enum status memory_take(uint64_t size, uint64_t align, uint64_t *base)
{
    unsigned best = extent_count;
    for (unsigned i = 0; i < extent_count; i++) {
        uint64_t at;
        if (room(i, align, &at) >= size && (best == extent_count || extents[i].size < extents[best].size)) {
            best = i;
            *base = at;
        }
    }
    if (best == extent_count) {
        return ERR_MEMORY;
    }
    cut(best, *base, size);
    return OK;
}

enum status memory_take_some(uint64_t max, uint64_t align, struct extent *piece)
{
    uint64_t best = 0;
    for (unsigned i = 0; i < extent_count; i++) {
        uint64_t base, size = room(i, align, &base) & ~(align - 1);
        best = size > best ? size : best;
    }
    piece->size = best < max ? best : max & ~(align - 1);
    return piece->size > 0 ? memory_take(piece->size, align, &piece->base) : ERR_MEMORY;
}

uint64_t memory_available(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < extent_count; i++) {
        sum += extents[i].size;
    }
    return sum;
}

uint64_t memory_total(void) { return total; }

void memory_init(const struct boot_info *info)
{
    for (unsigned i = 0; i < info->range_count && i < BOOT_MAX_RANGES; i++) {
        const struct boot_range *range = &info->ranges[i];
        uint64_t base = range->base < FIRST_ADDRESS ? FIRST_ADDRESS : range->base, end = range->base + range->size;
        if (range->kind == RANGE_FREE && base < end) {
            memory_give(base, end - base);
        }
    }
    total = memory_available();
}
