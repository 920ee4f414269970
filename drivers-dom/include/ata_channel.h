/* SPDX-License-Identifier: MIT
 * IDE: a channel and its drives (ata_channel.c), as the controller's driver (ata.c) sees them. */
#pragma once

#include "ata_identify.h"
#include "blk_queue.h"
#include "pci.h"

/* Registers: offsets in the command block (ATA/ATAPI-7 volume 2, 7.1). */
#define ATA_DATA 0
#define ATA_FEATURES 1
#define ATA_COUNT 2
#define ATA_LBA_LOW 3
#define ATA_LBA_MIDDLE 4
#define ATA_LBA_HIGH 5
#define ATA_DEVICE 6
#define ATA_STATUS 7 /* read; written: command */

#define ATA_MAX_PIECES 256 /* a piece of 128 may be cut at multiples of 64 KiB; the table has 2 KiB */

struct ata_prd {
    uint32_t address;
    uint16_t size;  /* 0 = 64 KiB */
    uint16_t flags; /* bit 15: the last */
};

struct ata_channel;

struct ata_drive {
    struct ata_channel *channel;
    unsigned number;
    bool dma;
    struct ata_identity identity;
    struct blk_queue queue;
};

struct ata_channel {
    struct pci_device *pci;
    uint16_t command, control, bus_master; /* ports; bus_master 0: none */
    struct ata_prd *prdt;
    struct ata_drive *drives[2];
    struct ata_drive *current;             /* whose command is in the hardware */
    struct blk_command *running;
    /* PIO: where the next word goes to or comes from. */
    uint32_t piece, offset;
    uint64_t left;                         /* bytes */
    bool open, resetting;
    struct service_timer poll;             /* PIO: a look at the drive if no interrupt comes */
};

/* Selects a drive and waits the 400 ns that it may take. high: bits 0 to 3 of the device register. */
void ata_select(struct ata_channel *channel, unsigned drive, uint8_t high);
void ata_channel_interrupt(void *channel);
/* One step of a reset of both drives (struct blk_queue_ops). */
enum status ata_channel_reset(struct ata_channel *channel, unsigned step);
/* The identity is set: registers the disk. */
must_use enum status ata_drive_open(struct ata_drive *drive);
