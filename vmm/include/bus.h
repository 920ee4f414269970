/* SPDX-License-Identifier: MIT
 * The busses of the virtual machine. A device is one file that knows only these and its own state struct.
 * All handlers run with the machine's device lock held (machine.h), unless `unlocked` says that the device does its
 * own locking (the local APIC). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"

/* An I/O-port range. Read returns the value in its low `size` bytes; size is 1, 2 or 4; offset = port - base.
 * An access that begins in a range is its own, whatever its size. */
struct port_range {
    uint16_t base, count;
    uint32_t (*read)(void *device, uint16_t offset, unsigned size);
    void (*write)(void *device, uint16_t offset, unsigned size, uint32_t value);
    void *device;
    const char *name;
};

/* A memory-mapped range; size is 1, 2, 4 or 8. */
struct mmio_range {
    uint64_t base, count;
    uint64_t (*read)(void *device, uint64_t offset, unsigned size);
    void (*write)(void *device, uint64_t offset, unsigned size, uint64_t value);
    void *device;
    const char *name;
    bool unlocked;
};

#define BUS_MAX_PORT_RANGES 64
#define BUS_MAX_MMIO_RANGES 32

struct bus {
    uint8_t port_index[65536]; /* 0: nobody; i: ports[i - 1] */
    struct port_range ports[BUS_MAX_PORT_RANGES];
    unsigned port_count;
    struct mmio_range mmio[BUS_MAX_MMIO_RANGES];
    unsigned mmio_count;
};

/* Adds a range. ERR_EXISTS if it overlaps another, ERR_MEMORY if the table is full. The last addition of a port range whose
 * read and write are both null is refused (ERR_PARAM). */
must_use enum status bus_add_port(struct bus *bus, const struct port_range *range);
must_use enum status bus_add_mmio(struct bus *bus, const struct mmio_range *range);
/* Removes what was added with this device and base (BARs move). */
void bus_remove_port(struct bus *bus, uint16_t base);
void bus_remove_mmio(struct bus *bus, uint64_t base);

/* Ports nobody owns read as all ones; writes to them vanish. An access that crosses into nobody's or another's ports
 * is split into bytes. */
uint32_t bus_port_read(struct bus *bus, uint16_t port, unsigned size);
void bus_port_write(struct bus *bus, uint16_t port, unsigned size, uint32_t value);
/* The range that holds address, or null. */
const struct mmio_range *bus_find_mmio(const struct bus *bus, uint64_t address);
/* size 1, 2, 4, 8. Nobody's addresses read as all ones. */
uint64_t bus_mmio_read(struct bus *bus, uint64_t address, unsigned size);
void bus_mmio_write(struct bus *bus, uint64_t address, unsigned size, uint64_t value);
