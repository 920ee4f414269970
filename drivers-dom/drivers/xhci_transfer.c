/* SPDX-License-Identifier: MIT
 * Rings of an xHCI controller (1.2, 4.9 to 4.11), and the one operation of a task that is under way: a command, a
 * request on a control pipe, a delay. Only what was asked for ends it: events that belong to nothing are dropped. */
#include <string.h>
#include "cpu.h"
#include "xhci.h"

#define MS 1000000ull
#define COMMAND_NS (5000 * MS) /* Address Device waits for the device itself */
#define REQUEST_NS (2000 * MS)
#define SETUP_NO_DATA (0u << 16)
#define SETUP_OUT (2u << 16)
#define SETUP_IN (3u << 16)
#define SETUP_SIZE 8u

/* --- rings --- */

void xhci_ring_start(struct xhci_ring *ring, struct xhci_trb *trbs)
{
    memset(trbs, 0, XHCI_RING * sizeof(*trbs));
    *ring = (struct xhci_ring){.trbs = trbs, .cycle = 1};
}

/* The cycle bit last: with it the entry is the controller's. Rings have many times the entries that can be under way.
 */
static uint64_t put(struct xhci_ring *ring, uint64_t parameter, uint32_t status, uint32_t control)
{
    volatile struct xhci_trb *trb = &ring->trbs[ring->next];
    uint64_t address = dma_of(&ring->trbs[ring->next]);
    trb->parameter = parameter;
    trb->status = status;
    cpu_barrier();
    trb->control = control | ring->cycle;
    if (++ring->next == XHCI_RING - 1) {
        trb = &ring->trbs[ring->next];
        trb->parameter = dma_of(ring->trbs);
        trb->status = 0;
        cpu_barrier();
        trb->control = XHCI_TRB_TYPE(XHCI_LINK) | XHCI_TRB_TOGGLE | ring->cycle;
        ring->next = 0;
        ring->cycle ^= 1;
    }
    return address;
}

static void ring_doorbell(const struct xhci *host, unsigned slot, unsigned target)
{
    cpu_barrier();
    xhci_set(host, host->doorbells + 4 * slot, target);
}

/* --- the operation --- */

static void begin(struct xhci *host, enum xhci_operation kind, struct usb_device *device, usb_then then, uint64_t time)
{
    host->operation.kind = kind;
    host->operation.device = device;
    host->operation.then = then;
    service_timer_arm(&host->timer, service_now() + time);
}

static void finish(struct xhci *host, enum status status)
{
    usb_then then = host->operation.then;
    host->operation.kind = XHCI_IDLE;
    service_timer_cancel(&host->timer);
    then(host->operation.device, status);
    if (host->operation.kind == XHCI_IDLE && host->phase == XHCI_RUNNING) {
        service_bottom_arm(&host->work); /* the task is over */
    }
}

void xhci_operation_late(struct xhci *host)
{
    if (host->operation.kind == XHCI_COMMAND) {
        xhci_restart(host, "a command is not completed");
    } else if (host->operation.kind != XHCI_IDLE) {
        finish(host, host->operation.kind == XHCI_DELAY ? OK : ERR_TIMEOUT);
    }
}

void usb_delay(struct usb_device *device, uint32_t ms, usb_then then)
{
    begin(device->host, XHCI_DELAY, device, then, ms * MS);
}

void xhci_command(struct usb_device *device, uint64_t parameter, uint32_t control, usb_then then)
{
    struct xhci *host = device->host;
    host->operation.trb = put(&host->commands, parameter, 0, control);
    begin(host, XHCI_COMMAND, device, then, COMMAND_NS);
    ring_doorbell(host, 0, 0);
}

void usb_request(struct usb_device *target, const struct usb_setup *setup, struct usb_device *device, usb_then then)
{
    struct xhci *host = target->host;
    bool in = (setup->type & USB_TYPE_IN) != 0;
    uint32_t length = setup->length < USB_CONTROL_MAX ? setup->length : USB_CONTROL_MAX, stage = XHCI_TRB_IN;
    uint64_t packet;
    memcpy(&packet, setup, sizeof(packet));
    target->received = 0;
    host->operation.target = target;
    host->operation.length = length;
    host->operation.data_trb = 0;
    (void)put(&target->control, packet, SETUP_SIZE, XHCI_TRB_TYPE(XHCI_SETUP) | XHCI_TRB_IMMEDIATE |
              (length == 0 ? SETUP_NO_DATA : in ? SETUP_IN : SETUP_OUT));
    if (length > 0) {
        /* An event of its own: only this one tells how much came. */
        host->operation.data_trb = put(&target->control, dma_of(target->memory->data), length,
                                       XHCI_TRB_TYPE(XHCI_DATA) | XHCI_TRB_INTERRUPT | (in ? XHCI_TRB_IN : 0));
        stage = in ? 0 : XHCI_TRB_IN;
    }
    host->operation.trb = put(&target->control, 0, 0, XHCI_TRB_TYPE(XHCI_STATUS) | XHCI_TRB_INTERRUPT | stage);
    begin(host, XHCI_REQUEST, device, then, REQUEST_NS);
    ring_doorbell(host, target->slot, XHCI_CONTROL_ENDPOINT);
}

uint8_t *usb_data(struct usb_device *device) { return device->memory->data; }
uint32_t usb_received(const struct usb_device *device) { return device->received; }

/* --- a refused request: the endpoint is halted until it is reset (4.6.8) --- */

