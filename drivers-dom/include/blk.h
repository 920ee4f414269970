/* SPDX-License-Identifier: MIT
 * Block devices: what a driver offers and a back end uses. A driver is one file that calls blk_register(). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"

#define BLK_MAX_SEGMENTS 128

/* Machine memory. */
struct blk_segment {
    uint64_t address;
    uint32_t size;
};

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_WRITE_ZEROES };

struct blk_request {
    uint8_t op;              /* enum blk_op */
    uint64_t sector;         /* of 512 bytes */
    uint64_t sectors;        /* READ, WRITE: the sum of the segments */
    uint32_t segment_count;
    struct blk_segment segments[BLK_MAX_SEGMENTS];
    /* Called once, from the loop, never from inside submit. OK, or ERR_TIMEOUT / ERR_FORMAT / ERR_SUPPORT ... */
    void (*done)(struct blk_request *request, enum status status);
    void *context;
    struct blk_request *next; /* the driver's while it has the request */
};

struct blk_device;
struct blk_ops {
    const char *driver;      /* "virtio-blk", "nvme", "ahci", "ata", "ram" */
    /* Takes the request (checked: in range, segments <= max_segments, sizes multiples of 512). False: the queue is full, offer it again after a
     * completion. */
    bool (*submit)(struct blk_device *device, struct blk_request *request);
    /* Starts what submit queued (one doorbell for many); called at the end of a round. May be null. */
    void (*kick)(struct blk_device *device);
};

struct blk_device {
    const struct blk_ops *ops;
    char name[32];           /* "virtio-blk0", unique; blk_register sets the number */
    uint64_t sectors;
    uint32_t max_segments, max_sectors; /* of one request */
    bool read_only, flush, discard, write_zeroes; /* what it can */
    char serial[21];
    void *driver_data;
    struct blk_device *next;
};

/* Adds it to the list; back ends that wait for it are told. */
must_use enum status blk_register(struct blk_device *device);
struct blk_device *blk_find(const char *name);
/* The first device from `after` on (null: the first). */
struct blk_device *blk_next(struct blk_device *after);
/* The device is gone: every outstanding request is completed with an error by the driver before. */
void blk_unregister(struct blk_device *device);
