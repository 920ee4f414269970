/* SPDX-License-Identifier: MIT
 * A PS/2 mouse: the device at the far end of the 8042's second port. It answers every command (IBM PS/2 Hardware Interface
 * Technical Reference, Auxiliary Devices); nobody moves it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PS2_MOUSE_QUEUE 16

struct ps2_mouse {
    uint8_t queue[PS2_MOUSE_QUEUE]; /* bytes on their way to the controller */
    uint32_t head, count;
    uint8_t awaits;     /* the command whose parameter comes next; 0 = none */
    uint8_t last;       /* byte sent last, for the resend command */
    uint8_t resolution, rate;
    bool enabled, remote, wrap, scaling;
};

void ps2_mouse_reset(struct ps2_mouse *mouse);
/* A byte from the controller. */
void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t value);
/* The next byte for the controller; false if there is none. */
bool ps2_mouse_read(struct ps2_mouse *mouse, uint8_t *value);
