/* SPDX-License-Identifier: MIT
 * Intel 82540EM and its PCI relatives with copper (SDM 5.2): the line or MSI. */
#include "e1000.h"

#define PCI_VENDOR_INTEL 0x8086

/* 82540EM, 82540EM LOM, 82540EP (three), 82545EM, 82546EB, 82545GM, 82546GB. */
static const uint16_t models[] = {0x100e, 0x1015, 0x1016, 0x1017, 0x101e, 0x100f, 0x1010, 0x1026, 0x1079};

static const struct e1000_family family = {
    .net = E1000_NET_OPS("e1000"),
    .interrupts = E1000_CAUSES,
    .eeprom_address_shift = 8,
    .eeprom_done = 1u << 4,
};

static bool match(const struct pci_device *device)
{
    for (unsigned i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        if (device->vendor == PCI_VENDOR_INTEL && device->device == models[i]) {
            return true;
        }
    }
    return false;
}

static enum status probe(struct pci_device *device) { return e1000_open(&family, device); }

const struct pci_driver e1000_driver = {.name = "e1000", .match = match, .probe = probe};
