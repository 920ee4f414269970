/* SPDX-License-Identifier: MIT
 * The ways to PCI configuration space: ports 0xcf8 to 0xcff and the memory window (ECAM). */
#pragma once

#include "abi/status.h"

struct pci;

must_use enum status pci_config_init(struct pci *pci);
