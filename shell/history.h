/* SPDX-License-Identifier: MIT
 * Lines that were entered before, the last one first. */
#pragma once

#include "shell.h"

#define HISTORY_LINES 32u
#define HISTORY_SIZE  8192u /* bytes of all lines */
_Static_assert(HISTORY_SIZE >= SHELL_LINE_SIZE, "a line fits");

struct history {
    unsigned count;
    size_t used;
    char text[HISTORY_SIZE]; /* lines with their final zeros, the oldest first */
};

/* Not an empty line, nor the last one again. */
void history_add(struct history *history, const char *line);
/* The line entered `back` lines ago: 1 is the last one. Null: there are not as many. */
const char *history_line(const struct history *history, unsigned back);
