/* SPDX-License-Identifier: MIT
 * An xHCI controller of the tests, with devices at its ports and behind hubs. It reads what the driver has put into memory whenever a doorbell
 * is rung; it writes to what it was given for as long as it was not told otherwise, so that memory that is freed too early is found. */
#pragma once

#include "service_fixture.h"
#include "usb_keyboard.h"
#include "xhci.h"

#define FAKE_PORTS 6u /* 1 and 2 are of USB 3 */
#define FAKE_SLOTS 8u
#define FAKE_BAR 0x4000u
#define FAKE_OPERATIONAL 0x40u
#define FAKE_EXTENDED 0x1000u
#define FAKE_RUNTIME 0x2000u
#define FAKE_DOORBELLS 0x3000u
#define HUB_PORTS 4u

struct fake_device {
    bool present;
    uint32_t route;
    uint8_t root_port, speed;
    uint8_t packet;              /* of the control endpoint */
    uint8_t configuration[256];
    uint16_t size, claimed;      /* bytes of the configuration; what it says; 0: the same */
    int refuses;                 /* a request, by number; -1: none */
    bool silent;                 /* answers no request */
    bool hub;
    uint16_t status[HUB_PORTS + 1], change[HUB_PORTS + 1];
    /* what the driver did */
    uint8_t configured, protocol, requests[256], slot;
    bool listening;
};

static struct {
    uint32_t portsc[FAKE_PORTS + 1];
    uint32_t command, status, config, iman, legacy, legacy_control;
    uint64_t crcr, dcbaap, erstba, erdp;
    uint32_t hcc, structure2, routing;
    bool vanished, deaf, stuck, master, interrupt; /* deaf: completes no command; stuck: no end of a reset */
    unsigned resets, commands;
    uint64_t command_next;
    uint8_t command_cycle, event_cycle;
    unsigned event_next;
    struct { bool used; uint64_t next[4]; uint8_t cycle[4]; bool running[4]; struct fake_device *device; uint32_t context[8], endpoint[8]; } slots[FAKE_SLOTS + 1];
    struct fake_device devices[4];
    void (*handler)(void *context);
    void *context;
} fake;

static struct pci_device fake_pci = {.name = "00:04.0", .class_code = 0x0c0330, .bars = {{.base = 0x1000, .size = FAKE_BAR}}};
extern const struct pci_driver xhci_driver;

/* --- what the driver finds around it --- */

volatile void *pci_map_bar(const struct pci_device *device, unsigned bar, uint64_t min_size)
{
    (void)device, (void)bar, (void)min_size;
    return (volatile void *)&fake;
}
void pci_enable(const struct pci_device *device, bool bus_master)
{
    (void)device;
    fake.master = bus_master;
}
enum status pci_interrupt(struct pci_device *device, unsigned vector, void (*handler)(void *context), void *context)
{
    (void)device, (void)vector;
    fake.handler = handler;
    fake.context = context;
    return OK;
}

uint32_t pci_read(const struct pci_device *device, unsigned offset, unsigned size)
{
    (void)device;
    return offset == 0xd4 && size == 4 ? 0x3fff : 0;
}
void pci_write(const struct pci_device *device, unsigned offset, unsigned size, uint32_t value)
{
    (void)device;
    fake.routing = offset == 0xd0 && size == 4 ? value : fake.routing;
}

/* --- events --- */

static inline void fake_event(uint64_t parameter, uint32_t status, uint32_t control)
{
    if (!fake.master || !(fake.command & XHCI_CMD_RUN)) {
        return;
    }
    const uint64_t *segment = machine(fake.erstba);
    struct xhci_trb *events = machine(segment[0]);
    events[fake.event_next] = (struct xhci_trb){parameter, status, control | fake.event_cycle};
    fake.event_next = (fake.event_next + 1) % (unsigned)segment[1];
    fake.event_cycle ^= fake.event_next == 0;
    fake.status |= XHCI_STS_EVENT;
    fake.interrupt = true;
}

