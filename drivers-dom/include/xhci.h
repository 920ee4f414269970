/* SPDX-License-Identifier: MIT
 * xHCI host controllers (eXtensible Host Controller Interface for Universal Serial Bus, revision 1.2: 5 registers, 6
 * data structures), as the files of the driver share them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "pci.h"
#include "service.h"
#include "usb.h"

/* --- registers: capability (5.3), operational (5.4), runtime (5.5) --- */

#define XHCI_CAPLENGTH 0x00u
#define XHCI_HCSPARAMS1 0x04u
#define XHCI_HCSPARAMS2 0x08u
#define XHCI_HCCPARAMS1 0x10u
#define XHCI_DBOFF 0x14u
#define XHCI_RTSOFF 0x18u
#define XHCI_HCC_WIDE (1u << 0)     /* 64-bit addresses */
#define XHCI_HCC_CONTEXT_64 (1u << 2)

#define XHCI_USBCMD 0x00u /* from CAPLENGTH on */
#define XHCI_USBSTS 0x04u
#define XHCI_PAGESIZE 0x08u
#define XHCI_CRCR 0x18u
#define XHCI_DCBAAP 0x30u
#define XHCI_CONFIG 0x38u
#define XHCI_PORTSC(port) (0x400u + ((port) - 1) * 0x10u)
#define XHCI_CMD_RUN (1u << 0)
#define XHCI_CMD_RESET (1u << 1)
#define XHCI_CMD_INTERRUPTS (1u << 2)
#define XHCI_STS_HALTED (1u << 0)
#define XHCI_STS_ERROR (1u << 2) /* of the system it is in */
#define XHCI_STS_EVENT (1u << 3)
#define XHCI_STS_NOT_READY (1u << 11)
#define XHCI_STS_FAILED (1u << 12)
#define XHCI_CRCR_CYCLE 1u

#define XHCI_PORT_CONNECTED (1u << 0)
#define XHCI_PORT_ENABLED (1u << 1) /* writing one disables it */
#define XHCI_PORT_RESET (1u << 4)
#define XHCI_PORT_POWER (1u << 9)
#define XHCI_PORT_SPEED(value) ((value) >> 10 & 0xfu)
/* Power, indicator, wake events: are written as they were read. */
#define XHCI_PORT_KEEP (XHCI_PORT_POWER | 3u << 14 | 7u << 25)
#define XHCI_PORT_CONNECT_CHANGE (1u << 17)
#define XHCI_PORT_RESET_CHANGE (1u << 21)
#define XHCI_PORT_CHANGES (0x7fu << 17)

#define XHCI_IMAN 0x20u /* of interrupter 0, from RTSOFF on */
#define XHCI_IMOD 0x24u
#define XHCI_ERSTSZ 0x28u
#define XHCI_ERSTBA 0x30u
#define XHCI_ERDP 0x38u
#define XHCI_IMAN_PENDING 1u
#define XHCI_IMAN_ENABLE 2u
#define XHCI_ERDP_BUSY 8u

/* --- TRBs (6.4) --- */

struct xhci_trb {
    uint64_t parameter;
    uint32_t status, control;
};
_Static_assert(sizeof(struct xhci_trb) == 16, "transfer request block");

#define XHCI_TRB_CYCLE (1u << 0)
#define XHCI_TRB_TOGGLE (1u << 1) /* of a link */
#define XHCI_TRB_INTERRUPT (1u << 5)
#define XHCI_TRB_IMMEDIATE (1u << 6)
#define XHCI_TRB_IN (1u << 16)
#define XHCI_TRB_TYPE(type) ((uint32_t)(type) << 10)
#define XHCI_TRB_TYPE_OF(control) ((control) >> 10 & 0x3fu)
#define XHCI_TRB_ENDPOINT(id) ((uint32_t)(id) << 16)
#define XHCI_TRB_ENDPOINT_OF(control) ((control) >> 16 & 0x1fu)
#define XHCI_TRB_SLOT(slot) ((uint32_t)(slot) << 24)
#define XHCI_TRB_SLOT_OF(control) ((control) >> 24)
#define XHCI_TRB_CODE_OF(status) ((status) >> 24)
#define XHCI_TRB_LENGTH_OF(status) ((status)&0xffffffu)

