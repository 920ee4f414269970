/* SPDX-License-Identifier: MIT
 * Virtio 1.x drivers for the test guests: PCI transport (virtio 1.2, 4.1), split rings (2.7), disks (5.2) and network
 * cards (5.1). One CPU drives a queue. Nothing here is locked, nothing allocates: rings and buffers lie in the structs,
 * which must be static (identity-mapped memory). Functions that return bool print nothing; false says that the device
 * does not do what the standard says. */
#pragma once

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include "guest.h"

#define VIRTIO_RING_MAX 256u
#define VIRTIO_QUEUES   4u
#define VIRTIO_NO_PORT  0xffffu

/* --- PCI by ports 0xcf8 and 0xcfc --- */
uint32_t pci_read(unsigned devfn, unsigned offset, unsigned size); /* bus 0; size 1, 2 or 4 */
void pci_write(unsigned devfn, unsigned offset, unsigned size, uint32_t value);

struct virtio_queue {
    struct virtio_device *device;
    unsigned index, size;
    uint16_t notify_port;
    /* The ring. The hostile tests write here directly. */
    struct vring_desc desc[VIRTIO_RING_MAX] __attribute__((aligned(4096)));
    struct {
        uint16_t flags, idx, ring[VIRTIO_RING_MAX], used_event;
    } avail __attribute__((aligned(4096)));
    struct {
        uint16_t flags, idx;
        struct vring_used_elem ring[VIRTIO_RING_MAX];
        uint16_t avail_event;
    } used __attribute__((aligned(4096)));
    /* The driver's own. */
    uint16_t free_head, free_count, next_avail, next_used;
    uint16_t offered; /* next_avail when virtio_kick() was called last */
    uint16_t next[VIRTIO_RING_MAX];
    void *tokens[VIRTIO_RING_MAX]; /* of the chain with this head; null: not in flight */
    volatile uint32_t interrupts;  /* that virtio_interrupt() asked for */
    uint64_t kicks, spurious;      /* doorbells rung; used entries that name no request in flight */
    uint64_t kick_ticks;           /* TSC ticks that the doorbells took */
    volatile uint64_t interrupted_at; /* TSC at the last interrupt */
};

struct virtio_device {
    unsigned devfn, type;
    volatile struct virtio_pci_common_cfg *common;
    volatile uint8_t *isr, *config;
    uint16_t notify_port;
    uint32_t notify_multiplier;
    volatile uint32_t *msix; /* the table; null: none */
    unsigned msix_capability;
    uint64_t features; /* negotiated */
    struct virtio_queue queues[VIRTIO_QUEUES];
};

struct virtio_piece {
    void *at;
    uint32_t bytes;
};

/* The `nth` function (from 0) of this virtio type (VIRTIO_ID_*) on bus 0, reset. False: there is none, or its
 * capabilities are wrong. */
bool virtio_find(struct virtio_device *device, unsigned type, unsigned nth);
uint64_t virtio_offer(struct virtio_device *device);
void virtio_status(struct virtio_device *device, uint8_t bits); /* sets them */
/* Waits up to `ms` for the reset to be done. */
bool virtio_reset(struct virtio_device *device, unsigned ms);
/* ACKNOWLEDGE to FEATURES_OK, with those of `wanted` that the device has, and VERSION_1. */
bool virtio_negotiate(struct virtio_device *device, uint64_t wanted);
/* Sizes above what the device has are cut to that; 0: the device's. */
bool virtio_queue_open(struct virtio_device *device, unsigned index, unsigned size);
/* The queue's MSI-X entry `index` sends `vector` to this CPU, where a handler counts it in queue->interrupts. Needs
 * lapic_init(). */
bool virtio_interrupt(struct virtio_device *device, unsigned index, uint8_t vector);
void virtio_start(struct virtio_device *device); /* DRIVER_OK */

/* Puts a chain of `readable` pieces, then `writable` ones, into the ring. token: not null. False: no room. */
bool virtio_add(struct virtio_queue *queue, const struct virtio_piece *pieces, unsigned readable, unsigned writable,
                void *token);
void virtio_kick(struct virtio_queue *queue); /* if the device wants it */
void virtio_kick_always(struct virtio_queue *queue);
/* The token of the next completed chain, or null. *length (may be null): bytes that the device wrote. */
void *virtio_take(struct virtio_queue *queue, uint32_t *length);
/* Asks for an interrupt at the next completion. False: one is there already, do not sleep. */
bool virtio_may_sleep(struct virtio_queue *queue);
/* The same for the `count`th completion from now on, at least 1. */
bool virtio_may_sleep_for(struct virtio_queue *queue, unsigned count);

/* --- disks --- */
struct virtio_request {
    struct virtio_blk_outhdr header;
    uint8_t status; /* VIRTIO_BLK_S_*; 0xff while the device has it */
    bool done;      /* taken from the ring by block_poll() */
    void *data;
    uint32_t bytes;
    uint64_t started; /* TSC */
};

/* Finds the nth disk, opens its queue with up to `depth` requests (of 3 descriptors; 0: the device's size). */
bool block_open(struct virtio_device *device, unsigned nth, unsigned size, uint64_t wanted);
uint64_t block_sectors(const struct virtio_device *device);
/* type: VIRTIO_BLK_T_IN, OUT, FLUSH, ... `request` and `data` stay until it is done. Without a doorbell: virtio_kick().
 */
bool block_submit(struct virtio_device *device, struct virtio_request *request, uint32_t type, uint64_t sector,
                  void *data, uint32_t bytes);
struct virtio_request *block_poll(struct virtio_device *device);
/* One request, waited for. VIRTIO_BLK_S_*, or -1 after `ms` milliseconds. */
int block_do(struct virtio_device *device, uint32_t type, uint64_t sector, void *data, uint32_t bytes, unsigned ms);

/* --- network cards --- */
#define NET_FRAME_MAX 1514u
#define NET_BUFFERS   64u
struct virtio_net {
    struct virtio_device device; /* queue 0 receives, queue 1 sends */
    uint8_t mac[6];
    uint8_t receive[NET_BUFFERS][2048], send[NET_BUFFERS][2048];
    bool sending[NET_BUFFERS];
};

bool net_open(struct virtio_net *net, unsigned nth, uint64_t wanted);
/* Copies the frame. False: all buffers are on their way. */
bool net_send(struct virtio_net *net, const void *frame, uint32_t bytes);
bool net_put(struct virtio_net *net, const void *frame, uint32_t bytes); /* the same without a doorbell */
/* A received frame's size, copied to `frame` (NET_FRAME_MAX); 0: none. */
uint32_t net_receive(struct virtio_net *net, void *frame);
