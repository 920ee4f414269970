/* SPDX-License-Identifier: MIT
 * The PCI bus: functions and their configuration space, BARs, capabilities, INTx (PCI Local Bus Specification 3.0). */
#include <string.h>
#include <linux/pci_regs.h>
#include "devices/pci.h"
#include "devices/pci_bridges.h"
#include "devices/pci_config.h"
#include "machine.h"
#include "pc.h"

#define ALL_ONES 0xffffffffu
#define BAR_OFFSET(index) (PCI_BASE_ADDRESS_0 + 4 * (index))
#define COMMAND_WRITABLE \
    (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
#define FIRST_CAPABILITY 0x40u

uint16_t pci_get16(const struct pci_function *function, unsigned offset)
{
    uint16_t value;
    memcpy(&value, function->config + offset, sizeof(value));
    return value;
}

uint32_t pci_get32(const struct pci_function *function, unsigned offset)
{
    uint32_t value;
    memcpy(&value, function->config + offset, sizeof(value));
    return value;
}

void pci_put16(struct pci_function *function, unsigned offset, uint16_t value)
{
    memcpy(function->config + offset, &value, sizeof(value));
}

void pci_put32(struct pci_function *function, unsigned offset, uint32_t value)
{
    memcpy(function->config + offset, &value, sizeof(value));
}

static void put_mask32(struct pci_function *function, unsigned offset, uint32_t mask)
{
    memcpy(function->write_mask + offset, &mask, sizeof(mask));
}

void pci_function_init(struct pci_function *function, const struct pci_identity *identity)
{
    memset(function, 0, sizeof(*function));
    pci_put16(function, PCI_VENDOR_ID, identity->vendor);
    pci_put16(function, PCI_DEVICE_ID, identity->device);
    pci_put32(function, PCI_CLASS_REVISION, identity->class_code << 8 | identity->revision);
    pci_put16(function, PCI_SUBSYSTEM_VENDOR_ID, identity->subsystem_vendor);
    pci_put16(function, PCI_SUBSYSTEM_ID, identity->subsystem);
    function->config[PCI_HEADER_TYPE] = identity->multifunction ? 0x80 : 0;
    function->config[PCI_INTERRUPT_PIN] = identity->interrupt_pin;
    function->write_mask[PCI_COMMAND] = COMMAND_WRITABLE & 0xff;
    function->write_mask[PCI_COMMAND + 1] = COMMAND_WRITABLE >> 8;
    function->write_mask[PCI_CACHE_LINE_SIZE] = 0xff;
    function->write_mask[PCI_LATENCY_TIMER] = 0xff;
    function->write_mask[PCI_INTERRUPT_LINE] = 0xff;
    function->clear_mask[PCI_STATUS + 1] = 0xf9; /* the error bits 15:11 and 8 */
    function->capability_end = FIRST_CAPABILITY;
    function->name = identity->name;
}

enum status pci_add_bar(struct pci_function *function, unsigned index, const struct pci_bar *bar)
{
    bool wide = bar->kind == PCI_BAR_MEMORY64;
    uint64_t least = bar->kind == PCI_BAR_IO ? 4 : 16, most = bar->kind == PCI_BAR_IO ? 256 : 1ull << 31;
    if (index >= PCI_BARS || (wide && index + 1 >= PCI_BARS) || bar->size & (bar->size - 1) || bar->size < least ||
        bar->size > most || bar->kind == PCI_BAR_NONE || function->pci)
        return ERR_PARAM;
    if (pci_get32(function, BAR_OFFSET(index)) || function->bars[index].kind ||
        (wide && function->bars[index + 1].kind) ||
        (index && function->bars[index - 1].kind == PCI_BAR_MEMORY64))
        return ERR_PARAM;
    function->bars[index] = *bar;
    function->bars[index].mapped = false;
    uint32_t flags = bar->kind == PCI_BAR_IO ? PCI_BASE_ADDRESS_SPACE_IO :
                     (wide ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
                         (bar->prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0);
    pci_put32(function, BAR_OFFSET(index), flags);
    put_mask32(function, BAR_OFFSET(index), (uint32_t)~(bar->size - 1));
    if (wide)
        put_mask32(function, BAR_OFFSET(index + 1), ALL_ONES);
    return OK;
}

enum status pci_add_capability(struct pci_function *function, uint8_t id, unsigned size, uint8_t *offset)
{
    unsigned begin = function->capability_end, end = (begin + size + 3) & ~3u;
    if (size < 2 || end > PCI_CONFIG_BYTES - 4)
        return ERR_MEMORY;
    /* The newest is the first of the list. */
    function->config[begin] = id;
    function->config[begin + 1] = function->config[PCI_CAPABILITY_LIST];
    function->config[PCI_CAPABILITY_LIST] = (uint8_t)begin;
    function->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
    function->capability_end = (uint8_t)end;
    *offset = (uint8_t)begin;
    return OK;
}

/* ---- BARs on the busses ---- */

static uint64_t bar_address(const struct pci_function *function, unsigned index)
{
    const struct pci_bar *bar = &function->bars[index];
    uint64_t address = pci_get32(function, BAR_OFFSET(index)) & ~(bar->size - 1) & ALL_ONES;
    if (bar->kind == PCI_BAR_MEMORY64)
        address |= (uint64_t)pci_get32(function, BAR_OFFSET(index + 1)) << 32;
    return address;
}

static bool bar_decoded(const struct pci_function *function, unsigned index)
{
    uint16_t command = pci_get16(function, PCI_COMMAND);
    const struct pci_bar *bar = &function->bars[index];
    uint64_t address = bar_address(function, index);
    if (bar->kind == PCI_BAR_IO)
        return (command & PCI_COMMAND_IO) && address && address + bar->size <= 0x10000;
    return bar->kind != PCI_BAR_NONE && (command & PCI_COMMAND_MEMORY) && address;
}

static void unmap_bar(struct pci_function *function, unsigned index)
{
    struct pci_bar *bar = &function->bars[index];
    struct bus *bus = &function->pci->machine->bus;
    if (bar->kind == PCI_BAR_IO)
        bus_remove_port(bus, (uint16_t)bar->address);
    else
        bus_remove_mmio(bus, bar->address);
    bar->mapped = false;
}

/* A BAR that overlaps something else stays unmapped until the guest moves one of the two. */
static void map_bar(struct pci_function *function, unsigned index)
{
    struct pci_bar *bar = &function->bars[index];
    struct bus *bus = &function->pci->machine->bus;
    enum status status;
    bar->address = bar_address(function, index);
    if (bar->kind == PCI_BAR_IO)
        status = bus_add_port(bus, &(struct port_range){
            .base = (uint16_t)bar->address, .count = (uint16_t)bar->size, .read = bar->port_read,
            .write = bar->port_write, .device = bar->device, .name = function->name });
    else
        status = bus_add_mmio(bus, &(struct mmio_range){
            .base = bar->address, .count = bar->size, .read = bar->mmio_read, .write = bar->mmio_write,
            .device = bar->device, .name = function->name });
    bar->mapped = status == OK;
}

/* Makes the busses agree with all BARs: first those that moved away, so that others can take their place. */
static void remap_bars(struct pci *pci)
{
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned devfn = 0; devfn < PCI_MAX_FUNCTIONS; devfn++) {
            struct pci_function *function = pci->functions[devfn];
            for (unsigned i = 0; function && i < PCI_BARS; i++) {
                struct pci_bar *bar = &function->bars[i];
                bool decoded = bar_decoded(function, i);
                if (pass == 0 && bar->mapped && (!decoded || bar_address(function, i) != bar->address))
                    unmap_bar(function, i);
                else if (pass == 1 && !bar->mapped && decoded)
                    map_bar(function, i);
            }
        }
    }
}

