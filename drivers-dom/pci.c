/* SPDX-License-Identifier: MIT
 * PCI: enumeration, BARs, capabilities. Register names are those of linux/pci_regs.h. */
#include "pci.h"
#include <stdio.h>
#include <stdlib.h>
#include <linux/pci_regs.h>
#include "drivers.h"
#include "service.h"

#define SLOTS 32
#define FUNCTIONS 8
#define CLASS_BRIDGE 6
#define LEGACY_END 0x100000ull         /* below 1 MiB there is no memory BAR: what claims so was never assigned */
#define DIRECT_END (1ull << 39)        /* of the PV_DIRECT map */
#define CAPABILITIES_FIRST 0x40
#define CAPABILITIES_MAX ((256 - CAPABILITIES_FIRST) / 4)
#define LINE_LAST_ISA 15
#define MULTI_FUNCTION 0x80 /* of the header type */

bool pci_present(const struct pci_device *device) { return pci_read(device, PCI_VENDOR_ID, 2) != 0xffff; }

/* --- capabilities --- */

unsigned pci_capability(const struct pci_device *device, uint8_t id, unsigned after)
{
    if (!(pci_read(device, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST)) {
        return 0;
    }
    unsigned offset = pci_read(device, after != 0 ? after + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST, 1);
    for (unsigned count = 0; offset != 0; count++) {
        offset &= ~3u; /* the two low bits are reserved */
        if (offset < CAPABILITIES_FIRST || count == CAPABILITIES_MAX) {
            service_log("PCI %s: the list of capabilities %s (at 0x%x)", device->name,
                        count == CAPABILITIES_MAX ? "has a loop" : "points into the header", offset);
            return 0;
        }
        uint32_t header = pci_read(device, offset, 2);
        if ((header & 0xff) == 0xff) {
            service_log("PCI %s: the list of capabilities ends in nothing (at 0x%x)", device->name, offset);
            return 0;
        }
        if ((header & 0xff) == id) {
            return offset;
        }
        offset = header >> 8;
    }
    return 0;
}

/* --- BARs --- */

void pci_enable(const struct pci_device *device, bool bus_master)
{
    uint32_t command = pci_read(device, PCI_COMMAND, 2) | PCI_COMMAND_MEMORY | PCI_COMMAND_IO;
    command = bus_master ? command | PCI_COMMAND_MASTER : command & ~(uint32_t)PCI_COMMAND_MASTER;
    pci_write(device, PCI_COMMAND, 2, command);
}

static uint32_t size_mask(const struct pci_device *device, unsigned offset, uint32_t *value)
{
    *value = pci_read(device, offset, 4);
    pci_write(device, offset, 4, 0xffffffff);
    uint32_t mask = pci_read(device, offset, 4);
    pci_write(device, offset, 4, *value);
    return mask;
}

/* Fills bars[index]; returns how many BAR registers it takes. */
static unsigned size_bar(struct pci_device *device, unsigned index, unsigned last)
{
    unsigned offset = PCI_BASE_ADDRESS_0 + index * 4;
    uint32_t low, high = 0;
    uint32_t low_mask = size_mask(device, offset, &low), high_mask = 0xffffffff;
    if (low_mask == 0 || low_mask == 0xffffffff) {
        return 1;
    }
    if (low_mask & PCI_BASE_ADDRESS_SPACE_IO) {
        /* The upper half may be hard-wired to zero. */
        uint32_t mask = (low_mask | 0xffff0000) & (uint32_t)PCI_BASE_ADDRESS_IO_MASK;
        device->bars[index].base = low & (uint32_t)PCI_BASE_ADDRESS_IO_MASK;
        device->bars[index].size = (uint64_t)(~mask) + 1;
        device->bars[index].io = true;
        return 1;
    }
    bool wide = (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
    if (wide && index < last) {
        high_mask = size_mask(device, offset + 4, &high);
        /* A device that is below 4 GiB only may have the upper half hard-wired to zero. */
        high_mask = high_mask == 0 ? 0xffffffff : high_mask;
    }
    uint64_t mask = (uint64_t)high_mask << 32 | (low_mask & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK);
    device->bars[index].base = (uint64_t)high << 32 | (low & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK);
    device->bars[index].size = ~mask + 1;
    device->bars[index].prefetchable = (low & PCI_BASE_ADDRESS_MEM_PREFETCH) != 0;
    return wide ? 2 : 1;
}

static void size_bars(struct pci_device *device)
{
    /* A function must not decode the addresses that sizing puts into its BARs. */
    uint32_t command = pci_read(device, PCI_COMMAND, 2);
    pci_write(device, PCI_COMMAND, 2, command & ~(uint32_t)(PCI_COMMAND_MEMORY | PCI_COMMAND_IO));
    for (unsigned i = 0; i < 6;) {
        i += size_bar(device, i, 5);
    }
    pci_write(device, PCI_COMMAND, 2, command);
}

/* The rule that keeps a BAR from being used, null if none. */
static const char *bar_error(const struct pci_device *device, unsigned bar, bool io, uint64_t min_size)
{
    if (bar >= 6 || device->bars[bar].size == 0) {
        return "is not there";
    }
    uint64_t base = device->bars[bar].base, size = device->bars[bar].size;
    if (device->bars[bar].io != io) {
        return io ? "is not of ports" : "is not of memory";
    }
    if (size < min_size) {
        return "is too small";
    }
    if (io) {
        return base == 0 || base + size > 0x10000 ? "was not assigned by the firmware" : NULL;
    }
    if (base == 0) {
        return "was not assigned by the firmware";
    }
    if (base < LEGACY_END) {
        return "lies below 1 MiB";
    }
    return base >= DIRECT_END || size > DIRECT_END - base ? "lies above 512 GiB" : NULL;
}

static bool bar_usable(const struct pci_device *device, unsigned bar, bool io, uint64_t min_size)
{
    const char *error = bar_error(device, bar, io, min_size);
    if (error != NULL) {
        service_log("PCI %s (%04x:%04x): BAR %u %s", device->name, device->vendor, device->device, bar, error);
    }
    return error == NULL;
}

volatile void *pci_map_bar(const struct pci_device *device, unsigned bar, uint64_t min_size)
{
    return bar_usable(device, bar, false, min_size) ? machine(device->bars[bar].base) : NULL;
}

uint16_t pci_port_bar(const struct pci_device *device, unsigned bar, uint64_t min_size)
{
    return bar_usable(device, bar, true, min_size) ? (uint16_t)device->bars[bar].base : 0;
}

/* --- enumeration --- */

/* Not a bridge: bridges must go on, they carry what is behind them. */
static bool is_endpoint(const struct pci_device *device)
{
    bool normal = (pci_read(device, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MASK) == PCI_HEADER_TYPE_NORMAL;
    return normal && pci_read(device, PCI_CLASS_REVISION, 4) >> 24 != CLASS_BRIDGE;
}

/* The read behind the write pushes what the device still has on its way into memory. */
static void stop_dma(const struct pci_device *device)
{
    uint32_t command = pci_read(device, PCI_COMMAND, 2);
    if (is_endpoint(device) && (command & PCI_COMMAND_MASTER) != 0) {
        pci_write(device, PCI_COMMAND, 2, command & ~(uint32_t)PCI_COMMAND_MASTER);
        (void)pci_read(device, PCI_COMMAND, 2);
    }
}

static void find_line(struct pci_device *device)
{
    /* The firmware routed the pin to an ISA interrupt, whose GSI is the same unless the manager's table of lines says
     * otherwise. */
    uint32_t line = pci_read(device, PCI_INTERRUPT_LINE, 1);
    bool used = pci_read(device, PCI_INTERRUPT_PIN, 1) != 0 && line > 0 && line <= LINE_LAST_ISA;
    device->line_gsi = used ? line : PCI_NO_LINE;
}

static struct pci_device *examine(const struct pci_device *place)
{
    struct pci_device *device = calloc(1, sizeof(*device));
    if (device == NULL) {
        service_log("PCI %02x:%02x.%x: no memory", place->bus, place->slot, place->function);
        return NULL;
    }
    *device = *place;
    snprintf(device->name, sizeof(device->name), "%02x:%02x.%x", place->bus, place->slot, place->function);
    device->vendor = (uint16_t)pci_read(device, PCI_VENDOR_ID, 2);
    device->device = (uint16_t)pci_read(device, PCI_DEVICE_ID, 2);
    device->class_code = pci_read(device, PCI_CLASS_REVISION, 4) >> 8;
    if (is_endpoint(device)) {
        stop_dma(device);
        pci_interrupts_off(device);
        size_bars(device);
        find_line(device);
    }
    return device;
}

/* Bus by bus, whatever bridges say: the firmware has numbered them, busses behind several host bridges are found too,
 * and a bridge that claims a bus twice makes no loop. */
static void for_each(unsigned first_bus, unsigned last_bus,
                     void (*call)(const struct pci_device *place, void *context), void *context)
{
    for (unsigned bus = first_bus; bus <= last_bus && bus < 256; bus++) {
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            struct pci_device place = {.bus = (uint8_t)bus, .slot = (uint8_t)slot};
            if (!pci_present(&place)) {
                continue; /* no function 0, no others (PCI local bus specification 3.2.2.3.4) */
            }
            bool many = (pci_read(&place, PCI_HEADER_TYPE, 1) & MULTI_FUNCTION) != 0;
            for (unsigned function = 0; function < (many ? FUNCTIONS : 1); function++) {
                place.function = (uint8_t)function;
                if (pci_present(&place)) {
                    call(&place, context);
                }
            }
        }
    }
}

static void append(const struct pci_device *place, void *context)
{
    struct pci_device ***link = context, *device = examine(place);
    if (device != NULL) {
        **link = device;
        *link = &device->next;
    }
}

struct pci_device *pci_enumerate(unsigned first_bus, unsigned last_bus)
{
    struct pci_device *first = NULL, **link = &first;
    for_each(first_bus, last_bus, append, &link);
    return first;
}

static void quiet_one(const struct pci_device *place, void *context)
{
    (void)context;
    stop_dma(place);
}

void pci_quiet(const struct control *control)
{
    pci_config_init(control);
    for_each(pci_first_bus(), pci_last_bus(), quiet_one, NULL);
}

static void probe(struct pci_device *devices)
{
    for (struct pci_device *device = devices; device != NULL; device = device->next) {
        for (unsigned i = 0; pci_drivers[i] != NULL && device->driver == NULL; i++) {
            if (pci_drivers[i]->match(device) && pci_drivers[i]->probe(device) == OK) {
                device->driver = pci_drivers[i];
            }
        }
    }
}

void pci_init(void)
{
    probe(pci_enumerate(pci_first_bus(), pci_last_bus()));
}
