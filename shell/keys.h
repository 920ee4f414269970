/* SPDX-License-Identifier: MIT
 * Keys out of the bytes that a terminal sends: ASCII, and the sequences of VT100, xterm, linux and rxvt for the cursor
 * keys. */
#pragma once

#include <stdbool.h>

/* Below 256: the byte itself (control characters included). */
enum key {
    KEY_NONE = -1,
    KEY_UP = 256,
    KEY_DOWN,
    KEY_RIGHT,
    KEY_LEFT,
    KEY_HOME,
    KEY_END,
    KEY_DELETE,
    KEY_WORD_LEFT,
    KEY_WORD_RIGHT,
    KEY_OTHER
};

struct keys {
    enum { KEYS_PLAIN, KEYS_ESCAPE, KEYS_SEQUENCE, KEYS_SS3 } state;
    unsigned parameters[2], count;
    bool after_return; /* a LF behind a CR belongs to it */
};

/* The key that this byte completes, or KEY_NONE. */
int keys_byte(struct keys *keys, unsigned char byte);