static enum status assign_bar(struct pci *pci, struct pci_function *function, unsigned index)
{
    const struct pci_bar *bar = &function->bars[index];
    bool io = bar->kind == PCI_BAR_IO;
    uint32_t *next = io ? &pci->next_io : &pci->next_mmio;
    uint64_t begin = (*next + bar->size - 1) & ~(bar->size - 1);
    if (begin + bar->size > (io ? PC_PCI_IO_END : PC_PCI_MMIO_END))
        return ERR_MEMORY;
    *next = (uint32_t)(begin + bar->size);
    pci_put32(function, BAR_OFFSET(index), pci_get32(function, BAR_OFFSET(index)) | (uint32_t)begin);
    return OK;
}

enum status pci_add(struct pci *pci, struct pci_function *function, unsigned devfn)
{
    uint16_t command = 0;
    if (devfn >= PCI_MAX_FUNCTIONS)
        return ERR_PARAM;
    if (pci->functions[devfn])
        return ERR_EXISTS;
    for (unsigned i = 0; i < PCI_BARS; i++) {
        if (function->bars[i].kind == PCI_BAR_NONE)
            continue;
        enum status status = assign_bar(pci, function, i);
        if (status)
            return status;
        command |= function->bars[i].kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
    }
    function->pci = pci;
    function->devfn = (uint8_t)devfn;
    pci->functions[devfn] = function;
    pci_put16(function, PCI_COMMAND, pci_get16(function, PCI_COMMAND) | command);
    if (function->config[PCI_INTERRUPT_PIN]) {
        int irq = pci_route(pci, pci_gsi(devfn >> 3, function->config[PCI_INTERRUPT_PIN]));
        function->config[PCI_INTERRUPT_LINE] = irq < 0 ? 0xff : (uint8_t)irq;
    }
    memcpy(function->initial, function->config, sizeof(function->initial));
    remap_bars(pci);
    return OK;
}

