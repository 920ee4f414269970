/* SPDX-License-Identifier: MIT
 * An xHCI controller's beginning: what it tells of itself, what it gets in memory, and its start (xHCI 1.2, 4.2). */
#include <string.h>
#include "cpu.h"
#include "xhci.h"

#define PAGE 4096u
#define NARROW_END (1ull << 32)
#define MODERATION 4000u /* units of 250 ns: an interrupt each ms at most */

/* HCSPARAMS1, HCSPARAMS2, HCCPARAMS1. */
#define SLOTS_OF(value) ((value)&0xffu)
#define PORTS_OF(value) ((value) >> 24)
#define SCRATCH_OF(value) (((value) >> 21 & 0x1fu) << 5 | (value) >> 27)
#define EXTENDED_OF(value) (((value) >> 16) * 4u)

/* Extended capabilities (7). */
#define EXTENDED_MAX 64u /* in the list */
#define EXTENDED_ID(value) ((value)&0xffu)
#define EXTENDED_NEXT(value) (((value) >> 8 & 0xffu) * 4u)
#define EXTENDED_LEGACY 1u
#define EXTENDED_PROTOCOL 2u
#define PROTOCOL_MAJOR(value) ((value) >> 24)
#define PROTOCOL_FIRST(value) ((value)&0xffu)
#define PROTOCOL_COUNT(value) ((value) >> 8 & 0xffu)
#define USB_3 3u

static enum status wrong(const struct xhci *host, const char *what)
{
    service_log("PCI %s: xHCI: %s", host->pci->name, what);
    return ERR_FORMAT;
}

/* Keyboards are devices of USB 1 and 2: what is at the ports of USB 3 is left alone. */
static void take_protocol(struct xhci *host, uint32_t offset, uint32_t value)
{
    uint32_t ports = xhci_get(host, offset + 8);
    for (uint32_t i = 0; i < PROTOCOL_COUNT(ports) && PROTOCOL_MAJOR(value) >= USB_3; i++) {
        if (PROTOCOL_FIRST(ports) + i <= host->ports) {
            host->usable[PROTOCOL_FIRST(ports) + i] = false;
        }
    }
}

static enum status take_extended(struct xhci *host, uint32_t offset)
{
    memset(host->usable, 1, sizeof(host->usable));
    for (unsigned count = 0; offset != 0; count++) {
        if (count == EXTENDED_MAX || offset > host->size - 12) {
            return wrong(host, "the list of extended capabilities has no end");
        }
        uint32_t value = xhci_get(host, offset);
        if (EXTENDED_ID(value) == EXTENDED_LEGACY) {
            host->legacy = offset;
        } else if (EXTENDED_ID(value) == EXTENDED_PROTOCOL) {
            take_protocol(host, offset, value);
        }
        offset = EXTENDED_NEXT(value) != 0 ? offset + EXTENDED_NEXT(value) : 0;
    }
    return OK;
}

enum status xhci_examine(struct xhci *host)
{
    uint32_t first = xhci_get(host, XHCI_CAPLENGTH), structure = xhci_get(host, XHCI_HCSPARAMS1);
    uint32_t capabilities = xhci_get(host, XHCI_HCCPARAMS1);
    if (first == 0xffffffff || SLOTS_OF(structure) == 0 || PORTS_OF(structure) == 0) {
        return wrong(host, "it has no slots or no ports");
    }
    host->ports = (uint8_t)PORTS_OF(structure);
    host->slots = (uint8_t)(SLOTS_OF(structure) < XHCI_SLOTS ? SLOTS_OF(structure) : XHCI_SLOTS);
    host->context = capabilities & XHCI_HCC_CONTEXT_64 ? 64 : 32;
    host->low = (capabilities & XHCI_HCC_WIDE) == 0;
    host->operational = first & 0xff;
    host->runtime = xhci_get(host, XHCI_RTSOFF) & ~0x1fu;
    host->doorbells = xhci_get(host, XHCI_DBOFF) & ~3u;
    if (host->operational + XHCI_PORTSC(host->ports + 1u) > host->size || host->runtime > host->size - 0x40 ||
        host->doorbells > host->size - 4u * (XHCI_SLOTS + 1)) {
        return wrong(host, "its registers lie outside of BAR 0");
    }
    if ((xhci_get(host, host->operational + XHCI_PAGESIZE) & 1) == 0) {
        return wrong(host, "it has no pages of 4 KiB");
    }
    return take_extended(host, EXTENDED_OF(capabilities));
}

