/* SPDX-License-Identifier: MIT
 * The monitor's program: an ELF file of the boot image of which all monitors share code and constants. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/info.h"
#include "abi/status.h"

#define PROGRAM_SEGMENTS 8

struct program_segment {
    uint64_t address, size; /* whole pages */
    uint64_t hpa;           /* shared: where it lies in the boot image */
    const void *contents;   /* private: the initial contents, which begin at `skip` of the first page */
    uint64_t skip, contents_size;
    uint32_t rights; /* MAP_*; private if it has MAP_WRITE */
};

struct program {
    uint64_t entry;
    struct program_segment segments[PROGRAM_SEGMENTS];
    unsigned segment_count;
    uint64_t private_size; /* bytes of all private segments */
};

/* The file is a guest for abi/hypercall.h: an ELF64 file with the note ("Bulkhead", 1). */
bool program_is_paravirtual(const struct boot_module *file);
/* Checks the file; on an error *why is a sentence. */
must_use enum status program_open(struct program *program, const struct boot_module *file, const char **why);
