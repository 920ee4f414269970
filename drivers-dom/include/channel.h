/* SPDX-License-Identifier: MIT
 * The back side of a channel (abi/channel.h): its state machine, and the queues of the generation that is being served.
 * docs/channel.md has the table of states, events and duties; channel.c implements it, a function per row.
 *
 * A back end (block.c, net.c, ...) embeds struct back, offers a device, and is told when to start and to stop. It
 * counts what holds guest memory outside of its own control (requests at a device) with channel_hold and
 * channel_release: the guest's reset is answered when nothing is held any more. All calls come from the loop. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/control.h"
#include "extent.h"
#include "queue.h"

enum back_phase {
    PHASE_ABSENT,   /* the source is not there; after a restart a running guest waits here without noticing */
    PHASE_OFFERED,  /* the guest may start */
    PHASE_RUNNING,  /* queues are served */
    PHASE_STOPPING, /* the guest has left; waits until nothing is held */
    PHASE_FAILED,   /* the guest broke a rule, or cannot be served; until it resets the device */
    PHASE_CLOSING,  /* the channel is gone; waits until nothing is held */
    PHASE_CLOSED,   /* gone() has been called */
    PHASE_COUNT,
};

struct channel_user {
    const char *kind; /* "disk", for messages */
    /* The queues of back->queues may be used. resumed: another drivers-dom served them before; look at all of them. */
    void (*start)(void *context, bool resumed);
    /* The queues must not be used any more, nor guest memory but by what is held. */
    void (*stop)(void *context);
    /* After channel_close, when nothing is held: the last call; back may be freed. */
    void (*gone)(void *context);
};

struct back {
    const struct channel_user *user;
    void *context;
    struct channel *shared;
    enum back_phase phase;
    uint32_t generation;  /* of the front: served now, or last */
    bool offered;         /* the device is there */
    bool entered;         /* a step is running: no recursion */
    uint64_t offer, features; /* offered, negotiated */
    unsigned queue_count;
    unsigned held;
    unsigned failures;    /* counts, so that a guest cannot fill the log */
    uint32_t control_handle, call_handle[CHANNEL_MAX_QUEUES];
    struct control_work work; /* what the back end has done */
    struct extent_map memory;
    char domain[NAME_SIZE], name[NAME_SIZE];
    struct queue queues[CHANNEL_MAX_QUEUES];
};

/* Takes the channel of `entry` and looks at what another drivers-dom may have left. ERR_FORMAT: it is no channel of
 * this type; said in a message, nothing was changed. */
must_use enum status channel_open(struct back *back, const struct control_channel *entry,
                                  const struct channel_user *user, void *context);

/* The device is there: feature bits (VIRTIO_F_VERSION_1 and the ring's are added), configuration, number of queues. A
 * guest that was running goes on (start with resumed = true) or is connected. May be called again when configuration
 * has changed. */
void channel_offer(struct back *back, uint64_t features, const void *config, uint32_t config_size,
                   unsigned queue_count);

/* The front may have changed. */
void channel_update(struct back *back);

/* The guest broke a rule, or this device cannot serve it: FAILED with this text. */
void channel_fail(struct back *back, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for queue `index`, with the queue's own words. */
void channel_fail_queue(struct back *back, unsigned index);

void channel_hold(struct back *back);
/* May end in stop, start or gone: the caller's last use of back. */
void channel_release(struct back *back);

/* Publishes what was pushed to queue `index` and signals the guest if it wants. */
void channel_publish(struct back *back, unsigned index);

/* The channel is gone from the control area: stop now, gone() when nothing is held (possibly from inside). */
void channel_close(struct back *back);

static inline bool channel_running(const struct back *back)
{
    return back->phase == PHASE_RUNNING;
}

static inline bool channel_negotiated(const struct back *back, unsigned bit)
{
    return (back->features >> bit & 1) != 0;
}
