/* SPDX-License-Identifier: MIT
 * Virtio disks (virtio 1.2, 5.2). */
#include "virtio.h"

bool block_open(struct virtio_device *device, unsigned nth, unsigned size, uint64_t wanted)
{
    if (!virtio_find(device, VIRTIO_ID_BLOCK, nth) || !virtio_negotiate(device, wanted) ||
        !virtio_queue_open(device, 0, size))
        return false;
    virtio_start(device);
    return true;
}

uint64_t block_sectors(const struct virtio_device *device)
{
    const volatile uint32_t *config = (const volatile uint32_t *)device->config;
    return config[0] | (uint64_t)config[1] << 32;
}

bool block_submit(struct virtio_device *device, struct virtio_request *request, uint32_t type, uint64_t sector,
                  void *data, uint32_t bytes)
{
    request->header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
    request->status = 0xff;
    request->done = false;
    request->data = data;
    request->bytes = bytes;
    request->started = rdtsc();
    bool out = type & VIRTIO_BLK_T_OUT;
    struct virtio_piece pieces[3];
    unsigned count = 0;
    pieces[count++] = (struct virtio_piece){ &request->header, sizeof request->header };
    if (bytes)
        pieces[count++] = (struct virtio_piece){ data, bytes };
    pieces[count++] = (struct virtio_piece){ &request->status, 1 };
    unsigned readable = bytes && out ? 2 : 1;
    return virtio_add(&device->queues[0], pieces, readable, count - readable, request);
}

struct virtio_request *block_poll(struct virtio_device *device)
{
    struct virtio_request *request = virtio_take(&device->queues[0], NULL);
    if (request)
        request->done = true;
    return request;
}

int block_do(struct virtio_device *device, uint32_t type, uint64_t sector, void *data, uint32_t bytes, unsigned ms)
{
    static struct virtio_request request;
    if (!block_submit(device, &request, type, sector, data, bytes))
        return -1;
    virtio_kick(&device->queues[0]);
    for (uint64_t end = rdtsc() + ms * tsc_khz; !request.done;) {
        block_poll(device);
        if (rdtsc() > end)
            return -1;
        pause();
    }
    return *(volatile uint8_t *)&request.status;
}
