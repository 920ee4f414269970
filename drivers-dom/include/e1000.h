/* SPDX-License-Identifier: MIT
 * Intel gigabit network cards with the register set of the 8254x: what the 82540EM (e1000.c) and the 82574L (e1000e.c)
 * have in common: rings of legacy descriptors, transmit, receive, link, resets, the end. A member of the family
 * supplies struct e1000_family. Sources: "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual"
 * (317453, below SDM), "82574 GbE Controller Family Datasheet" (below 82574).
 *
 * One life: PHASE_QUIET (no DMA; until the bus is idle), PHASE_RESET (until the EEPROM has been read), PHASE_RUNNING,
 * and back to PHASE_QUIET when it hangs, or to PHASE_GONE. The first two wait by timer, at start-up too. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "net.h"
#include "pci.h"
#include "service.h"

/* Registers by offset (SDM 13.3, 82574 10.2). */
enum e1000_register {
    E1000_CTRL = 0x0000,
    E1000_STATUS = 0x0008,
    E1000_EERD = 0x0014,
    E1000_CTRL_EXT = 0x0018,
    E1000_ICR = 0x00c0,
    E1000_ITR = 0x00c4,
    E1000_IMS = 0x00d0,
    E1000_IMC = 0x00d8,
    E1000_EIAC = 0x00dc,
    E1000_IVAR = 0x00e4,
    E1000_EITR0 = 0x00e8,
    E1000_RCTL = 0x0100,
    E1000_TCTL = 0x0400,
    E1000_TIPG = 0x0410,
    E1000_RDBAL = 0x2800,
    E1000_RDBAH = 0x2804,
    E1000_RDLEN = 0x2808,
    E1000_RDH = 0x2810,
    E1000_RDT = 0x2818,
    E1000_RDTR = 0x2820,
    E1000_RADV = 0x282c,
    E1000_TDBAL = 0x3800,
    E1000_TDBAH = 0x3804,
    E1000_TDLEN = 0x3808,
    E1000_TDH = 0x3810,
    E1000_TDT = 0x3818,
    E1000_TIDV = 0x3820,
    E1000_TXDCTL = 0x3828,
    E1000_RAL0 = 0x5400,
    E1000_RAH0 = 0x5404,
};
#define E1000_REGISTERS_SIZE 0x20000u

#define E1000_CTRL_MASTER_DISABLE  (1u << 2) /* 82574 */
#define E1000_CTRL_ASDE            (1u << 5)
#define E1000_CTRL_SLU             (1u << 6)
#define E1000_CTRL_RST             (1u << 26)
#define E1000_CTRL_PHY_RST         (1u << 31)
#define E1000_STATUS_FULL_DUPLEX   (1u << 0)
#define E1000_STATUS_LINK_UP       (1u << 1)
#define E1000_STATUS_SPEED_SHIFT   6
#define E1000_STATUS_MASTER_ENABLE (1u << 19) /* 82574 */
#define E1000_CAUSE_TXDW           (1u << 0)
#define E1000_CAUSE_LSC            (1u << 2)
#define E1000_CAUSE_RXDMT0         (1u << 4)
#define E1000_CAUSE_RXO            (1u << 6)
#define E1000_CAUSE_RXT0           (1u << 7)
#define E1000_CAUSES               \
    (E1000_CAUSE_TXDW | E1000_CAUSE_LSC | E1000_CAUSE_RXDMT0 | E1000_CAUSE_RXO | E1000_CAUSE_RXT0)
#define E1000_RAH_VALID            (1u << 31)
#define E1000_GONE                 0xffffffffu /* what reads of a vanished function give */

/* Legacy descriptors (SDM 3.2.3, 3.3.3). */
struct e1000_rx_desc {
    uint64_t address;
    uint16_t size, checksum;
    uint8_t status, errors;
    uint16_t special;
};
struct e1000_tx_desc {
    uint64_t address;
    uint16_t size;
    uint8_t checksum_offset, command, status, checksum_start;
    uint16_t special;
};
_Static_assert(sizeof(struct e1000_rx_desc) == 16 && sizeof(struct e1000_tx_desc) == 16, "descriptors");
#define E1000_RX_DONE   0x01u
#define E1000_RX_END    0x02u
#define E1000_RX_ERRORS 0x97u /* CE, SE, SEQ, CXE, RXE; not those of checksums, which are the receiver's business */
#define E1000_TX_END    0x01u
#define E1000_TX_FCS    0x02u
#define E1000_TX_REPORT 0x08u
#define E1000_TX_DONE   0x01u

