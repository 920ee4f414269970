/* SPDX-License-Identifier: MIT
 * Network cards: what a driver offers and the switch uses. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"

#define NET_FRAME_MAX    1518u /* without VLAN tag insertion: destination to the end of the payload, no FCS */
#define NET_FRAME_MIN    14u
#define NET_MAX_SEGMENTS 20

/* Machine memory. */
struct net_segment {
    uint64_t address;
    uint32_t size;
};

struct net_card;
struct net_ops {
    const char *driver; /* "virtio-net", "e1000", "e1000e" */
    /* Sends a frame from these segments: NET_FRAME_MIN to NET_FRAME_MAX bytes, any addresses and sizes. False: the ring
     * is full (frame dropped or offered again), the link is down, or the card is gone (dropped). done(context) is
     * called from the loop, never from inside transmit, when the memory may be used again, sent or not: a card that is
     * reset or that vanishes returns everything. */
    bool (*transmit)(struct net_card *card, const struct net_segment *segments, uint32_t count,
                     void (*done)(void *context), void *context);
    /* One doorbell for many; end of a round. May be null. */
    void (*kick)(struct net_card *card);
    bool (*link_up)(struct net_card *card);
};

struct net_card {
    const struct net_ops *ops;
    char name[32];
    uint8_t mac[6];
    const char *address; /* "00:1f.6" of its PCI function; null: it has none */
    void *driver_data;
    /* Set by the switch before it uses the card: a received frame, in drivers-dom's own memory, valid during the call.
     */
    void (*receive)(void *context, const uint8_t *frame, uint32_t size);
    void *receive_context;
    bool gone; /* unregistered: nothing will be sent or received any more */
    struct net_card *next;
};

/* Adds it to the list under its driver's name and the next number (a name that is already set stays); who watches is
 * told. */
must_use enum status net_register(struct net_card *card);
/* Out of service, for good: the driver has stopped its DMA and returned all frames. Its memory stays, for those who
 * still point to it. */
void net_unregister(struct net_card *card);
/* What passes through a card in either direction has NET_FRAME_MIN to NET_FRAME_MAX bytes in 1 to NET_MAX_SEGMENTS
 * segments. */
bool net_frame_fits(const struct net_segment *segments, uint32_t count);
struct net_card *net_next(struct net_card *after);
/* Who wants to know of cards: called by net_register, when the card can be used. From the loop. */
struct net_watch {
    void (*arrived)(void *context, struct net_card *card);
    void *context;
    struct net_watch *next;
};
void net_watch(struct net_watch *watch);
