/* SPDX-License-Identifier: MIT
 * The tasks of a bus: devices are brought up one after the other (USB 2.0, 9.1.2; xHCI 1.2, 4.3) and let go. */
#include <stdlib.h>
#include <string.h>
#include "xhci.h"

#define DEBOUNCE_MS 100u /* USB 2.0, 7.1.7.3 */
#define RECOVER_MS 20u   /* after a reset: 7.1.7.5; after the address: 9.2.6.3 */
#define MAX_TRIES 3u
#define STEADY_NS 10000000000ull
#define DEVICE_DESCRIPTOR_SIZE 18u
#define CONFIGURATION_SIZE 9u

static const struct usb_class *const classes[] = {&usb_keyboard_class, &usb_hub_class};

/* --- devices come and go --- */

struct usb_device *usb_at(const struct xhci *host, const struct usb_device *parent, uint8_t port)
{
    struct usb_device *device = host->devices;
    while (device != NULL && (device->parent != parent || device->port != port)) {
        device = device->next;
    }
    return device;
}

struct usb_device *usb_attach(struct xhci *host, struct usb_device *parent, uint8_t port)
{
    struct usb_device *device = calloc(1, sizeof(*device));
    if (device == NULL) {
        return NULL;
    }
    device->host = host;
    device->parent = parent;
    device->port = port;
    device->root_port = port;
    if (parent != NULL) {
        device->root_port = parent->root_port;
        device->tier = parent->tier + 1;
        device->route = parent->route | (uint32_t)(port < 15 ? port : 15) << 4 * parent->tier;
    }
    device->next = host->devices;
    host->devices = device;
    service_bottom_arm(&host->work);
    return device;
}

void usb_detach(struct usb_device *device)
{
    device->gone = true;
    for (struct usb_device *other = device->host->devices; other != NULL; other = other->next) {
        if (other->parent == device && !other->gone) {
            usb_detach(other); /* as deep as there are tiers */
        }
    }
    service_bottom_arm(&device->host->work);
}

static void leave_class(struct usb_device *device)
{
    if (device->class != NULL) {
        device->class->detach(device);
        device->class = NULL;
    }
}

void usb_forget(struct xhci *host, bool memory)
{
    while (host->devices != NULL) {
        struct usb_device *device = host->devices;
        host->devices = device->next;
        leave_class(device);
        if (memory) {
            dma_free(device->memory, sizeof(*device->memory));
            free(device);
        }
    }
    memset(host->by_slot, 0, sizeof(host->by_slot));
}

/* --- letting go: nothing of it may be used by the controller when its memory is freed --- */

static void end_release(struct usb_device *device)
{
    dma_free(device->memory, sizeof(*device->memory));
    device->memory = NULL;
    if (!device->gone) {
        device->state = device->tries < MAX_TRIES ? USB_FRESH : USB_IGNORED;
        device->failed = false;
        return;
    }
    struct usb_device **link = &device->host->devices;
    while (*link != device) {
        link = &(*link)->next;
    }
    *link = device->next;
    free(device);
}

static void slot_disabled(struct usb_device *device, enum status status)
{
    struct xhci *host = device->host;
    if (status != OK && status != ERR_NONE) {
        xhci_restart(host, "a slot cannot be disabled");
        return;
    }
    host->by_slot[device->slot] = NULL;
    host->contexts[device->slot] = 0;
    device->slot = 0;
    end_release(device);
}

static void disable_slot(struct usb_device *device, enum status status)
{
    (void)status; /* an endpoint that did not run is no error */
    xhci_command(device, 0, XHCI_TRB_TYPE(XHCI_DISABLE_SLOT) | XHCI_TRB_SLOT(device->slot), slot_disabled);
}

static void stop_control(struct usb_device *device, enum status status)
{
    (void)status;
    xhci_command(device, 0,
                 XHCI_TRB_TYPE(XHCI_STOP_ENDPOINT) | XHCI_TRB_ENDPOINT(XHCI_CONTROL_ENDPOINT) |
                     XHCI_TRB_SLOT(device->slot),
                 disable_slot);
}

