/* SPDX-License-Identifier: MIT
 * The machine's screen as an output of the terminal, whatever kind it is of. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/info.h"

/* Takes the screen over. False: there is none that can be used. */
bool display_init(const struct boot_screen *mode);
/* Any bytes; shown a little later. */
void display_write(const char *text, uint32_t size);
