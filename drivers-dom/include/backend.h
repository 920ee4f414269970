/* SPDX-License-Identifier: MIT
 * What a back end (block, network, console, entropy) offers to the control area. A back end is one file that defines a
 * const struct backend_ops, listed in backends.c. All calls come from the loop of service.h; none may block. */
#pragma once

#include "abi/control.h"
#include "abi/status.h"

struct backend_ops {
    enum channel_type type;
    const char *name; /* "block" */
    /* A channel of this type has appeared. `entry` is a copy that stays valid and unchanged until detach; `index` is
     * its place in the control area (for messages and tables). Checks everything it uses, sets back.state (OFFERED, or
     * ABSENT while its source is not there yet, or FAILED with a reason) and signals entry->control_handle. Null:
     * refused, with a message. */
    void *(*attach)(const struct control_channel *entry, unsigned index);
    /* The channel is gone from the control area. What a device still has of the guest's memory cannot be called back:
     * the back end takes nothing new, waits for it, writes back.state = ABSENT as its last access to the channel, and
     * frees itself. The manager keeps the channel and the guest's memory until then (docs/channel.md); `entry` is not
     * used after the return. */
    void (*detach)(void *backend);
    /* The front's control event (entry->control_bit) was signalled: look at channel->front. Also called once after
     * attach. */
    void (*front_changed)(void *backend);
    /* The doorbell of `queue` was rung (entry->kick_bit + queue). */
    void (*kick)(void *backend, unsigned queue);
    /* What has been done for the channel since attach; serial is not looked at. */
    const struct control_work *(*work)(void *backend);
};

/* By channel type; null where there is no back end (backends.c). */
#define BACKEND_TYPES 5
extern const struct backend_ops *const backends[BACKEND_TYPES];
extern const struct backend_ops block_backend;
extern const struct backend_ops net_backend;
extern const struct backend_ops console_backend;
extern const struct backend_ops rng_backend;
