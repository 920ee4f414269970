/* SPDX-License-Identifier: MIT
 * Driver side of virtio 1.x over PCI (virtio specification 1.1, sections 2.6 and 4.1): the transport (virtio_pci.c)
 * and split rings (virtqueue.c). For the drivers of virtio devices. Start of a device:
 *   virtio_open, virtio_interrupt, virtio_negotiate, virtqueue_create for each queue, virtio_go
 * and again after a failure:
 *   virtio_reset, wait until virtio_is_reset, virtio_negotiate, virtqueue_restart for each queue, virtio_go */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include "pci.h"

struct virtio_device {
    struct pci_device *pci;
    volatile struct virtio_pci_common_cfg *common;
    volatile uint8_t *notify, *isr, *config;
    uint64_t notify_size, config_size;
    uint32_t notify_multiplier;
    uint64_t features; /* negotiated */
    bool msix;
    void (*handler)(void *context);
    void *context;
};

/* Finds the register structures, resets the device (waits at most 1 s: start-up only) and turns bus mastering on. */
must_use enum status virtio_open(struct virtio_device *device, struct pci_device *pci);
/* One interrupt for all queues and for changes of the configuration. After it, virtqueue_create tells the device. */
must_use enum status virtio_interrupt(struct virtio_device *device, void (*handler)(void *context), void *context);
/* features = what is offered and wanted; VERSION_1 and, where offered, ACCESS_PLATFORM always. ERR_SUPPORT with a
 * message: not a 1.x device, or it refused. */
must_use enum status virtio_negotiate(struct virtio_device *device, uint64_t wanted);
/* DRIVER_OK. */
void virtio_go(struct virtio_device *device);
void virtio_reset(struct virtio_device *device);
bool virtio_is_reset(const struct virtio_device *device);
/* The device has given up and wants to be reset, or it has vanished. */
bool virtio_failed(const struct virtio_device *device);
/* The configuration structure: size bytes from offset, consistent; bytes beyond its end are zero. */
void virtio_config_read(const struct virtio_device *device, unsigned offset, void *to, unsigned size);

/* Machine memory; the same layout as struct blk_segment and struct net_segment. */
struct virtio_segment {
    uint64_t address;
    uint32_t size;
};

struct virtqueue {
    struct virtio_device *device;
    uint16_t index, size;
    uint16_t indirect_size;      /* descriptors of an indirect table; 0: none */
    bool event_idx, broken;      /* broken: the device put nonsense into the ring, which is told; reset it */
    struct vring_desc *desc;
    struct vring_avail *avail;
    volatile struct vring_used *used;
    struct vring_desc *indirect; /* a table for each head */
    /* Private: never read back from memory that the device sees. */
    void **cookies;              /* by head; null: not in use */
    uint16_t *next;              /* free list, and chains */
    uint16_t *lengths;           /* descriptors of a head's chain */
    uint16_t free_head, free_count;
    uint16_t avail_index, notified, used_seen;
    volatile uint16_t *doorbell;
};

/* Makes queue `index` with at most max_size entries. indirect_size: the longest request in descriptors, if indirect
 * tables are wanted and were negotiated; else 0. */
must_use enum status virtqueue_create(struct virtqueue *queue, struct virtio_device *device, uint16_t index,
                                      uint16_t max_size, uint16_t indirect_size);
/* The same, on memory that the caller has set up (fields up to lengths): for tests. Empties the ring. */
void virtqueue_empty(struct virtqueue *queue);
/* After a reset: empty again, and told to the device. What was in the queue is forgotten. */
void virtqueue_restart(struct virtqueue *queue);
/* Offers a request: segments[0, readable) are read by the device, the `writable` ones behind them written. cookie:
 * not null. False: the queue is full. */
bool virtqueue_add(struct virtqueue *queue, const struct virtio_segment *segments, unsigned readable,
                   unsigned writable, void *cookie);
/* Rings the doorbell if there is something new and the device wants to know. */
void virtqueue_kick(struct virtqueue *queue);
/* The next finished request's cookie, null if there is none. *written: bytes that the device says it has written. */
void *virtqueue_take(struct virtqueue *queue, uint32_t *written);
/* Asks for an interrupt at the next completion. True: there is one already; take it first. */
bool virtqueue_rearm(struct virtqueue *queue);