/* --- memory --- */

/* Null, if the controller could not reach it. */
static void *reachable(const struct xhci *host, size_t size)
{
    void *memory = dma_alloc(size, PAGE);
    if (memory != NULL && host->low && dma_of(memory) + size > NARROW_END) {
        dma_free(memory, size);
        return NULL;
    }
    return memory;
}

/* Pages of which the controller alone knows what they are for (4.20). They stay its for ever. */
static enum status allocate_scratch(struct xhci *host)
{
    uint32_t count = SCRATCH_OF(xhci_get(host, XHCI_HCSPARAMS2));
    if (count == 0) {
        return OK;
    }
    host->scratch = reachable(host, count * sizeof(*host->scratch));
    uint8_t *pages = reachable(host, (size_t)count * PAGE);
    if (host->scratch == NULL || pages == NULL) {
        dma_free(host->scratch, count * sizeof(*host->scratch));
        dma_free(pages, (size_t)count * PAGE);
        service_log("PCI %s: xHCI: no memory for the %u pages that it wants for itself", host->pci->name, count);
        return ERR_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        host->scratch[i] = dma_of(pages + (size_t)i * PAGE);
    }
    return OK;
}

static enum status give_back(struct xhci *host)
{
    dma_free(host->contexts, PAGE);
    dma_free(host->table, DMA_GRANULE);
    dma_free(host->events, XHCI_EVENTS * sizeof(*host->events));
    dma_free(host->commands.trbs, XHCI_RING * sizeof(*host->commands.trbs));
    return ERR_MEMORY;
}

enum status xhci_allocate(struct xhci *host)
{
    host->contexts = reachable(host, PAGE);
    host->table = reachable(host, DMA_GRANULE);
    host->events = reachable(host, XHCI_EVENTS * sizeof(*host->events));
    host->commands.trbs = reachable(host, XHCI_RING * sizeof(*host->commands.trbs));
    if (host->contexts == NULL || host->table == NULL || host->events == NULL || host->commands.trbs == NULL ||
        allocate_scratch(host) != OK) {
        return give_back(host);
    }
    return OK;
}

/* --- start --- */

void xhci_run(struct xhci *host)
{
    uint32_t operational = host->operational, runtime = host->runtime;
    memset(host->contexts, 0, PAGE);
    host->contexts[0] = host->scratch != NULL ? dma_of(host->scratch) : 0;
    xhci_ring_start(&host->commands, host->commands.trbs);
    memset(host->events, 0, XHCI_EVENTS * sizeof(*host->events));
    host->event_next = 0;
    host->event_cycle = 1;
    host->table[0] = dma_of(host->events);
    host->table[1] = XHCI_EVENTS;
    cpu_barrier();
    xhci_set(host, operational + XHCI_CONFIG, host->slots);
    xhci_set_wide(host, operational + XHCI_DCBAAP, dma_of(host->contexts));
    xhci_set_wide(host, operational + XHCI_CRCR, dma_of(host->commands.trbs) | XHCI_CRCR_CYCLE);
    xhci_set(host, runtime + XHCI_ERSTSZ, 1);
    xhci_set_wide(host, runtime + XHCI_ERDP, dma_of(host->events));
    xhci_set_wide(host, runtime + XHCI_ERSTBA, dma_of(host->table));
    xhci_set(host, runtime + XHCI_IMOD, MODERATION);
    xhci_set(host, runtime + XHCI_IMAN, XHCI_IMAN_PENDING | XHCI_IMAN_ENABLE);
    xhci_set(host, operational + XHCI_USBCMD, XHCI_CMD_RUN | XHCI_CMD_INTERRUPTS);
    for (unsigned port = 1; port <= host->ports; port++) {
        uint32_t at = operational + XHCI_PORTSC(port);
        xhci_set(host, at, (xhci_get(host, at) & XHCI_PORT_KEEP) | XHCI_PORT_POWER);
    }
}
