/* SPDX-License-Identifier: MIT
 * The drivers of PCI devices, in the order in which they are asked. */
#include "drivers.h"

const struct pci_driver *const pci_drivers[] = {
    0,
};
