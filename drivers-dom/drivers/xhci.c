/* SPDX-License-Identifier: MIT
 * xHCI host controllers: from the firmware's hands through a reset to running, interrupts, and what happens when one
 * fails or vanishes. */
#include "xhci.h"
#include <stdlib.h>
#include "cpu.h"

#define CLASS_USB 0x0c03u
#define INTERFACE_XHCI 0x30u
#define MS 1000000ull
#define HANDOFF_NS (1000 * MS)
#define PHASE_NS (1000 * MS) /* for a halt (16 ms, xHCI 1.2, 5.4.1.1), and for a reset */
#define STEP_NS (1 * MS)
#define WATCH_NS (1000 * MS)
#define DEAF_NS (10 * MS)
#define MAX_RESTARTS 4u

/* Chipsets whose USB 2 ports are an EHCI controller's until they are switched over (Intel 7 and 8 series chipset
 * datasheets, xHCI configuration registers XUSB2PR, XUSB2PRM). */
#define PCI_VENDOR_INTEL 0x8086u
#define PORT_ROUTING 0xd0u
#define PORT_ROUTING_MASK 0xd4u
static const uint16_t routed[] = {0x1e31, 0x8c31, 0x9c31};

/* USB legacy support (7.1). */
#define LEGACY_CONTROL 4u
#define LEGACY_FIRMWARE (1u << 16)
#define LEGACY_OURS (1u << 24)
#define LEGACY_SMI_KEEP (7u << 1 | 0xffu << 5 | 7u << 17) /* reserved bits; all that enables an SMI is zero */
#define LEGACY_SMI_EVENTS (7u << 29)

static bool any;              /* a controller that can be used */
static char other[16];        /* the first one of another kind */
static const char *other_kind;

static uint32_t operational(const struct xhci *host, uint32_t offset)
{
    return xhci_get(host, host->operational + offset);
}

/* --- the end, and the beginning anew --- */

void xhci_retire(struct xhci *host, const char *reason)
{
    if (host->phase == XHCI_GONE) {
        return;
    }
    service_log("PCI %s: xHCI: %s: out of service", host->pci->name, reason);
    pci_enable(host->pci, false);
    host->phase = XHCI_GONE;
    host->operation.kind = XHCI_IDLE;
    service_timer_cancel(&host->timer);
    service_timer_cancel(&host->watch);
    service_bottom_cancel(&host->work);
    usb_forget(host, false);
}

static void enter(struct xhci *host, enum xhci_phase phase, uint64_t limit)
{
    host->phase = phase;
    host->phase_end = service_now() + limit;
    service_timer_arm(&host->timer, service_now() + STEP_NS);
}

static void start_halt(struct xhci *host)
{
    xhci_set(host, host->operational + XHCI_USBCMD,
             operational(host, XHCI_USBCMD) & ~(XHCI_CMD_RUN | XHCI_CMD_INTERRUPTS));
    enter(host, XHCI_HALT, PHASE_NS);
}

void xhci_restart(struct xhci *host, const char *reason)
{
    if (host->phase != XHCI_RUNNING) {
        return;
    }
    if (++host->restarts > MAX_RESTARTS) {
        xhci_retire(host, reason);
        return;
    }
    service_log("PCI %s: xHCI: %s: resetting it", host->pci->name, reason);
    host->operation.kind = XHCI_IDLE;
    service_bottom_cancel(&host->work);
    start_halt(host);
}

/* --- phases, a step a ms --- */

/* The firmware has served keyboards itself until now; it may take a moment to let go. */
static bool handed_over(struct xhci *host, bool late)
{
    uint32_t value = host->legacy != 0 ? xhci_get(host, host->legacy) : 0;
    if (value & LEGACY_FIRMWARE) {
        if (!late) {
            return false;
        }
        service_log("PCI %s: xHCI: the firmware does not let go of it", host->pci->name);
        xhci_set(host, host->legacy, (value & ~LEGACY_FIRMWARE) | LEGACY_OURS);
    }
    if (host->legacy != 0) {
        uint32_t control = xhci_get(host, host->legacy + LEGACY_CONTROL);
        xhci_set(host, host->legacy + LEGACY_CONTROL, (control & LEGACY_SMI_KEEP) | LEGACY_SMI_EVENTS);
    }
    return true;
}

static bool halted(struct xhci *host, bool late)
{
    /* If it does not halt, the reset is the only hope left. No bus master until it is over. */
    if ((operational(host, XHCI_USBSTS) & XHCI_STS_HALTED) == 0 && !late) {
        return false;
    }
    pci_enable(host->pci, false);
    xhci_set(host, host->operational + XHCI_USBCMD, XHCI_CMD_RESET);
    return true;
}

static bool reset_over(struct xhci *host, bool late)
{
    bool busy = (operational(host, XHCI_USBCMD) & XHCI_CMD_RESET) != 0 ||
                (operational(host, XHCI_USBSTS) & XHCI_STS_NOT_READY) != 0;
    if (busy && late) {
        xhci_retire(host, "it does not come out of its reset");
    }
    return !busy;
}

static void route_ports(const struct pci_device *pci)
{
    for (unsigned i = 0; i < sizeof(routed) / sizeof(routed[0]) && pci->vendor == PCI_VENDOR_INTEL; i++) {
        if (pci->device == routed[i]) {
            pci_write(pci, PORT_ROUTING, 4, pci_read(pci, PORT_ROUTING_MASK, 4));
        }
    }
}

