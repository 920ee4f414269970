/* SPDX-License-Identifier: MIT
 * Between the two halves of the Multiboot2 loader: the placed image, and what the kernel is told about it. */
#pragma once

#include "elf.h"
#include "load.h"

struct multiboot2 {
    struct elf elf; /* if is_elf */
    bool is_elf;
    bool load_base_known; /* the image was relocatable: tell where it is */
    uint64_t low, high;   /* the image as linked, [low, high) */
    uint64_t offset;      /* added to its addresses */
    uint64_t entry;       /* where it is now */
    struct placed_module modules[START_MAX_MODULES];
    unsigned module_count;
};

/* Writes the boot information into guest memory and sets the boot processor's registers. */
must_use enum status multiboot2_enter(struct load *load, const struct multiboot2 *image);
