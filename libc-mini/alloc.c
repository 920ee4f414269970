/* SPDX-License-Identifier: MIT
 * The heap: blocks with boundary tags in one region, first fit from one free list. Blocks tile the region without gaps;
 * a block's header tells its own size and that of the block before it, so that neighbours are found and merged in
 * constant time. A damaged header or a second free ends the process: going on would only hide the cause. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "bulkhead/libc.h"

#define ALIGN 16ul
#define USED 1ul
#define MIN_BLOCK (sizeof(struct block))

struct block {
    size_t size;                             /* with its header, a multiple of ALIGN; bit 0: USED */
    size_t previous;                         /* size of the block before this one, 0 for the first */
    struct block *next_free, *previous_free; /* in a free block only */
};
#define HEADER offsetof(struct block, next_free)

/* lock: a leaf, taken by the public functions only. */
static struct {
    struct block *first, *end; /* end: a used block without contents that closes the region */
    struct block free;         /* head of the free list */
    size_t used;
    atomic_flag lock;
} heap;

static size_t size_of(const struct block *block) { return block->size & ~USED; }
static struct block *block_at(void *from, ptrdiff_t offset) { return (struct block *)((char *)from + offset); }
static struct block *after(struct block *block) { return block_at(block, (ptrdiff_t)size_of(block)); }

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&heap.lock, memory_order_acquire)) {
        libc_relax();
    }
}

static void unlock(void) { atomic_flag_clear_explicit(&heap.lock, memory_order_release); }

static void list_add(struct block *block)
{
    block->next_free = heap.free.next_free;
    block->previous_free = &heap.free;
    heap.free.next_free->previous_free = block;
    heap.free.next_free = block;
}

static void list_remove(struct block *block)
{
    block->previous_free->next_free = block->next_free;
    block->next_free->previous_free = block->previous_free;
}

static void set_size(struct block *block, size_t size, size_t flag)
{
    block->size = size | flag;
    after(block)->previous = size;
}

void heap_init(void *base, size_t size)
{
    uintptr_t start = ((uintptr_t)base + ALIGN - 1) & ~(ALIGN - 1);
    size_t room = ((uintptr_t)base + size - start) & ~(ALIGN - 1);
    heap.free.next_free = heap.free.previous_free = &heap.free;
    heap.used = 0;
    heap.first = (struct block *)start;
    heap.end = block_at(heap.first, (ptrdiff_t)(room - HEADER));
    heap.end->size = HEADER | USED;
    heap.first->previous = 0;
    set_size(heap.first, room - HEADER, 0);
    list_add(heap.first);
}

/* Cuts `block` (in no list) behind `size` bytes if the rest makes a block of its own; the rest is returned, or null. */
static struct block *split(struct block *block, size_t size, size_t flag)
{
    size_t rest = size_of(block) - size;
    if (rest < MIN_BLOCK) {
        return NULL;
    }
    set_size(block, size, flag);
    struct block *second = after(block);
    set_size(second, rest, 0);
    return second;
}

/* Makes a block that is in no list free and merges it with its neighbours. */
static void release(struct block *block)
{
    size_t size = size_of(block);
    struct block *next = after(block);
    if (!(next->size & USED)) {
        list_remove(next);
        size += size_of(next);
    }
    if (block->previous != 0) {
        struct block *before = block_at(block, -(ptrdiff_t)block->previous);
        if (!(before->size & USED)) {
            list_remove(before);
            size += size_of(before);
            block = before;
        }
    }
    set_size(block, size, 0);
    list_add(block);
}

/* Takes `size` bytes (header included) whose contents are aligned, from the first block that can hold them. */
static struct block *take(size_t size, size_t alignment)
{
    if (heap.first == NULL) {
        return NULL;
    }
    for (struct block *block = heap.free.next_free; block != &heap.free; block = block->next_free) {
        uintptr_t contents = (uintptr_t)block + HEADER;
        uintptr_t aligned = (contents + alignment - 1) & ~(alignment - 1);
        while (aligned != contents && aligned - contents < MIN_BLOCK) {
            aligned += alignment; /* what stays in front must be a block */
        }
        size_t front = aligned - contents;
        if (size_of(block) < size || size_of(block) - size < front) {
            continue;
        }
        list_remove(block);
        if (front > 0) {
            struct block *second = split(block, front, 0);
            list_add(block);
            block = second;
        }
        struct block *rest = split(block, size, USED);
        block->size |= USED;
        if (rest != NULL) {
            list_add(rest);
        }
        heap.used += size_of(block);
        return block;
    }
    return NULL;
}

/* Header and rounding added; false if the size is absurd. */
static bool block_size(size_t size, size_t *total)
{
    if (size > (size_t)PTRDIFF_MAX - MIN_BLOCK - ALIGN) {
        return false;
    }
    size = (size + HEADER + ALIGN - 1) & ~(ALIGN - 1);
    *total = size < MIN_BLOCK ? MIN_BLOCK : size;
    return true;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    size_t total;
    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > PTRDIFF_MAX / 4 ||
        !block_size(size, &total)) {
        return NULL;
    }
    lock();
    struct block *block = take(total, alignment < ALIGN ? ALIGN : alignment);
    unlock();
    return block == NULL ? NULL : (char *)block + HEADER;
}

void *malloc(size_t size) { return aligned_alloc(ALIGN, size); }

void *calloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    void *contents = aligned_alloc(ALIGN, total); /* not malloc(): GCC would make the two calls one of calloc() */
    return contents == NULL ? NULL : memset(contents, 0, total);
}

/* The block of these contents; the process ends if there is none. */
static struct block *used_block(void *contents)
{
    struct block *block = block_at(contents, -(ptrdiff_t)HEADER);
    bool inside = block >= heap.first && block < heap.end && (uintptr_t)contents % ALIGN == 0;
    if (!inside || !(block->size & USED) || size_of(block) < MIN_BLOCK ||
        size_of(block) > (size_t)((char *)heap.end - (char *)block) || after(block)->previous != size_of(block)) {
        abort();
    }
    return block;
}

void free(void *contents)
{
    if (contents == NULL) {
        return;
    }
    lock();
    struct block *block = used_block(contents);
    heap.used -= size_of(block);
    release(block);
    unlock();
}

void *realloc(void *contents, size_t size)
{
    if (contents == NULL) {
        return malloc(size);
    }
    lock();
    size_t room = size_of(used_block(contents)) - HEADER;
    unlock();
    if (size <= room) {
        return contents;
    }
    void *moved = malloc(size);
    if (moved != NULL) {
        memcpy(moved, contents, room);
        free(contents);
    }
    return moved;
}

struct heap_usage heap_usage(void)
{
    struct heap_usage usage = {.used = heap.used};
    lock();
    for (struct block *block = heap.free.next_free; block != NULL && block != &heap.free; block = block->next_free) {
        usage.available += size_of(block);
        usage.largest = size_of(block) > usage.largest ? size_of(block) : usage.largest;
    }
    unlock();
    return usage;
}
