/* SPDX-License-Identifier: MIT
 * USB keyboards in the boot protocol (HID 1.11, 7.2 and appendices B.1, C and F; usages: HID usage tables, page 7). */
#include "usb_keyboard.h"
#include <stdlib.h>
#include <string.h>
#include "xhci.h"

#define CLASS_HID 3u
#define SUBCLASS_BOOT 1u
#define PROTOCOL_KEYBOARD 1u
#define SET_IDLE 0x0au
#define SET_PROTOCOL 0x0bu
#define PROTOCOL_BOOT 0u

#define MODIFIERS 8u
#define USAGE_ROLL_OVER 1u /* and 2, 3: other errors */
#define USAGE_FIRST 4u
#define REPEAT_FIRST_NS 500000000ull
#define REPEAT_NS 33000000ull
#define EXTENDED 0x80u /* 0xe0 comes before it */

/* Keys by usage, as scan codes of set 1. */
static const uint8_t codes[0x65] = {
    [0x04] = 0x1e, 0x30, 0x2e, 0x20, 0x12, 0x21, 0x22, 0x23, 0x17, 0x24, 0x25, 0x26, 0x32, /* a to m */
    0x31, 0x18, 0x19, 0x10, 0x13, 0x1f, 0x14, 0x16, 0x2f, 0x11, 0x2d, 0x15, 0x2c,          /* n to z */
    0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,                            /* 1 to 9, 0 */
    0x1c, 0x01, 0x0e, 0x0f, 0x39, 0x0c, 0x0d, 0x1a, 0x1b, 0x2b, 0x2b, 0x27, 0x28, 0x29, 0x33, 0x34, 0x35, 0x3a,
    0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44, 0x57, 0x58, /* F1 to F12 */
    0, 0, 0,                                                                /* print screen, scroll lock, pause */
    EXTENDED | 0x52, EXTENDED | 0x47, EXTENDED | 0x49, EXTENDED | 0x53, EXTENDED | 0x4f, EXTENDED | 0x51,
    EXTENDED | 0x4d, EXTENDED | 0x4b, EXTENDED | 0x50, EXTENDED | 0x48, /* right, left, down, up */
    0x45, EXTENDED | 0x35, 0x37, 0x4a, 0x4e, EXTENDED | 0x1c,           /* the keypad: its locks and operators, */
    0x4f, 0x50, 0x51, 0x4b, 0x4c, 0x4d, 0x47, 0x48, 0x49, 0x52, 0x53,   /* its digits */
    0x56,
};

/* Control, shift, alt, and the key that nobody needs here; left, then right. */
static const uint8_t modifier_codes[MODIFIERS] = {0x1d, 0x2a, 0x38, 0, EXTENDED | 0x1d, 0x36, EXTENDED | 0x38, 0};

static uint32_t change(struct usb_keys *state, uint8_t code, bool pressed, char *text)
{
    return code != 0 ? keyboard_key(&state->keys, code & (uint8_t)~EXTENDED, (code & EXTENDED) != 0, pressed, text) : 0;
}

static uint8_t code_of(uint8_t usage) { return usage < sizeof(codes) ? codes[usage] : 0; }

static bool held(const uint8_t *keys, uint8_t usage) { return memchr(keys, usage, USB_KEYBOARD_KEYS) != NULL; }

uint32_t usb_keys_report(struct usb_keys *state, const uint8_t *report, uint32_t size, char *text)
{
    uint32_t used = 0;
    uint8_t keys[USB_KEYBOARD_KEYS];
    if (size < USB_KEYBOARD_REPORT) {
        return 0;
    }
    memcpy(keys, report + 2, sizeof(keys));
    for (unsigned i = 0; i < USB_KEYBOARD_KEYS; i++) {
        if (keys[i] >= USAGE_ROLL_OVER && keys[i] < USAGE_FIRST) {
            return 0; /* more keys than it can tell */
        }
    }
    for (unsigned i = 0; i < MODIFIERS; i++) {
        if ((state->modifiers ^ report[0]) >> i & 1) {
            used += change(state, modifier_codes[i], report[0] >> i & 1, text + used);
        }
    }
    state->modifiers = report[0];
    for (unsigned i = 0; i < USB_KEYBOARD_KEYS; i++) {
        if (state->held[i] != 0 && !held(keys, state->held[i])) {
            used += change(state, code_of(state->held[i]), false, text + used);
            state->repeating = state->held[i] == state->repeating ? 0 : state->repeating;
        }
    }
    for (unsigned i = 0; i < USB_KEYBOARD_KEYS; i++) {
        if (keys[i] != 0 && !held(state->held, keys[i])) {
            uint32_t typed = change(state, code_of(keys[i]), true, text + used);
            state->repeating = typed > 0 ? keys[i] : 0;
            used += typed;
        }
    }
    memcpy(state->held, keys, sizeof(keys));
    return used;
}

