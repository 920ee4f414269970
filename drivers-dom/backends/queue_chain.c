/* SPDX-License-Identifier: MIT
 * Descriptor chains: walked once, each descriptor copied before it is looked at, translated into machine addresses. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <linux/virtio_ring.h>
#include "queue_chain.h"

static bool fail(struct queue *queue, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct queue *queue, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(queue->error, sizeof(queue->error), format, args);
    va_end(args);
    return false;
}

/* Two loads that the compiler cannot repeat: what is checked is what is used. */
static struct vring_desc copy_descriptor(const void *from)
{
    const uint64_t *words = from;
    uint64_t address = __atomic_load_n(&words[0], __ATOMIC_RELAXED), rest = __atomic_load_n(&words[1], __ATOMIC_RELAXED);
    return (struct vring_desc){.addr = address, .len = (uint32_t)rest, .flags = (uint16_t)(rest >> 32), .next = (uint16_t)(rest >> 48)};
}

static bool add_piece(struct queue *queue, struct queue_chain *chain, uint64_t address, uint32_t size, bool write)
{
    if (chain->count > (write ? chain->writable_from : 0)) {
        struct queue_segment *last = &chain->segments[chain->count - 1];
        if (last->address + last->size == address) {
            last->size += size; /* no overflow: the sum of a chain fits */
            return true;
        }
    }
    if (chain->count == QUEUE_MAX_SEGMENTS) {
        return fail(queue, "a chain of more than %u pieces", QUEUE_MAX_SEGMENTS);
    }
    chain->segments[chain->count++] = (struct queue_segment){address, size};
    if (!write) {
        chain->writable_from = chain->count;
    }
    return true;
}

static bool add_buffer(struct queue *queue, struct queue_chain *chain, const struct vring_desc *desc)
{
    bool write = (desc->flags & VRING_DESC_F_WRITE) != 0;
    if (!write && chain->writable > 0) {
        return fail(queue, "a readable descriptor behind a writable one");
    }
    if ((uint64_t)chain->readable + chain->writable + desc->len > UINT32_MAX) {
        return fail(queue, "a chain of 4 GiB or more");
    }
    uint64_t guest = desc->addr;
    uint32_t left = desc->len;
    *(write ? &chain->writable : &chain->readable) += left;
    while (left > 0) {
        uint64_t address;
        uint32_t part = (uint32_t)extent_translate(queue->memory, guest, left, &address);
        if (part == 0) {
            return fail(queue, "buffer 0x%llx, %u bytes: 0x%llx is not guest memory", (unsigned long long)desc->addr,
                        desc->len, (unsigned long long)guest);
        }
        if (!add_piece(queue, chain, address, part, write)) {
            return false;
        }
        guest += part;
        left -= part;
    }
    return true;
}

/* An indirect table ends the chain (virtio 1.2 section 2.7.5.3). */
static bool walk_table(struct queue *queue, struct queue_chain *chain, const struct vring_desc *table, unsigned used)
{
    uint32_t entries = table->len / sizeof(struct vring_desc);
    if (!queue->indirect) {
        return fail(queue, "an indirect table without VIRTIO_F_INDIRECT_DESC");
    }
    if (entries == 0 || table->len % sizeof(struct vring_desc) != 0 || (table->flags & VRING_DESC_F_NEXT) != 0) {
        return fail(queue, "an indirect table of %u bytes with flags 0x%x", table->len, table->flags);
    }
    uint64_t address;
    bool whole = table->addr % 8 == 0 && extent_translate(queue->memory, table->addr, table->len, &address) == table->len;
    uint32_t next = 0;
    for (unsigned count = used; count < queue->size; count++) {
        struct vring_desc desc;
        if (whole) {
            desc = copy_descriptor((const uint8_t *)queue_memory(address) + next * sizeof(desc));
        } else if (!extent_read(queue->memory, table->addr + next * sizeof(desc), &desc, sizeof(desc))) {
            return fail(queue, "the indirect table at 0x%llx is not in guest memory", (unsigned long long)table->addr);
        }
        if ((desc.flags & VRING_DESC_F_INDIRECT) != 0) {
            return fail(queue, "an indirect table in an indirect table");
        }
        if (!add_buffer(queue, chain, &desc)) {
            return false;
        }
        if ((desc.flags & VRING_DESC_F_NEXT) == 0) {
            return true;
        }
        next = desc.next;
        if (next >= entries) {
            return fail(queue, "next %u in an indirect table of %u", next, entries);
        }
    }
    return fail(queue, "a chain longer than the queue size %u", queue->size);
}

bool queue_chain_walk(struct queue *queue, uint16_t head, struct queue_chain *chain)
{
    chain->head = head;
    chain->count = chain->writable_from = 0;
    chain->readable = chain->writable = 0;
    uint16_t next = head;
    for (unsigned count = 0; count < queue->size; count++) {
        struct vring_desc desc = copy_descriptor(queue_area_at(&queue->desc, next * (uint32_t)sizeof(desc)));
        if ((desc.flags & VRING_DESC_F_INDIRECT) != 0) {
            return walk_table(queue, chain, &desc, count);
        }
        if (!add_buffer(queue, chain, &desc)) {
            return false;
        }
        if ((desc.flags & VRING_DESC_F_NEXT) == 0) {
            return true;
        }
        next = desc.next;
        if (next >= queue->size) {
            return fail(queue, "next %u is outside of the queue", next);
        }
    }
    return fail(queue, "a chain longer than the queue size %u", queue->size);
}

bool queue_chain_read(const struct queue_chain *chain, uint32_t offset, void *to, uint32_t size)
{
    uint8_t *out = to;
    for (unsigned i = 0; i < chain->writable_from && size > 0; i++) {
        const struct queue_segment *segment = &chain->segments[i];
        if (offset >= segment->size) {
            offset -= segment->size;
            continue;
        }
        uint32_t part = segment->size - offset < size ? segment->size - offset : size;
        memcpy(out, (const uint8_t *)queue_memory(segment->address) + offset, part);
        out += part;
        size -= part;
        offset = 0;
    }
    return size == 0;
}

bool queue_chain_write(const struct queue_chain *chain, uint32_t offset, const void *from, uint32_t size)
{
    const uint8_t *in = from;
    for (unsigned i = chain->writable_from; i < chain->count && size > 0; i++) {
        const struct queue_segment *segment = &chain->segments[i];
        if (offset >= segment->size) {
            offset -= segment->size;
            continue;
        }
        uint32_t part = segment->size - offset < size ? segment->size - offset : size;
        memcpy((uint8_t *)queue_memory(segment->address) + offset, in, part);
        in += part;
        size -= part;
        offset = 0;
    }
    return size == 0;
}
