/* SPDX-License-Identifier: MIT
 * The guest's physical memory map, in the terms of BIOS INT 15h E820 (ACPI 6.5, chapter 15). */
#pragma once

#include <stdint.h>

struct machine;

enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_NVS = 4, E820_UNUSABLE = 5 };

struct e820_entry {
    uint64_t base, size;
    uint32_t type; /* enum e820_type */
};
#define E820_MAX_ENTRIES 32

/* Writes the map, ascending and without overlaps, to out[0, max). Returns the number of entries written. */
unsigned e820_build(const struct machine *machine, struct e820_entry *out, unsigned max);
