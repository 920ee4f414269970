/* SPDX-License-Identifier: MIT
 * Hubs (USB 2.0, 11): their ports' changes, and resets of what is behind them. */
#include <stdlib.h>
#include "xhci.h"

#define CLASS_HUB 9u
#define MAX_PORTS 15u /* what a route string can name */
#define DESCRIPTOR_HUB 0x29u
#define DESCRIPTOR_SIZE 7u
#define PORT_RESET 4u
#define PORT_POWER 8u
#define CHANGE_CONNECTION 16u /* C_PORT_CONNECTION; the others follow in the order of the bits of wPortChange */
#define CHANGES 5u
#define CHANGE_RESET (1u << 4)
#define HUB_CHANGES 2u /* C_HUB_LOCAL_POWER, C_HUB_OVER_CURRENT */
#define STATUS_CONNECTED (1u << 0)
#define STATUS_ENABLED (1u << 1)
#define STATUS_LOW_SPEED (1u << 9)
#define STATUS_HIGH_SPEED (1u << 10)
#define THINK_TIME(characteristics) ((characteristics) >> 5 & 3u)
#define RESET_POLL_MS 10u
#define RESET_POLLS 50u
#define TYPE_HUB (USB_TYPE_CLASS)
#define TYPE_PORT (USB_TYPE_CLASS | USB_TYPE_OTHER)

struct hub {
    uint32_t changed; /* bit n: port n; 0: the hub itself */
    uint32_t port;    /* that is looked at */
    uint32_t power_ms;
    uint32_t next;    /* change or port that the next request is for */
    uint16_t status, change;
};

static void feature(struct usb_device *hub, uint8_t request, uint8_t type, uint16_t feature, uint8_t port,
                    struct usb_device *device, usb_then then)
{
    struct usb_setup setup = {type, request, feature, port, 0};
    usb_request(hub, &setup, device, then);
}

static void port_status(struct usb_device *hub, uint8_t port, struct usb_device *device, usb_then then)
{
    struct usb_setup setup = {USB_TYPE_IN | TYPE_PORT, USB_GET_STATUS, 0, port, 4};
    usb_request(hub, &setup, device, then);
}

/* Of the request before: status and changes of a port. */
static enum status read_status(struct usb_device *hub, enum status status, uint16_t *now, uint16_t *change)
{
    const uint8_t *data = usb_data(hub);
    if (status != OK || usb_received(hub) < 4) {
        return status != OK ? status : ERR_FORMAT;
    }
    *now = (uint16_t)(data[0] | data[1] << 8);
    *change = (uint16_t)(data[2] | data[3] << 8);
    return OK;
}

static bool wanted(const struct usb_interface *interface)
{
    return interface->class == CLASS_HUB && interface->subclass == 0;
}

/* --- start: descriptor, slot context, power --- */

static void powered(struct usb_device *device, enum status status)
{
    struct hub *hub = device->driver;
    (void)status;
    hub->changed = (2u << device->hub_ports) - 2; /* all ports: what is there already changes nothing */
    service_log("PCI %s: a USB hub with %u ports (%04x:%04x)", device->host->pci->name, device->hub_ports,
                device->vendor, device->product);
    usb_ready(device);
}

static void power_next(struct usb_device *device, enum status status)
{
    struct hub *hub = device->driver;
    (void)status; /* ports that have power always may refuse */
    if (hub->next < device->hub_ports) {
        hub->next++;
        feature(device, USB_SET_FEATURE, TYPE_PORT, PORT_POWER, (uint8_t)hub->next, device, power_next);
    } else {
        usb_delay(device, hub->power_ms, powered);
    }
}

static void context_known(struct usb_device *device, enum status status)
{
    if (status != OK) {
        usb_failed(device, "the hub", status);
        return;
    }
    power_next(device, OK);
}

static void got_descriptor(struct usb_device *device, enum status status)
{
    struct hub *hub = device->driver;
    const uint8_t *data = usb_data(device);
    if (status != OK || usb_received(device) < DESCRIPTOR_SIZE || data[2] == 0) {
        usb_failed(device, "the hub's descriptor", status != OK ? status : ERR_FORMAT);
        return;
    }
    device->hub_ports = data[2] < MAX_PORTS ? data[2] : MAX_PORTS;
    device->hub_think = THINK_TIME(data[3]);
    hub->power_ms = data[5] * 2u;
    xhci_context_hub(device);
    xhci_command(device, dma_of(device->memory->input_context),
                 XHCI_TRB_TYPE(XHCI_CONFIGURE_ENDPOINT) | XHCI_TRB_SLOT(device->slot), context_known);
}

static void start(struct usb_device *device)
{
    device->driver = calloc(1, sizeof(struct hub));
    if (device->driver == NULL || device->tier == USB_TIERS) {
        usb_failed(device, device->driver == NULL ? "memory for it" : "a hub behind so many hubs", ERR_MEMORY);
        return;
    }
    struct usb_setup setup = {USB_TYPE_IN | TYPE_HUB, USB_GET_DESCRIPTOR, DESCRIPTOR_HUB << 8, 0, DESCRIPTOR_SIZE};
    usb_request(device, &setup, device, got_descriptor);
}

