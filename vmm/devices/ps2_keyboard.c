/* SPDX-License-Identifier: MIT
 * A PS/2 keyboard that answers all commands. */
#include <string.h>
#include "devices/ps2_keyboard.h"

#define REPLY_ACK 0xfa
#define REPLY_RESEND 0xfe
#define REPLY_SELF_TEST_OK 0xaa

enum keyboard_command {
    CMD_SET_LEDS = 0xed, CMD_ECHO = 0xee, CMD_SCAN_SET = 0xf0, CMD_IDENTIFY = 0xf2, CMD_SET_RATE = 0xf3,
    CMD_ENABLE = 0xf4, CMD_DISABLE = 0xf5, CMD_DEFAULTS = 0xf6, CMD_KEY_MODES_FIRST = 0xf7, CMD_KEY_MODES_LAST = 0xfa,
    CMD_KEY_MODE_FIRST = 0xfb, CMD_KEY_MODE_LAST = 0xfd, CMD_RESEND = 0xfe, CMD_RESET = 0xff,
};

#define RATE_DEFAULT 0x2b  /* 10.9 characters/s after 500 ms */
#define SCAN_SET_DEFAULT 2
#define ID_FIRST 0xab
#define ID_SECOND 0x83

static void put(struct ps2_keyboard *keyboard, uint8_t value)
{
    if (keyboard->count < PS2_KEYBOARD_QUEUE)
        keyboard->queue[(keyboard->head + keyboard->count++) % PS2_KEYBOARD_QUEUE] = value;
}

/* The controller's set 2 to set 1 translation of the few bytes that are not above 0x84 and can appear here. */
static uint8_t translate(uint8_t value, bool translated)
{
    static const uint8_t set1[4] = { 0xff, 0x43, 0x41, 0x3f };
    if (!translated)
        return value;
    return value == ID_SECOND ? 0x41 : value < 4 ? set1[value] : value;
}

static void set_defaults(struct ps2_keyboard *keyboard)
{
    keyboard->rate = RATE_DEFAULT;
    keyboard->scan_set = SCAN_SET_DEFAULT;
    keyboard->leds = 0;
}

void ps2_keyboard_reset(struct ps2_keyboard *keyboard)
{
    memset(keyboard, 0, sizeof(*keyboard));
    set_defaults(keyboard);
    keyboard->enabled = true;
}

static void parameter(struct ps2_keyboard *keyboard, uint8_t command, uint8_t value, bool translated)
{
    put(keyboard, REPLY_ACK);
    if (command == CMD_SET_LEDS)
        keyboard->leds = value & 7;
    else if (command == CMD_SET_RATE)
        keyboard->rate = value & 0x7f;
    else if (command == CMD_SCAN_SET && value == 0)
        put(keyboard, translate(keyboard->scan_set, translated));
    else if (command == CMD_SCAN_SET && value <= 3)
        keyboard->scan_set = value;
}

static void command(struct ps2_keyboard *keyboard, uint8_t value, bool translated)
{
    switch (value) {
    case CMD_ECHO:
        put(keyboard, CMD_ECHO);
        return;
    case CMD_RESEND:
        put(keyboard, keyboard->last);
        return;
    case CMD_SET_LEDS:
    case CMD_SCAN_SET:
    case CMD_SET_RATE:
    case CMD_KEY_MODE_FIRST ... CMD_KEY_MODE_LAST:
        keyboard->awaits = value;
        break;
    case CMD_ENABLE:
        keyboard->enabled = true;
        break;
    case CMD_DISABLE:
        keyboard->enabled = false; /* and the defaults come back */
        set_defaults(keyboard);
        break;
    case CMD_DEFAULTS:
        set_defaults(keyboard);
        break;
    case CMD_IDENTIFY:
    case CMD_RESET:
    case CMD_KEY_MODES_FIRST ... CMD_KEY_MODES_LAST:
        break;
    default:
        put(keyboard, REPLY_RESEND);
        return;
    }
    put(keyboard, REPLY_ACK);
    if (value == CMD_IDENTIFY) {
        put(keyboard, ID_FIRST);
        put(keyboard, translate(ID_SECOND, translated));
    } else if (value == CMD_RESET) {
        set_defaults(keyboard);
        keyboard->enabled = true;
        put(keyboard, REPLY_SELF_TEST_OK);
    }
}

void ps2_keyboard_write(struct ps2_keyboard *keyboard, uint8_t value, bool translated)
{
    uint8_t awaits = keyboard->awaits;
    keyboard->awaits = 0;
    if (awaits && value < CMD_SET_LEDS)
        parameter(keyboard, awaits, value, translated);
    else
        command(keyboard, value, translated); /* a command in place of a parameter ends the first command */
}

bool ps2_keyboard_read(struct ps2_keyboard *keyboard, uint8_t *value)
{
    if (!keyboard->count)
        return false;
    *value = keyboard->last = keyboard->queue[keyboard->head];
    keyboard->head = (keyboard->head + 1) % PS2_KEYBOARD_QUEUE;
    keyboard->count--;
    return true;
}