/* ---- INTx ---- */

unsigned pci_gsi(unsigned device, unsigned pin)
{
    return PC_GSI_PCI + (device + pin - 1) % PC_GSI_PCI_COUNT;
}

/* Lines are shared: a line is high while any function asserts it. */
static void update_intx(struct pci_function *function)
{
    struct pci *pci = function->pci;
    uint8_t pin = function->config[PCI_INTERRUPT_PIN];
    bool level = function->intx && !(pci_get16(function, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE);
    if (!pci || !pin)
        return;
    if (function->intx)
        function->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    else
        function->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
    if (level == function->intx_line)
        return;
    unsigned gsi = pci_gsi(function->devfn >> 3, pin);
    uint8_t *count = &pci->line_count[gsi - PC_GSI_PCI];
    function->intx_line = level;
    *count = (uint8_t)(*count + (level ? 1 : -1));
    irq_set(pci->machine, gsi, *count != 0);
}

void pci_set_intx(struct pci_function *function, bool level)
{
    function->intx = level;
    update_intx(function);
}

/* ---- configuration space ---- */

uint32_t pci_config_read(struct pci *pci, unsigned devfn, unsigned offset, unsigned size)
{
    struct pci_function *function = pci->functions[devfn % PCI_MAX_FUNCTIONS];
    uint32_t value = 0;
    if (!function)
        return ALL_ONES;
    if (function->reading)
        function->reading(function, offset, size);
    for (unsigned i = 0; i < size && offset + i < PCI_CONFIG_BYTES; i++) /* no extended space: it reads as 0 */
        value |= (uint32_t)function->config[offset + i] << (8 * i);
    return value;
}

static bool touches(unsigned offset, unsigned size, unsigned begin, unsigned end)
{
    return offset < end && offset + size > begin;
}

void pci_config_write(struct pci *pci, unsigned devfn, unsigned offset, unsigned size, uint32_t value)
{
    struct pci_function *function = pci->functions[devfn % PCI_MAX_FUNCTIONS];
    if (!function)
        return;
    for (unsigned i = 0; i < size && offset + i < PCI_CONFIG_BYTES; i++) {
        uint8_t byte = (uint8_t)(value >> (8 * i)), *config = &function->config[offset + i];
        uint8_t mask = function->write_mask[offset + i];
        *config = (uint8_t)((*config & ~mask) | (byte & mask));
        *config &= (uint8_t)~(byte & function->clear_mask[offset + i]);
    }
    if (touches(offset, size, PCI_COMMAND, PCI_COMMAND + 2) ||
        touches(offset, size, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_0 + 4 * PCI_BARS))
        remap_bars(pci);
    if (touches(offset, size, PCI_COMMAND, PCI_COMMAND + 2))
        update_intx(function);
    if (function->written && offset < PCI_CONFIG_BYTES)
        function->written(function, offset, size);
}

void pci_reset(struct pci *pci)
{
    pci->address = 0;
    pci->reset_control = 0;
    for (unsigned devfn = 0; devfn < PCI_MAX_FUNCTIONS; devfn++) {
        struct pci_function *function = pci->functions[devfn];
        if (function) {
            memcpy(function->config, function->initial, sizeof(function->config));
            pci_set_intx(function, false);
        }
    }
    remap_bars(pci);
    pci_bridges_reset(pci);
}

enum status pci_init(struct pci *pci, struct machine *machine)
{
    memset(pci, 0, sizeof(*pci));
    pci->machine = machine;
    pci->next_io = PC_PCI_IO;
    pci->next_mmio = (uint32_t)PC_PCI_MMIO;
    enum status status = pci_bridges_init(pci);
    return status ? status : pci_config_init(pci);
}
