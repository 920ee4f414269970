/* SPDX-License-Identifier: MIT
 * A block device of the tests, over memory: requests wait until the test completes them. Behind blk.c, so that its
 * checks are in force. */
#pragma once

#include "blk.h"
#include "ring_fixture.h"

#define DISK_SECTORS 2048
#define DISK_DEPTH 64

static uint8_t disk_image[DISK_SECTORS * 512];
static struct blk_request *disk_requests[DISK_DEPTH];
static unsigned disk_count, disk_depth = DISK_DEPTH, disk_kicks, disk_largest;
static unsigned disk_ops[8]; /* by op */
static enum status disk_status;

static inline bool disk_submit(struct blk_device *device, struct blk_request *request)
{
    (void)device;
    RING_KILL_POINT();
    if (disk_count == disk_depth) {
        return false;
    }
    disk_requests[disk_count++] = request;
    RING_KILL_POINT();
    return true;
}

static inline void disk_kick(struct blk_device *device)
{
    (void)device;
    disk_kicks++;
}

static const struct blk_ops disk_ops_table = {"fake", disk_submit, disk_kick};
static struct blk_device disk_device;

/* blk_source: "dev:fake0" is there when it is registered. */
struct blk_device *blk_source(const char *source, const char **error)
{
    *error = "no such device";
    return strncmp(source, "dev:", 4) == 0 ? blk_find(source + 4) : NULL;
}

static inline void disk_register(void)
{
    disk_device = (struct blk_device){ .ops = &disk_ops_table,
                                       .name = "fake0",
                                       .sectors = DISK_SECTORS,
                                       .max_segments = 16,
                                       .max_sectors = 64,
                                       .block_size = 512,
                                       .flush = true,
                                       .discard = true,
                                       .write_zeroes = true };
    disk_count = disk_kicks = disk_largest = 0;
    disk_depth = DISK_DEPTH;
    disk_status = OK;
    memset(disk_ops, 0, sizeof(disk_ops));
    if (blk_register(&disk_device) != OK) {
        abort();
    }
}

static inline void disk_do(const struct blk_request *request)
{
    uint8_t *at = disk_image + request->sector * 512;
    disk_ops[request->op]++;
    if (request->op == BLK_READ || request->op == BLK_WRITE) {
        for (unsigned i = 0; i < request->segment_count; i++) {
            void *memory = machine(request->segments[i].address);
            uint32_t size = request->segments[i].size;
            memcpy(request->op == BLK_READ ? memory : at, request->op == BLK_READ ? at : memory, size);
            at += size;
        }
        disk_largest = request->sectors > disk_largest ? (unsigned)request->sectors : disk_largest;
    } else if (request->op != BLK_FLUSH) {
        memset(at, request->op == BLK_DISCARD ? 0xdd : 0, request->sectors * 512);
    }
}

/* Completes the request at `index`. */
static inline void disk_complete(unsigned index)
{
    struct blk_request *request = disk_requests[index];
    disk_requests[index] = disk_requests[--disk_count];
    if (disk_status == OK) {
        disk_do(request);
    }
    RING_KILL_POINT();
    request->done(request, disk_status);
}

/* Rounds until nothing is left to do. */
static inline void disk_settle(void)
{
    ring_settle();
    while (disk_count > 0) {
        disk_complete(0);
        ring_settle();
    }
}
