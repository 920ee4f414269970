/* SPDX-License-Identifier: MIT
 * Frames of a virtio network card, out and in (virtio specification 1.1, 5.1.6). */
#include "cpu.h"
#include "virtio_net.h"

enum status virtio_net_ring_create(struct virtio_net *net)
{
    net->buffers = dma_alloc(VIRTIO_NET_RX_SIZE * VIRTIO_NET_BUFFER_SIZE, VIRTIO_NET_BUFFER_SIZE);
    net->header = dma_alloc(sizeof(*net->header), 64);
    for (unsigned i = 0; i < VIRTIO_NET_TX_SIZE; i++) {
        net->frames[i].next = net->free_frames;
        net->free_frames = &net->frames[i];
    }
    return net->buffers != NULL && net->header != NULL ? OK : ERR_MEMORY;
}

/* --- out --- */

bool virtio_net_transmit(struct net_card *card, const struct net_segment *segments, uint32_t count,
                         void (*done)(void *context), void *context)
{
    struct virtio_net *net = card->driver_data;
    struct virtio_net_frame *frame = net->free_frames;
    struct virtio_segment parts[NET_MAX_SEGMENTS + 1];
    unsigned used = 1;
    if (!net->running || !net->link || frame == NULL || !net_frame_fits(segments, count)) {
        return false;
    }
    parts[0] = (struct virtio_segment){dma_of(net->header), sizeof(*net->header)};
    for (uint32_t i = 0; i < count; i++) {
        if (segments[i].size != 0) {
            parts[used++] = (struct virtio_segment){segments[i].address, segments[i].size};
        }
    }
    if (!virtqueue_add(&net->tx, parts, used, 0, frame)) {
        return false;
    }
    net->free_frames = frame->next;
    *frame = (struct virtio_net_frame){.done = done, .context = context, .used = true};
    net->progress = net->outstanding++ == 0 ? service_now() : net->progress;
    return true;
}

void virtio_net_kick(struct net_card *card)
{
    struct virtio_net *net = card->driver_data;
    if (net->running) {
        virtqueue_kick(&net->tx);
    }
}

/* Free first: its owner may send the next one at once. */
static void return_frame(struct virtio_net *net, struct virtio_net_frame *frame)
{
    struct virtio_net_frame copy = *frame;
    *frame = (struct virtio_net_frame){.next = net->free_frames};
    net->free_frames = frame;
    net->outstanding--;
    copy.done(copy.context);
}

bool virtio_net_reclaim(struct virtio_net *net)
{
    struct virtio_net_frame *frame;
    uint32_t written;
    bool any = false;
    while ((frame = virtqueue_take(&net->tx, &written)) != NULL) {
        any = true;
        return_frame(net, frame);
    }
    if (any) {
        net->progress = service_now();
        net->hangs = 0;
    }
    return any;
}

void virtio_net_drop(struct virtio_net *net)
{
    for (unsigned i = 0; i < VIRTIO_NET_TX_SIZE; i++) {
        if (net->frames[i].used) {
            return_frame(net, &net->frames[i]);
        }
    }
}

/* --- in --- */

static void offer_buffer(struct virtio_net *net, uint8_t *buffer)
{
    const struct virtio_segment segment = {dma_of(buffer), VIRTIO_NET_BUFFER_SIZE};
    /* Always fits: there are as many buffers as descriptors. */
    (void)virtqueue_add(&net->rx, &segment, 0, 1, buffer);
}

void virtio_net_ring_start(struct virtio_net *net)
{
    for (unsigned i = 0; i < net->rx.size; i++) {
        offer_buffer(net, net->buffers + i * VIRTIO_NET_BUFFER_SIZE);
    }
    virtqueue_kick(&net->rx);
}

static void deliver(struct virtio_net *net, const uint8_t *buffer, uint32_t written)
{
    uint32_t size = written - (uint32_t)sizeof(*net->header);
    if (written < sizeof(*net->header) + NET_FRAME_MIN || size > NET_FRAME_MAX) {
        net->dropped++;
    } else if (net->card.receive != NULL) {
        net->card.receive(net->card.receive_context, buffer + sizeof(*net->header), size);
    }
}

unsigned virtio_net_receive(struct virtio_net *net)
{
    unsigned count = 0;
    uint8_t *buffer;
    uint32_t written;
    while (count < VIRTIO_NET_RX_BUDGET && (buffer = virtqueue_take(&net->rx, &written)) != NULL) {
        cpu_barrier(); /* the ring's entry before the frame */
        deliver(net, buffer, written);
        offer_buffer(net, buffer);
        count++;
    }
    virtqueue_kick(&net->rx);
    return count;
}
