/* SPDX-License-Identifier: MIT
 * PCI functions as drivers-dom finds them: ECAM, or ports 0xcf8/0xcfc. Register names: linux/pci_regs.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/control.h"
#include "abi/status.h"

struct pci_device {
    uint8_t bus, slot, function;
    uint16_t vendor, device;
    uint32_t class_code;     /* class << 16 | subclass << 8 | programming interface */
    struct { uint64_t base, size; bool io, prefetchable; } bars[6]; /* size 0: none */
    uint32_t line_gsi;       /* GSI of INTx, 0xffffffff if unknown */
    const struct pci_driver *driver;
    struct pci_device *next;
    char name[16];           /* "00:1f.2" */
};
#define PCI_NO_LINE 0xffffffffu

/* Turns bus mastering off in all functions but bridges: a former drivers-dom may have left them running, and the
 * memory that they write to is used anew. First of all, before the heap exists. control may be null: then
 * configuration goes through ports. */
void pci_quiet(const struct control *control);
/* Finds all functions, makes their interrupts quiet too, sizes their BARs and offers them to the drivers. */
void pci_init(void);
/* Its first half, for tests: the list of functions on all busses. */
struct pci_device *pci_enumerate(unsigned first_bus, unsigned last_bus);
/* How configuration space is reached (pci_config.c). */
void pci_config_init(const struct control *control);
unsigned pci_first_bus(void);
unsigned pci_last_bus(void);

/* A driver is a const struct in its own file, listed in drivers.c. probe: OK = taken; anything else = not, with a
 * message that names the device and the rule. */
struct pci_driver {
    const char *name;
    bool (*match)(const struct pci_device *device);
    enum status (*probe)(struct pci_device *device);
};

uint32_t pci_read(const struct pci_device *device, unsigned offset, unsigned size);
void pci_write(const struct pci_device *device, unsigned offset, unsigned size, uint32_t value);
/* The function answers: false if it has vanished. */
bool pci_present(const struct pci_device *device);
/* Memory and I/O decoding on, bus mastering on or off. */
void pci_enable(const struct pci_device *device, bool bus_master);
/* Offset of a capability, 0 if none. Malformed lists (loops, wild pointers) end the search with a message. */
unsigned pci_capability(const struct pci_device *device, uint8_t id, unsigned after);
/* MSI-X vector or MSI with one vector, else the line: calls handler on each interrupt. vector 0 for MSI. */
must_use enum status pci_interrupt(struct pci_device *device, unsigned vector, void (*handler)(void *context),
                                   void *context);
/* Turns all ways of interrupting off. */
void pci_interrupts_off(const struct pci_device *device);
/* Number of MSI-X vectors, 0 without. */
unsigned pci_msix_count(const struct pci_device *device);
/* MSI-X is what pci_interrupt has turned on. */
bool pci_msix_active(const struct pci_device *device);
/* The first port of an I/O BAR; 0 with a message if it is not there or too small. */
uint16_t pci_port_bar(const struct pci_device *device, unsigned bar, uint64_t min_size);
/* A memory BAR's registers. Null with a message if it is not there or too small. */
volatile void *pci_map_bar(const struct pci_device *device, unsigned bar, uint64_t min_size);