static inline void fake_port_changed(unsigned port, uint32_t change)
{
    fake.portsc[port] |= change;
    if (fake.command & XHCI_CMD_RUN) {
        fake_event((uint64_t)port << 24, XHCI_SUCCESS << 24, XHCI_TRB_TYPE(XHCI_PORT_EVENT));
    }
}

/* The next TRB of a ring, links followed; false: none. */
static inline bool fake_take(uint64_t *next, uint8_t *cycle, struct xhci_trb *trb, uint64_t *address)
{
    for (unsigned i = 0; i < 2; i++) {
        *trb = *(const struct xhci_trb *)machine(*next);
        if ((trb->control & 1) != *cycle) {
            return false;
        }
        *address = *next;
        *next += sizeof(*trb);
        if (XHCI_TRB_TYPE_OF(trb->control) != XHCI_LINK) {
            return true;
        }
        *cycle ^= (trb->control & XHCI_TRB_TOGGLE) != 0;
        *next = trb->parameter;
    }
    return false;
}

/* --- devices --- */

static inline struct fake_device *fake_find(uint32_t route, unsigned root_port)
{
    for (unsigned i = 0; i < 4; i++) {
        struct fake_device *device = &fake.devices[i];
        if (device->present && device->route == route && device->root_port == root_port) {
            return device;
        }
    }
    return NULL;
}

static inline uint32_t fake_descriptor(const struct fake_device *device, const struct usb_setup *setup, uint8_t *data)
{
    uint8_t bytes[256] = {18, 1, 0, 2, 0, 0, 0, device->packet, 0x34, 0x12, 0x78, 0x56, 0, 0, 0, 0, 0, 1};
    uint32_t size = 18;
    if (setup->value >> 8 == USB_DESCRIPTOR_CONFIGURATION) {
        memcpy(bytes, device->configuration, sizeof(bytes));
        size = device->size;
        if (device->claimed != 0) {
            bytes[2] = (uint8_t)device->claimed;
            bytes[3] = (uint8_t)(device->claimed >> 8);
        }
    } else if (setup->value >> 8 == 0x29) {
        memcpy(bytes, (const uint8_t[]){9, 0x29, HUB_PORTS, 0x20, 0, 10, 0, 0, 0xff}, 9);
        size = 9;
    }
    size = size < setup->length ? size : setup->length;
    memcpy(data, bytes, size);
    return size;
}

/* A port of a hub, and what is behind it. */
static inline uint32_t fake_hub_request(struct fake_device *hub, const struct usb_setup *setup, uint8_t *data)
{
    unsigned port = setup->index <= HUB_PORTS ? setup->index : 0;
    if (setup->request == USB_GET_STATUS) {
        memcpy(data, &hub->status[port], 2);
        memcpy(data + 2, &hub->change[port], 2);
        return 4;
    }
    if (setup->request == USB_CLEAR_FEATURE && setup->value >= 16) {
        hub->change[port] &= (uint16_t)~(1u << (setup->value - 16));
    } else if (setup->request == USB_SET_FEATURE && setup->value == 4) {
        hub->status[port] |= 2;
        hub->change[port] |= 0x10;
    }
    return 0;
}

/* Bytes of data; -1: refused. */
static inline int fake_request(struct fake_device *device, const struct usb_setup *setup, uint8_t *data)
{
    device->requests[setup->request]++;
    if (device->refuses == setup->request) {
        return -1;
    }
    if (setup->request == USB_GET_DESCRIPTOR) {
        return (int)fake_descriptor(device, setup, data);
    }
    if (setup->request == USB_SET_CONFIGURATION && setup->type == 0) {
        device->configured = (uint8_t)setup->value;
    } else if (setup->request == 0x0b && setup->type == 0x21) {
        device->protocol = (uint8_t)setup->value;
    }
    return device->hub ? (int)fake_hub_request(device, setup, data) : 0;
}

