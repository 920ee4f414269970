/* SPDX-License-Identifier: MIT
 * The shell (shell/) at home in drivers-dom: its terminal is the mux, its channel the control console (CONSOLE_CONTROL). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "console_mux.h"

/* Makes the shell; its text goes to this mux. False: no memory. */
bool shell_host_init(struct mux *mux);
/* Its channel, or null: there is none. `handle` tells the manager that there is a request. */
void shell_host_channel(struct console *console, uint32_t handle);
/* Bytes typed for it. */
void shell_host_input(const char *text, uint32_t size);
/* It has the terminal, or not any more. */
void shell_host_shown(bool shown);
/* Others have written whole lines while it had the terminal. */
void shell_host_redraw(void);
/* The text that the mux writes now is its own. */
bool shell_host_writing(void);
/* The terminal has not taken all of its text. */
bool shell_host_waits(void);
/* Takes answers from the channel, and gives the terminal what it could not take before. True: there is more to do. */
bool shell_host_work(void);
