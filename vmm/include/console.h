/* SPDX-License-Identifier: MIT
 * The console between the virtual COM1 and the kernel's. */
#pragma once

#include "machine.h"

/* Connects COM1's output. */
void console_connect(struct machine *machine);
/* EVENT_CONSOLE: moves waiting input into COM1. */
void console_input(struct machine *machine);
