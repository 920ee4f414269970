/* SPDX-License-Identifier: MIT
 * A line being edited, in one line of the terminal: a line that is longer moves sideways. Keys: cursor keys, Home, End,
 * Delete, Backspace, Ctrl-A E B F to move, Ctrl-K U W to delete, Ctrl-P N for the history, Alt-B F and Ctrl with cursor
 * keys by words. */
#pragma once

#include "history.h"
#include "keys.h"
#include "output.h"

struct editor {
    struct output *output;
    struct history *history;
    const char *prompt;
    unsigned columns;            /* of the terminal */
    size_t length, cursor, view; /* view: first character that is seen */
    unsigned back;               /* which line of the history this is; 0: a new one */
    char text[SHELL_LINE_SIZE];
    char draft[SHELL_LINE_SIZE]; /* the new line while one of the history is shown */
};

/* An empty line. */
void editor_reset(struct editor *editor);
/* Draws prompt and line into the terminal's current line. */
void editor_draw(struct editor *editor);
/* A key that edits: true. Enter, Tab, Ctrl-C, Ctrl-D of an empty line, Ctrl-L and others are not for the editor. */
bool editor_key(struct editor *editor, int key);
/* Text at the cursor; false: no room, nothing is inserted. */
bool editor_insert(struct editor *editor, const char *text, size_t size);
