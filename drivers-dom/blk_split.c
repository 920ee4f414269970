/* SPDX-License-Identifier: MIT
 * Cutting requests: pieces are taken from the segments as long as the hardware's rules allow; what is not a whole
 * block at the end is left for the next part; what cannot be taken at all is bounced. */
#include "blk_split.h"
#include <string.h>

void blk_cursor_init(struct blk_cursor *cursor, const struct blk_request *request)
{
    *cursor = (struct blk_cursor){.request = request, .sector = request->sector, .sectors = request->sectors};
}

static void advance(struct blk_cursor *cursor, uint64_t bytes)
{
    while (bytes > 0) {
        uint32_t left = cursor->request->segments[cursor->segment].size - cursor->offset;
        if (bytes < left) {
            cursor->offset += (uint32_t)bytes;
            return;
        }
        bytes -= left;
        cursor->segment++;
        cursor->offset = 0;
    }
}

static uint64_t lesser(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* How many of `size` bytes at `address` one piece may hold; 0: none. */
static uint32_t piece_size(const struct blk_limits *limits, uint64_t address, uint64_t size)
{
    if ((address & limits->align_mask) != 0 || (limits->address_end != 0 && address >= limits->address_end)) {
        return 0;
    }
    size = limits->piece_max != 0 ? lesser(size, limits->piece_max) : size;
    size = limits->address_end != 0 ? lesser(size, limits->address_end - address) : size;
    if (limits->piece_border != 0) {
        size = lesser(size, limits->piece_border - (address & (limits->piece_border - 1)));
    }
    return (uint32_t)(size & ~(uint64_t)limits->align_mask);
}

/* The piece may follow what is there. */
static bool may_follow(const struct blk_limits *limits, const struct blk_part *part, uint64_t address)
{
    if (part->piece_count == 0) {
        return true;
    }
    const struct blk_segment *last = &part->pieces[part->piece_count - 1];
    uint64_t end = last->address + last->size;
    if (limits->inner_border != 0 && end != address) {
        uint64_t mask = limits->inner_border - 1;
        return (end & mask) == 0 && (address & mask) == 0;
    }
    return true;
}

/* Takes pieces as far as it goes; returns their bytes. */
static uint64_t gather(const struct blk_cursor *cursor, const struct blk_limits *limits, struct blk_part *part)
{
    const struct blk_request *request = cursor->request;
    struct blk_cursor at = *cursor;
    uint64_t total = 0, wanted = lesser(cursor->sectors * 512, limits->max_bytes);
    while (total < wanted && part->piece_count < limits->max_pieces) {
        const struct blk_segment *segment = &request->segments[at.segment];
        uint64_t address = segment->address + at.offset;
        uint32_t size = piece_size(limits, address, lesser(segment->size - at.offset, wanted - total));
        if (size == 0 || !may_follow(limits, part, address)) {
            break;
        }
        part->pieces[part->piece_count++] = (struct blk_segment){address, size};
        total += size;
        advance(&at, size);
    }
    return total;
}

/* Takes bytes from the end of the pieces. */
static void shorten(struct blk_part *part, uint64_t bytes)
{
    while (bytes > 0) {
        struct blk_segment *last = &part->pieces[part->piece_count - 1];
        if (last->size > bytes) {
            last->size -= (uint32_t)bytes;
            return;
        }
        bytes -= last->size;
        part->piece_count--;
    }
}

static uint64_t split_data(struct blk_cursor *cursor, const struct blk_limits *limits, struct blk_part *part)
{
    uint64_t bytes = gather(cursor, limits, part);
    uint64_t excess = bytes % limits->block_size;
    shorten(part, excess);
    bytes -= excess;
    part->bounced = bytes == 0;
    if (part->bounced) {
        bytes = lesser(cursor->sectors * 512, lesser(BLK_BOUNCE_SIZE, limits->max_bytes));
        bytes -= bytes % limits->block_size;
    }
    return bytes;
}

void blk_split(struct blk_cursor *cursor, const struct blk_limits *limits, struct blk_part *part)
{
    part->sector = cursor->sector;
    part->bounced = false;
    part->piece_count = 0;
    switch (cursor->request->op) {
    case BLK_READ:
    case BLK_WRITE: {
        uint64_t bytes = split_data(cursor, limits, part);
        advance(cursor, bytes);
        part->sectors = bytes / 512;
        break;
    }
    case BLK_FLUSH: part->sectors = cursor->sectors; break;
    default: part->sectors = lesser(cursor->sectors, limits->max_range); break;
    }
    cursor->sector += part->sectors;
    cursor->sectors -= part->sectors;
}

void blk_copy(struct blk_cursor *cursor, uint64_t sectors, void *buffer, bool to_request)
{
    uint8_t *at = buffer;
    for (uint64_t left = sectors * 512; left > 0;) {
        const struct blk_segment *segment = &cursor->request->segments[cursor->segment];
        uint64_t size = lesser(left, segment->size - cursor->offset);
        void *memory = machine(segment->address + cursor->offset);
        if (to_request) {
            memcpy(memory, at, size);
        } else {
            memcpy(at, memory, size);
        }
        at += size;
        left -= size;
        advance(cursor, size);
    }
}
