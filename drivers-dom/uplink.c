/* SPDX-License-Identifier: MIT
 * The network card at the end of the switch "uplink".
 *
 * Frames are copied into buffers of our own: a guest's buffer is free when the frame has been forwarded, a slow card
 * holds up nobody, and nothing that was checked changes until it is sent. Cards need offer no offloads: what a guest
 * left undone has been done in the copy. */
#include <stdlib.h>
#include <string.h>
#include "service.h"
#include "switch.h"

#define BUFFERS 256
#define BUFFER_SIZE 2048
#define TAG_SIZE 4u
#define ADDRESSES 12u /* both, in front of the tag */
#define TPID 0x8100u

_Static_assert(NET_FRAME_MAX <= BUFFER_SIZE, "a frame fits");

static struct {
    struct net_card *card;
    void (*receive)(const uint8_t *frame, uint32_t size);
    uint8_t *memory;
    struct buffer {
        uint8_t *data;
        struct buffer *next;
    } buffers[BUFFERS], *free;
    struct service_bottom bottom;
    struct net_watch watch;
    bool ready;
} uplink;

static void card_receive(void *context, const uint8_t *frame, uint32_t size)
{
    if (context == uplink.card) {
        uplink.receive(frame, size);
    }
}

static bool allocate(void)
{
    if (uplink.memory != NULL) {
        return true;
    }
    uplink.memory = dma_alloc(BUFFERS * BUFFER_SIZE, BUFFER_SIZE);
    for (unsigned i = 0; uplink.memory != NULL && i < BUFFERS; i++) {
        uplink.buffers[i] = (struct buffer){uplink.memory + i * BUFFER_SIZE, uplink.free};
        uplink.free = &uplink.buffers[i];
    }
    return uplink.memory != NULL;
}

static void card_arrived(void *context, struct net_card *card)
{
    (void)context;
    if (card->gone || (uplink.card != NULL && !uplink.card->gone)) {
        return;
    }
    if (!allocate()) {
        service_log("switch %s: no memory is left for the buffers of %s", SWITCH_UPLINK, card->name);
        return;
    }
    uplink.card = card;
    card->receive_context = card;
    card->receive = card_receive;
    service_log("switch %s: connected to %s", SWITCH_UPLINK, card->name);
}

static void kick(void *context)
{
    (void)context;
    if (uplink.card != NULL && !uplink.card->gone && uplink.card->ops->kick != NULL) {
        uplink.card->ops->kick(uplink.card);
    }
}

void uplink_init(void (*receive)(const uint8_t *frame, uint32_t size))
{
    if (uplink.ready) {
        return;
    }
    uplink.ready = true;
    uplink.receive = receive;
    uplink.bottom.run = kick;
    uplink.watch.arrived = card_arrived;
    net_watch(&uplink.watch);
    for (struct net_card *card = net_next(NULL); card != NULL; card = net_next(card)) {
        card_arrived(NULL, card);
    }
}

static void sent(void *context)
{
    struct buffer *buffer = context;
    buffer->next = uplink.free;
    uplink.free = buffer;
}

bool uplink_send(const struct frame *frame, uint16_t vlan)
{
    struct net_card *card = uplink.card;
    struct buffer *buffer = uplink.free;
    if (card == NULL || card->gone || buffer == NULL || frame->size > FRAME_PLAIN_MAX || frame->size < NET_FRAME_MIN) {
        return false;
    }
    uint32_t tag = vlan != 0 ? TAG_SIZE : 0;
    frame_copy(frame, 0, buffer->data, ADDRESSES);
    if (tag != 0) {
        const uint8_t bytes[TAG_SIZE] = {TPID >> 8, TPID & 0xff, (uint8_t)(vlan >> 8), (uint8_t)vlan};
        memcpy(buffer->data + ADDRESSES, bytes, TAG_SIZE);
    }
    frame_copy(frame, ADDRESSES, buffer->data + ADDRESSES + tag, frame->size - ADDRESSES);
    const struct net_segment segment = {dma_of(buffer->data), frame->size + tag};
    uplink.free = buffer->next;
    if (!card->ops->transmit(card, &segment, 1, sent, buffer)) {
        sent(buffer);
        return false;
    }
    service_bottom_arm(&uplink.bottom);
    return true;
}
