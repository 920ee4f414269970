/* SPDX-License-Identifier: MIT
 * Consoles of guests (virtio-console): where their output goes and their input comes from. Whoever has the terminal
 * sets the sink; without one, whole lines go to the log. */
#pragma once

#include <stdint.h>

struct console_sink {
    /* Output of guest `domain`, device `name`: any bytes. */
    void (*output)(void *context, const char *domain, const char *name, const uint8_t *text, uint32_t size);
    void *context;
};

/* Null: back to the log. */
void console_set_sink(const struct console_sink *sink);
/* Input for a guest's console; what does not fit is lost. The number of bytes taken; 0 also if there is no such
 * console. */
uint32_t console_input(const char *domain, const char *name, const uint8_t *text, uint32_t size);
