/* SPDX-License-Identifier: MIT
 * RAM disks: boot modules as block devices. Requests are served at the end of the round, for done is never called
 * from submit. */
#include "ram.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "blk.h"
#include "service.h"

#define MAX_SECTORS 0x10000u

struct ram {
    struct blk_device device;
    uint8_t *memory;
    struct blk_request *first, **last;
};

static bool ram_submit(struct blk_device *device, struct blk_request *request)
{
    struct ram *ram = device->driver_data;
    request->next = NULL;
    *ram->last = request;
    ram->last = &request->next;
    return true;
}

static void serve(struct ram *ram, const struct blk_request *request)
{
    uint8_t *at = ram->memory + request->sector * 512;
    if (request->op == BLK_DISCARD || request->op == BLK_WRITE_ZEROES) {
        memset(at, 0, request->sectors * 512);
    }
    if (request->op != BLK_READ && request->op != BLK_WRITE) {
        return;
    }
    for (uint32_t i = 0; i < request->segment_count; i++) {
        const struct blk_segment *segment = &request->segments[i];
        if (request->op == BLK_READ) {
            memcpy(machine(segment->address), at, segment->size);
        } else {
            memcpy(at, machine(segment->address), segment->size);
        }
        at += segment->size;
    }
}

static void ram_kick(struct blk_device *device)
{
    struct ram *ram = device->driver_data;
    /* Those that done submits come in the next round. */
    struct blk_request *request = ram->first;
    ram->first = NULL;
    ram->last = &ram->first;
    while (request != NULL) {
        struct blk_request *next = request->next;
        serve(ram, request);
        request->done(request, OK);
        request = next;
    }
}

static const struct blk_ops ram_ops = {.driver = "ram", .submit = ram_submit, .kick = ram_kick};

static void add(const struct pv_module *module)
{
    struct ram *ram = calloc(1, sizeof(*ram));
    if (ram == NULL || module->size < 512) {
        service_log("RAM disk %s: %s", module->name, ram == NULL ? "no memory" : "shorter than one sector");
        free(ram);
        return;
    }
    ram->memory = machine(module->address);
    ram->last = &ram->first;
    ram->device = (struct blk_device){.ops = &ram_ops, .sectors = module->size / 512, .max_segments = BLK_MAX_SEGMENTS,
                                      .max_sectors = MAX_SECTORS, .block_size = 512, .flush = true, .discard = true,
                                      .write_zeroes = true, .driver_data = ram};
    snprintf(ram->device.name, sizeof(ram->device.name), "ram:%s", module->name);
    if (blk_register(&ram->device) != OK) {
        free(ram);
    }
}

void ram_init(const struct pv_start *start)
{
    for (uint32_t i = 0; i < start->module_count; i++) {
        const struct pv_module *module = &start->modules[i];
        if (memchr(module->name, 0, sizeof(module->name)) != NULL && service_module(module->name) == module) {
            add(module);
        }
    }
}
