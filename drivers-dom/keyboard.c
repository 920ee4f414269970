/* SPDX-License-Identifier: MIT
 * What the keys of a PC keyboard type: US layout; special keys send what those of a VT220 or xterm do. */
#include "keyboard.h"

enum {
    KEY_CONTROL = 0x1d,
    KEY_LEFT_SHIFT = 0x2a,
    KEY_RIGHT_SHIFT = 0x36,
    KEY_ALT = 0x38,
    KEY_CAPS = 0x3a,
    KEY_NUM = 0x45,
    KEY_KEYPAD_SLASH = 0x35,
    KEY_KEYPAD_ENTER = 0x1c,
    KEY_PAD_FIRST = 0x47,
    KEY_PAD_LAST = 0x53,
};

/* By scan code: alone, with shift. */
static const char plain[0x3a] = {
    0,   0x1b, '1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '-', '=', 0x7f, '\t', 'q', 'w',  'e', 'r',
    't', 'y',  'u', 'i', 'o', 'p', '[', ']', '\r', 0,  'a', 's', 'd', 'f', 'g',  'h',  'j', 'k',  'l', ';',
    '\'', '`', 0,   '\\', 'z', 'x', 'c', 'v', 'b', 'n', 'm', ',', '.', '/', 0,   '*',  0,   ' ',
};
static const char shifted[0x3a] = {
    0,   0x1b, '!', '@', '#', '$', '%', '^', '&', '*', '(', ')', '_', '+', 0x7f, '\t', 'Q', 'W',  'E', 'R',
    'T', 'Y',  'U', 'I', 'O', 'P', '{', '}', '\r', 0,  'A', 'S', 'D', 'F', 'G',  'H',  'J', 'K',  'L', ':',
    '"', '~',  0,   '|', 'Z', 'X', 'C', 'V', 'B', 'N', 'M', '<', '>', '?', 0,   '*',  0,   ' ',
};

/* The block of cursor keys, which is the keypad's, too: sequence, digit. */
static const struct {
    const char *sequence;
    char digit;
} pad[KEY_PAD_LAST - KEY_PAD_FIRST + 1] = {
    {"\033[H", '7'}, {"\033[A", '8'}, {"\033[5~", '9'}, {"", '-'}, {"\033[D", '4'}, {"", '5'}, {"\033[C", '6'},
    {"", '+'}, {"\033[F", '1'}, {"\033[B", '2'}, {"\033[6~", '3'}, {"\033[2~", '0'}, {"\033[3~", '.'},
};

static const struct {
    uint8_t code;
    const char *sequence;
} function_keys[] = {
    {0x3b, "\033OP"}, {0x3c, "\033OQ"}, {0x3d, "\033OR"}, {0x3e, "\033OS"}, {0x3f, "\033[15~"}, {0x40, "\033[17~"},
    {0x41, "\033[18~"}, {0x42, "\033[19~"}, {0x43, "\033[20~"}, {0x44, "\033[21~"}, {0x57, "\033[23~"}, {0x58, "\033[24~"},
};

/* A modifier: pressed or released. True: it was one. */
static bool modifier(struct keyboard *keys, uint8_t code, bool pressed, bool extended)
{
    if (code == KEY_CONTROL) {
        keys->control[extended] = pressed;
    } else if (code == KEY_ALT) {
        keys->alt[extended] = pressed;
    } else if (code == KEY_LEFT_SHIFT || code == KEY_RIGHT_SHIFT) {
        /* With 0xe0 they are made up by the keyboard around cursor keys: no shift. */
        keys->shift[code == KEY_RIGHT_SHIFT] = extended ? keys->shift[code == KEY_RIGHT_SHIFT] : pressed;
    } else if (code == KEY_CAPS) {
        keys->caps ^= pressed;
    } else if (code == KEY_NUM) {
        keys->num ^= pressed;
    } else {
        return false;
    }
    return true;
}

static uint32_t type_sequence(const char *sequence, char *text)
{
    uint32_t size = 0;
    for (; sequence[size]; size++) {
        text[size] = sequence[size];
    }
    return size;
}

static char with_control(char c)
{
    if (c == ' ' || c == '2' || c == '@') {
        return 0;
    }
    if (c == '/' || c == '?' || c == '-' || c == '_') {
        return 0x1f;
    }
    return (c >= 'a' && c <= 'z') || (c >= '@' && c <= '_') ? (char)(c & 0x1f) : c;
}

static uint32_t type_character(const struct keyboard *keys, uint8_t code, char *text)
{
    bool shift = keys->shift[0] || keys->shift[1], letter = plain[code] >= 'a' && plain[code] <= 'z';
    char c = (shift != (letter && keys->caps) ? shifted : plain)[code];
    uint32_t used = 0;
    if (plain[code] == 0) {
        return 0;
    }
    if (keys->alt[0] || keys->alt[1]) {
        text[used++] = 0x1b;
    }
    text[used++] = keys->control[0] || keys->control[1] ? with_control(c) : c;
    return used;
}

static uint32_t type_pad(const struct keyboard *keys, uint8_t code, bool extended, char *text)
{
    unsigned i = code - KEY_PAD_FIRST;
    bool digit = !extended && (pad[i].sequence[0] == 0 ? pad[i].digit != '5' || keys->num : keys->num);
    if (!digit) {
        return type_sequence(pad[i].sequence, text);
    }
    text[0] = pad[i].digit;
    return 1;
}

static uint32_t type_key(const struct keyboard *keys, uint8_t code, bool extended, char *text)
{
    if (code >= KEY_PAD_FIRST && code <= KEY_PAD_LAST) {
        return type_pad(keys, code, extended, text);
    }
    for (unsigned i = 0; i < sizeof(function_keys) / sizeof(function_keys[0]) && !extended; i++) {
        if (function_keys[i].code == code) {
            return type_sequence(function_keys[i].sequence, text);
        }
    }
    bool known = code < sizeof(plain) && (!extended || code == KEY_KEYPAD_SLASH || code == KEY_KEYPAD_ENTER);
    return known ? type_character(keys, code, text) : 0;
}

uint32_t keyboard_key(struct keyboard *keys, uint8_t code, bool extended, bool pressed, char *text)
{
    return modifier(keys, code, pressed, extended) || !pressed ? 0 : type_key(keys, code, extended, text);
}