enum xhci_trb_type {
    XHCI_NORMAL = 1, XHCI_SETUP = 2, XHCI_DATA = 3, XHCI_STATUS = 4, XHCI_LINK = 6,
    XHCI_ENABLE_SLOT = 9, XHCI_DISABLE_SLOT = 10, XHCI_ADDRESS_DEVICE = 11, XHCI_CONFIGURE_ENDPOINT = 12,
    XHCI_EVALUATE_CONTEXT = 13, XHCI_RESET_ENDPOINT = 14, XHCI_STOP_ENDPOINT = 15, XHCI_SET_DEQUEUE = 16,
    XHCI_TRANSFER_EVENT = 32, XHCI_COMMAND_EVENT = 33, XHCI_PORT_EVENT = 34,
};

enum xhci_code {
    XHCI_SUCCESS = 1, XHCI_STALL = 6, XHCI_NO_SLOT = 11, XHCI_SHORT_PACKET = 13, XHCI_STOPPED = 26,
};

#define XHCI_CONTROL_ENDPOINT 1u /* device context index */
#define XHCI_INPUT_ENDPOINT(number) (2u * (number) + 1)

#define XHCI_RING 32u    /* TRBs, the link included: few are under way at a time */
#define XHCI_EVENTS 256u

struct xhci_ring {
    struct xhci_trb *trbs;
    uint16_t next;
    uint8_t cycle;
};

/* --- devices --- */

#define XHCI_CONTEXT_MAX 64u /* bytes */

/* What the controller sees of a device. No context may cross a page. */
struct xhci_device_memory {
    uint8_t output[32 * XHCI_CONTEXT_MAX];
    struct xhci_trb control[XHCI_RING], input[XHCI_RING];
    uint8_t report[USB_REPORT_MAX];
    uint8_t input_context[33 * XHCI_CONTEXT_MAX] __attribute__((aligned(4096)));
    uint8_t data[USB_CONTROL_MAX];
};

#define USB_TIERS 5u /* of hubs: what a route string holds */

struct usb_device {
    struct xhci *host;
    struct usb_device *next;
    struct usb_device *parent;   /* a hub; null: the root hub */
    uint8_t port, root_port;     /* from 1 */
    uint8_t tier;                /* hubs between it and the root hub */
    uint32_t route;
    enum usb_state state;
    bool gone;                   /* unplugged */
    bool failed;
    uint8_t tries;
    uint64_t ready_since;
    enum usb_speed speed;
    uint8_t slot;                /* 0: none */
    uint8_t hub_ports, hub_think; /* of a hub: ports and think time */
    uint16_t packet;             /* of the control endpoint */
    uint16_t vendor, product;
    struct xhci_device_memory *memory;
    struct xhci_ring control, input;
    uint64_t report_trb;         /* what the interrupt endpoint works on */
    uint32_t received;
    usb_then stalled;            /* goes on behind the control endpoint's recovery */
    unsigned waits;              /* for the end of its port's reset */
    usb_then after_reset;
    struct usb_interface interface;
    const struct usb_class *class; /* start has been called */
    void *driver;                /* the class's */
};

#define XHCI_SLOTS 32u
#define XHCI_PORTS 255u

enum xhci_phase { XHCI_HANDOFF, XHCI_HALT, XHCI_RESET, XHCI_RUNNING, XHCI_GONE };
enum xhci_operation { XHCI_IDLE, XHCI_COMMAND, XHCI_REQUEST, XHCI_DELAY };

