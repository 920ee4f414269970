/* SPDX-License-Identifier: MIT
 * Rings of legacy descriptors of Intel's gigabit cards: frames out and in (SDM 3.2, 3.3). */
#include <stdlib.h>
#include <string.h>
#include "cpu.h"
#include "e1000.h"

#define RX_BUDGET  64u /* frames in one go: others want to be served, too */
#define RING_ALIGN 128u

#define RCTL_ENABLE        (1u << 1)
#define RCTL_UNICAST_ALL   (1u << 3)
#define RCTL_MULTICAST_ALL (1u << 4)
#define RCTL_BROADCAST     (1u << 15)
#define RCTL_STRIP_FCS     (1u << 26)
/* All frames of up to 1522 bytes into buffers of 2048: it is the switch that knows whose they are. */
#define RCTL_ON         (RCTL_ENABLE | RCTL_UNICAST_ALL | RCTL_MULTICAST_ALL | RCTL_BROADCAST | RCTL_STRIP_FCS)
#define TCTL_ENABLE     (1u << 1)
#define TCTL_PAD        (1u << 3)
#define TCTL_COLLISIONS (0xfu << 4 | 0x40u << 12) /* SDM 13.4.33: threshold 15, distance for full duplex */
#define TIPG_COPPER     0x00602008u               /* SDM 13.4.34: 8, 8, 6 */

enum status e1000_ring_create(struct e1000 *card)
{
    card->rx = dma_alloc(E1000_RX_RING * sizeof(*card->rx), RING_ALIGN);
    card->tx = dma_alloc(E1000_TX_RING * sizeof(*card->tx), RING_ALIGN);
    card->buffers = dma_alloc(E1000_RX_RING * E1000_BUFFER_SIZE, E1000_BUFFER_SIZE);
    card->frames = calloc(E1000_TX_RING, sizeof(*card->frames));
    bool complete = card->rx != NULL && card->tx != NULL && card->buffers != NULL && card->frames != NULL;
    return complete ? OK : ERR_MEMORY;
}

static uint8_t *buffer_of(const struct e1000 *card, unsigned position)
{
    return card->buffers + position * E1000_BUFFER_SIZE;
}

/* The whole descriptor: the hardware may have written anywhere in it. */
static void offer_buffer(struct e1000 *card, unsigned position)
{
    card->rx[position].address = dma_of(buffer_of(card, position));
    card->rx[position].size = 0;
    card->rx[position].errors = 0;
    card->rx[position].status = 0;
}

void e1000_ring_start(struct e1000 *card)
{
    for (unsigned i = 0; i < E1000_RX_RING; i++) {
        offer_buffer(card, i);
    }
    memset((void *)(uintptr_t)card->tx, 0, E1000_TX_RING * sizeof(*card->tx));
    card->rx_next = card->tx_head = card->tx_tail = card->tx_told = 0;
    card->rx_skip = false;
    uint64_t rx = dma_of((const void *)(uintptr_t)card->rx), tx = dma_of((const void *)(uintptr_t)card->tx);
    const struct {
        enum e1000_register offset;
        uint32_t value;
    } settings[] = {
        {E1000_RDBAL, (uint32_t)rx},
        {E1000_RDBAH, (uint32_t)(rx >> 32)},
        {E1000_RDLEN, E1000_RX_RING * sizeof(*card->rx)},
        {E1000_RDH, 0},
        {E1000_RDTR, 0},
        {E1000_RADV, 0},
        {E1000_TDBAL, (uint32_t)tx},
        {E1000_TDBAH, (uint32_t)(tx >> 32)},
        {E1000_TDLEN, E1000_TX_RING * sizeof(*card->tx)},
        {E1000_TDH, 0},
        {E1000_TDT, 0},
        {E1000_TIDV, 0},
        {E1000_TIPG, TIPG_COPPER},
        {E1000_TCTL, TCTL_ENABLE | TCTL_PAD | TCTL_COLLISIONS},
        {E1000_RCTL, RCTL_ON},
        {E1000_RDT, E1000_RX_RING - 1},
    };
    cpu_barrier(); /* descriptors before the registers that make them known */
    for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        e1000_set(card, settings[i].offset, settings[i].value);
    }
}

