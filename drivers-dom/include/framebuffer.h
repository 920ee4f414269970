/* SPDX-License-Identifier: MIT
 * The screen of a machine whose firmware or boot loader has set up a linear frame buffer: its cells are drawn. */
#pragma once

#include <stdbool.h>
#include "abi/info.h"
#include "screen.h"

/* What is drawn now. */
struct framebuffer {
    const struct boot_screen *mode;
    volatile uint8_t *memory;
    uint32_t scale;                 /* pixels per pixel of the font */
    uint32_t left, top;             /* of the first cell, in pixels */
    uint16_t drawn[SCREEN_ROWS][SCREEN_COLUMNS];
    uint32_t cursor;                /* cell where it is drawn, row * columns + column */
};

/* False: it has too few pixels, or a depth that is not known. Else the screen is blank. */
bool framebuffer_init(struct framebuffer *frame, const struct boot_screen *mode, volatile void *memory);
/* Draws the cells that differ from what is drawn, and the cursor. */
void framebuffer_flush(struct framebuffer *frame, struct screen *screen);