static inline void fake_control(unsigned slot)
{
    struct fake_device *device = fake.slots[slot].device;
    uint32_t id = XHCI_TRB_TYPE(XHCI_TRANSFER_EVENT) | XHCI_TRB_ENDPOINT(1) | XHCI_TRB_SLOT(slot);
    struct xhci_trb trb;
    uint64_t address;
    struct usb_setup setup = {0};
    uint8_t data[1024];
    int size = 0;
    while (fake_take(&fake.slots[slot].next[1], &fake.slots[slot].cycle[1], &trb, &address) && !(device->silent && device->present)) {
        uint32_t type = XHCI_TRB_TYPE_OF(trb.control);
        if (type == XHCI_SETUP) {
            assert_true(trb.control & XHCI_TRB_IMMEDIATE);
            memcpy(&setup, &trb.parameter, 8);
            size = device->present ? fake_request(device, &setup, data) : 0;
        }
        if (!device->present || size < 0) {
            fake_event(address, (device->present ? XHCI_STALL : 4u) << 24 | trb.status, id);
            fake.slots[slot].running[1] = false;
            return;
        }
        if (type == XHCI_DATA) {
            assert_true(trb.status <= USB_CONTROL_MAX);
            memcpy(machine(trb.parameter), data, (size_t)size);
            fake_event(address, ((uint32_t)size < trb.status ? XHCI_SHORT_PACKET : XHCI_SUCCESS) << 24 | (trb.status - (uint32_t)size), id);
        } else if (type == XHCI_STATUS) {
            fake_event(address, XHCI_SUCCESS << 24, id);
        }
    }
}

/* The device has something to tell; false: nobody listens. */
static inline bool fake_report(struct fake_device *device, const void *bytes, uint32_t size, uint32_t code)
{
    unsigned slot = device->slot;
    struct xhci_trb trb;
    uint64_t address;
    if (slot == 0 || !fake.slots[slot].running[3] ||
        !fake_take(&fake.slots[slot].next[3], &fake.slots[slot].cycle[3], &trb, &address)) {
        return false;
    }
    size = size < trb.status ? size : trb.status;
    memcpy(machine(trb.parameter), bytes, size);
    fake_event(address, code << 24 | (trb.status - size), XHCI_TRB_TYPE(XHCI_TRANSFER_EVENT) | XHCI_TRB_ENDPOINT(3) | XHCI_TRB_SLOT(slot));
    fake.slots[slot].running[3] = code == XHCI_SUCCESS || code == XHCI_SHORT_PACKET;
    return true;
}

/* --- commands --- */

static inline unsigned fake_context(void) { return fake.hcc & XHCI_HCC_CONTEXT_64 ? 64 : 32; }

static inline void fake_endpoint(unsigned slot, unsigned index, const uint8_t *input)
{
    const uint32_t *endpoint = (const uint32_t *)(input + (size_t)(index + 1) * fake_context());
    memcpy(fake.slots[slot].endpoint, endpoint, sizeof(fake.slots[slot].endpoint));
    fake.slots[slot].next[index] = ((uint64_t)endpoint[3] << 32 | endpoint[2]) & ~0xfull;
    fake.slots[slot].cycle[index] = endpoint[2] & 1;
    fake.slots[slot].running[index] = true;
}

static inline uint32_t fake_address(unsigned slot, const uint8_t *input)
{
    const uint32_t *context = (const uint32_t *)(input + fake_context());
    struct fake_device *device = fake_find(context[0] & 0xfffff, context[1] >> 16 & 0xff);
    assert_int_equal(*(const uint32_t *)(input + 4), 3);
    assert_int_equal(((const uint64_t *)machine(fake.dcbaap))[slot] % 64, 0);
    if (device == NULL) {
        return 4; /* transaction error */
    }
    assert_int_equal(context[0] >> 20 & 0xf, device->speed);
    fake.slots[slot].device = device;
    device->slot = (uint8_t)slot;
    fake_endpoint(slot, 1, input);
    return XHCI_SUCCESS;
}

static inline uint32_t fake_configure(unsigned slot, const uint8_t *input)
{
    if (*(const uint32_t *)(input + 4) & 1u << 3) {
        fake_endpoint(slot, 3, input);
    }
    return XHCI_SUCCESS;
}

