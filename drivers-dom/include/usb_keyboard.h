/* SPDX-License-Identifier: MIT
 * USB keyboards: reports of the HID boot protocol (Device Class Definition for HID 1.11, appendix B.1) as keys. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "keyboard.h"

#define USB_KEYBOARD_KEYS 6u
#define USB_KEYBOARD_REPORT 8u
#define USB_KEYBOARD_TEXT ((8u + USB_KEYBOARD_KEYS) * KEYBOARD_MAX_BYTES) /* that a report types */

/* What was held at the last report. Zeroed at first. */
struct usb_keys {
    struct keyboard keys;
    uint8_t modifiers, held[USB_KEYBOARD_KEYS];
    uint8_t repeating; /* the usage that is repeated; 0: none */
};

/* Takes a report; what it types goes to text[], USB_KEYBOARD_TEXT. Returns the number of bytes. Pure; any bytes are
 * good: a report that is too short or says that too many keys are held changes nothing. */
uint32_t usb_keys_report(struct usb_keys *state, const uint8_t *report, uint32_t size, char *text);
/* What the held key types once more: the bytes in text[], KEYBOARD_MAX_BYTES. */
uint32_t usb_keys_repeat(struct usb_keys *state, char *text);

/* From now on what is typed on all USB keyboards, whenever they are plugged in, goes to `typed`, from the loop. */
void usb_keyboard_init(void (*typed)(void *context, const char *text, uint32_t size), void *context);
/* There is a controller for them. If there are only others (EHCI, UHCI, OHCI), that is told. */
bool usb_keyboard_possible(void);
