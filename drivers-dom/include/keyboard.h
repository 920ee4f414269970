/* SPDX-License-Identifier: MIT
 * What keys type: one layout for all kinds of keyboards. A key is named by its scan code of set 1 (without the bit for
 * its release) and by whether 0xe0 comes before it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define KEYBOARD_MAX_BYTES 8u /* that a key types */

/* The keys that change what others type. Zeroed: nothing is held, no lock is on. */
struct keyboard {
    bool shift[2], control[2], alt[2]; /* left, right */
    bool caps, num;
};

/* A key was pressed or released; what it types goes to text[], KEYBOARD_MAX_BYTES. Returns the number of bytes. Pure;
 * any code is good. */
uint32_t keyboard_key(struct keyboard *keys, uint8_t code, bool extended, bool pressed, char *text);
