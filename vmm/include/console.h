/* SPDX-License-Identifier: MIT
 * The domain's console (abi/console.h) and the guest: its virtual COM1, or the hypercalls of a paravirtual one. */
#pragma once

#include "machine.h"

/* Connects COM1's output. */
void console_connect(struct machine *machine);
/* START_EVENT_CONSOLE: moves waiting input into COM1. A paravirtual guest has no input. */
void console_input(struct machine *machine);
/* START_EVENT_POWER: somebody presses the power button. */
void console_power(struct machine *machine);
/* The guest's output, if the domain has a console. text may lie in guest memory. */
void console_write(struct machine *machine, const char *text, uint32_t length);
/* What COM1 has not passed on yet. */
void console_flush(struct machine *machine);
