/* SPDX-License-Identifier: MIT
 * What ATA disks tell of themselves (ATA/ATAPI command set ACS-3, 7.12 IDENTIFY DEVICE), and the commands that IDE
 * and AHCI share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"
#include "blk.h"

#define ATA_STATUS_BSY 0x80u
#define ATA_STATUS_DF 0x20u
#define ATA_STATUS_DRQ 0x08u
#define ATA_STATUS_ERR 0x01u
#define ATA_DEVICE_LBA 0x40u
#define ATA_FEATURE_TRIM 0x01u
#define ATA_TRIM_ENTRIES 64u      /* in one sector */
#define ATA_TRIM_MAX_RANGE 0xffffu

enum ata_command {
    ATA_DATASET_MANAGEMENT = 0x06,
    ATA_READ_PIO = 0x20,
    ATA_READ_PIO_EXT = 0x24,
    ATA_READ_DMA_EXT = 0x25,
    ATA_WRITE_PIO = 0x30,
    ATA_WRITE_PIO_EXT = 0x34,
    ATA_WRITE_DMA_EXT = 0x35,
    ATA_READ_QUEUED = 0x60,
    ATA_WRITE_QUEUED = 0x61,
    ATA_READ_DMA = 0xc8,
    ATA_WRITE_DMA = 0xca,
    ATA_FLUSH = 0xe7,
    ATA_FLUSH_EXT = 0xea,
    ATA_IDENTIFY = 0xec,
};

struct ata_identity {
    uint64_t blocks;
    uint32_t block_size;
    bool lba48, dma, flush, flush_ext, trim;
    bool queued;           /* NCQ */
    unsigned queue_depth;
    char serial[21], model[41];
};

/* ERR_FORMAT or ERR_SUPPORT, and *error (static) says which rule was broken. */
must_use enum status ata_identify(const uint16_t words[256], struct ata_identity *identity, const char **error);
/* Sets what a device's registry entry and the limits of its queue take from it (512-byte sectors, largest command). */
struct blk_limits;
void ata_describe(const struct ata_identity *identity, struct blk_device *device, struct blk_limits *limits);
/* The command for an operation: DMA (or PIO), 28 or 48 bits of address. Not for DISCARD. */
uint8_t ata_command(const struct ata_identity *identity, uint8_t op, bool dma);
/* Fills a sector of TRIM entries (ACS-3 7.5.3) for `blocks` blocks from `start` on. */
void ata_trim(uint64_t entries[ATA_TRIM_ENTRIES], uint64_t start, uint64_t blocks);
