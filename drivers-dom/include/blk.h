/* SPDX-License-Identifier: MIT
 * Block devices: what a driver offers and a back end uses. A driver is one file that calls blk_register(). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"
#include "service.h"

#define BLK_MAX_SEGMENTS 128

/* Machine memory. */
struct blk_segment {
    uint64_t address;
    uint32_t size;
};

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_WRITE_ZEROES };

struct blk_request {
    uint8_t op;              /* enum blk_op */
    uint64_t sector;         /* of 512 bytes; the driver's (and changed) while it has the request */
    uint64_t sectors;        /* READ, WRITE: the sum of the segments */
    uint32_t segment_count;
    struct blk_segment segments[BLK_MAX_SEGMENTS];
    /* Called once, from the loop, never from inside submit. OK; ERR_DEVICE: the device reports an error; ERR_TIMEOUT:
     * it does not answer; ERR_NONE: it has vanished. */
    void (*done)(struct blk_request *request, enum status status);
    void *context;
    struct blk_request *next; /* the driver's while it has the request */
};

struct blk_device;
struct blk_ops {
    const char *driver;      /* "virtio-blk", "nvme", "ahci", "ata", "ram" */
    /* Takes the request (checked by blk_submit). False: the queue is full, offer it again after a completion. */
    bool (*submit)(struct blk_device *device, struct blk_request *request);
    /* Starts what submit queued (one doorbell for many); called at the end of a round. May be null. */
    void (*kick)(struct blk_device *device);
};

struct blk_device {
    const struct blk_ops *ops;
    /* "virtio-blk0", "virtio-blk0/2" (partition 2), "ram:MODULE": unique; blk_register numbers what has none */
    char name[128];
    const char *label;       /* of a GPT partition, UTF-8; null for whole disks */
    uint64_t sectors;
    uint32_t max_segments, max_sectors; /* of one request; drivers split what their hardware cannot take at once */
    uint32_t block_size;     /* of the medium, bytes: requests must be multiples of it; 512 to 4096 */
    bool read_only, flush, discard, write_zeroes; /* what it can */
    char serial[21], model[41];
    const char *address;     /* "00:1f.2" of its PCI function; null: it has none */
    void *driver_data;
    struct blk_device *next;
    struct service_bottom bottom; /* blk.c: kicks the driver at the end of a round in which it was given requests */
    bool gone;               /* unregistered: submit fails every request */
};

/* The one way to give a request to a device: checks it (in range, segments <= max_segments, their sum = sectors for
 * READ and WRITE, whole blocks, not a write to a read-only device), submits it, and has the driver kicked at the end
 * of the round. Segments may have any address and size. OK: done will be called. ERR_BUSY: the queue is full, offer
 * it again after a completion. Others: refused, done is not called. Memory of the request and its segments must stay
 * until done. */
must_use enum status blk_submit(struct blk_device *device, struct blk_request *request);
/* The device that a source of the control area means: "dev:NAME" (drivers-dom's name of it, or its serial number),
 * "serial:TEXT" (serial number, of which a disk has only the first 20 characters, or model), "part:LABEL" (GPT),
 * "ram:MODULE". Null and *error (a sentence, static) if there is none (yet), or more than one. */
struct blk_device *blk_source(const char *source, const char **error);

/* Adds it to the list under its driver's name and the next number (a name that is already set stays); back ends that
 * wait are told. */
must_use enum status blk_register(struct blk_device *device);
struct blk_device *blk_find(const char *name);
/* The first device from `after` on (null: the first). */
struct blk_device *blk_next(struct blk_device *after);
/* Who wants to know of devices: called by blk_register (arrived = true, the device is usable) and blk_unregister
 * (false, no request of it is outstanding, none may follow). From the loop. */
struct blk_watch {
    void (*changed)(void *context, struct blk_device *device, bool arrived);
    void *context;
    struct blk_watch *next;
};
void blk_watch(struct blk_watch *watch);
void blk_unwatch(struct blk_watch *watch);
/* The device is gone: every outstanding request has been completed with an error by the driver. Its memory stays, for
 * those who still point to it; watchers are told. */
void blk_unregister(struct blk_device *device);
