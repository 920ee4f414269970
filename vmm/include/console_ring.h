/* SPDX-License-Identifier: MIT
 * The near end of a console (abi/console.h). Pure. One writer and one reader at a time: the caller locks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/console.h"

/* Appends; what is older than CONSOLE_OUTPUT bytes is overwritten. */
void console_ring_put(struct console *console, const char *text, uint64_t length);
/* Takes typed bytes, at most max; returns how many. A count of the far end that is out of range empties the input. */
uint32_t console_ring_take(struct console *console, char *out, uint32_t max);
/* The far end sleeps: it is to be told that there is output. */
bool console_ring_sleeps(const struct console *console);
/* Output that the far end has not taken yet, 0 to CONSOLE_OUTPUT bytes. */
uint64_t console_ring_waiting(const struct console *console);
