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