uint32_t usb_keys_repeat(struct usb_keys *state, char *text)
{
    return state->repeating != 0 ? change(state, code_of(state->repeating), true, text) : 0;
}

/* --- the device --- */

static struct {
    void (*typed)(void *context, const char *text, uint32_t size);
    void *context;
} user;

struct usb_keyboard {
    struct usb_keys keys;
    struct service_timer repeat;
};

static void type(const char *text, uint32_t size)
{
    if (size > 0 && user.typed != NULL) {
        user.typed(user.context, text, size);
    }
}

static void repeat(void *context)
{
    struct usb_keyboard *keyboard = context;
    char text[KEYBOARD_MAX_BYTES];
    type(text, usb_keys_repeat(&keyboard->keys, text));
    if (keyboard->keys.repeating != 0) {
        service_timer_arm(&keyboard->repeat, service_now() + REPEAT_NS);
    }
}

static void report(struct usb_device *device, const uint8_t *bytes, uint32_t size)
{
    struct usb_keyboard *keyboard = device->driver;
    char text[USB_KEYBOARD_TEXT];
    uint8_t before = keyboard->keys.repeating;
    type(text, usb_keys_report(&keyboard->keys, bytes, size, text));
    if (keyboard->keys.repeating == 0) {
        service_timer_cancel(&keyboard->repeat);
    } else if (keyboard->keys.repeating != before) {
        service_timer_arm(&keyboard->repeat, service_now() + REPEAT_FIRST_NS);
    }
}

static bool wanted(const struct usb_interface *interface)
{
    return interface->class == CLASS_HID && interface->subclass == SUBCLASS_BOOT &&
           interface->protocol == PROTOCOL_KEYBOARD;
}

static void request(struct usb_device *device, uint8_t number, uint16_t value, usb_then then)
{
    struct usb_setup setup = {USB_TYPE_CLASS | USB_TYPE_INTERFACE, number, value, device->interface.number, 0};
    usb_request(device, &setup, device, then);
}

/* A keyboard that refuses speaks that protocol only, or tells what has changed only. */
static bool accepted(struct usb_device *device, enum status status)
{
    if (status != OK && status != ERR_SUPPORT) {
        usb_failed(device, "the keyboard", status);
        return false;
    }
    return true;
}

static void idle(struct usb_device *device, enum status status)
{
    if (accepted(device, status)) {
        service_log("PCI %s: a USB keyboard (%04x:%04x) at %sport %u", device->host->pci->name, device->vendor,
                    device->product, device->parent != NULL ? "a hub's " : "", device->port);
        usb_ready(device);
    }
}

/* Reports only when something has changed: keys are repeated here. */
static void boot_protocol(struct usb_device *device, enum status status)
{
    if (accepted(device, status)) {
        request(device, SET_IDLE, 0, idle);
    }
}

static void start(struct usb_device *device)
{
    struct usb_keyboard *keyboard = calloc(1, sizeof(*keyboard));
    device->driver = keyboard;
    if (keyboard == NULL) {
        usb_failed(device, "memory for it", ERR_MEMORY);
        return;
    }
    keyboard->repeat = (struct service_timer){.fire = repeat, .context = keyboard};
    request(device, SET_PROTOCOL, PROTOCOL_BOOT, boot_protocol);
}

static void detach(struct usb_device *device)
{
    struct usb_keyboard *keyboard = device->driver;
    if (keyboard != NULL) {
        service_timer_cancel(&keyboard->repeat);
        if (device->gone) {
            service_log("PCI %s: the USB keyboard at %sport %u is gone", device->host->pci->name,
                        device->parent != NULL ? "a hub's " : "", device->port);
        }
    }
    free(keyboard);
    device->driver = NULL;
}

const struct usb_class usb_keyboard_class = {
    .name = "keyboard", .wanted = wanted, .start = start, .report = report, .detach = detach
};

void usb_keyboard_init(void (*typed)(void *context, const char *text, uint32_t size), void *context)
{
    user.typed = typed;
    user.context = context;
}

bool usb_keyboard_possible(void) { return xhci_any(); }