static void run(struct xhci *host)
{
    usb_forget(host, true);
    route_ports(host->pci);
    pci_enable(host->pci, true);
    xhci_run(host);
    host->phase = XHCI_RUNNING;
    service_timer_arm(&host->watch, service_now() + (host->deaf ? DEAF_NS : WATCH_NS));
    service_bottom_arm(&host->work);
}

static void timer_fired(void *context)
{
    struct xhci *host = context;
    bool late = service_now() >= host->phase_end;
    if (host->phase == XHCI_RUNNING) {
        xhci_operation_late(host);
        return;
    }
    if (operational(host, XHCI_USBSTS) == 0xffffffff) {
        xhci_retire(host, "it has vanished");
    } else if (host->phase == XHCI_HANDOFF && handed_over(host, late)) {
        start_halt(host);
    } else if (host->phase == XHCI_HALT && halted(host, late)) {
        enter(host, XHCI_RESET, PHASE_NS);
    } else if (host->phase == XHCI_RESET && reset_over(host, late)) {
        run(host);
    } else if (host->phase != XHCI_GONE) {
        service_timer_arm(&host->timer, service_now() + STEP_NS);
    }
}

/* --- running --- */

static void look(struct xhci *host)
{
    uint32_t status = operational(host, XHCI_USBSTS);
    if (status == 0xffffffff) {
        xhci_retire(host, "it has vanished");
        return;
    }
    if (status & (XHCI_STS_ERROR | XHCI_STS_FAILED)) {
        xhci_restart(host, "it reports an error of its own");
        return;
    }
    /* First the causes, then the ring: what happens in between interrupts again (4.17.5). */
    xhci_set(host, host->operational + XHCI_USBSTS, XHCI_STS_EVENT);
    xhci_set(host, host->runtime + XHCI_IMAN, XHCI_IMAN_PENDING | XHCI_IMAN_ENABLE);
    xhci_events(host);
}

static void interrupted(void *context)
{
    struct xhci *host = context;
    if (host->phase == XHCI_RUNNING) {
        look(host);
    }
}

/* Interrupts may be lost, or not be there at all. */
static void watch(void *context)
{
    struct xhci *host = context;
    if (host->phase == XHCI_RUNNING) {
        look(host);
        service_bottom_arm(&host->work);
        service_timer_arm(&host->watch, service_now() + (host->deaf ? DEAF_NS : WATCH_NS));
    }
}

static void work(void *context)
{
    struct xhci *host = context;
    if (host->phase == XHCI_RUNNING) {
        xhci_events(host);
        usb_next(host);
    }
}

/* --- opening --- */

static enum status open_host(struct xhci *host)
{
    pci_enable(host->pci, false);
    host->base = pci_map_bar(host->pci, 0, PAGE_SIZE);
    if (host->base == NULL) {
        return ERR_FORMAT;
    }
    uint64_t size = host->pci->bars[0].size;
    host->size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    enum status status = xhci_examine(host);
    return status == OK ? xhci_allocate(host) : status;
}

static enum status probe_xhci(struct pci_device *pci)
{
    struct xhci *host = calloc(1, sizeof(*host));
    if (host == NULL) {
        return ERR_MEMORY;
    }
    host->pci = pci;
    host->phase = XHCI_GONE;
    host->timer = (struct service_timer){.fire = timer_fired, .context = host};
    host->watch = (struct service_timer){.fire = watch, .context = host};
    host->work = (struct service_bottom){.run = work, .context = host};
    enum status status = open_host(host);
    if (status != OK) {
        service_log("PCI %s: xHCI could not be started (%u)", pci->name, status);
        free(host); /* nobody has been told of it yet */
        return status;
    }
    host->deaf = pci_interrupt(pci, 0, interrupted, host) != OK;
    any = true;
    if (host->legacy != 0) {
        xhci_set(host, host->legacy, xhci_get(host, host->legacy) | LEGACY_OURS);
    }
    enter(host, XHCI_HANDOFF, HANDOFF_NS);
    return OK;
}

/* --- all kinds of controllers --- */

static bool match(const struct pci_device *device) { return device->class_code >> 8 == CLASS_USB; }

static enum status probe(struct pci_device *device)
{
    static const char *const kinds[] = {[0x0] = "UHCI", [0x1] = "OHCI", [0x2] = "EHCI"};
    unsigned interface = device->class_code & 0xff;
    if (interface == INTERFACE_XHCI) {
        return probe_xhci(device);
    }
    if (interface <= 0x20 && interface % 0x10 == 0 && other_kind == NULL) {
        other_kind = kinds[interface >> 4];
        for (unsigned i = 0; i < sizeof(other); i++) {
            other[i] = device->name[i];
        }
    }
    return ERR_SUPPORT;
}

bool xhci_any(void)
{
    if (!any && other_kind != NULL) {
        service_log(
            "PCI %s: USB keyboards cannot be reached: only xHCI controllers are driven, and this machine has %s", other,
            other_kind);
    }
    return any;
}

const struct pci_driver xhci_driver = {.name = "xhci", .match = match, .probe = probe};
