/* SPDX-License-Identifier: MIT
 * Configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2), the reset control register that lies in its middle, and
 * ECAM (PCI Express Base 3.0, 7.2.2). */
#include "abi/syscall.h"
#include "devices/pci.h"
#include "devices/pci_config.h"
#include "machine.h"
#include "pc.h"

#define CONFIG_PORTS 8
#define ADDRESS_PORT 0xcf8
#define ADDRESS_ENABLE 0x80000000u
#define ADDRESS_KEPT 0x80fffffcu
#define ADDRESS_BUS(address) (((address) >> 16) & 0xffu)
#define ADDRESS_DEVFN(address) (((address) >> 8) & 0xffu)
#define ADDRESS_REGISTER(address) ((address) & 0xfcu)
#define DATA_OFFSET 4u /* of port 0xcfc */

#define RESET_OFFSET (PC_RESET_PORT - ADDRESS_PORT)
#define RESET_CPU 0x04u /* 0 to 1 resets; SYS_RST (bit 1) chooses how thoroughly */
#define RESET_KEPT 0x0eu

#define ECAM_BUS(offset) ((offset) >> 20)
#define ECAM_DEVFN(offset) (((offset) >> 12) & 0xffu)
#define ECAM_REGISTER(offset) ((offset) & 0xfffu)

/* True if CONFIG_ADDRESS names a function of the one bus there is. */
static bool selected(const struct pci *pci)
{
    return (pci->address & ADDRESS_ENABLE) && ADDRESS_BUS(pci->address) == 0;
}

static uint32_t config_port_read(void *device, uint16_t offset, unsigned size)
{
    struct pci *pci = device;
    if (offset >= DATA_OFFSET) {
        unsigned shift = offset - DATA_OFFSET;
        if (!selected(pci) || shift + size > 4)
            return 0xffffffffu;
        return pci_config_read(pci, ADDRESS_DEVFN(pci->address), ADDRESS_REGISTER(pci->address) + shift, size);
    }
    if (offset == 0 && size == 4)
        return pci->address;
    if (offset == RESET_OFFSET && size == 1)
        return pci->reset_control;
    return 0xffffffffu;
}

static void config_port_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct pci *pci = device;
    if (offset >= DATA_OFFSET) {
        unsigned shift = offset - DATA_OFFSET;
        if (selected(pci) && shift + size <= 4)
            pci_config_write(pci, ADDRESS_DEVFN(pci->address), ADDRESS_REGISTER(pci->address) + shift, size, value);
    } else if (offset == 0 && size == 4) { /* narrower accesses are not for this register */
        pci->address = value & ADDRESS_KEPT;
    } else if (offset == RESET_OFFSET && size == 1) {
        bool reset = (value & RESET_CPU) && !(pci->reset_control & RESET_CPU);
        pci->reset_control = value & RESET_KEPT;
        if (reset)
            machine_end(pci->machine, END_REBOOT, "reset by port 0xcf9");
    }
}

static uint64_t ecam_read(void *device, uint64_t offset, unsigned size)
{
    struct pci *pci = device;
    if (ECAM_BUS(offset) != 0)
        return UINT64_MAX;
    unsigned devfn = ECAM_DEVFN(offset), where = (unsigned)ECAM_REGISTER(offset);
    uint64_t value = pci_config_read(pci, devfn, where, size < 4 ? size : 4);
    if (size == 8)
        value |= (uint64_t)pci_config_read(pci, devfn, where + 4, 4) << 32;
    return value;
}

static void ecam_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci *pci = device;
    if (ECAM_BUS(offset) != 0)
        return;
    unsigned devfn = ECAM_DEVFN(offset), where = (unsigned)ECAM_REGISTER(offset);
    pci_config_write(pci, devfn, where, size < 4 ? size : 4, (uint32_t)value);
    if (size == 8)
        pci_config_write(pci, devfn, where + 4, 4, (uint32_t)(value >> 32));
}

enum status pci_config_init(struct pci *pci)
{
    struct bus *bus = &pci->machine->bus;
    enum status status = bus_add_port(bus, &(struct port_range){
        .base = ADDRESS_PORT, .count = CONFIG_PORTS, .read = config_port_read, .write = config_port_write,
        .device = pci, .name = "PCI configuration" });
    if (status)
        return status;
    return bus_add_mmio(bus, &(struct mmio_range){
        .base = PC_ECAM, .count = PC_ECAM_SIZE, .read = ecam_read, .write = ecam_write, .device = pci,
        .name = "PCI ECAM" });
}
