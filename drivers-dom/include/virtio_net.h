/* SPDX-License-Identifier: MIT
 * A virtio network card, between virtio_net.c (its life) and virtio_net_ring.c (frames). */
#pragma once

#include <linux/virtio_net.h>
#include "net.h"
#include "service.h"
#include "virtio.h"

#define VIRTIO_NET_RX_SIZE     256u
#define VIRTIO_NET_TX_SIZE     256u
#define VIRTIO_NET_BUFFER_SIZE 2048u
#define VIRTIO_NET_RX_BUDGET   64u /* frames in one go: others want to be served, too */

/* A frame on its way out. */
struct virtio_net_frame {
    void (*done)(void *context);
    void *context;
    struct virtio_net_frame *next; /* free list */
    bool used;
};

struct virtio_net {
    struct virtio_device virtio;
    struct virtqueue rx, tx, control_queue;
    struct net_card card;
    uint8_t *buffers;
    struct virtio_net_hdr_mrg_rxbuf *header; /* of all frames that are sent: zero */
    struct mode_command *control;            /* virtio_net.c */
    struct virtio_net_frame frames[VIRTIO_NET_TX_SIZE], *free_frames;
    bool running, link;
    uint64_t reset_end; /* ns */
    uint64_t progress;  /* ns: when something was sent last, or the queue became busy */
    unsigned outstanding, hangs;
    uint64_t dropped;           /* received frames of no sensible size */
    struct service_timer timer; /* reset; when running, the watchdog */
    struct service_bottom more; /* received frames are left */
};

/* Memory for frames. */
must_use enum status virtio_net_ring_create(struct virtio_net *net);
/* Gives the device all buffers, after a reset. */
void virtio_net_ring_start(struct virtio_net *net);
/* Of struct net_ops. */
bool virtio_net_transmit(struct net_card *card, const struct net_segment *segments, uint32_t count,
                         void (*done)(void *context), void *context);
void virtio_net_kick(struct net_card *card);
/* Returns what has been sent. True: there was something. */
bool virtio_net_reclaim(struct virtio_net *net);
/* Everything comes back; the device has been reset, or cannot do DMA any more. */
void virtio_net_drop(struct virtio_net *net);
/* Delivers at most VIRTIO_NET_RX_BUDGET frames; how many. */
unsigned virtio_net_receive(struct virtio_net *net);