static void release(struct usb_device *device)
{
    bool listens = device->class != NULL;
    leave_class(device);
    device->hub_ports = 0;
    if (device->slot == 0) {
        end_release(device);
    } else if (listens) {
        uint32_t endpoint = XHCI_INPUT_ENDPOINT(device->interface.endpoint);
        xhci_command(device, 0,
                     XHCI_TRB_TYPE(XHCI_STOP_ENDPOINT) | XHCI_TRB_ENDPOINT(endpoint) | XHCI_TRB_SLOT(device->slot),
                     stop_control);
    } else {
        stop_control(device, OK);
    }
}

void usb_failed(struct usb_device *device, const char *what, enum status status)
{
    if (device->state == USB_READY && service_now() - device->ready_since > STEADY_NS) {
        device->tries = 0; /* an accident */
    }
    device->failed = true;
    if (++device->tries == MAX_TRIES && !device->gone) {
        service_log("PCI %s: USB: the device at %sport %u is left out: %s failed (%u)", device->host->pci->name,
                    device->parent != NULL ? "a hub's " : "", device->port, what, status);
    }
    for (struct usb_device *other = device->host->devices; other != NULL; other = other->next) {
        if (other->parent == device) {
            usb_detach(other);
        }
    }
}

/* --- bringing up: each step names the next one --- */

static void ask(struct usb_device *device, uint8_t type, uint16_t length, usb_then then)
{
    struct usb_setup setup = {USB_TYPE_IN, USB_GET_DESCRIPTOR, (uint16_t)(type << 8), 0, length};
    usb_request(device, &setup, device, then);
}

void usb_ready(struct usb_device *device)
{
    device->state = USB_READY;
    device->ready_since = service_now();
    xhci_listen(device);
}

void usb_wake(struct usb_device *device) { service_bottom_arm(&device->host->work); }

static void configured(struct usb_device *device, enum status status)
{
    if (status != OK) {
        usb_failed(device, "its configuration", status);
        return;
    }
    for (unsigned i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (classes[i]->wanted(&device->interface)) {
            device->class = classes[i];
            device->class->start(device);
            return;
        }
    }
}

static void endpoint_made(struct usb_device *device, enum status status)
{
    if (status != OK) {
        usb_failed(device, "its endpoint", status);
        return;
    }
    struct usb_setup setup = {0, USB_SET_CONFIGURATION, device->interface.configuration, 0, 0};
    usb_request(device, &setup, device, configured);
}

static void got_configuration(struct usb_device *device, enum status status)
{
    bool found = false;
    for (unsigned i = 0; i < sizeof(classes) / sizeof(classes[0]) && status == OK && !found; i++) {
        found = usb_find_interface(usb_data(device), usb_received(device), classes[i]->wanted, &device->interface);
    }
    if (status != OK) {
        usb_failed(device, "its configuration", status);
    } else if (!found) {
        device->tries = MAX_TRIES; /* something else: nobody's */
        device->failed = true;
    } else {
        xhci_ring_start(&device->input, device->memory->input);
        xhci_context_endpoint(device);
        xhci_command(device, dma_of(device->memory->input_context),
                     XHCI_TRB_TYPE(XHCI_CONFIGURE_ENDPOINT) | XHCI_TRB_SLOT(device->slot), endpoint_made);
    }
}

static void got_configuration_size(struct usb_device *device, enum status status)
{
    const uint8_t *data = usb_data(device);
    uint32_t length = data[2] | (uint32_t)data[3] << 8;
    if (status != OK || usb_received(device) < CONFIGURATION_SIZE || length < CONFIGURATION_SIZE) {
        usb_failed(device, "its configuration", status != OK ? status : ERR_FORMAT);
        return;
    }
    ask(device, USB_DESCRIPTOR_CONFIGURATION, (uint16_t)(length < USB_CONTROL_MAX ? length : USB_CONTROL_MAX),
        got_configuration);
}

static void got_device(struct usb_device *device, enum status status)
{
    const uint8_t *data = usb_data(device);
    if (status != OK || usb_received(device) < DEVICE_DESCRIPTOR_SIZE || data[1] != USB_DESCRIPTOR_DEVICE) {
        usb_failed(device, "its descriptor", status != OK ? status : ERR_FORMAT);
        return;
    }
    device->vendor = (uint16_t)(data[8] | data[9] << 8);
    device->product = (uint16_t)(data[10] | data[11] << 8);
    ask(device, USB_DESCRIPTOR_CONFIGURATION, CONFIGURATION_SIZE, got_configuration_size);
}

