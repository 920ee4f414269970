/* SPDX-License-Identifier: MIT
 * The ports of a controller's root hub (xHCI 1.2, 4.19 and 5.4.8). */
#include "xhci.h"

#define POLL_MS 10u
#define RESET_POLLS 50u /* a reset takes 50 ms (USB 2.0, 7.1.7.5) */

static uint32_t register_of(const struct xhci *host, unsigned port) { return host->operational + XHCI_PORTSC(port); }

static void acknowledge(const struct xhci *host, unsigned port, uint32_t value, uint32_t changes)
{
    xhci_set(host, register_of(host, port), (value & XHCI_PORT_KEEP) | changes);
}

static void scan_one(struct xhci *host, unsigned port)
{
    uint32_t value = xhci_get(host, register_of(host, port));
    if (value == 0xffffffff) {
        return; /* the controller has vanished: it is found out where others look at it */
    }
    if (value & XHCI_PORT_CHANGES) {
        acknowledge(host, port, value, value & XHCI_PORT_CHANGES);
    }
    struct usb_device *device = usb_at(host, NULL, (uint8_t)port);
    bool connected = (value & XHCI_PORT_CONNECTED) != 0;
    if (device != NULL && (!connected || (value & XHCI_PORT_CONNECT_CHANGE))) {
        usb_detach(device);
    } else if (device == NULL && connected) {
        (void)usb_attach(host, NULL, (uint8_t)port);
    }
}

void usb_port_scan(struct xhci *host)
{
    for (unsigned port = 1; port <= host->ports; port++) {
        if (host->usable[port]) {
            scan_one(host, port);
        }
    }
}

/* --- reset --- */

static void look(struct usb_device *device, enum status status)
{
    struct xhci *host = device->host;
    uint32_t value = xhci_get(host, register_of(host, device->port));
    (void)status;
    if ((value & XHCI_PORT_RESET_CHANGE) == 0 && (value & XHCI_PORT_CONNECTED) && ++device->waits < RESET_POLLS) {
        usb_delay(device, POLL_MS, look);
        return;
    }
    acknowledge(host, device->port, value, XHCI_PORT_RESET_CHANGE);
    uint32_t speed = XHCI_PORT_SPEED(value);
    bool good = (value & XHCI_PORT_ENABLED) && speed >= USB_FULL_SPEED && speed <= USB_HIGH_SPEED;
    device->speed = good ? (enum usb_speed)speed : 0;
    device->after_reset(device, good ? OK : ERR_DEVICE);
}

void usb_port_reset(struct usb_device *device, usb_then then)
{
    device->waits = 0;
    device->after_reset = then;
    if (device->parent != NULL) {
        usb_hub_reset(device);
        return;
    }
    uint32_t value = xhci_get(device->host, register_of(device->host, device->port));
    acknowledge(device->host, device->port, value, XHCI_PORT_RESET | XHCI_PORT_RESET_CHANGE);
    usb_delay(device, POLL_MS, look);
}
