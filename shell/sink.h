/* SPDX-License-Identifier: MIT
 * Where rendered text goes: a window [skip, skip + size) of it, so that a text of any length can be made in pieces,
 * each time from the start, without memory for the whole. Blanks at the end of a line do not come out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct sink {
    char *out;
    size_t size, used; /* of the window */
    size_t skip;       /* characters still before the window */
    bool full;         /* there is text behind the window: whoever renders may stop */
    size_t blanks;     /* at the end of the line so far */
    bool keep_blanks;
    size_t column;        /* of the line */
    size_t width;         /* what stands behind this column is left out; 0: nothing is */
    size_t lines, height; /* as many lines are let through; height 0: all */
    bool measure;         /* only column is of interest */
};

void sink_char(struct sink *sink, char c);
void sink_text(struct sink *sink, const char *text);
void sink_blanks(struct sink *sink, size_t count);
/* A byte of unknown origin: what is not printable ASCII comes as '?'. */
void sink_byte(struct sink *sink, int byte);
