/* SPDX-License-Identifier: MIT
 * The firmware configuration interface of QEMU's PCs (QEMU docs/specs/fw_cfg.rst), through which firmware, test suites and small
 * kernels learn the RAM size, the number of CPUs and the memory map; firmware also where the ACPI tables are and that the console is
 * a serial port. Read-only. */
#pragma once

#include <stdint.h>
#include "abi/status.h"

struct machine;

#define FW_CFG_ITEMS 24
#define FW_CFG_FILES 8
#define FW_CFG_DATA_SIZE 2048

struct fw_cfg_item {
    uint16_t key;
    uint16_t begin, length; /* in data[] */
};

struct fw_cfg {
    struct machine *machine;
    uint16_t key;            /* selected item */
    uint32_t offset;         /* of the next byte in it */
    uint64_t dma_address;    /* upper half, until the write of the lower one starts the transfer */
    uint8_t data[FW_CFG_DATA_SIZE];
    uint16_t data_used, item_count;
    struct fw_cfg_item items[FW_CFG_ITEMS];
};

must_use enum status fw_cfg_init(struct fw_cfg *fw_cfg, struct machine *machine);
void fw_cfg_reset(struct fw_cfg *fw_cfg);

/* What firmware of the guest's own needs besides: this RSDP, which it copies to where operating systems look for it, and its console.
 * Again after a reset: what was there is replaced. ERR_MEMORY: no room, or an RSDP of another size than before. */
must_use enum status fw_cfg_offer(struct fw_cfg *fw_cfg, const void *rsdp, uint32_t rsdp_size);
