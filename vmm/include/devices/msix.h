/* SPDX-License-Identifier: MIT
 * MSI-X of a PCI function (PCI Local Bus 3.0, 6.8.2): capability, table, pending bits. The device owns the BAR and hands accesses to the
 * page in which both lie to msix_read() and msix_write(). Device lock held for all. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"
#include "devices/pci.h"

#define MSIX_MAX_VECTORS 32
#define MSIX_PAGE 0x1000u /* table at its beginning, pending bits in its middle */
#define MSIX_PBA 0x800u

struct msix_entry {
    uint64_t address;
    uint32_t data, control;
};

struct msix_state {
    struct msix_entry table[MSIX_MAX_VECTORS];
    uint32_t pending; /* a bit per vector */
};

struct msix {
    struct msix_state s;
    struct pci_function *function;
    unsigned count;
    uint8_t capability; /* offset in configuration space */
    /* Called after what msix_ready() or msix_message() say of the vector may have changed. May be null. */
    void (*changed)(void *device, unsigned vector);
    void *device;
};

/* Adds the capability with `count` vectors (1 to MSIX_MAX_VECTORS) whose page is at `offset` of BAR `bar`. Before pci_add.
 * ERR_MEMORY: no room for the capability. */
must_use enum status msix_init(struct msix *msix, struct pci_function *function, unsigned count, unsigned bar, uint32_t offset);
/* All vectors masked, nothing pending; the configuration space is reset by pci_reset. */
void msix_reset(struct msix *msix);

/* The function's `written` hands on what it gets. */
void msix_written(struct msix *msix, unsigned offset, unsigned size);
uint64_t msix_read(const struct msix *msix, uint32_t offset, unsigned size);
/* 4 or 8 bytes, aligned; the specification allows no others, they are ignored. */
void msix_write(struct msix *msix, uint32_t offset, unsigned size, uint64_t value);

/* The driver has switched the function to MSI-X: it drives no INTx then. */
bool msix_enabled(const struct msix *msix);
/* A message would leave now: enabled, the function is a bus master, neither it nor the vector is masked. */
bool msix_ready(const struct msix *msix, unsigned vector);
/* The message: where it would be written, and what. */
const struct msix_entry *msix_message(const struct msix *msix, unsigned vector);
/* The device has an interrupt: sent, or pending until it is unmasked. Nothing without MSI-X enabled or for a vector that does not
 * exist. */
void msix_signal(struct msix *msix, unsigned vector);
