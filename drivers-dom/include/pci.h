/* SPDX-License-Identifier: MIT
 * PCI functions as drivers-dom finds them: ECAM, or ports 0xcf8/0xcfc. Register names: linux/pci_regs.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"

struct pci_device {
    uint8_t bus, slot, function;
    uint16_t vendor, device;
    uint32_t class_code;     /* class << 16 | subclass << 8 | programming interface */
    struct { uint64_t base, size; bool io, prefetchable; } bars[6]; /* size 0: none */
    uint32_t line_gsi;       /* GSI of INTx, 0xffffffff if unknown */
    const struct pci_driver *driver;
    struct pci_device *next;
};

/* A driver is a const struct in its own file, listed in drivers.c. probe: OK = taken; anything else = not, with a message that names
 * the device and the rule. */
struct pci_driver {
    const char *name;
    bool (*match)(const struct pci_device *device);
    enum status (*probe)(struct pci_device *device);
};

uint32_t pci_read(const struct pci_device *device, unsigned offset, unsigned size);
void pci_write(const struct pci_device *device, unsigned offset, unsigned size, uint32_t value);
/* Memory and I/O decoding, bus mastering. */
void pci_enable(const struct pci_device *device, bool bus_master);
/* Offset of a capability, 0 if none. Malformed lists (loops, wild pointers) end the search with a message. */
unsigned pci_capability(const struct pci_device *device, uint8_t id, unsigned after);
/* MSI-X vector or MSI with one vector, else the line: calls handler on each interrupt. vector 0 for MSI. */
must_use enum status pci_interrupt(struct pci_device *device, unsigned vector, void (*handler)(void *context), void *context);
/* A memory BAR's registers. Null with a message if it is not there or too small. */
volatile void *pci_map_bar(const struct pci_device *device, unsigned bar, uint64_t min_size);