static inline uint32_t fake_slot_command(const struct xhci_trb *trb, unsigned slot)
{
    unsigned endpoint = XHCI_TRB_ENDPOINT_OF(trb->control);
    if (slot == 0 || slot > FAKE_SLOTS || !fake.slots[slot].used) {
        return XHCI_NO_SLOT;
    }
    switch (XHCI_TRB_TYPE_OF(trb->control)) {
    case XHCI_DISABLE_SLOT:
        assert_false(fake.slots[slot].running[1] || fake.slots[slot].running[3]);
        if (fake.slots[slot].device != NULL) {
            fake.slots[slot].device->slot = 0;
        }
        memset(&fake.slots[slot], 0, sizeof(fake.slots[slot]));
        return XHCI_SUCCESS;
    case XHCI_ADDRESS_DEVICE:
        memcpy(fake.slots[slot].context, (uint8_t *)machine(trb->parameter) + fake_context(), 32);
        return fake_address(slot, machine(trb->parameter));
    case XHCI_CONFIGURE_ENDPOINT:
        memcpy(fake.slots[slot].context, (uint8_t *)machine(trb->parameter) + fake_context(), 32);
        return fake_configure(slot, machine(trb->parameter));
    case XHCI_EVALUATE_CONTEXT:
        assert_int_equal(*(const uint32_t *)((uint8_t *)machine(trb->parameter) + 4), 2);
        return XHCI_SUCCESS;
    case XHCI_STOP_ENDPOINT:
        fake.slots[slot].running[endpoint % 4] = false;
        return XHCI_SUCCESS;
    case XHCI_RESET_ENDPOINT:
        return fake.slots[slot].running[1] ? 19 : XHCI_SUCCESS; /* it must be halted */
    case XHCI_SET_DEQUEUE:
        fake.slots[slot].next[1] = trb->parameter & ~0xfull;
        fake.slots[slot].cycle[1] = trb->parameter & 1;
        fake.slots[slot].running[1] = true;
        return XHCI_SUCCESS;
    default:
        return 5; /* TRB error */
    }
}

static inline void fake_commands(void)
{
    struct xhci_trb trb;
    uint64_t address;
    while (!fake.deaf && fake_take(&fake.command_next, &fake.command_cycle, &trb, &address)) {
        unsigned slot = XHCI_TRB_SLOT_OF(trb.control), code = XHCI_SUCCESS;
        fake.commands++;
        if (XHCI_TRB_TYPE_OF(trb.control) == XHCI_ENABLE_SLOT) {
            for (slot = 1; slot <= FAKE_SLOTS && fake.slots[slot].used; slot++) {
            }
            code = slot > FAKE_SLOTS ? 9 : XHCI_SUCCESS;
            slot = slot > FAKE_SLOTS ? 0 : slot;
            fake.slots[slot].used = slot != 0;
        } else {
            code = fake_slot_command(&trb, slot);
        }
        fake_event(address, code << 24, XHCI_TRB_TYPE(XHCI_COMMAND_EVENT) | XHCI_TRB_SLOT(slot));
    }
}

/* --- registers --- */

static inline void fake_reset(void)
{
    assert_false(fake.master);
    fake.command = 0;
    fake.status = XHCI_STS_HALTED;
    fake.iman = 0;
    memset(fake.slots, 0, sizeof(fake.slots));
    fake.event_next = 0;
    fake.event_cycle = 1;
    fake.resets++;
    for (unsigned port = 1; port <= FAKE_PORTS; port++) {
        fake.portsc[port] &= XHCI_PORT_CONNECTED;
        fake.portsc[port] |= fake.portsc[port] ? XHCI_PORT_CONNECT_CHANGE : 0;
    }
    for (unsigned i = 0; i < 4; i++) {
        fake.devices[i].slot = 0;
    }
}