static void packet_known(struct usb_device *device, enum status status)
{
    if (status != OK) {
        usb_failed(device, "the size of its packets", status);
        return;
    }
    ask(device, USB_DESCRIPTOR_DEVICE, DEVICE_DESCRIPTOR_SIZE, got_device);
}

/* 8, 16, 32 or 64 at full speed, which only the device knows. */
static void got_packet(struct usb_device *device, enum status status)
{
    const uint8_t *data = usb_data(device);
    uint8_t packet = data[7];
    bool good = usb_received(device) >= 8 && data[1] == USB_DESCRIPTOR_DEVICE && packet >= 8 && packet <= 64 &&
                (packet & (packet - 1)) == 0;
    if (status != OK || !good) {
        usb_failed(device, "its descriptor", status != OK ? status : ERR_FORMAT);
    } else if (device->speed != USB_FULL_SPEED || packet == device->packet) {
        packet_known(device, OK);
    } else {
        device->packet = packet;
        xhci_context_packet(device);
        xhci_command(device, dma_of(device->memory->input_context),
                     XHCI_TRB_TYPE(XHCI_EVALUATE_CONTEXT) | XHCI_TRB_SLOT(device->slot), packet_known);
    }
}

static void settled(struct usb_device *device, enum status status)
{
    (void)status;
    ask(device, USB_DESCRIPTOR_DEVICE, 8, got_packet);
}

static void addressed(struct usb_device *device, enum status status)
{
    if (status != OK) {
        usb_failed(device, "its address", status);
        return;
    }
    usb_delay(device, RECOVER_MS, settled);
}

static void got_slot(struct usb_device *device, enum status status)
{
    struct xhci *host = device->host;
    uint8_t slot = host->new_slot;
    if (status == OK && (slot == 0 || slot > host->slots || host->by_slot[slot] != NULL)) {
        xhci_restart(host, "it has given a slot that is not free");
        return;
    }
    if (status != OK) {
        usb_failed(device, "a slot for it", status);
        return;
    }
    device->slot = slot;
    host->by_slot[slot] = device;
    host->contexts[slot] = dma_of(device->memory->output);
    xhci_ring_start(&device->control, device->memory->control);
    device->packet = device->speed == USB_HIGH_SPEED ? 64 : 8;
    xhci_context_address(device);
    xhci_command(device, dma_of(device->memory->input_context),
                 XHCI_TRB_TYPE(XHCI_ADDRESS_DEVICE) | XHCI_TRB_SLOT(slot), addressed);
}

static void recovered(struct usb_device *device, enum status status)
{
    (void)status;
    if (device->memory == NULL) {
        device->memory = dma_alloc(sizeof(*device->memory), _Alignof(struct xhci_device_memory));
    }
    if (device->memory == NULL || (device->host->low && dma_of(device->memory) > UINT32_MAX)) {
        usb_failed(device, "memory for it", ERR_MEMORY);
        return;
    }
    xhci_command(device, 0, XHCI_TRB_TYPE(XHCI_ENABLE_SLOT), got_slot);
}

static void port_reset(struct usb_device *device, enum status status)
{
    if (status != OK) {
        usb_failed(device, "the reset of its port", status);
        return;
    }
    usb_delay(device, RECOVER_MS, recovered);
}

static void debounced(struct usb_device *device, enum status status)
{
    (void)status;
    usb_port_reset(device, port_reset);
}

/* --- what next --- */

static bool has_children(const struct usb_device *device)
{
    for (const struct usb_device *other = device->host->devices; other != NULL; other = other->next) {
        if (other->parent == device) {
            return true;
        }
    }
    return false;
}

/* True: a task was begun, or there is something else to do at once. */
static bool next_of(struct usb_device *device)
{
    if (device->gone || device->failed) {
        if (has_children(device)) {
            return false; /* they go first */
        }
        release(device);
        return true;
    }
    if (device->state == USB_FRESH) {
        usb_delay(device, DEBOUNCE_MS, debounced);
        return true;
    }
    return device->state == USB_READY && device->class->work != NULL && device->class->work(device);
}

void usb_next(struct xhci *host)
{
    if (host->operation.kind != XHCI_IDLE) {
        return;
    }
    usb_port_scan(host);
    for (struct usb_device *device = host->devices; device != NULL; device = device->next) {
        if (next_of(device)) {
            if (host->operation.kind == XHCI_IDLE) {
                service_bottom_arm(&host->work);
            }
            return;
        }
    }
}
