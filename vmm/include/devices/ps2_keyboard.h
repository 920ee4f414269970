/* SPDX-License-Identifier: MIT
 * A PS/2 keyboard: the device at the far end of the 8042's first port. It answers every command (IBM PS/2 Hardware
 * Interface Technical Reference, Keyboards); nobody presses its keys. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PS2_KEYBOARD_QUEUE 16

struct ps2_keyboard {
    uint8_t queue[PS2_KEYBOARD_QUEUE]; /* bytes on their way to the controller */
    uint32_t head, count;
    uint8_t awaits;     /* the command whose parameter comes next; 0 = none */
    uint8_t last;       /* byte sent last, for the resend command */
    uint8_t leds, rate, scan_set;
    bool enabled;       /* scanning */
};

void ps2_keyboard_reset(struct ps2_keyboard *keyboard);
/* A byte from the controller. `translated`: the controller translates to scan-code set 1, which changes what an
 * identification reads as. */
void ps2_keyboard_write(struct ps2_keyboard *keyboard, uint8_t value, bool translated);
/* The next byte for the controller; false if there is none. */
bool ps2_keyboard_read(struct ps2_keyboard *keyboard, uint8_t *value);
