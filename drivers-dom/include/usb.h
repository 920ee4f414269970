/* SPDX-License-Identifier: MIT
 * USB 2.0 as far as keyboards and the hubs before them need it: devices as the host controller (xhci.h) finds them, and
 * what the drivers of their functions (classes) get to see. One task goes on at a time for a controller: bringing a
 * device up, letting it go, a change at a hub. A task is a chain of operations, each of which names what comes after
 * it; the reports of devices that work arrive all the while. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"

struct xhci;
struct usb_device;

/* --- requests on the control pipe (USB 2.0, 9.3 and 9.4) --- */

struct usb_setup {
    uint8_t type, request;
    uint16_t value, index, length;
};
_Static_assert(sizeof(struct usb_setup) == 8, "setup packet");

#define USB_TYPE_IN 0x80u
#define USB_TYPE_CLASS 0x20u
#define USB_TYPE_INTERFACE 0x01u
#define USB_TYPE_OTHER 0x03u /* a port of a hub */

#define USB_GET_STATUS 0u
#define USB_CLEAR_FEATURE 1u
#define USB_SET_FEATURE 3u
#define USB_GET_DESCRIPTOR 6u
#define USB_SET_CONFIGURATION 9u

#define USB_DESCRIPTOR_DEVICE 1u
#define USB_DESCRIPTOR_CONFIGURATION 2u
#define USB_DESCRIPTOR_INTERFACE 4u
#define USB_DESCRIPTOR_ENDPOINT 5u

/* As PORTSC and the slot context have it (xHCI 1.2, 7.2.2.1.1). */
enum usb_speed { USB_FULL_SPEED = 1, USB_LOW_SPEED = 2, USB_HIGH_SPEED = 3 };

/* --- an interface and its interrupt endpoint, from a configuration (usb_descriptor.c; pure) --- */

struct usb_interface {
    uint8_t class, subclass, protocol;
    uint8_t number, configuration;
    uint8_t endpoint;    /* its number, 1 to 15 */
    uint16_t packet;     /* bytes, 1 to USB_REPORT_MAX */
    uint8_t interval;    /* as the descriptor has it */
};

/* The first interface (alternate setting 0) that `wanted` takes and that has an interrupt IN endpoint, from the `size`
 * bytes of a configuration that a device has sent. False: there is none, or what is there makes no sense. */
bool usb_find_interface(const uint8_t *bytes, uint32_t size, bool (*wanted)(const struct usb_interface *interface),
                        struct usb_interface *found);

/* --- drivers of functions --- */

/* What comes after an operation; status: OK, ERR_SUPPORT (the device refuses the request), ERR_DEVICE (it failed),
 * ERR_TIMEOUT. */
typedef void (*usb_then)(struct usb_device *device, enum status status);

struct usb_class {
    const char *name;
    bool (*wanted)(const struct usb_interface *interface);
    void (*start)(struct usb_device *device);  /* configured: the task goes on here, to usb_ready or usb_failed */
    void (*report)(struct usb_device *device, const uint8_t *bytes, uint32_t size); /* of the interrupt endpoint */
    /* Nothing else is going on: begins a task if there is one. May be null. */
    bool (*work)(struct usb_device *device);
    /* start has been called: it is gone or starts again. Nothing of it is called afterwards. */
    void (*detach)(struct usb_device *device);
};
extern const struct usb_class usb_keyboard_class, usb_hub_class;

#define USB_CONTROL_MAX 1024u /* bytes of a request's data */
#define USB_REPORT_MAX 1024u

enum usb_state {
    USB_FRESH,   /* to be brought up */
    USB_READY,   /* its class serves it */
    USB_IGNORED, /* nobody's, or given up; until it is unplugged */
};

/* --- for classes --- */
/* A request to `target`; then(device, status) when it is over. Data goes to and comes from usb_data(target);
 * usb_received tells how much. */
void usb_request(struct usb_device *target, const struct usb_setup *setup, struct usb_device *device, usb_then then);
void usb_delay(struct usb_device *device, uint32_t ms, usb_then then);
uint8_t *usb_data(struct usb_device *device);
uint32_t usb_received(const struct usb_device *device);
/* The end of `start`: reports come from now on. */
void usb_ready(struct usb_device *device);
/* Ends the task: the device is let go and, if this was not the third time, brought up again. */
void usb_failed(struct usb_device *device, const char *what, enum status status);
/* There is something for `work`. */
void usb_wake(struct usb_device *device);
