/* SPDX-License-Identifier: MIT
 * Cutting a request into commands that a piece of hardware can take. Pure: no device, no memory of its own. */
#pragma once

#include "blk.h"

/* What the hardware takes in one command. */
struct blk_limits {
    uint32_t block_size;    /* commands are multiples of it */
    uint32_t max_bytes;     /* of a command; a multiple of block_size */
    uint32_t max_pieces;    /* of a command, at most BLK_MAX_SEGMENTS */
    uint32_t piece_max;     /* bytes of a piece; 0 = no limit */
    /* a piece does not cross a multiple of it; a power of two, 0 = no limit (bus-master IDE: 64 KiB) */
    uint32_t piece_border;
    /* all but the first piece begin, all but the last end at a multiple of it; 0 = no rule (NVMe PRP: 4 KiB) */
    uint32_t inner_border;
    uint32_t align_mask;    /* bits of a piece's address and size that must be zero */
    uint64_t address_end;   /* pieces lie below; 0 = no limit */
    uint64_t max_range;     /* sectors of a DISCARD or WRITE_ZEROES */
};

/* How far a request has been cut. */
struct blk_cursor {
    const struct blk_request *request;
    uint32_t segment, offset; /* next byte of data */
    uint64_t sector, sectors; /* what is left */
};

struct blk_part {
    uint64_t sector;
    uint64_t sectors;
    bool bounced;          /* the memory does not suit the hardware: copy through a buffer; no pieces */
    uint32_t piece_count;
    struct blk_segment pieces[BLK_MAX_SEGMENTS];
};

/* The largest part, of READ and WRITE, that is copied. */
#define BLK_BOUNCE_SIZE 8192u

void blk_cursor_init(struct blk_cursor *cursor, const struct blk_request *request);
/* The next part of a request that has something left; the cursor goes behind it. The request passed blk_submit. */
void blk_split(struct blk_cursor *cursor, const struct blk_limits *limits, struct blk_part *part);
/* Copies `sectors` sectors between a buffer and the request's memory from the cursor on, which goes on by as much in
 * its segments. */
void blk_copy(struct blk_cursor *cursor, uint64_t sectors, void *buffer, bool to_request);
