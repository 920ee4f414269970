/* SPDX-License-Identifier: MIT
 * Reading GUID partition tables. */
#include "gpt.h"
#include <string.h>

#define SIGNATURE "EFI PART"
#define HEADER_SIZE 92u
#define MIN_ENTRY_SIZE 128u

struct raw_header {
    char signature[8];
    uint32_t revision, header_size, header_crc, reserved;
    uint64_t own, other, first_usable, last_usable;
    uint8_t disk[16];
    uint64_t table;
    uint32_t count, size, table_crc;
};
_Static_assert(offsetof(struct raw_header, table_crc) == 88, "GPT header");

struct raw_entry {
    uint8_t type[16], unique[16];
    uint64_t first, last, attributes;
    uint16_t label[GPT_LABEL_UNITS];
};
_Static_assert(sizeof(struct raw_entry) == MIN_ENTRY_SIZE, "GPT entry");

static uint32_t crc_add(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
        }
    }
    return crc;
}

uint32_t gpt_crc32(const void *data, size_t size) { return ~crc_add(0xffffffffu, data, size); }

/* With its own field taken as zero. */
static uint32_t header_crc(const uint8_t *block, uint32_t size)
{
    static const uint8_t zero[4];
    size_t field = offsetof(struct raw_header, header_crc);
    uint32_t crc = crc_add(0xffffffffu, block, field);
    crc = crc_add(crc, zero, sizeof(zero));
    return ~crc_add(crc, block + field + sizeof(zero), size - field - sizeof(zero));
}

/* The rule that the position of the entries breaks, null if none. */
static const char *table_error(const struct raw_header *raw, uint32_t block_size, uint64_t at, uint64_t blocks)
{
    if (raw->size < MIN_ENTRY_SIZE || raw->size > GPT_MAX_ENTRY_SIZE || (raw->size & (raw->size - 1)) != 0) {
        return "an entry's size is not 128, 256 or 512";
    }
    if (raw->count == 0 || raw->count > GPT_MAX_ENTRIES) {
        return "the number of entries is not 1 to 256";
    }
    uint64_t table_blocks = ((uint64_t)raw->count * raw->size + block_size - 1) / block_size;
    if (raw->table < 2 || raw->table >= blocks || table_blocks > blocks - raw->table) {
        return "the entries are not on the disk";
    }
    if (at >= raw->table && at - raw->table < table_blocks) {
        return "the entries overlap the header";
    }
    bool before = raw->table + table_blocks <= raw->first_usable, behind = raw->table > raw->last_usable;
    return before || behind ? NULL : "the entries lie among the partitions";
}

enum status gpt_header(const void *block, uint32_t block_size, uint64_t at, uint64_t blocks,
                       struct gpt_header *header, const char **error)
{
    struct raw_header raw;
    memcpy(&raw, block, sizeof(raw));
    *error = NULL;
    if (memcmp(raw.signature, SIGNATURE, sizeof(raw.signature)) != 0) {
        return ERR_NONE;
    }
    if (raw.header_size < HEADER_SIZE || raw.header_size > block_size) {
        *error = "the header's size is not 92 bytes to a block";
    } else if (header_crc(block, raw.header_size) != raw.header_crc) {
        *error = "the header's checksum is wrong";
    } else if (raw.own != at) {
        *error = "the header is one of another place";
    } else if (raw.first_usable > raw.last_usable || raw.last_usable >= blocks) {
        *error = "the usable blocks are not on the disk";
    } else {
        *error = table_error(&raw, block_size, at, blocks);
    }
    *header = (struct gpt_header){raw.first_usable, raw.last_usable, raw.table, raw.count, raw.size, raw.table_crc};
    return *error == NULL ? OK : ERR_FORMAT;
}

bool gpt_table_intact(const struct gpt_header *header, const void *entries)
{
    return gpt_crc32(entries, (size_t)header->count * header->size) == header->table_crc;
}

/* --- entries --- */

static void read_entry(const struct gpt_header *header, const void *entries, uint32_t index, struct raw_entry *raw)
{
    memcpy(raw, (const uint8_t *)entries + (size_t)index * header->size, sizeof(*raw));
}

static bool used(const struct raw_entry *raw)
{
    static const uint8_t none[16];
    return memcmp(raw->type, none, sizeof(none)) != 0;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/* A surrogate without its partner is '?'. At most three bytes a unit: a pair takes four for two. */
static void read_label(const uint16_t units[GPT_LABEL_UNITS], char *label)
{
    for (unsigned i = 0; i < GPT_LABEL_UNITS && units[i] != 0; i++) {
        uint32_t c = units[i];
        bool high = c >= 0xd800 && c < 0xdc00;
        if (high && i + 1 < GPT_LABEL_UNITS && units[i + 1] >= 0xdc00 && units[i + 1] < 0xe000) {
            i++;
            c = 0x10000 + ((c - 0xd800) << 10) + (units[i] - 0xdc00u);
        } else if (c >= 0xd800 && c < 0xe000) {
            c = '?';
        }
        label = put_utf8(label, c);
    }
    *label = 0;
}

static bool overlaps(const struct gpt_header *header, const void *entries, uint32_t index, const struct raw_entry *raw)
{
    for (uint32_t i = 0; i < header->count; i++) {
        struct raw_entry other;
        read_entry(header, entries, i, &other);
        if (i != index && used(&other) && other.first <= raw->last && raw->first <= other.last) {
            return true;
        }
    }
    return false;
}

enum status gpt_entry(const struct gpt_header *header, const void *entries, uint32_t index,
                      struct gpt_partition *partition, const char **error)
{
    struct raw_entry raw;
    read_entry(header, entries, index, &raw);
    *error = NULL;
    if (!used(&raw)) {
        return ERR_NONE;
    }
    partition->number = index + 1;
    partition->first = raw.first;
    partition->last = raw.last;
    read_label(raw.label, partition->label);
    if (raw.first > raw.last) {
        *error = "it ends before it begins";
    } else if (raw.first < header->first_usable || raw.last > header->last_usable) {
        *error = "it is not among the usable blocks";
    } else if (overlaps(header, entries, index, &raw)) {
        *error = "it overlaps another partition";
    }
    return *error == NULL ? OK : ERR_FORMAT;
}
