/* SPDX-License-Identifier: MIT
 * The task-state segment in its 16- and 32-bit layout (SDM 3A figures 8-2 and 8-10), as one struct. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/state.h"

#define TSS32_SIZE 0x68u
#define TSS16_SIZE 0x2cu

struct tss {
    uint32_t eip, eflags, cr3, gpr[8];
    uint16_t seg[6]; /* enum seg; FS and GS are null in a 16-bit TSS */
    uint16_t ldt, link;
    bool debug_trap;
};

/* The part of a TSS that a task switch writes on leaving: offset and size. */
static inline unsigned tss_saved_offset(bool wide) { return wide ? 0x20 : 0x0e; }
static inline unsigned tss_saved_size(bool wide) { return wide ? 0x60 - 0x20 : 0x2a - 0x0e; }
static inline unsigned tss_size(bool wide) { return wide ? TSS32_SIZE : TSS16_SIZE; }

void tss_unpack(struct tss *tss, const uint8_t *image, bool wide);
/* Writes the saved part (tss_saved_size() bytes) of the image. */
void tss_pack(const struct tss *tss, uint8_t *saved, bool wide);
