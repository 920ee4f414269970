/* SPDX-License-Identifier: MIT
 * Network cards: what a driver offers and the switch uses. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"

#define NET_FRAME_MAX 1518u /* without VLAN tag insertion: destination to the end of the payload, no FCS */
#define NET_MAX_SEGMENTS 20

/* Machine memory. */
struct net_segment {
    uint64_t address;
    uint32_t size;
};

struct net_card;
struct net_ops {
    const char *driver;      /* "virtio-net", "e1000", "e1000e" */
    /* Sends a frame from these segments. False: the ring is full (frame dropped or offered again). done(context) is called from the
     * loop when the memory may be used again. */
    bool (*transmit)(struct net_card *card, const struct net_segment *segments, uint32_t count, void (*done)(void *context), void *context);
    /* One doorbell for many; end of a round. May be null. */
    void (*kick)(struct net_card *card);
    bool (*link_up)(struct net_card *card);
};

struct net_card {
    const struct net_ops *ops;
    char name[32];
    uint8_t mac[6];
    void *driver_data;
    /* Set by the switch before it uses the card: a received frame, in drivers-dom's own memory, valid during the call. */
    void (*receive)(void *context, const uint8_t *frame, uint32_t size);
    void *receive_context;
    struct net_card *next;
};

must_use enum status net_register(struct net_card *card);
struct net_card *net_next(struct net_card *after);
