/* SPDX-License-Identifier: MIT
 * Between the two halves of the Linux loader: kernels entered past their setup code (bzimage.c), and in it
 * (bzimage_real.c). */
#pragma once

#include <asm/bootparam.h>
#include "load.h"

struct bz_image {
    struct setup_header header; /* fields that the protocol version does not have are 0 or their defaults */
    const uint8_t *kernel;      /* the protected-mode part */
    uint64_t kernel_size;
    uint64_t memory_size; /* what it needs at its load address before it looks at the memory map */
    uint64_t address;
};

/* Highest address that the kernel can reach; sets ramdisk_image and ramdisk_size in the header. */
must_use enum status bzimage_place_initrd(struct load *load, struct bz_image *bz);

/* Kernels older than protocol 2.10 do not say how much memory they need, and not all that come in this format have
 * another entry than the first one, in real mode: they get what a BIOS boot loader provides. */
#define BZIMAGE_REAL_BEFORE 0x20a
must_use enum status bzimage_load_real(struct load *load, struct bz_image *bz);
