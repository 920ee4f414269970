/* SPDX-License-Identifier: MIT
 * The drivers of PCI devices, in the order in which they are asked. */
#include "drivers.h"

extern const struct pci_driver ahci_driver, ata_driver, e1000_driver, e1000e_driver, nvme_driver, virtio_blk_driver,
    virtio_net_driver, xhci_driver;

const struct pci_driver *const pci_drivers[] = {
    &virtio_blk_driver,
    &nvme_driver,
    &ahci_driver,
    &ata_driver,
    &virtio_net_driver,
    &e1000_driver,
    &e1000e_driver,
    &xhci_driver,
    0,
};