/* --- out --- */

bool e1000_transmit(struct net_card *net, const struct net_segment *segments, uint32_t count,
                    void (*done)(void *context), void *context)
{
    struct e1000 *card = net->driver_data;
    if (card->phase != PHASE_RUNNING || !card->link || count > e1000_tx_free(card->tx_head, card->tx_tail) ||
        !net_frame_fits(segments, count)) {
        return false;
    }
    uint16_t first = card->tx_tail, at = first, last = first;
    for (uint32_t i = 0; i < count; i++) {
        if (segments[i].size == 0) {
            continue;
        }
        volatile struct e1000_tx_desc *desc = &card->tx[at];
        desc->address = segments[i].address;
        desc->size = (uint16_t)segments[i].size;
        desc->checksum_offset = desc->checksum_start = 0;
        desc->special = 0;
        desc->status = 0;
        desc->command = E1000_TX_FCS;
        last = at;
        at = (uint16_t)((at + 1u) % E1000_TX_RING);
    }
    card->tx[last].command = E1000_TX_FCS | E1000_TX_END | E1000_TX_REPORT;
    card->frames[first] = (struct e1000_frame){done, context, last};
    if (card->tx_head == card->tx_tail) {
        card->tx_progress = service_now();
    }
    card->tx_tail = at;
    return true;
}

void e1000_kick(struct net_card *net)
{
    struct e1000 *card = net->driver_data;
    if (card->phase == PHASE_RUNNING && card->tx_told != card->tx_tail) {
        cpu_barrier(); /* descriptors before the tail */
        card->tx_told = card->tx_tail;
        e1000_set(card, E1000_TDT, card->tx_tail);
    }
}

/* The oldest frame, out of the ring: its owner may send the next one at once. */
static void return_oldest(struct e1000 *card)
{
    struct e1000_frame frame = card->frames[card->tx_head];
    card->tx_head = (uint16_t)((frame.last + 1u) % E1000_TX_RING);
    frame.done(frame.context);
}

void e1000_ring_reclaim(struct e1000 *card)
{
    bool any = false;
    /* Up to what the hardware was told of: descriptors behind that have no status yet. */
    uint16_t end = card->tx_told;
    while (card->tx_head != end && (card->tx[card->frames[card->tx_head].last].status & E1000_TX_DONE)) {
        any = true;
        return_oldest(card);
    }
    if (any) {
        card->tx_progress = service_now();
        card->hangs = 0;
    }
}

void e1000_ring_drop(struct e1000 *card)
{
    while (card->tx_head != card->tx_tail) {
        return_oldest(card);
    }
}

/* --- in --- */

static void deliver(struct e1000 *card, unsigned position, uint8_t status, uint8_t errors, uint16_t size)
{
    bool whole = (status & E1000_RX_END) != 0 && !card->rx_skip;
    card->rx_skip = !(status & E1000_RX_END);
    if (!whole || (errors & E1000_RX_ERRORS) || size < NET_FRAME_MIN || size > NET_FRAME_MAX) {
        card->rx_dropped++;
    } else if (card->card.receive != NULL) {
        card->card.receive(card->card.receive_context, buffer_of(card, position), size);
    }
}

bool e1000_ring_receive(struct e1000 *card)
{
    unsigned count = 0;
    while (count < RX_BUDGET && (card->rx[card->rx_next].status & E1000_RX_DONE)) {
        cpu_barrier(); /* the status before what it announces */
        unsigned position = card->rx_next;
        volatile struct e1000_rx_desc *desc = &card->rx[position];
        deliver(card, position, desc->status, desc->errors, desc->size);
        offer_buffer(card, position);
        card->rx_next = (uint16_t)((position + 1) % E1000_RX_RING);
        count++;
    }
    if (count != 0) {
        cpu_barrier();
        e1000_set(card, E1000_RDT, (card->rx_next + E1000_RX_RING - 1) % E1000_RX_RING);
    }
    return count == RX_BUDGET;
}