/* Commands of the recovery are for the device that waits; the endpoint is the target's. */
static void recovered(struct usb_device *device, enum status status)
{
    device->host->operation.target->stalled(device, status == OK ? ERR_SUPPORT : ERR_DEVICE);
}

static void skip(struct usb_device *device, enum status status)
{
    struct usb_device *target = device->host->operation.target;
    if (status != OK) {
        recovered(device, status);
        return;
    }
    uint64_t next = dma_of(&target->control.trbs[target->control.next]) | target->control.cycle;
    xhci_command(device, next,
                 XHCI_TRB_TYPE(XHCI_SET_DEQUEUE) | XHCI_TRB_ENDPOINT(XHCI_CONTROL_ENDPOINT) |
                     XHCI_TRB_SLOT(target->slot),
                 recovered);
}

static void refused(struct xhci *host)
{
    struct usb_device *target = host->operation.target;
    target->stalled = host->operation.then;
    xhci_command(host->operation.device, 0,
                 XHCI_TRB_TYPE(XHCI_RESET_ENDPOINT) | XHCI_TRB_ENDPOINT(XHCI_CONTROL_ENDPOINT) |
                     XHCI_TRB_SLOT(target->slot),
                 skip);
}

/* --- events --- */

static void command_event(struct xhci *host, const struct xhci_trb *event)
{
    if (host->operation.kind != XHCI_COMMAND || event->parameter != host->operation.trb) {
        return;
    }
    host->new_slot = (uint8_t)XHCI_TRB_SLOT_OF(event->control);
    uint32_t code = XHCI_TRB_CODE_OF(event->status);
    finish(host, code == XHCI_SUCCESS ? OK : code == XHCI_NO_SLOT ? ERR_NONE : ERR_DEVICE);
}

static void request_event(struct xhci *host, struct usb_device *target, const struct xhci_trb *event)
{
    if (host->operation.kind != XHCI_REQUEST || host->operation.target != target) {
        return;
    }
    uint32_t code = XHCI_TRB_CODE_OF(event->status), rest = XHCI_TRB_LENGTH_OF(event->status);
    if (code == XHCI_STALL) {
        refused(host);
    } else if (code != XHCI_SUCCESS && code != XHCI_SHORT_PACKET) {
        finish(host, ERR_DEVICE);
    } else if (event->parameter == host->operation.data_trb) {
        target->received = rest < host->operation.length ? host->operation.length - rest : 0;
    } else if (event->parameter == host->operation.trb) {
        finish(host, OK);
    }
}

void xhci_listen(struct usb_device *device)
{
    device->report_trb = put(&device->input, dma_of(device->memory->report), device->interface.packet,
                             XHCI_TRB_TYPE(XHCI_NORMAL) | XHCI_TRB_INTERRUPT);
    ring_doorbell(device->host, device->slot, XHCI_INPUT_ENDPOINT(device->interface.endpoint));
}

static void report_event(struct usb_device *device, const struct xhci_trb *event)
{
    uint32_t code = XHCI_TRB_CODE_OF(event->status), rest = XHCI_TRB_LENGTH_OF(event->status),
             size = device->interface.packet;
    if (event->parameter != device->report_trb || device->class == NULL || device->gone || device->failed ||
        code >= XHCI_STOPPED) {
        return;
    }
    device->report_trb = 0;
    if (code != XHCI_SUCCESS && code != XHCI_SHORT_PACKET) {
        usb_failed(device, "its interrupt endpoint", ERR_DEVICE);
        service_bottom_arm(&device->host->work);
        return;
    }
    device->class->report(device, device->memory->report, rest < size ? size - rest : 0);
    xhci_listen(device);
}

static void transfer_event(struct xhci *host, const struct xhci_trb *event)
{
    uint32_t slot = XHCI_TRB_SLOT_OF(event->control), endpoint = XHCI_TRB_ENDPOINT_OF(event->control);
    struct usb_device *device = slot <= XHCI_SLOTS ? host->by_slot[slot] : NULL;
    if (device == NULL) {
        return;
    }
    if (endpoint == XHCI_CONTROL_ENDPOINT) {
        request_event(host, device, event);
    } else {
        report_event(device, event);
    }
}

/* At most a ring's worth: then others have their turn. */
void xhci_events(struct xhci *host)
{
    unsigned count = 0;
    for (; count < XHCI_EVENTS && host->phase == XHCI_RUNNING; count++) {
        const volatile struct xhci_trb *next = &host->events[host->event_next];
        struct xhci_trb event = {.control = next->control};
        if ((event.control & XHCI_TRB_CYCLE) != host->event_cycle) {
            break;
        }
        cpu_barrier(); /* the cycle bit before the rest */
        event.parameter = next->parameter;
        event.status = next->status;
        host->event_next = (host->event_next + 1) % XHCI_EVENTS;
        host->event_cycle ^= host->event_next == 0;
        uint32_t type = XHCI_TRB_TYPE_OF(event.control);
        if (type == XHCI_TRANSFER_EVENT) {
            transfer_event(host, &event);
        } else if (type == XHCI_COMMAND_EVENT) {
            command_event(host, &event);
        } else if (type == XHCI_PORT_EVENT) {
            service_bottom_arm(&host->work);
        }
    }
    if (host->phase == XHCI_RUNNING) {
        xhci_set_wide(host, host->runtime + XHCI_ERDP, dma_of(&host->events[host->event_next]) | XHCI_ERDP_BUSY);
    }
    if (count == XHCI_EVENTS) {
        service_bottom_arm(&host->work);
    }
}
