/* SPDX-License-Identifier: MIT
 * AHCI: a port with a disk (ahci_port.c), as the controller's driver (ahci.c) sees it. */
#pragma once

#include "ahci.h"
#include "ata_identify.h"
#include "blk_queue.h"
#include "pci.h"

struct ahci_port {
    struct pci_device *pci;
    volatile struct ahci_port_registers *registers;
    unsigned number, stage;
    struct ahci_header *headers; /* 32, 1 KiB-aligned */
    uint8_t *received;           /* FIS receive area, 256 bytes */
    struct ahci_table *tables;   /* one for each slot */
    uint64_t *trim;              /* a sector: TRIM entries, identify data */
    bool queued;                 /* NCQ is used */
    unsigned careful;            /* commands that are still to be given one at a time, without NCQ */
    uint32_t untold, untold_queued, told; /* slots: filled; of these with NCQ; in the hardware */
    struct ata_identity identity;
    struct blk_queue queue;
};

/* One step of the port's reset (struct blk_queue_ops). Memory must be there. */
enum status ahci_port_reset(void *port, unsigned step);
/* After a reset: asks the disk what it is, registers it. cap: of the controller. */
must_use enum status ahci_port_open(struct ahci_port *port, uint32_t cap);
void ahci_port_interrupt(struct ahci_port *port);