static void detach(struct usb_device *device)
{
    free(device->driver);
    device->driver = NULL;
}

/* --- changes --- */

static void report(struct usb_device *device, const uint8_t *bytes, uint32_t size)
{
    struct hub *hub = device->driver;
    uint32_t changed = size > 0 ? bytes[0] : 0;
    changed |= size > 1 ? (uint32_t)bytes[1] << 8 : 0;
    hub->changed |= changed & ((2u << device->hub_ports) - 1);
    usb_wake(device);
}

static void port_seen(struct usb_device *device)
{
    struct hub *hub = device->driver;
    struct usb_device *child = usb_at(device->host, device, (uint8_t)hub->port);
    bool connected = (hub->status & STATUS_CONNECTED) != 0;
    if (child != NULL && (!connected || (hub->change & 1))) {
        usb_detach(child);
        hub->changed |= connected ? 1u << hub->port : 0; /* another one: when this one has gone */
    } else if (child == NULL && connected) {
        (void)usb_attach(device->host, device, (uint8_t)hub->port);
    }
}

/* One request for each change, or the hub tells it for ever. */
static void clear_next(struct usb_device *device, enum status status)
{
    struct hub *hub = device->driver;
    if (status != OK && status != ERR_SUPPORT) {
        usb_failed(device, "a change of the hub's ports", status);
        return;
    }
    while (hub->next < CHANGES && (hub->change >> hub->next & 1) == 0) {
        hub->next++;
    }
    if (hub->next < CHANGES) {
        feature(device, USB_CLEAR_FEATURE, TYPE_PORT, (uint16_t)(CHANGE_CONNECTION + hub->next++), (uint8_t)hub->port,
                device, clear_next);
    } else {
        port_seen(device);
    }
}

static void got_status(struct usb_device *device, enum status status)
{
    struct hub *hub = device->driver;
    status = read_status(device, status, &hub->status, &hub->change);
    if (status != OK) {
        usb_failed(device, "the state of the hub's ports", status);
        return;
    }
    hub->next = 0;
    clear_next(device, OK);
}

static void clear_own(struct usb_device *device, enum status status)
{
    struct hub *hub = device->driver;
    (void)status; /* of what has not changed, the hub may refuse it */
    if (hub->next < HUB_CHANGES) {
        feature(device, USB_CLEAR_FEATURE, TYPE_HUB, (uint16_t)hub->next++, 0, device, clear_own);
    }
}

static bool work(struct usb_device *device)
{
    struct hub *hub = device->driver;
    if (hub->changed == 0) {
        return false;
    }
    hub->port = (uint32_t)__builtin_ctz(hub->changed);
    hub->changed &= hub->changed - 1;
    hub->next = 0;
    if (hub->port == 0) {
        clear_own(device, OK);
    } else {
        port_status(device, (uint8_t)hub->port, device, got_status);
    }
    return true;
}

const struct usb_class usb_hub_class = {
    .name = "hub", .wanted = wanted, .start = start, .report = report, .work = work, .detach = detach
};

/* --- the reset of a port; `device` is what is behind it --- */

static void look(struct usb_device *device, enum status status);

static void ended(struct usb_device *device, enum status status)
{
    device->after_reset(device, status == OK && device->speed != 0 ? OK : ERR_DEVICE);
}

static enum usb_speed speed_of(uint16_t status)
{
    if (status & STATUS_LOW_SPEED) {
        return USB_LOW_SPEED;
    }
    return status & STATUS_HIGH_SPEED ? USB_HIGH_SPEED : USB_FULL_SPEED;
}

static void seen(struct usb_device *device, enum status status)
{
    uint16_t now = 0, change = 0;
    status = read_status(device->parent, status, &now, &change);
    if (status != OK) {
        device->after_reset(device, status);
    } else if ((change & CHANGE_RESET) == 0 && ++device->waits < RESET_POLLS) {
        usb_delay(device, RESET_POLL_MS, look);
    } else {
        bool good = (now & STATUS_CONNECTED) && (now & STATUS_ENABLED);
        device->speed = good ? speed_of(now) : 0;
        feature(device->parent, USB_CLEAR_FEATURE, TYPE_PORT, CHANGE_CONNECTION + 4, device->port, device, ended);
    }
}

static void look(struct usb_device *device, enum status status)
{
    if (status != OK) {
        device->after_reset(device, status);
        return;
    }
    port_status(device->parent, device->port, device, seen);
}

static void asked(struct usb_device *device, enum status status)
{
    if (status != OK) {
        device->after_reset(device, status);
        return;
    }
    usb_delay(device, RESET_POLL_MS, look);
}

void usb_hub_reset(struct usb_device *device)
{
    feature(device->parent, USB_SET_FEATURE, TYPE_PORT, PORT_RESET, device->port, device, asked);
}