struct xhci {
    struct pci_device *pci;
    volatile uint8_t *base;
    uint32_t size;                          /* of the registers */
    uint32_t operational, runtime, doorbells, legacy; /* offsets; legacy 0: none */
    uint8_t slots, ports;
    unsigned context;                       /* bytes */
    bool usable[XHCI_PORTS + 1];            /* a port of USB 2 */
    bool low;                               /* it reaches 4 GiB only */
    bool deaf;                              /* no interrupt: it is looked at by time */
    enum xhci_phase phase;
    uint64_t phase_end;
    unsigned restarts;
    uint64_t *contexts;                     /* device context base addresses */
    uint64_t *table;                        /* of the event ring's segments */
    uint64_t *scratch;
    struct xhci_ring commands;
    struct xhci_trb *events;
    uint16_t event_next;
    uint8_t event_cycle;
    struct usb_device *devices, *by_slot[XHCI_SLOTS + 1];
    struct {                                /* the one that is under way */
        enum xhci_operation kind;
        struct usb_device *target, *device;
        usb_then then;
        uint64_t trb, data_trb;             /* where it ends; its data */
        uint32_t length;
    } operation;
    uint8_t new_slot;                       /* result of Enable Slot */
    struct service_timer timer;             /* of the operation, or the phase */
    struct service_timer watch;
    struct service_bottom work;
};

/* xhci_registers.c: a register by its offset. */
uint32_t xhci_get(const struct xhci *host, uint32_t offset);
void xhci_set(const struct xhci *host, uint32_t offset, uint32_t value);
static inline void xhci_set_wide(const struct xhci *host, uint32_t offset, uint64_t value)
{
    xhci_set(host, offset, (uint32_t)value);
    xhci_set(host, offset + 4, (uint32_t)(value >> 32));
}

/* xhci_setup.c: looks at the registers and makes what the controller needs in memory. What it tells is checked;
 * messages name the rule. */
must_use enum status xhci_examine(struct xhci *host);
must_use enum status xhci_allocate(struct xhci *host);
/* The reset is over: rings are empty, the controller runs. */
void xhci_run(struct xhci *host);

/* xhci.c: a controller was found. If there are only others (EHCI, UHCI, OHCI), that is told. */
bool xhci_any(void);
/* The controller does not do what it must: everything is reset; devices are found anew. After some times of this it is
 * left alone. */
void xhci_restart(struct xhci *host, const char *reason);
/* It answers no more, or is not to be trusted: no DMA, no devices. */
void xhci_retire(struct xhci *host, const char *reason);

/* xhci_transfer.c: rings, and the operation that is under way. */
void xhci_ring_start(struct xhci_ring *ring, struct xhci_trb *trbs);
/* The next operation of a task; then(device, status). */
void xhci_command(struct usb_device *device, uint64_t parameter, uint32_t control, usb_then then);
void xhci_events(struct xhci *host);
/* Gives the interrupt endpoint its buffer. */
void xhci_listen(struct usb_device *device);
/* Its time is over. */
void xhci_operation_late(struct xhci *host);

/* xhci_context.c: input contexts (6.2.5). Pure. */
void xhci_context_address(struct usb_device *device);
void xhci_context_packet(struct usb_device *device);
void xhci_context_endpoint(struct usb_device *device);
void xhci_context_hub(struct usb_device *device);
/* The interval of an endpoint in the controller's terms: 125 us << n. */
uint8_t xhci_interval(enum usb_speed speed, uint8_t interval);

/* usb.c: the bus's tasks. */
/* Looks for the next task, if none is under way. */
void usb_next(struct xhci *host);
/* A device is there; parent null: at a root port. Null: no memory, too many. */
struct usb_device *usb_attach(struct xhci *host, struct usb_device *parent, uint8_t port);
struct usb_device *usb_at(const struct xhci *host, const struct usb_device *parent, uint8_t port);
/* It was unplugged, and all that was behind it. */
void usb_detach(struct usb_device *device);
/* All devices are forgotten; memory: the controller does not use it any more. */
void usb_forget(struct xhci *host, bool memory);

/* usb_port.c: root ports; and resetting the port of a device, whichever it is. */
void usb_port_scan(struct xhci *host);
/* OK: the device has a speed. */
void usb_port_reset(struct usb_device *device, usb_then then);
/* usb_hub.c: the same for a port of a hub; then device->after_reset. */
void usb_hub_reset(struct usb_device *device);
