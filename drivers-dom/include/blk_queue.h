/* SPDX-License-Identifier: MIT
 * What all disks with hardware behind them have in common: requests wait, are cut into commands, are in the hardware,
 * time out, survive a reset of the device, fail. A driver supplies struct blk_queue_ops and embeds struct blk_queue.
 *
 * A completion whose interrupt was lost is found within a second. A command that times out: the device is reset, all
 * commands are given again, that one once; if it times out again it fails with ERR_TIMEOUT. If the reset fails, or
 * the device vanishes, all fail and the device is unregistered. No command is completed while the device might still
 * touch its memory. */
#pragma once

#include "blk_split.h"
#include "service.h"

#define BLK_QUEUE_MAX_DEPTH 64

struct blk_active;

/* One command of the hardware. The driver reads op and part. */
struct blk_command {
    uint8_t op;               /* enum blk_op */
    uint8_t state;            /* private, like all below `index` */
    uint16_t index;           /* 0 to depth - 1: the driver's slot */
    struct blk_part part;     /* pieces are always set for READ and WRITE */
    struct blk_active *active;
    struct blk_cursor start;  /* of a bounced part */
    void *bounce;
    uint64_t deadline;        /* ns */
    uint32_t timeouts;
};

struct blk_queue_ops {
    /* The hardware can take another command now; null: always while a slot is free. */
    bool (*ready)(void *driver);
    /* Puts the command into the hardware's queue. */
    void (*issue)(void *driver, struct blk_command *command);
    /* Starts what was issued; null: issue does. */
    void (*start)(void *driver);
    /* Looks for completions, as after an interrupt: called now and then while commands are in the hardware. */
    void (*poll)(void *driver);
    /* False: the device has vanished (its registers read all ones). */
    bool (*alive)(void *driver);
    /* One step of a reset; step counts from 0. OK: ready, and nothing of before is in the hardware. ERR_BUSY: call
     * again in a millisecond. Others: failed. May not block. */
    enum status (*reset)(void *driver, unsigned step);
    /* No DMA any more, whatever else: the device is given up. */
    void (*stop)(void *driver);
};

struct blk_queue {
    struct blk_device device;
    const struct blk_queue_ops *ops;
    void *driver;
    struct blk_limits limits;
    unsigned depth;
    uint32_t exclusive;        /* bit i: operation i (enum blk_op) is in the hardware alone */
    bool cacheless;            /* nothing to flush: BLK_FLUSH succeeds by itself */
    uint64_t timeout, reset_timeout; /* ns; 0 before blk_queue_open: 5 s and 10 s */
    /* Private. */
    struct blk_command *commands;
    struct blk_active *actives, *free_actives, *first, *last;
    void *bounces[4];
    unsigned issued, again;    /* commands in the hardware; commands that are to be given again */
    bool alone, resetting, dead;
    unsigned reset_step;
    unsigned fruitless;        /* resets for a reason since a command was done */
    unsigned lost;             /* looks in a row that found what no interrupt had told */
    uint64_t reset_end;
    struct service_timer timer;
};

/* For the driver's struct blk_ops. */
bool blk_queue_submit(struct blk_device *device, struct blk_request *request);
void blk_queue_kick(struct blk_device *device);

/* Allocates; limits, depth, ops, driver and device.{ops, sectors, serial, flags} are set. Registers the device. */
must_use enum status blk_queue_open(struct blk_queue *queue);
/* From the driver, in the loop: the hardware is done with the command. ERR_TIMEOUT is not for drivers. */
void blk_queue_done(struct blk_queue *queue, struct blk_command *command, enum status status);
/* The command with this index if it is in the hardware, else null: what a device says it has finished. */
struct blk_command *blk_queue_issued(struct blk_queue *queue, unsigned index);
/* The device has failed as a whole: reset it and give all commands again. reason: for the message. */
void blk_queue_reset(struct blk_queue *queue, const char *reason);
/* The device has vanished. */
void blk_queue_gone(struct blk_queue *queue);
/* ready() may have become true. */
void blk_queue_wake(struct blk_queue *queue);
