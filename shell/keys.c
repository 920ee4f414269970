/* SPDX-License-Identifier: MIT
 * The decoder of keys.h. */
#include "keys.h"

#define ESCAPE        0x1b
#define PARAMETER_MAX 1000u

static int of_letter(unsigned char c, bool modified)
{
    static const struct {
        char letter;
        int key, modified;
    } letters[] = {
        { 'A', KEY_UP, KEY_UP },          { 'B', KEY_DOWN, KEY_DOWN }, { 'C', KEY_RIGHT, KEY_WORD_RIGHT },
        { 'D', KEY_LEFT, KEY_WORD_LEFT }, { 'H', KEY_HOME, KEY_HOME }, { 'F', KEY_END, KEY_END },
    };
    for (unsigned i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (c == (unsigned char)letters[i].letter) {
            return modified ? letters[i].modified : letters[i].key;
        }
    }
    return KEY_OTHER;
}

/* ESC [ n ~ */
static int of_number(unsigned number)
{
    switch (number) {
    case 1:
    case 7:
        return KEY_HOME;
    case 4:
    case 8:
        return KEY_END;
    case 3:
        return KEY_DELETE;
    default:
        return KEY_OTHER;
    }
}

/* Bytes 0x20 to 0x3f are parameters, 0x40 to 0x7e end a sequence (ECMA-48, 5.4); anything else breaks it off. */
static int of_sequence(struct keys *keys, unsigned char c)
{
    if (c >= '0' && c <= '9') {
        unsigned *parameter = &keys->parameters[keys->count > 1 ? 1 : keys->count];
        *parameter = *parameter < PARAMETER_MAX ? *parameter * 10 + (c - '0') : PARAMETER_MAX;
        return KEY_NONE;
    }
    if (c >= 0x20 && c <= 0x3f) {
        keys->count += c == ';' && keys->count < 2;
        return KEY_NONE;
    }
    keys->state = KEYS_PLAIN;
    if (c < 0x40 || c > 0x7e) {
        return KEY_OTHER;
    }
    return c == '~' ? of_number(keys->parameters[0]) : of_letter(c, keys->count > 0);
}

static int of_escape(struct keys *keys, unsigned char c)
{
    keys->state = KEYS_PLAIN;
    keys->parameters[0] = keys->parameters[1] = keys->count = 0;
    switch (c) {
    case '[':
        keys->state = KEYS_SEQUENCE;
        return KEY_NONE;
    case 'O':
        keys->state = KEYS_SS3;
        return KEY_NONE;
    case ESCAPE:
        keys->state = KEYS_ESCAPE;
        return KEY_OTHER;
    case 'b':
        return KEY_WORD_LEFT;
    case 'f':
        return KEY_WORD_RIGHT;
    default:
        return c < ' ' ? c : KEY_OTHER;
    }
}

int keys_byte(struct keys *keys, unsigned char byte)
{
    bool after_return = keys->after_return;
    keys->after_return = false;
    switch (keys->state) {
    case KEYS_ESCAPE:
        return of_escape(keys, byte);
    case KEYS_SEQUENCE:
        return of_sequence(keys, byte);
    case KEYS_SS3:
        keys->state = KEYS_PLAIN;
        return of_letter(byte, false);
    default:
        break;
    }
    if (byte == ESCAPE) {
        keys->state = KEYS_ESCAPE;
        return KEY_NONE;
    }
    if (byte == '\n' && after_return) {
        return KEY_NONE;
    }
    keys->after_return = byte == '\r';
    return byte == '\n' ? '\r' : byte;
}