static inline uint32_t fake_capability(uint32_t offset)
{
    switch (offset) {
    case XHCI_CAPLENGTH: return 0x01200000 | FAKE_OPERATIONAL;
    case XHCI_HCSPARAMS1: return FAKE_PORTS << 24 | 1 << 8 | FAKE_SLOTS;
    case XHCI_HCSPARAMS2: return fake.structure2;
    case XHCI_HCCPARAMS1: return fake.hcc | (FAKE_EXTENDED / 4) << 16;
    case XHCI_DBOFF: return FAKE_DOORBELLS;
    case XHCI_RTSOFF: return FAKE_RUNTIME;
    case FAKE_EXTENDED: return 1 | 8 << 8 | fake.legacy;
    case FAKE_EXTENDED + 4: return fake.legacy_control;
    case FAKE_EXTENDED + 0x20: return 2 | 4 << 8 | 3u << 24;
    case FAKE_EXTENDED + 0x28: return 1 | 2 << 8;
    case FAKE_EXTENDED + 0x30: return 2 | 2u << 24;
    case FAKE_EXTENDED + 0x38: return 3 | 4 << 8;
    default: return 0;
    }
}

uint32_t xhci_get(const struct xhci *host, uint32_t offset)
{
    (void)host;
    assert_true(offset <= FAKE_BAR - 4 && offset % 4 == 0);
    if (fake.vanished) {
        return 0xffffffff;
    }
    switch (offset) {
    case FAKE_OPERATIONAL + XHCI_USBCMD: return fake.command;
    case FAKE_OPERATIONAL + XHCI_USBSTS: return fake.status;
    case FAKE_OPERATIONAL + XHCI_PAGESIZE: return 1;
    case FAKE_RUNTIME + XHCI_IMAN: return fake.iman;
    }
    if (offset >= FAKE_OPERATIONAL + 0x400 && offset < FAKE_OPERATIONAL + 0x400 + FAKE_PORTS * 0x10) {
        return fake.portsc[(offset - FAKE_OPERATIONAL - 0x400) / 0x10 + 1];
    }
    return fake_capability(offset);
}

static inline void fake_set_port(unsigned port, uint32_t value)
{
    uint32_t *portsc = &fake.portsc[port];
    struct fake_device *device = fake_find(0, port);
    assert_false(port <= 2 && (value & XHCI_PORT_RESET)); /* of USB 3: not ours */
    *portsc &= ~(value & XHCI_PORT_CHANGES);
    assert_false(value & XHCI_PORT_ENABLED); /* would disable it */
    *portsc = (*portsc & ~XHCI_PORT_POWER) | (value & XHCI_PORT_POWER);
    if ((value & XHCI_PORT_RESET) && device != NULL) {
        *portsc = (*portsc & ~(0xfu << 10)) | XHCI_PORT_ENABLED | (uint32_t)device->speed << 10;
        fake_port_changed(port, XHCI_PORT_RESET_CHANGE);
    }
}

static inline void fake_set_half(uint64_t *value, bool high, uint32_t half)
{
    *value = high ? (*value & 0xffffffff) | (uint64_t)half << 32 : (*value & ~0xffffffffull) | half;
}

static inline void fake_set_command(uint32_t value)
{
    if (value & XHCI_CMD_RESET) {
        fake_reset();
        fake.command = fake.stuck ? XHCI_CMD_RESET : 0;
    } else {
        if ((value & XHCI_CMD_RUN) && !(fake.command & XHCI_CMD_RUN)) {
            fake.command_next = fake.crcr & ~0x3full;
            fake.command_cycle = fake.crcr & 1;
        }
        fake.command = value;
        fake.status = value & XHCI_CMD_RUN ? fake.status & ~XHCI_STS_HALTED : fake.status | XHCI_STS_HALTED;
    }
}

static inline void fake_ring(unsigned slot, uint32_t target)
{
    if (fake.vanished || !fake.master) {
        return;
    }
    if (slot == 0) {
        fake_commands();
    } else if (slot <= FAKE_SLOTS && fake.slots[slot].used && target == 1) {
        fake_control(slot);
    } else if (slot <= FAKE_SLOTS && fake.slots[slot].used && target == 3) {
        fake.slots[slot].device->listening = true;
    }
}

