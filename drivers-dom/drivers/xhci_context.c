/* SPDX-License-Identifier: MIT
 * What the controller is told of a device: slot and endpoint contexts (xHCI 1.2, 6.2). Every command gets the whole
 * slot context, which says the same each time but for what has become known meanwhile. */
#include <string.h>
#include "xhci.h"

#define ADD_SLOT (1u << 0)
#define ADD_CONTROL (1u << XHCI_CONTROL_ENDPOINT)
#define SLOT_HUB (1u << 26)
#define ERRORS_3 (3u << 1) /* in a row, before the endpoint is halted */
#define TYPE_CONTROL (4u << 3)
#define TYPE_INTERRUPT_IN (7u << 3)
#define DEQUEUE_CYCLE 1u

/* Of this index: 0 is the control context, 1 the slot, and then the endpoints. */
static uint32_t *context(struct usb_device *device, unsigned index)
{
    return (uint32_t *)(device->memory->input_context + (size_t)index * device->host->context);
}

/* Transactions of low and full speed behind a hub of high speed are that hub's (USB 2.0, 11.14): the nearest one. */
static const struct usb_device *below_translator(const struct usb_device *device)
{
    while (device->parent != NULL && device->parent->speed != USB_HIGH_SPEED) {
        device = device->parent;
    }
    return device->parent != NULL ? device : NULL;
}

static void begin(struct usb_device *device, uint32_t added, unsigned last)
{
    memset(device->memory->input_context, 0, sizeof(device->memory->input_context));
    context(device, 0)[1] = added;
    uint32_t *slot = context(device, 1);
    slot[0] = device->route | (uint32_t)device->speed << 20 | last << 27;
    slot[1] = (uint32_t)device->root_port << 16;
    if (device->hub_ports != 0) {
        slot[0] |= SLOT_HUB;
        slot[1] |= (uint32_t)device->hub_ports << 24;
        slot[2] |= device->speed == USB_HIGH_SPEED ? (uint32_t)device->hub_think << 16 : 0;
    }
    const struct usb_device *below = device->speed != USB_HIGH_SPEED ? below_translator(device) : NULL;
    if (below != NULL) {
        slot[2] |= below->parent->slot | (uint32_t)below->port << 8;
    }
}

static void control_endpoint(struct usb_device *device)
{
    uint32_t *endpoint = context(device, 1 + XHCI_CONTROL_ENDPOINT);
    uint64_t ring = dma_of(device->control.trbs);
    endpoint[1] = ERRORS_3 | TYPE_CONTROL | (uint32_t)device->packet << 16;
    endpoint[2] = (uint32_t)ring | DEQUEUE_CYCLE;
    endpoint[3] = (uint32_t)(ring >> 32);
    endpoint[4] = 8;
}

void xhci_context_address(struct usb_device *device)
{
    begin(device, ADD_SLOT | ADD_CONTROL, 1);
    control_endpoint(device);
}

void xhci_context_packet(struct usb_device *device)
{
    begin(device, ADD_CONTROL, 1);
    control_endpoint(device);
}

uint8_t xhci_interval(enum usb_speed speed, uint8_t interval)
{
    uint8_t exponent = 3; /* 1 ms; more often nobody types */
    if (speed == USB_HIGH_SPEED) {
        exponent = interval > 1 + exponent ? (uint8_t)(interval - 1) : exponent;
        return exponent < 15 ? exponent : 15;
    }
    for (uint8_t ms = interval; ms > 1; ms >>= 1) {
        exponent++;
    }
    return exponent;
}

void xhci_context_endpoint(struct usb_device *device)
{
    unsigned index = XHCI_INPUT_ENDPOINT(device->interface.endpoint);
    uint64_t ring = dma_of(device->input.trbs);
    uint32_t packet = device->interface.packet;
    begin(device, ADD_SLOT | 1u << index, index);
    uint32_t *endpoint = context(device, 1 + index);
    endpoint[0] = (uint32_t)xhci_interval(device->speed, device->interface.interval) << 16;
    endpoint[1] = ERRORS_3 | TYPE_INTERRUPT_IN | packet << 16;
    endpoint[2] = (uint32_t)ring | DEQUEUE_CYCLE;
    endpoint[3] = (uint32_t)(ring >> 32);
    endpoint[4] = packet | packet << 16;
}

void xhci_context_hub(struct usb_device *device)
{
    begin(device, ADD_SLOT, XHCI_INPUT_ENDPOINT(device->interface.endpoint));
}
