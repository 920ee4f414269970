/* SPDX-License-Identifier: MIT
 * Intel 82574L: PCI Express, MSI-X (one vector for all causes) or MSI. Legacy descriptors, as after every reset
 * (82574 7.1.4). */
#include "e1000.h"

#define PCI_VENDOR_INTEL   0x8086
#define PCI_DEVICE_82574L  0x10d3
#define PCI_DEVICE_82574LA 0x10f6

/* Causes with MSI-X (82574 10.2.4.1). */
#define CAUSE_RX_QUEUE_0       (1u << 20)
#define CAUSE_TX_QUEUE_0       (1u << 22)
#define CAUSE_OTHER            (1u << 24)
#define CTRL_EXT_DRIVER_LOADED (1u << 28)
#define CTRL_EXT_CLEAR_PENDING (1u << 31) /* of MSI-X, as interrupts are acknowledged */
#define IVAR_VALID             8u
/* Receive queue 0, transmit queue 0, other causes: vector 0; bit 31: every write-back of a transmit descriptor counts
 * (82574 10.2.4.9). */
#define IVAR_ALL_TO_0     (IVAR_VALID | IVAR_VALID << 8 | IVAR_VALID << 16 | 1u << 31)
#define TXDCTL_COUNT_DESC (1u << 22) /* must be set (82574 10.2.6.11) */
#define MODERATION        195u       /* of MSI-X vector 0, as ITR */

/* PCI Express: requests that are under way must end before the reset (82574 5.2.1). */
static void quiesce(struct e1000 *card)
{
    e1000_set(card, E1000_CTRL, e1000_get(card, E1000_CTRL) | E1000_CTRL_MASTER_DISABLE);
}

static bool quiet(const struct e1000 *card)
{
    return (e1000_get(card, E1000_STATUS) & E1000_STATUS_MASTER_ENABLE) == 0;
}

static void prepare(struct e1000 *card)
{
    uint32_t extended = e1000_get(card, E1000_CTRL_EXT) | CTRL_EXT_DRIVER_LOADED;
    if (card->msix) {
        extended |= CTRL_EXT_CLEAR_PENDING;
        e1000_set(card, E1000_IVAR, IVAR_ALL_TO_0);
        e1000_set(card, E1000_EIAC, 0);
        e1000_set(card, E1000_EITR0, MODERATION);
    }
    e1000_set(card, E1000_CTRL_EXT, extended);
    e1000_set(card, E1000_TXDCTL, e1000_get(card, E1000_TXDCTL) | TXDCTL_COUNT_DESC);
}

static const struct e1000_family family = {
    .net = E1000_NET_OPS("e1000e"),
    .interrupts = E1000_CAUSES,
    .msix_interrupts = CAUSE_RX_QUEUE_0 | CAUSE_TX_QUEUE_0 | CAUSE_OTHER | E1000_CAUSE_LSC | E1000_CAUSE_RXO,
    .eeprom_address_shift = 2,
    .eeprom_done = 1u << 1,
    .quiesce = quiesce,
    .quiet = quiet,
    .prepare = prepare,
    .clear_causes = true,
};

static bool match(const struct pci_device *device)
{
    return device->vendor == PCI_VENDOR_INTEL &&
           (device->device == PCI_DEVICE_82574L || device->device == PCI_DEVICE_82574LA);
}

static enum status probe(struct pci_device *device) { return e1000_open(&family, device); }

const struct pci_driver e1000e_driver = {.name = "e1000e", .match = match, .probe = probe};
