/* SPDX-License-Identifier: MIT
 * Between block.c (life, queues, completions) and block_request.c (what a request says). */
#pragma once

#include "blk.h"
#include "channel.h"
#include "queue.h"
#include "service.h"

#define BLOCK_PIECES 64     /* of one disk at its device */
#define BLOCK_MAX_RANGES 16 /* of a discard or write-zeroes request */
#define BLOCK_ID_SIZE 20    /* virtio 1.2 section 5.2.6 */

struct disk;

/* A guest's request. */
struct block_task {
    struct disk *disk;
    struct block_task *next; /* in the free list */
    unsigned queue;
    uint16_t head;
    bool issued;      /* no further piece will come */
    bool flush_after; /* the driver knows no FLUSH: stable before the answer */
    bool dropped;     /* the guest has left: no further piece, no answer */
    uint8_t status;   /* VIRTIO_BLK_S_* */
    unsigned pieces;  /* at the device or waiting for it */
    uint32_t written; /* bytes read from the device into the guest */
    uint64_t status_address; /* machine */
};

struct block_piece {
    struct blk_request request;
    struct block_task *task;
    struct block_piece *next; /* free or waiting */
};

struct block_range {
    uint64_t sector, sectors;
};

/* The request that is being issued. */
struct disk_queue {
    struct queue_chain chain;
    struct block_task *task; /* null: none */
    bool drained;            /* the ring was empty, and its next chain will be told */
    uint8_t op;
    uint16_t segment;               /* READ, WRITE: the cursor in the chain */
    uint32_t offset;
    uint64_t left;                  /* bytes */
    uint64_t sector;
    unsigned range, range_count;    /* DISCARD, WRITE_ZEROES */
    struct block_range ranges[BLOCK_MAX_RANGES];
};

struct disk {
    struct back back;
    struct blk_device *device; /* null: not there (yet, any more) */
    struct disk_queue *queues;
    unsigned queue_count;
    struct block_task *tasks, *free_tasks;
    struct block_piece *pieces, *free_pieces;
    struct block_piece *waiting, **last_waiting; /* the device was full */
    unsigned at_device; /* pieces */
    struct service_bottom bottom;
    struct service_timer retry;
    struct blk_watch watch;
    bool forced_read_only, read_only, flush_offered, waiting_said;
    char source[128];
    char id[BLOCK_ID_SIZE];
};

/* Reads the request in queues[index].chain: answers it, or begins a task. A request without room for its header or
 * status byte breaks the device. */
void block_begin(struct disk *disk, unsigned index);
/* Issues pieces of the queue's task. False: no piece is free or the device is full. True: all is issued, or there is no
 * task. */
bool block_feed(struct disk *disk, unsigned index);

/* Null: none is free. */
struct block_piece *block_piece_get(struct disk *disk, struct block_task *task);
/* Submits or queues it. */
void block_submit(struct disk *disk, struct block_piece *piece);
/* Ends the task if all its pieces are issued and done. */
void block_task_check(struct block_task *task);
void block_answer(struct disk *disk, unsigned queue, uint16_t head, uint64_t status_address, uint8_t status,
                  uint32_t written);
