/* SPDX-License-Identifier: MIT
 * The PS/2 keyboard: the controller of a PC, and its scan codes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"
#include "keyboard.h"
#include "ports.h"

/* Scan codes of set 1, as the controller translates them. Pure. */
struct ps2_keys {
    struct keyboard keys;
    bool extended;    /* 0xe0 came */
    uint8_t skip;     /* bytes of the Pause key that follow */
};

/* Takes a byte from the keyboard; what it types goes to text[], KEYBOARD_MAX_BYTES. Returns the number of bytes. */
uint32_t ps2_decode(struct ps2_keys *state, uint8_t code, char *text);

/* Sets controller and keyboard up and takes the interrupt; `typed` gets what is typed, from the loop. ERR_NONE: there is no controller;
 * ERR_TIMEOUT: it does not answer. */
must_use enum status ps2_init(const struct port_ops *ports, void (*typed)(void *context, const char *text, uint32_t size),
                              void *context);
