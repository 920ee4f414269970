/* SPDX-License-Identifier: MIT
 * A network card of the tests: it keeps what it sends until the test lets it go. */
#pragma once

#include "net.h"
#include "ring_fixture.h"

#define CARD_DEPTH 512

static uint8_t card_frames[CARD_DEPTH][NET_FRAME_MAX];
static uint32_t card_sizes[CARD_DEPTH];
static void (*card_done[CARD_DEPTH])(void *context);
static void *card_contexts[CARD_DEPTH];
static unsigned card_count, card_depth = CARD_DEPTH, card_kicks;

static inline bool card_transmit(struct net_card *card, const struct net_segment *segments, uint32_t count,
                                 void (*done)(void *context), void *context)
{
    (void)card;
    if (card_count == card_depth) {
        return false;
    }
    uint32_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (size + segments[i].size > NET_FRAME_MAX) {
            abort();
        }
        memcpy(card_frames[card_count] + size, machine(segments[i].address), segments[i].size);
        size += segments[i].size;
    }
    if (size < NET_FRAME_MIN) {
        abort();
    }
    card_sizes[card_count] = size;
    card_done[card_count] = done;
    card_contexts[card_count++] = context;
    return true;
}

static inline void card_kick(struct net_card *card)
{
    (void)card;
    card_kicks++;
}

static inline bool card_link(struct net_card *card)
{
    (void)card;
    return true;
}

static const struct net_ops card_ops = {"fake", card_transmit, card_kick, card_link};
static struct net_card card;

/* Once in a program: the switch keeps the card that it found first. */
static inline void card_begin(void)
{
    if (card.ops == NULL) {
        card.ops = &card_ops;
        if (net_register(&card) != OK) {
            abort();
        }
    }
}

static inline void card_flush(void)
{
    for (unsigned i = 0; i < card_count; i++) {
        card_done[i](card_contexts[i]);
    }
    card_count = 0;
}

static inline void card_receive(const void *frame, uint32_t size)
{
    if (card.receive != NULL) {
        card.receive(card.receive_context, frame, size);
    }
}
