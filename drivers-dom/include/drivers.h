/* SPDX-License-Identifier: MIT
 * The table of drivers (drivers.c): a new driver is one file in drivers/ and one line there. */
#pragma once

#include "pci.h"

extern const struct pci_driver *const pci_drivers[]; /* ends with null */
