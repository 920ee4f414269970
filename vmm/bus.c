/* SPDX-License-Identifier: MIT
 * The port and memory busses: who owns an address, and accesses that cross a border. */
#include <stddef.h>
#include <string.h>
#include "bus.h"

#define PORT_END 0x10000u

static inline uint64_t size_mask(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (1ull << (size * 8)) - 1;
}

enum status bus_add_port(struct bus *bus, const struct port_range *range)
{
    if (range->count == 0 || (uint32_t)range->base + range->count > PORT_END || (range->read == NULL && range->write == NULL))
        return ERR_PARAM;
    for (unsigned i = 0; i < range->count; i++)
        if (bus->port_index[range->base + i] != 0)
            return ERR_EXISTS;
    if (bus->port_count == BUS_MAX_PORT_RANGES)
        return ERR_MEMORY;
    bus->ports[bus->port_count++] = *range;
    memset(&bus->port_index[range->base], (int)bus->port_count, range->count);
    return OK;
}

enum status bus_add_mmio(struct bus *bus, const struct mmio_range *range)
{
    if (range->count == 0 || range->base + (range->count - 1) < range->base || (range->read == NULL && range->write == NULL))
        return ERR_PARAM;
    for (unsigned i = 0; i < bus->mmio_count; i++) {
        const struct mmio_range *other = &bus->mmio[i];

        if (range->base <= other->base + (other->count - 1) && other->base <= range->base + (range->count - 1))
            return ERR_EXISTS;
    }
    if (bus->mmio_count == BUS_MAX_MMIO_RANGES)
        return ERR_MEMORY;
    bus->mmio[bus->mmio_count++] = *range;
    return OK;
}

/* The last range moves into the gap, so its ports learn its new index. */
void bus_remove_port(struct bus *bus, uint16_t base)
{
    unsigned index = bus->port_index[base];

    if (index == 0 || bus->ports[index - 1].base != base)
        return;
    memset(&bus->port_index[base], 0, bus->ports[index - 1].count);
    if (index != bus->port_count) {
        bus->ports[index - 1] = bus->ports[bus->port_count - 1];
        memset(&bus->port_index[bus->ports[index - 1].base], (int)index, bus->ports[index - 1].count);
    }
    bus->port_count--;
}

void bus_remove_mmio(struct bus *bus, uint64_t base)
{
    for (unsigned i = 0; i < bus->mmio_count; i++) {
        if (bus->mmio[i].base == base) {
            bus->mmio[i] = bus->mmio[--bus->mmio_count];
            return;
        }
    }
}

static const struct port_range *find_port(const struct bus *bus, uint32_t port)
{
    unsigned index = port < PORT_END ? bus->port_index[port] : 0;

    return index != 0 ? &bus->ports[index - 1] : NULL;
}

static inline bool port_contains(const struct port_range *range, uint16_t port, unsigned size)
{
    return (unsigned)(port - range->base) + size <= range->count;
}

uint32_t bus_port_read(struct bus *bus, uint16_t port, unsigned size)
{
    const struct port_range *range = find_port(bus, port);
    uint32_t value = 0;

    if (range != NULL && port_contains(range, port, size)) {
        value = range->read != NULL ? range->read(range->device, port - range->base, size) : UINT32_MAX;
        return value & (uint32_t)size_mask(size);
    }
    for (unsigned i = 0; i < size; i++) {
        range = find_port(bus, (uint32_t)port + i);
        uint32_t byte = range != NULL && range->read != NULL ? range->read(range->device, (uint16_t)(port + i - range->base), 1) : 0xff;
        value |= (byte & 0xff) << (i * 8);
    }
    return value;
}

void bus_port_write(struct bus *bus, uint16_t port, unsigned size, uint32_t value)
{
    const struct port_range *range = find_port(bus, port);

    if (range != NULL && port_contains(range, port, size)) {
        if (range->write != NULL)
            range->write(range->device, port - range->base, size, value & (uint32_t)size_mask(size));
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        range = find_port(bus, (uint32_t)port + i);
        if (range != NULL && range->write != NULL)
            range->write(range->device, (uint16_t)(port + i - range->base), 1, (value >> (i * 8)) & 0xff);
    }
}

const struct mmio_range *bus_find_mmio(const struct bus *bus, uint64_t address)
{
    for (unsigned i = 0; i < bus->mmio_count; i++)
        if (address - bus->mmio[i].base < bus->mmio[i].count)
            return &bus->mmio[i];
    return NULL;
}

static inline bool mmio_contains(const struct mmio_range *range, uint64_t address, unsigned size)
{
    return range->count - (address - range->base) >= size;
}

uint64_t bus_mmio_read(struct bus *bus, uint64_t address, unsigned size)
{
    const struct mmio_range *range = bus_find_mmio(bus, address);
    uint64_t value = 0;

    if (range != NULL && mmio_contains(range, address, size)) {
        value = range->read != NULL ? range->read(range->device, address - range->base, size) : UINT64_MAX;
        return value & size_mask(size);
    }
    for (unsigned i = 0; i < size; i++) {
        range = bus_find_mmio(bus, address + i);
        uint64_t byte = range != NULL && range->read != NULL ? range->read(range->device, address + i - range->base, 1) : 0xff;
        value |= (byte & 0xff) << (i * 8);
    }
    return value;
}

void bus_mmio_write(struct bus *bus, uint64_t address, unsigned size, uint64_t value)
{
    const struct mmio_range *range = bus_find_mmio(bus, address);

    if (range != NULL && mmio_contains(range, address, size)) {
        if (range->write != NULL)
            range->write(range->device, address - range->base, size, value & size_mask(size));
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        range = bus_find_mmio(bus, address + i);
        if (range != NULL && range->write != NULL)
            range->write(range->device, address + i - range->base, 1, (value >> (i * 8)) & 0xff);
    }
}
