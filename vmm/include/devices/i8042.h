/* SPDX-License-Identifier: MIT
 * The 8042 keyboard controller at ports 0x60 and 0x64 with a keyboard on its first port and a mouse on its second, and
 * system control port A (0x92). It commands A20 (recorded only: memory never wraps here) and the reset line.
 * Commands take effect at once: the input buffer is never full. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"
#include "devices/ps2_keyboard.h"
#include "devices/ps2_mouse.h"

struct machine;

#define I8042_REPLIES 8
#define I8042_RAM_SIZE 32

/* Where the byte in the output buffer came from. */
enum i8042_source { I8042_CONTROLLER, I8042_KEYBOARD, I8042_AUX };

struct i8042_reply {
    uint8_t value;
    uint8_t source; /* enum i8042_source */
};

struct i8042 {
    struct machine *machine;
    uint8_t ram[I8042_RAM_SIZE]; /* ram[0] is the command byte */
    uint8_t output_port;
    uint8_t awaits;              /* the command whose parameter comes next at port 0x60; 0 = none */
    bool last_was_command;
    bool output_full;
    struct i8042_reply output;   /* output buffer */
    struct i8042_reply replies[I8042_REPLIES]; /* of the controller, ahead of the devices' bytes */
    uint32_t reply_head, reply_count;
    struct ps2_keyboard keyboard;
    struct ps2_mouse mouse;
};

must_use enum status i8042_init(struct i8042 *controller, struct machine *machine);
void i8042_reset(struct i8042 *controller);
