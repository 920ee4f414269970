/* SPDX-License-Identifier: MIT
 * Virtio network cards (virtio 1.2, 5.1): one pair of queues, buffers of one piece. */
#include "virtio.h"

#define HEADER sizeof(struct virtio_net_hdr_v1)
enum { RECEIVE, SEND };

static bool give(struct virtio_net *net, uint8_t *buffer)
{
    const struct virtio_piece piece = { buffer, sizeof net->receive[0] };
    return virtio_add(&net->device.queues[RECEIVE], &piece, 0, 1, buffer);
}

bool net_open(struct virtio_net *net, unsigned nth, uint64_t wanted)
{
    struct virtio_device *device = &net->device;
    if (!virtio_find(device, VIRTIO_ID_NET, nth) || !virtio_negotiate(device, wanted | 1ull << VIRTIO_NET_F_MAC) ||
        !virtio_queue_open(device, RECEIVE, 0) || !virtio_queue_open(device, SEND, 0))
        return false;
    for (unsigned i = 0; i < sizeof net->mac; i++)
        net->mac[i] = device->config[i];
    for (unsigned i = 0; i < NET_BUFFERS && i < device->queues[RECEIVE].size; i++)
        give(net, net->receive[i]);
    memset(net->sending, 0, sizeof net->sending);
    virtio_start(device);
    virtio_kick(&device->queues[RECEIVE]);
    return true;
}

static void reclaim(struct virtio_net *net)
{
    uint8_t *buffer;
    while ((buffer = virtio_take(&net->device.queues[SEND], NULL)) != NULL)
        net->sending[(buffer - net->send[0]) / sizeof net->send[0]] = false;
}

bool net_put(struct virtio_net *net, const void *frame, uint32_t bytes)
{
    unsigned i = 0;
    reclaim(net);
    while (i < NET_BUFFERS && net->sending[i])
        i++;
    if (i == NET_BUFFERS || bytes > NET_FRAME_MAX)
        return false;
    memset(net->send[i], 0, HEADER);
    memcpy(net->send[i] + HEADER, frame, bytes);
    const struct virtio_piece piece = { net->send[i], (uint32_t)(HEADER + bytes) };
    if (!virtio_add(&net->device.queues[SEND], &piece, 1, 0, net->send[i]))
        return false;
    net->sending[i] = true;
    return true;
}

bool net_send(struct virtio_net *net, const void *frame, uint32_t bytes)
{
    if (!net_put(net, frame, bytes))
        return false;
    virtio_kick(&net->device.queues[SEND]);
    return true;
}

uint32_t net_receive(struct virtio_net *net, void *frame)
{
    uint32_t length;
    uint8_t *buffer = virtio_take(&net->device.queues[RECEIVE], &length);
    if (!buffer)
        return 0;
    uint32_t bytes = length > HEADER ? (uint32_t)(length - HEADER) : 0;
    if (bytes > NET_FRAME_MAX)
        bytes = NET_FRAME_MAX;
    memcpy(frame, buffer + HEADER, bytes);
    give(net, buffer);
    virtio_kick(&net->device.queues[RECEIVE]);
    return bytes;
}