/* Powers of two; times 16 a multiple of 128 (SDM 13.4.27). One descriptor is always free: full and empty look alike
 * else. */
#define E1000_RX_RING     256u
#define E1000_TX_RING     512u
#define E1000_BUFFER_SIZE 2048u

struct e1000;
struct e1000_family {
    struct net_ops net;                   /* E1000_NET_OPS */
    uint32_t interrupts, msix_interrupts; /* causes, for IMS: with line or MSI; with MSI-X */
    unsigned eeprom_address_shift;        /* of EERD */
    uint32_t eeprom_done;
    /* Before the reset: no DMA of its own any more. Null: nothing to do. False from `quiet`: ask again in a while. */
    void (*quiesce)(struct e1000 *card);
    bool (*quiet)(const struct e1000 *card);
    /* After the reset, before the rings. May be null. */
    void (*prepare)(struct e1000 *card);
    bool clear_causes; /* reading ICR does not always clear it */
};
#define E1000_NET_OPS(name)                                                                                            \
    {                                                                                                                  \
        .driver = (name), .transmit = e1000_transmit, .kick = e1000_kick, .link_up = e1000_link_up                     \
    }

enum e1000_phase { PHASE_QUIET, PHASE_RESET, PHASE_RUNNING, PHASE_GONE };

/* A frame on its way out, at the ring position of its first descriptor. */
struct e1000_frame {
    void (*done)(void *context);
    void *context;
    uint16_t last; /* position of its last descriptor */
};

struct e1000 {
    const struct e1000_family *family;
    struct pci_device *pci;
    volatile uint32_t *registers;
    struct net_card card;
    enum e1000_phase phase;
    uint64_t phase_end; /* ns: the phase has failed then */
    bool registered, link, msix;
    struct service_timer timer; /* phases; when running, the watchdog */
    struct service_bottom more; /* received frames are left */
    volatile struct e1000_rx_desc *rx;
    volatile struct e1000_tx_desc *tx;
    uint8_t *buffers;
    struct e1000_frame *frames;
    uint16_t rx_next;          /* position to be looked at next */
    bool rx_skip;              /* in a frame longer than a buffer */
    uint16_t tx_head, tx_tail; /* oldest frame in the hardware; next free position */
    uint16_t tx_told;          /* TDT as written */
    uint64_t tx_progress;      /* ns: when something was sent last, or the ring became busy */
    unsigned hangs;            /* resets without progress between them */
    uint64_t rx_dropped;
};

static inline uint32_t e1000_get(const struct e1000 *card, enum e1000_register offset)
{
    return card->registers[offset / 4];
}
static inline void e1000_set(struct e1000 *card, enum e1000_register offset, uint32_t value)
{
    card->registers[offset / 4] = value;
}
/* Descriptors that may be filled between `head` (oldest in use) and `tail` (next free). */
static inline uint32_t e1000_tx_free(uint16_t head, uint16_t tail)
{
    return (uint16_t)(head - tail - 1u) & (E1000_TX_RING - 1u);
}

/* Takes the card: memory, interrupt, and the begin of its first reset; it is registered after that. For probe. */
must_use enum status e1000_open(const struct e1000_family *family, struct pci_device *pci);

/* Of struct net_ops. */
bool e1000_transmit(struct net_card *card, const struct net_segment *segments, uint32_t count,
                    void (*done)(void *context), void *context);
void e1000_kick(struct net_card *card);
bool e1000_link_up(struct net_card *card);

/* --- between e1000_card.c and e1000_ring.c --- */
must_use enum status e1000_ring_create(struct e1000 *card);
/* After a reset: empty rings, told to the hardware, and both directions on. */
void e1000_ring_start(struct e1000 *card);
/* Returns what has been sent. */
void e1000_ring_reclaim(struct e1000 *card);
/* Returns everything; the hardware has been stopped. */
void e1000_ring_drop(struct e1000 *card);
/* Delivers some of what has been received. True: there is more. */
must_use bool e1000_ring_receive(struct e1000 *card);
