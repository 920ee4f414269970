/* SPDX-License-Identifier: MIT
 * IDENTIFY DEVICE, and the choice of commands. Word numbers are those of ACS-3, table 45. */
#include "ata_identify.h"
#include <string.h>
#include "blk_split.h"

#define WORD_SERIAL 10
#define WORD_MODEL 27
#define WORD_CAPABILITIES 49
#define WORD_BLOCKS 60
#define WORD_QUEUE_DEPTH 75
#define WORD_SATA 76
#define WORD_COMMANDS 83
#define WORD_BLOCKS_EXT 100
#define WORD_SECTOR_SIZE 106
#define WORD_SECTOR_WORDS 117
#define WORD_TRIM 169

#define CAPABILITY_DMA (1u << 8)
#define CAPABILITY_LBA (1u << 9)
#define SATA_NCQ (1u << 8)
#define COMMANDS_LBA48 (1u << 10)
#define COMMANDS_FLUSH (1u << 12)
#define COMMANDS_FLUSH_EXT (1u << 13)
#define SECTOR_SIZE_LARGE (1u << 12)
#define MAX_BLOCKS_28 256u
#define MAX_BYTES 0x100000u

/* Words 83 and 106 are valid if their two upper bits are 01. */
static bool valid(uint16_t word) { return word >> 14 == 1; }

/* Text has its bytes swapped in each word, and blanks around. */
static void copy_text(char *to, const uint16_t *from, unsigned words)
{
    unsigned length = 0;
    for (unsigned i = 0; i < words * 2; i++) {
        char c = (char)(from[i / 2] >> (i % 2 == 0 ? 8 : 0));
        if (length > 0 || (c != ' ' && c != 0)) {
            to[length++] = c >= ' ' && c <= '~' ? c : c == 0 ? ' ' : '?';
        }
    }
    while (length > 0 && to[length - 1] == ' ') {
        length--;
    }
    to[length] = 0;
}

enum status ata_identify(const uint16_t words[256], struct ata_identity *identity, const char **error)
{
    *identity = (struct ata_identity){.block_size = 512};
    uint16_t commands = valid(words[WORD_COMMANDS]) ? words[WORD_COMMANDS] : 0;
    copy_text(identity->serial, &words[WORD_SERIAL], 10);
    copy_text(identity->model, &words[WORD_MODEL], 20);
    identity->lba48 = (commands & COMMANDS_LBA48) != 0;
    identity->flush = (commands & COMMANDS_FLUSH) != 0;
    identity->flush_ext = (commands & COMMANDS_FLUSH_EXT) != 0;
    identity->dma = (words[WORD_CAPABILITIES] & CAPABILITY_DMA) != 0;
    bool sata = words[WORD_SATA] != 0 && words[WORD_SATA] != 0xffff;
    identity->queued = sata && identity->lba48 && (words[WORD_SATA] & SATA_NCQ) != 0;
    identity->queue_depth = (words[WORD_QUEUE_DEPTH] & 31u) + 1;
    identity->trim = identity->lba48 && words[WORD_TRIM] != 0xffff && (words[WORD_TRIM] & 1) != 0;
    identity->blocks = words[WORD_BLOCKS] | (uint32_t)words[WORD_BLOCKS + 1] << 16;
    if (identity->lba48) {
        uint64_t blocks = 0;
        memcpy(&blocks, &words[WORD_BLOCKS_EXT], 8);
        identity->blocks = blocks != 0 ? blocks : identity->blocks;
    }
    if (valid(words[WORD_SECTOR_SIZE]) && (words[WORD_SECTOR_SIZE] & SECTOR_SIZE_LARGE)) {
        identity->block_size = (words[WORD_SECTOR_WORDS] | (uint32_t)words[WORD_SECTOR_WORDS + 1] << 16) * 2;
    }
    *error = NULL;
    if (!(words[WORD_CAPABILITIES] & CAPABILITY_LBA)) {
        *error = "it has no linear addresses";
    } else if (identity->block_size < 512 || identity->block_size > 4096 ||
               (identity->block_size & (identity->block_size - 1)) != 0) {
        *error = "its block size is not 512 to 4096 bytes";
    } else if (identity->blocks == 0 || identity->blocks > 1ull << 48) {
        *error = "its size makes no sense";
    }
    return *error == NULL ? OK : ERR_SUPPORT;
}

void ata_describe(const struct ata_identity *identity, struct blk_device *device, struct blk_limits *limits)
{
    uint32_t block_sectors = identity->block_size / 512;
    memcpy(device->serial, identity->serial, sizeof(device->serial));
    memcpy(device->model, identity->model, sizeof(device->model));
    device->sectors = identity->blocks * block_sectors;
    limits->block_size = identity->block_size;
    limits->max_bytes = identity->lba48 ? MAX_BYTES : MAX_BLOCKS_28 * identity->block_size;
    limits->max_pieces = BLK_MAX_SEGMENTS;
    limits->align_mask = 1; /* DMA transfers words */
    limits->max_range = (uint64_t)ATA_TRIM_ENTRIES * ATA_TRIM_MAX_RANGE * block_sectors;
}

uint8_t ata_command(const struct ata_identity *identity, uint8_t op, bool dma)
{
    static const uint8_t table[3][2][2] = { /* operation, DMA, 48 bits */
        [BLK_READ] = {{ATA_READ_PIO, ATA_READ_PIO_EXT}, {ATA_READ_DMA, ATA_READ_DMA_EXT}},
        [BLK_WRITE] = {{ATA_WRITE_PIO, ATA_WRITE_PIO_EXT}, {ATA_WRITE_DMA, ATA_WRITE_DMA_EXT}},
        [BLK_FLUSH] = {{ATA_FLUSH, ATA_FLUSH_EXT}, {ATA_FLUSH, ATA_FLUSH_EXT}},
    };
    bool wide = op == BLK_FLUSH ? identity->flush_ext : identity->lba48;
    return op <= BLK_FLUSH ? table[op][dma][wide] : 0;
}

void ata_trim(uint64_t entries[ATA_TRIM_ENTRIES], uint64_t start, uint64_t blocks)
{
    for (unsigned i = 0; i < ATA_TRIM_ENTRIES; i++) {
        uint64_t count = blocks < ATA_TRIM_MAX_RANGE ? blocks : ATA_TRIM_MAX_RANGE;
        entries[i] = count != 0 ? start | count << 48 : 0;
        start += count;
        blocks -= count;
    }
}
