/* SPDX-License-Identifier: MIT
 * The shell: a person at a terminal, the manager at the other end of a control channel (docs/control.md,
 * docs/shell.md). Event driven: nothing here waits, allocates or calls the system; everything reaches the outside
 * through struct shell_host. Used by drivers-dom (terminal) and by bulkheadctl (a Linux guest).
 *
 * The terminal is expected to know, apart from CR, LF and printable ASCII, only
 *   BEL        the key does nothing here
 *   ESC [ K    erase to the end of the line
 *   ESC [ n C  cursor n columns to the right
 *   ESC [ H    cursor to the first column of the first line
 *   ESC [ J    erase to the end of the screen
 * and to wrap no line that is shorter than its width. Nothing else is ever written, whatever the manager or a guest's
 * log contains. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi/status.h"

#define SHELL_REQUEST_SIZE 4000u  /* of the channel: bytes of a request with its newline */
#define SHELL_ANSWER_SIZE  60000u /* of the channel: bytes of an answer without its newline */
#define SHELL_LINE_SIZE    2048u  /* of the line editor, with the final zero */
#define SHELL_PATIENCE_MS  10000u /* for an answer, before the person gets the prompt back */
#define SHELL_NEVER        UINT64_MAX

struct shell_host {
    /* Text for the terminal; returns how much of it was taken. The rest is offered again from shell_room() and
     * shell_tick(). */
    size_t (*write)(void *context, const char *text, size_t size);
    /* One request, newline included, or the byte CAN alone (docs/control.md), whole or not at all. False: the channel is down, or has no room
     * now. */
    bool (*send)(void *context, const char *request, size_t size);
    /* The terminal goes to the console of domain `name`; ERR_NONE: no such console. May call shell_shown(). Null:
     * consoles cannot be shown here. */
    enum status (*focus)(void *context, const char *name);
    /* Ctrl-D on an empty line, or `exit`. Null: the shell does not end. */
    void (*leave)(void *context);
    /* Any steady clock. */
    uint64_t (*now_ms)(void *context);
    /* shell_tick() is wanted once the clock has reached at_ms, and no earlier request for one holds; SHELL_NEVER: none.
     * Null: the host ticks now and then by itself. */
    void (*wake)(void *context, uint64_t at_ms);
};

struct shell;

/* Bytes of one struct shell (about 90 KiB), aligned to 16; its storage is the caller's. */
size_t shell_size(void);
/* Not shown, channel down, 80 columns by 25 lines. host and context must outlive it. */
struct shell *shell_init(void *storage, const struct shell_host *host, void *context);
/* The terminal's size; a serial line keeps the default. columns 20 to 250, lines 5 to 250; other values are cut to
 * these. */
void shell_screen(struct shell *shell, unsigned columns, unsigned lines);

/* --- events; each may call every function of the host before it returns --- */

/* Bytes typed at the terminal while the shell is shown. */
void shell_input(struct shell *shell, const void *bytes, size_t size);
/* Bytes from the control channel, in pieces of any size. */
void shell_answer(struct shell *shell, const void *bytes, size_t size);
/* Time has passed. Cheap; may come at any time. */
void shell_tick(struct shell *shell);
/* The terminal takes text again after write() did not take all. */
void shell_room(struct shell *shell);
/* The shell has now (or has lost) the terminal. Without it the shell writes nothing; a command goes on and its answer
 * is shown later. Starts with a prompt at the beginning of a line. */
void shell_shown(struct shell *shell, bool shown);
/* The manager can be reached (a new connection: an answer that is still missing will not come), or cannot. */
void shell_channel(struct shell *shell, bool up);
/* Somebody else has written whole lines to the terminal and the cursor is at the beginning of a line: draws prompt and
 * line again. */
void shell_redraw(struct shell *shell);
