/* SPDX-License-Identifier: MIT
 * The registry of block devices, and the checks that every request passes. */
#include "blk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "service.h"

static struct blk_device *devices;
static struct blk_watch *watches;

static void kick(void *context)
{
    struct blk_device *device = context;
    device->ops->kick(device);
}

void blk_watch(struct blk_watch *watch)
{
    watch->next = watches;
    watches = watch;
}

void blk_unwatch(struct blk_watch *watch)
{
    for (struct blk_watch **link = &watches; *link != NULL; link = &(*link)->next) {
        if (*link == watch) {
            *link = watch->next;
            return;
        }
    }
}

/* A watch may remove itself, but no other. */
static void tell_watches(struct blk_device *device, bool arrived)
{
    for (struct blk_watch *watch = watches, *next; watch != NULL; watch = next) {
        next = watch->next;
        watch->changed(watch->context, device, arrived);
    }
}

static unsigned next_number(const char *driver)
{
    unsigned number = 0;
    size_t length = strlen(driver);
    for (struct blk_device *device = devices; device != NULL; device = device->next) {
        if (strncmp(device->name, driver, length) == 0 && device->name[length] >= '0' && device->name[length] <= '9') {
            unsigned used = (unsigned)strtoul(device->name + length, NULL, 10);
            number = used >= number ? used + 1 : number;
        }
    }
    return number;
}

enum status blk_register(struct blk_device *device)
{
    if (device->name[0] == 0) {
        snprintf(device->name, sizeof(device->name), "%s%u", device->ops->driver, next_number(device->ops->driver));
    } else if (blk_find(device->name) != NULL) {
        service_log("%s: a second block device of this name is refused", device->name);
        return ERR_EXISTS;
    }
    if (device->block_size == 0) {
        device->block_size = 512;
    }
    device->bottom = (struct service_bottom){.run = kick, .context = device};
    struct blk_device **link = &devices;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    device->next = NULL;
    *link = device;
    service_log("%s: %lu KiB, block size %u%s%s%s", device->name, device->sectors / 2, device->block_size,
                device->read_only ? ", read-only" : "", device->serial[0] != 0 ? ", serial " : "", device->serial);
    tell_watches(device, true);
    return OK;
}

struct blk_device *blk_find(const char *name)
{
    for (struct blk_device *device = devices; device != NULL; device = device->next) {
        if (strcmp(device->name, name) == 0) {
            return device;
        }
    }
    return NULL;
}

struct blk_device *blk_next(struct blk_device *after) { return after != NULL ? after->next : devices; }

void blk_unregister(struct blk_device *device)
{
    for (struct blk_device **link = &devices; *link != NULL; link = &(*link)->next) {
        if (*link == device) {
            *link = device->next;
            device->gone = true;
            service_log("%s: removed", device->name);
            service_bottom_cancel(&device->bottom);
            tell_watches(device, false);
            return;
        }
    }
}

/* READ and WRITE: the segments must be exactly the sectors. */
static bool segments_fit(const struct blk_device *device, const struct blk_request *request)
{
    if (request->segment_count == 0 || request->segment_count > device->max_segments ||
        request->segment_count > BLK_MAX_SEGMENTS || request->sectors > device->max_sectors) {
        return false;
    }
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < request->segment_count; i++) {
        if (request->segments[i].size == 0) {
            return false;
        }
        bytes += request->segments[i].size;
    }
    return bytes == request->sectors * 512;
}

static enum status check(const struct blk_device *device, const struct blk_request *request)
{
    if (device->gone) {
        return ERR_NONE;
    }
    if (request->op == BLK_FLUSH) {
        return device->flush ? OK : ERR_SUPPORT;
    }
    uint64_t block_sectors = device->block_size / 512;
    if (request->sectors == 0 || request->sector > device->sectors ||
        request->sectors > device->sectors - request->sector ||
        request->sector % block_sectors != 0 || request->sectors % block_sectors != 0) {
        return ERR_PARAM;
    }
    if (request->op != BLK_READ && device->read_only) {
        return ERR_DENIED;
    }
    switch (request->op) {
    case BLK_READ:
    case BLK_WRITE: return segments_fit(device, request) ? OK : ERR_PARAM;
    case BLK_DISCARD: return device->discard ? OK : ERR_SUPPORT;
    case BLK_WRITE_ZEROES: return device->write_zeroes ? OK : ERR_SUPPORT;
    default: return ERR_SUPPORT;
    }
}

enum status blk_submit(struct blk_device *device, struct blk_request *request)
{
    enum status status = check(device, request);
    if (status != OK) {
        return status;
    }
    if (!device->ops->submit(device, request)) {
        return ERR_BUSY;
    }
    if (device->ops->kick != NULL) {
        service_bottom_arm(&device->bottom);
    }
    return OK;
}
