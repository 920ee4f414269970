/* SPDX-License-Identifier: MIT
 * How the page-table formats spell an entry; data only. All have 512 entries of 8 bytes, at most 4 levels, the address in bits 51:12,
 * and bit 7 for a leaf above level 1. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PT_LEVELS 4
#define PT_ENTRIES 512
#define PT_ADDRESS 0x000ffffffffff000ull
#define PT_ADDRESS_END (1ull << 52)
#define PT_LARGE (1ull << 7)

struct pt_format {
    uint64_t present;  /* an entry with none of these bits is empty */
    uint64_t table;    /* bits of an entry that points to a table */
    uint64_t leaf;     /* bits of every leaf */
    uint64_t write;    /* added for PT_WRITE */
    uint64_t exec;     /* added for PT_EXEC */
    uint64_t no_exec;  /* added without PT_EXEC */
    uint64_t user;     /* added for PT_USER */
    uint64_t kernel;   /* added without PT_USER */
    uint64_t cached;   /* added without PT_DEVICE */
    uint64_t device;   /* added for PT_DEVICE */
    uint64_t memory_type; /* the bits that `cached` and `device` choose from */
    uint8_t levels;
    bool host;         /* upper half is the kernel's; W^X */
};
