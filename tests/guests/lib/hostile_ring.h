/* SPDX-License-Identifier: MIT
 * Between the files of the guest hostile_ring: attacks on virtio devices. */
#pragma once

#include "virtio.h"

#define RAM_END 0x2000000ul /* the test gives it 32 MiB */

/* Breaks one rule of split rings at an open queue whose device is running. The caller rings the doorbell. */
struct ring_attack {
    const char *name;
    void (*run)(struct virtio_queue *queue);
};
extern const struct ring_attack ring_attacks[];
extern const unsigned ring_attack_count;

uint64_t hostile_value(void);                               /* random, mostly of the kind that breaks something */
void ring_offer(struct virtio_queue *queue, uint16_t head); /* makes a head available */
/* Random descriptors, heads and indices, once. */
void ring_scramble(struct virtio_queue *queue);

/* A queue that is attacked, and what its device is and does for a driver that behaves. */
struct hostile_target {
    const char *name;
    unsigned type;              /* VIRTIO_ID_* */
    uint64_t with, without;     /* features that the device offers, and does not: there are consoles of two kinds */
    uint64_t accepted;          /* features that are negotiated if they are offered */
    unsigned queues, attacked;
    bool writable;              /* buffers of that queue */
    bool (*works)(void);        /* finds the device anew */
    void (*feed)(void);         /* makes the device look at the queue; null: a doorbell does */
};
extern const struct hostile_target hostile_targets[];
extern const unsigned hostile_target_count;
extern struct virtio_net hostile_net; /* its device is used for all targets */

#define HOSTILE_SETTLE_MS 10000u /* the emulator may be one of many on its machine */

/* Resets the device and starts it with empty queues. */
bool target_find(const struct hostile_target *target);
bool target_open(const struct hostile_target *target);
void attack_port_messages(unsigned rounds); /* the control messages of a console with ports */
