/* SPDX-License-Identifier: MIT
 * A PS/2 mouse that answers all commands. */
#include <string.h>
#include "devices/ps2_mouse.h"

#define REPLY_ACK 0xfa
#define REPLY_RESEND 0xfe
#define REPLY_SELF_TEST_OK 0xaa
#define MOUSE_ID 0x00
#define PACKET_ALWAYS 0x08 /* bit 3 of a movement packet's first byte */

enum mouse_command {
    CMD_SCALING_1 = 0xe6, CMD_SCALING_2 = 0xe7, CMD_RESOLUTION = 0xe8, CMD_STATUS = 0xe9, CMD_STREAM = 0xea,
    CMD_READ = 0xeb,
    CMD_WRAP_OFF = 0xec, CMD_WRAP_ON = 0xee, CMD_REMOTE = 0xf0, CMD_IDENTIFY = 0xf2, CMD_RATE = 0xf3, CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5, CMD_DEFAULTS = 0xf6, CMD_RESEND = 0xfe, CMD_RESET = 0xff,
};

#define STATUS_REMOTE 0x40
#define STATUS_ENABLED 0x20
#define STATUS_SCALING 0x10
#define RATE_DEFAULT 100
#define RESOLUTION_DEFAULT 2 /* 4 counts per mm */

static void put(struct ps2_mouse *mouse, uint8_t value)
{
    if (mouse->count < PS2_MOUSE_QUEUE)
        mouse->queue[(mouse->head + mouse->count++) % PS2_MOUSE_QUEUE] = value;
}

static void set_defaults(struct ps2_mouse *mouse)
{
    mouse->resolution = RESOLUTION_DEFAULT;
    mouse->rate = RATE_DEFAULT;
    mouse->enabled = mouse->remote = mouse->wrap = mouse->scaling = false;
}

void ps2_mouse_reset(struct ps2_mouse *mouse)
{
    memset(mouse, 0, sizeof(*mouse));
    set_defaults(mouse);
}

/* Changes the settings as the command says; false if there is no such command. */
static bool change(struct ps2_mouse *mouse, uint8_t command)
{
    switch (command) {
    case CMD_SCALING_1: mouse->scaling = false; break;
    case CMD_SCALING_2: mouse->scaling = true; break;
    case CMD_STREAM: mouse->remote = false; break;
    case CMD_REMOTE: mouse->remote = true; break;
    case CMD_WRAP_ON: mouse->wrap = true; break;
    case CMD_WRAP_OFF: mouse->wrap = false; break;
    case CMD_ENABLE: mouse->enabled = true; break;
    case CMD_DISABLE: mouse->enabled = false; break;
    case CMD_DEFAULTS: case CMD_RESET: set_defaults(mouse); break;
    case CMD_RESOLUTION: case CMD_RATE: mouse->awaits = command; break;
    case CMD_STATUS: case CMD_READ: case CMD_IDENTIFY: break;
    default: return false;
    }
    return true;
}

/* What follows the acknowledgement. */
static void answer(struct ps2_mouse *mouse, uint8_t command)
{
    if (command == CMD_RESET) {
        put(mouse, REPLY_SELF_TEST_OK);
        put(mouse, MOUSE_ID);
    } else if (command == CMD_IDENTIFY) {
        put(mouse, MOUSE_ID);
    } else if (command == CMD_STATUS) {
        put(mouse, (mouse->remote ? STATUS_REMOTE : 0) | (mouse->enabled ? STATUS_ENABLED : 0) |
                   (mouse->scaling ? STATUS_SCALING : 0));
        put(mouse, mouse->resolution);
        put(mouse, mouse->rate);
    } else if (command == CMD_READ) {
        put(mouse, PACKET_ALWAYS); /* no button, no movement */
        put(mouse, 0);
        put(mouse, 0);
    }
}

void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t value)
{
    uint8_t awaits = mouse->awaits;
    mouse->awaits = 0;
    if (mouse->wrap && value != CMD_WRAP_OFF && value != CMD_RESET) {
        put(mouse, value);
    } else if (awaits) {
        *(awaits == CMD_RATE ? &mouse->rate : &mouse->resolution) = value;
        put(mouse, REPLY_ACK);
    } else if (value == CMD_RESEND) {
        put(mouse, mouse->last);
    } else if (!change(mouse, value)) {
        put(mouse, REPLY_RESEND);
    } else {
        put(mouse, REPLY_ACK);
        answer(mouse, value);
    }
}

bool ps2_mouse_read(struct ps2_mouse *mouse, uint8_t *value)
{
    if (!mouse->count)
        return false;
    *value = mouse->last = mouse->queue[mouse->head];
    mouse->head = (mouse->head + 1) % PS2_MOUSE_QUEUE;
    mouse->count--;
    return true;
}
