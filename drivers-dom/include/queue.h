/* SPDX-License-Identifier: MIT
 * The device's side of a split virtqueue (virtio 1.2 section 2.7), over memory that a hostile guest writes at the same
 * time.
 *
 * Nothing is read twice: indices are private, a descriptor is copied before it is looked at, and what a chain says is
 * turned into machine addresses once, inside the guest's extents. What has been taken is recorded in the channel, so
 * that another drivers-dom can go on at any instruction (docs/channel.md).
 *
 * Use: pop chains until EMPTY, push each when it is done (in any order), publish once a round and signal if it says so,
 * then queue_idle() before sleeping. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi/channel.h"
#include "extent.h"

/* Each descriptor may be cut in two where an extent ends. */
#define QUEUE_MAX_SEGMENTS (2 * CHANNEL_MAX_QUEUE_SIZE)

struct queue_segment {
    uint64_t address; /* machine */
    uint32_t size;    /* never 0 */
};

/* A descriptor chain: what the device may read comes first, then what it may write. Neighbours in the machine are
 * joined, so segment borders mean nothing (virtio 1.2 section 2.7.4). */
struct queue_chain {
    uint16_t head;
    uint16_t count;
    uint16_t writable_from;      /* segments[0, writable_from) are readable, the others writable */
    uint32_t readable, writable; /* bytes */
    struct queue_segment segments[QUEUE_MAX_SEGMENTS];
};

/* A part of a ring in memory, in at most two pieces. */
struct queue_area {
    uint8_t *part[2];
    uint32_t split; /* offset of part[1] */
};

struct queue {
    struct channel *channel; /* the record */
    const struct extent_map *memory;
    unsigned index;
    bool enabled, broken;
    bool event_idx, indirect; /* negotiated */
    uint16_t size;
    struct queue_area desc, avail, used;
    uint16_t next_avail; /* to be taken next */
    uint16_t avail_end;  /* the driver's index when last looked at */
    uint16_t next_used;  /* to be filled next */
    uint16_t published;  /* used.idx as written */
    uint16_t redo_count; /* heads to be handed out before the ring's */
    uint16_t redo[CHANNEL_MAX_QUEUE_SIZE];
    uint8_t taken[CHANNEL_MAX_QUEUE_SIZE]; /* enum channel_in_flight; private, so that nobody can make a head be taken
                                              twice */
    uint16_t returning[CHANNEL_MAX_QUEUE_SIZE]; /* heads pushed and not published */
    char error[96];      /* when broken: the rule */
};

enum queue_result { QUEUE_EMPTY, QUEUE_CHAIN, QUEUE_BROKEN };

/* Checks the driver's addresses and makes the queue ready. resume = false: a new ring, and a new record; true: goes on
 * after another drivers-dom, from the record: what was in flight is handed out again by queue_pop. A queue that is not
 * enabled stays unused. ERR_FORMAT: queue->error says why. */
must_use enum status queue_start(struct queue *queue, struct channel *channel, unsigned index,
                                 const struct channel_queue *set, const struct extent_map *memory, uint64_t features,
                                 bool resume);

/* The next chain. BROKEN: the driver broke a rule (queue->error); the queue does nothing any more. */
must_use enum queue_result queue_pop(struct queue *queue, struct queue_chain *chain);

/* Gives back the chain last popped, unused: queue_pop will return it first. */
void queue_unpop(struct queue *queue, uint16_t head);

/* Returns a popped chain, `written` bytes of it written. The driver sees it after queue_publish. */
void queue_push(struct queue *queue, uint16_t head, uint32_t written);

/* Shows the driver all that was pushed. True: it wants to be told. */
must_use bool queue_publish(struct queue *queue);

/* Asks for a notification of new chains, then looks a last time. True: there is one already, pop again. */
must_use bool queue_idle(struct queue *queue);
/* No notifications wanted: somebody will look anyway. */
void queue_busy(struct queue *queue);

/* Copies out of the readable part, or into the writable part, from `offset` on. False if the part is shorter. */
bool queue_chain_read(const struct queue_chain *chain, uint32_t offset, void *to, uint32_t size);
bool queue_chain_write(const struct queue_chain *chain, uint32_t offset, const void *from, uint32_t size);
