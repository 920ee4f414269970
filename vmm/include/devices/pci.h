/* SPDX-License-Identifier: MIT
 * The PCI bus: configuration mechanism 1 (ports 0xcf8, 0xcfc), ECAM, BARs, INTx. One bus, number 0 (PCI Local Bus 3.0).
 *
 * A device embeds a struct pci_function, fills it by pci_function_init, pci_add_bar and pci_add_capability, and is then
 * put on the bus by pci_add, which assigns addresses to its BARs (there is no firmware that would) and decodes them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"
#include "bus.h"

struct machine;
struct pci;

#define PCI_CONFIG_BYTES 256
#define PCI_MAX_FUNCTIONS 256 /* of one bus */
#define PCI_BARS 6
#define PCI_DEVFN(device, function) (((device) << 3) | (function))

/* The fixed part of a function's configuration header. */
struct pci_identity {
    uint16_t vendor, device;
    uint16_t subsystem_vendor, subsystem;
    uint32_t class_code; /* class 23:16, subclass 15:8, programming interface 7:0 */
    uint8_t revision;
    uint8_t interrupt_pin; /* 0 none, 1 = INTA */
    bool multifunction;
    const char *name;
};

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEMORY32, PCI_BAR_MEMORY64 /* uses two BARs */ };

/* A base address register and what lies behind it. size: a power of 2, I/O at least 4, memory at least 16. */
struct pci_bar {
    enum pci_bar_kind kind;
    bool prefetchable;
    uint64_t size;
    uint32_t (*port_read)(void *device, uint16_t offset, unsigned size);
    void (*port_write)(void *device, uint16_t offset, unsigned size, uint32_t value);
    uint64_t (*mmio_read)(void *device, uint64_t offset, unsigned size);
    void (*mmio_write)(void *device, uint64_t offset, unsigned size, uint64_t value);
    void *device;
    /* Kept by the bus. */
    bool mapped;
    uint64_t address; /* where it is mapped */
};

struct pci_function {
    uint8_t config[PCI_CONFIG_BYTES];
    uint8_t write_mask[PCI_CONFIG_BYTES]; /* bits the guest can change */
    uint8_t clear_mask[PCI_CONFIG_BYTES]; /* bits the guest clears by writing 1 */
    uint8_t initial[PCI_CONFIG_BYTES];    /* config[] as pci_add left it, for a reset */
    struct pci_bar bars[PCI_BARS];
    struct pci *pci;   /* null until pci_add */
    const char *name;
    uint8_t devfn;
    uint8_t capability_end; /* first free byte for a capability */
    bool intx;         /* level the function drives, before the command register's disable bit */
    bool intx_line;    /* ... after it */
    /* Called after the guest wrote configuration bytes [offset, offset + size); may be null. Device lock held. */
    void (*written)(struct pci_function *function, unsigned offset, unsigned size);
    /* Called before the guest reads them, for bytes of config[] that stand for something else; may be null. Device lock held. */
    void (*reading)(struct pci_function *function, unsigned offset, unsigned size);
    void *device;
};

struct pci {
    struct machine *machine;
    uint32_t address;          /* CONFIG_ADDRESS */
    uint8_t reset_control;     /* port 0xcf9 */
    uint32_t next_io, next_mmio;  /* first address not assigned yet */
    uint8_t line_count[8];     /* functions that assert GSI 16 + i */
    struct pci_function *functions[PCI_MAX_FUNCTIONS];
    struct pci_function host, isa;
};

/* The bus with its host bridge (00.0) and ISA bridge (01.0). */
must_use enum status pci_init(struct pci *pci, struct machine *machine);
/* Configuration spaces as at the end of pci_add. The devices behind the functions reset themselves. */
void pci_reset(struct pci *pci);

void pci_function_init(struct pci_function *function, const struct pci_identity *identity);
/* ERR_PARAM: bad index or size, or the BAR is in use. */
must_use enum status pci_add_bar(struct pci_function *function, unsigned index, const struct pci_bar *bar);
/* Links a capability of `size` bytes (with its two-byte header); *offset says where. ERR_MEMORY: no room. */
must_use enum status pci_add_capability(struct pci_function *function, uint8_t id, unsigned size, uint8_t *offset);
/* ERR_EXISTS: the place is taken. ERR_MEMORY: an address window is exhausted. */
must_use enum status pci_add(struct pci *pci, struct pci_function *function, unsigned devfn);

/* Configuration space as the guest sees it; offset up to 4095, size 1, 2 or 4. Absent functions read as ones. */
uint32_t pci_config_read(struct pci *pci, unsigned devfn, unsigned offset, unsigned size);
void pci_config_write(struct pci *pci, unsigned devfn, unsigned offset, unsigned size, uint32_t value);

/* Drives the function's INTx line. Device lock held. */
void pci_set_intx(struct pci_function *function, bool level);
/* GSI (16 to 23) of a device's interrupt pin (1 = INTA). The ACPI and MP tables say the same. */
unsigned pci_gsi(unsigned device, unsigned pin);

/* Little-endian fields of config[]. */
uint16_t pci_get16(const struct pci_function *function, unsigned offset);
uint32_t pci_get32(const struct pci_function *function, unsigned offset);
void pci_put16(struct pci_function *function, unsigned offset, uint16_t value);
void pci_put32(struct pci_function *function, unsigned offset, uint32_t value);