void xhci_set(const struct xhci *host, uint32_t offset, uint32_t value)
{
    (void)host;
    assert_true(offset <= FAKE_BAR - 4 && offset % 4 == 0);
    if (offset == FAKE_OPERATIONAL + XHCI_USBCMD) {
        fake_set_command(value);
    } else if (offset == FAKE_OPERATIONAL + XHCI_USBSTS) {
        fake.status &= ~(value & XHCI_STS_EVENT);
    } else if (offset / 8 * 8 == FAKE_OPERATIONAL + XHCI_CRCR) {
        fake_set_half(&fake.crcr, offset & 4, value);
    } else if (offset / 8 * 8 == FAKE_OPERATIONAL + XHCI_DCBAAP) {
        fake_set_half(&fake.dcbaap, offset & 4, value);
    } else if (offset / 8 * 8 == FAKE_RUNTIME + XHCI_ERSTBA) {
        fake_set_half(&fake.erstba, offset & 4, value);
    } else if (offset == FAKE_RUNTIME + XHCI_IMAN) {
        fake.iman = value;
    } else if (offset == FAKE_EXTENDED) {
        fake.legacy = value & ~0xffffu;
    } else if (offset == FAKE_EXTENDED + 4) {
        fake.legacy_control = value;
    } else if (offset >= FAKE_DOORBELLS) {
        fake_ring((offset - FAKE_DOORBELLS) / 4, value);
    } else if (offset >= FAKE_OPERATIONAL + 0x400 && offset < FAKE_OPERATIONAL + 0x400 + FAKE_PORTS * 0x10) {
        fake_set_port((offset - FAKE_OPERATIONAL - 0x400) / 0x10 + 1, value);
    }
}

/* --- for tests --- */

/* Time, interrupts, bottoms. */
static inline void fake_pass(unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        for (unsigned rounds = 0; rounds < 64 && fake.interrupt; rounds++) {
            fake.interrupt = false;
            fake.handler(fake.context);
            fixture_settle();
        }
        fixture_pass(1);
    }
}

static const uint8_t fake_keyboard[] = {9, 2, 34, 0, 1, 1, 0, 0xa0, 50, 9, 4, 0, 0, 1, 3, 1, 1, 0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0,
                                        7, 5, 0x81, 3, 8, 0, 10};
static const uint8_t fake_hub[] = {9, 2, 25, 0, 1, 1, 0, 0xe0, 0, 9, 4, 0, 0, 1, 9, 0, 0, 0, 7, 5, 0x81, 3, 1, 0, 12};

static inline struct fake_device *fake_make(unsigned index, unsigned root_port, uint32_t route, uint8_t speed, const uint8_t *bytes, size_t size)
{
    struct fake_device *device = &fake.devices[index];
    *device = (struct fake_device){.present = true, .root_port = (uint8_t)root_port, .route = route, .speed = speed, .size = (uint16_t)size,
                                   .packet = speed == USB_HIGH_SPEED ? 64 : 8, .refuses = -1, .protocol = 0xff, .hub = bytes == fake_hub};
    memcpy(device->configuration, bytes, size);
    return device;
}

static inline void fake_plug(unsigned port)
{
    fake.portsc[port] |= XHCI_PORT_CONNECTED;
    fake_port_changed(port, XHCI_PORT_CONNECT_CHANGE);
}

static inline void fake_unplug(struct fake_device *device)
{
    device->present = false;
    fake.portsc[device->root_port] &= ~(XHCI_PORT_CONNECTED | XHCI_PORT_ENABLED);
    fake_port_changed(device->root_port, XHCI_PORT_CONNECT_CHANGE);
}

static inline void fake_begin(void)
{
    fixture_reset();
    memset(&fake, 0, sizeof(fake));
    fake.hcc = XHCI_HCC_WIDE;
    fake.status = XHCI_STS_HALTED;
}
