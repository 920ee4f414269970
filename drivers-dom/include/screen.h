/* SPDX-License-Identifier: MIT
 * A terminal on a screen of character cells: what a line editor, a shell and a Linux boot log need of ECMA-48 and VT100. Pure: it writes into
 * its own cells and says which rows have changed; whoever has the hardware copies these. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SCREEN_COLUMNS 80u
#define SCREEN_ROWS 25u
#define SCREEN_PARAMETERS 8u

/* A cell is as VGA text memory has it: character (code page 437), attribute << 8. */
struct screen {
    uint16_t cells[SCREEN_ROWS][SCREEN_COLUMNS];
    uint32_t changed;              /* rows, as bits */
    uint32_t row, column;          /* of the cursor */
    bool wraps;                    /* the cursor stands behind the last column: the next character begins a new row */
    uint32_t top, bottom;          /* rows that scroll: [top, bottom] */
    uint32_t saved_row, saved_column;
    uint8_t attribute;             /* of what is written */
    bool bold, reverse;
    uint8_t foreground, background; /* ECMA-48 colours */
    /* The sequence at hand. */
    uint8_t state;
    char kind;                     /* '?' and the like behind CSI */
    uint32_t parameters[SCREEN_PARAMETERS], parameter_count;
};

/* Empty, cursor at the top left. */
void screen_init(struct screen *screen);
/* Any bytes. Control sequences that are not known are dropped whole; of UTF-8, characters beyond ASCII become one '?'. */
void screen_write(struct screen *screen, const char *text, uint32_t size);
