/* SPDX-License-Identifier: MIT
 * A channel: one virtual device of one guest. CHANNEL_PAGES pages of shared memory between the guest's monitor (front) and
 * drivers-dom (back), owned by the manager, so that they outlive a drivers-dom. Nobody trusts what the other wrote: copy, then check.
 * The virtqueues themselves lie in guest memory; back translates guest-physical addresses by the extents in abi/control.h.
 *
 * States (docs/channel.md has the table of events and duties):
 *   back.state:  ABSENT -> OFFERED (features, config, queue limits valid) -> CONNECTED (serves the queues of front.generation)
 *                any -> FAILED (error says why)
 *   front.state: IDLE -> RUNNING (features and queues valid; generation counts up before) -> IDLE (guest reset or gone: back must stop
 *                touching guest memory, then set OFFERED (ABSENT if its source is not there) and
 *                back.seen_generation = front.generation)
 * Each side signals the other's control event after it changed its state. */
#pragma once

#include <stdint.h>
#include "abi/layout.h"

#define CHANNEL_MAGIC 0x6e686342u
#define CHANNEL_PAGES 2
#define CHANNEL_MAX_QUEUES 16
#define CHANNEL_MAX_QUEUE_SIZE 256
#define CHANNEL_CONFIG_SIZE 256

enum channel_type { CHANNEL_NONE, CHANNEL_NET = 1, CHANNEL_BLOCK = 2, CHANNEL_CONSOLE = 3, CHANNEL_RNG = 4 }; /* virtio device IDs */

enum back_state { BACK_ABSENT, BACK_OFFERED, BACK_CONNECTED, BACK_FAILED };
enum front_state { FRONT_IDLE, FRONT_RUNNING };

struct channel_queue {
    uint64_t desc, driver, device; /* guest-physical: descriptor table, available ring, used ring */
    uint16_t size;                 /* power of two, 1 to CHANNEL_MAX_QUEUE_SIZE */
    uint16_t enabled;
    uint32_t reserved;
};

/* Written by the monitor. */
struct channel_front {
    uint32_t state;      /* enum front_state */
    uint32_t generation;
    uint64_t features;   /* negotiated, a subset of back.features */
    struct channel_queue queues[CHANNEL_MAX_QUEUES];
};

/* A console device's own record: how far the bytes of a buffer have gone, so that none is lost or doubled (docs/channel.md). */
struct channel_console_record {
    uint32_t generation;         /* of the front: of another one everything here is void */
    uint32_t port;               /* control messages that the guest has not been sent yet; whether its port is open */
    uint32_t sending;            /* 1: the bytes of chain `send_head` go to the console's ring from its count `send_base` on */
    uint32_t send_head;
    uint64_t send_base;
    uint32_t receiving;          /* 1: when used.idx of the receive queue is not receive_index, the console's bytes up to `receive_end` are taken */
    uint32_t receive_index;
    uint64_t receive_end;
};

/* Written by drivers-dom. */
struct channel_back {
    uint32_t state;              /* enum back_state */
    uint32_t seen_generation;    /* of front: what it serves (CONNECTED) or has stopped to serve (OFFERED) */
    uint64_t features;           /* virtio feature bits of the device */
    uint32_t queue_count;
    uint32_t queue_size;         /* largest of each */
    uint32_t config_generation;  /* counts changes of config */
    uint32_t config_size;
    uint8_t config[CHANNEL_CONFIG_SIZE]; /* virtio device configuration */
    char error[128];
    /* The record that lets a new drivers-dom take over (docs/channel.md, "The record"): next index of the available ring to look at,
     * index of the used ring up to which everything is settled, and (page 1) what is with each descriptor head. */
    uint16_t next_avail[CHANNEL_MAX_QUEUES];
    uint16_t next_used[CHANNEL_MAX_QUEUES];
    struct channel_console_record console;
};

/* struct channel.in_flight[queue][head]. */
enum channel_in_flight {
    IN_FLIGHT_NONE,      /* the driver's */
    IN_FLIGHT_TAKEN,     /* taken from the available ring, not returned */
    IN_FLIGHT_RETURNING, /* being put into the used ring: returned if used.idx is past next_used, else taken */
};

struct channel {
    uint32_t magic;
    uint32_t type; /* enum channel_type */
    struct channel_front front __attribute__((aligned(64)));
    struct channel_back back __attribute__((aligned(64)));
    uint8_t in_flight[CHANNEL_MAX_QUEUES][CHANNEL_MAX_QUEUE_SIZE] __attribute__((aligned(4096)));
};
_Static_assert(sizeof(struct channel) == CHANNEL_PAGES * PAGE_SIZE, "struct channel");
