/* SPDX-License-Identifier: MIT
 * One terminal for many consoles (abi/console.h): whose output is shown, in whose line the cursor stands, who gets the input. Pure; used by
 * drivers-dom, and by the manager while there is no drivers-dom. All that must outlive either of them is in the control area.
 *
 * The console with the focus is shown as its bytes come; the others line by line, as soon as a line is complete or long. A line of a domain
 * begins with "[name] " if several domains have written. While the shell has the focus, domains' output waits in their rings. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/control.h"
#include "abi/status.h"

#define MUX_CHORD 0x1d         /* Ctrl-]: to the shell; in the shell, or without one: to the next domain */
#define MUX_LONG_LINE 160u     /* bytes: shown without waiting for the newline */
#define MUX_NOBODY UINT32_MAX  /* focus */

struct mux_ops {
    /* Bytes that the terminal takes now. */
    uint32_t (*room)(void *context);
    /* size is at most the room that it told last. */
    void (*write)(void *context, const char *text, uint32_t size);
    /* Console `index` has input: signal its near end. */
    void (*signal)(void *context, unsigned index);
    /* Bytes typed while the shell has the focus; null: there is no shell. */
    void (*shell_input)(void *context, const char *text, uint32_t size);
    /* The shell got or lost the focus; may be null. */
    void (*shell_shown)(void *context, bool shown);
};

struct mux {
    const struct mux_ops *ops;
    void *context;
    struct control *control;                       /* names, kinds, focus, line_owner */
    struct console *consoles[CONTROL_MAX_CONSOLES]; /* mapped; null: not there */
    uint32_t kinds[CONTROL_MAX_CONSOLES];          /* enum console_kind, checked */
    uint32_t next;                                 /* whose turn it is */
    uint32_t shell;                                /* index of the shell's entry, MUX_NOBODY: none */
    uint32_t last_domain;                          /* had the focus before the shell */
    uint32_t rounds;
    bool several;                                  /* more than one domain has written */
};

void mux_init(struct mux *mux, const struct mux_ops *ops, void *context, struct control *control);
/* Entry `index` of the control area is now this console, or (null) no console. */
void mux_attach(struct mux *mux, unsigned index, struct console *console);
/* Shows what there is to show, until the terminal is full. False: all is shown; then every console's far.sleeping is set. */
bool mux_output(struct mux *mux);
/* Bytes typed at the terminal. */
void mux_input(struct mux *mux, const char *text, uint32_t size);
/* Text of the shell itself, at once and whole if the terminal has room; returns how much was taken. */
uint32_t mux_shell_write(struct mux *mux, const char *text, uint32_t size);
/* The focus to the console called `name`, ERR_NONE if there is none that takes input. */
enum status mux_focus(struct mux *mux, const char *name);
/* A domain that has ended gives the focus to the next that runs, else, if `shell`, to the shell. False: only the shell is left, and `shell` is
 * not set. Call after changes of the control area. */
bool mux_refocus(struct mux *mux, bool shell);
