/* SPDX-License-Identifier: MIT
 * The terminal: the serial port COM1, the screen and the keyboard as one, shared by all consoles and the shell (console_mux.h). drivers-dom
 * has it from when the manager gives it away (control.console_owner) until drivers-dom ends. */
#pragma once

#include "abi/control.h"

/* Asks for the terminal. Once, when devices are served; null: nobody to ask. */
void terminal_init(struct control *control);
/* The control area has changed: consoles that came or went, the terminal given. */
void terminal_update(void);
/* A console of drivers-dom's own making (a guest's virtio console) has output. */
void terminal_wake(void);
