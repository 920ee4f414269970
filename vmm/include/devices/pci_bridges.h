/* SPDX-License-Identifier: MIT
 * The bridges every PCI machine has, with the identities that PC software knows: an Intel 82441FX host bridge and an
 * 82371SB (PIIX3) ISA bridge with its PCI interrupt router. */
#pragma once

#include <stdint.h>
#include "abi/status.h"

struct machine;
struct pci;

must_use enum status pci_bridges_init(struct pci *pci);
void pci_bridges_reset(struct pci *pci);
/* The 8259 input that the interrupt router connects PCI line `line` (GSI 16 to 23) to, or -1 if it is not connected.
 * Lines 4 apart share a router input. */
int pci_route(const struct pci *pci, unsigned line);
