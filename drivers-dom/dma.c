/* SPDX-License-Identifier: MIT
 * Memory that devices may see: first fit from a list of free ranges in ascending order, whose headers lie in the
 * ranges themselves. */
#include <stdint.h>
#include <string.h>
#include "service.h"

struct range {
    size_t size; /* a multiple of DMA_GRANULE */
    struct range *next;
};
_Static_assert(sizeof(struct range) <= DMA_GRANULE, "a header fits into the smallest range");

static struct range *ranges;

static size_t round_up(size_t size) { return (size + DMA_GRANULE - 1) & ~(size_t)(DMA_GRANULE - 1); }
static uintptr_t end_of(const struct range *range) { return (uintptr_t)range + range->size; }

void dma_init(void *base, size_t size)
{
    uintptr_t start = round_up((uintptr_t)base);
    size -= start - (uintptr_t)base < size ? start - (uintptr_t)base : size;
    ranges = NULL;
    if (size >= DMA_GRANULE) {
        ranges = (struct range *)start;
        *ranges = (struct range){size & ~(size_t)(DMA_GRANULE - 1), NULL};
    }
}

size_t dma_available(void)
{
    size_t sum = 0;
    for (const struct range *range = ranges; range != NULL; range = range->next) {
        sum += range->size;
    }
    return sum;
}

/* Cuts [start, start + size) out of the range at *link. */
static void cut(struct range **link, uintptr_t start, size_t size)
{
    struct range *range = *link, *next = range->next;
    size_t front = start - (uintptr_t)range, back = range->size - front - size;
    if (back > 0) {
        struct range *rest = (struct range *)(start + size);
        *rest = (struct range){back, next};
        next = rest;
    }
    if (front > 0) {
        range->size = front;
        range->next = next;
    } else {
        *link = next;
    }
}

void *dma_alloc(size_t size, size_t align)
{
    if (size == 0 || size > SIZE_MAX / 2 || align > DMA_MAX_ALIGN || (align & (align - 1)) != 0) {
        return NULL;
    }
    size = round_up(size);
    align = align < DMA_GRANULE ? DMA_GRANULE : align;
    for (struct range **link = &ranges; *link != NULL; link = &(*link)->next) {
        /* Machine addresses are what must be aligned; PV_DIRECT is a multiple of every alignment. */
        uintptr_t start = ((uintptr_t)*link + align - 1) & ~(align - 1);
        size_t front = start - (uintptr_t)*link;
        if (front <= (*link)->size && (*link)->size - front >= size) {
            cut(link, start, size);
            return memset((void *)start, 0, size);
        }
    }
    return NULL;
}

void dma_free(void *memory, size_t size)
{
    if (memory == NULL) {
        return;
    }
    struct range *freed = memory, *before = NULL, *after = ranges;
    size = round_up(size);
    while (after != NULL && after < freed) {
        before = after;
        after = after->next;
    }
    if ((before != NULL && end_of(before) > (uintptr_t)freed) ||
        (after != NULL && (uintptr_t)freed + size > (uintptr_t)after)) {
        service_end("memory at 0x%lx is freed twice", (unsigned long)(uintptr_t)memory);
    }
    *freed = (struct range){size, after};
    if (after != NULL && end_of(freed) == (uintptr_t)after) {
        freed->size += after->size;
        freed->next = after->next;
    }
    if (before == NULL) {
        ranges = freed;
    } else if (end_of(before) == (uintptr_t)freed) {
        before->size += freed->size;
        before->next = freed->next;
    } else {
        before->next = freed;
    }
}
