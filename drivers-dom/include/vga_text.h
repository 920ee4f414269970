/* SPDX-License-Identifier: MIT
 * The screen of a PC whose display adapter is in text mode: 80 by 25 cells at 0xb8000. */
#pragma once

#include <stdbool.h>
#include "ports.h"
#include "screen.h"

#define VGA_TEXT_MEMORY 0xb8000u
#define VGA_TEXT_SIZE 0x8000u

/* The adapter is there and shows text from this memory (its registers say so). */
bool vga_text_active(const struct port_ops *ports);
/* Takes over what is shown: the screen goes on below it. `memory`: the adapter's cells. */
void vga_text_adopt(const struct port_ops *ports, const volatile uint16_t *memory, struct screen *screen);
/* Shows the rows that have changed, and the cursor. */
void vga_text_flush(const struct port_ops *ports, volatile uint16_t *memory, struct screen *screen);
