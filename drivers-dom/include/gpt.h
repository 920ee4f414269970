/* SPDX-License-Identifier: MIT
 * GUID partition tables (UEFI specification 2.10, 5.3): partitions of disks are block devices "DISK/NUMBER" with a
 * label. What is on a disk is not trusted: every number is checked, every error is named. gpt.c is pure; gpt_scan.c
 * reads disks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi/status.h"

#define GPT_LABEL_UNITS 36                    /* UTF-16 */
#define GPT_LABEL_SIZE (GPT_LABEL_UNITS * 3 + 1) /* UTF-8 */
#define GPT_MAX_ENTRIES 256u
#define GPT_MAX_ENTRY_SIZE 512u
#define GPT_MAX_TABLE (GPT_MAX_ENTRIES * GPT_MAX_ENTRY_SIZE)

/* A header that was checked. Addresses are blocks. */
struct gpt_header {
    uint64_t first_usable, last_usable;
    uint64_t table;          /* first block of the entries */
    uint32_t count, size;    /* of the entries */
    uint32_t table_crc;
};

struct gpt_partition {
    uint32_t number;         /* from 1 */
    uint64_t first, last;    /* blocks */
    char label[GPT_LABEL_SIZE]; /* UTF-8; control characters are '?' */
};

uint32_t gpt_crc32(const void *data, size_t size);

/* Checks the header that was read from block `at` of a disk with `blocks` blocks. ERR_NONE: there is no header at
 * all; ERR_FORMAT: *error (static) is the rule that it breaks. */
must_use enum status gpt_header(const void *block, uint32_t block_size, uint64_t at, uint64_t blocks,
                                struct gpt_header *header, const char **error);
/* Checks the checksum of the entries: header->count * header->size bytes. */
bool gpt_table_intact(const struct gpt_header *header, const void *entries);
/* Entry `index`. OK: *partition. ERR_NONE: not in use. ERR_FORMAT: *error is the rule that it breaks;
 * partition->number is set. Overlap with another entry counts. */
must_use enum status gpt_entry(const struct gpt_header *header, const void *entries, uint32_t index,
                               struct gpt_partition *partition, const char **error);

/* Reads the tables of all disks that are there and that come. */
void gpt_init(void);
