/* SPDX-License-Identifier: MIT
 * PCI configuration space: ECAM where the manager gives it (PCI Express base specification 7.2.2), else the ports of
 * configuration mechanism 1 (PCI local bus specification 3.2.2.3.2). */
#include "cpu.h"
#include "pci.h"
#include "service.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define CONFIG_ENABLE 0x80000000u
#define CONFIG_PORT_SPACE 256 /* ports reach the first 256 bytes only */

static struct {
    uint64_t base; /* of bus 0; 0: ports */
    unsigned first_bus, last_bus;
} ecam = {0, 0, 255};

void pci_config_init(const struct control *control)
{
    if (control == NULL || control->ecam_base == 0) {
        return;
    }
    uint64_t end = control->ecam_base + ((uint64_t)control->ecam_last_bus << 20);
    if (control->ecam_last_bus > 255 || control->ecam_first_bus > control->ecam_last_bus || end >= 1ull << 39) {
        service_log("PCI: configuration space at 0x%lx, busses %u to %u, makes no sense: using ports",
                    control->ecam_base, control->ecam_first_bus, control->ecam_last_bus);
        return;
    }
    ecam.base = control->ecam_base;
    ecam.first_bus = control->ecam_first_bus;
    ecam.last_bus = control->ecam_last_bus;
}

unsigned pci_first_bus(void) { return ecam.first_bus; }
unsigned pci_last_bus(void) { return ecam.last_bus; }

static volatile void *ecam_at(const struct pci_device *device, unsigned offset)
{
    uint64_t function = (uint64_t)device->bus << 20 | (uint64_t)device->slot << 15 | (uint64_t)device->function << 12;
    return machine(ecam.base + function + offset);
}

/* Selects the register; false if ports cannot reach it. */
static bool select_port(const struct pci_device *device, unsigned offset)
{
    if (offset >= CONFIG_PORT_SPACE) {
        return false;
    }
    uint32_t function = (uint32_t)device->bus << 16 | (uint32_t)device->slot << 11 | (uint32_t)device->function << 8;
    out32(CONFIG_ADDRESS, CONFIG_ENABLE | function | (offset & 0xfc));
    return true;
}

uint32_t pci_read(const struct pci_device *device, unsigned offset, unsigned size)
{
    if (ecam.base != 0) {
        volatile void *at = ecam_at(device, offset);
        return size == 1 ? *(volatile uint8_t *)at : size == 2 ? *(volatile uint16_t *)at : *(volatile uint32_t *)at;
    }
    if (!select_port(device, offset)) {
        return size == 1 ? 0xff : size == 2 ? 0xffff : 0xffffffff;
    }
    uint16_t port = (uint16_t)(CONFIG_DATA + (offset & 3));
    return size == 1 ? in8(port) : size == 2 ? in16(port) : in32(CONFIG_DATA);
}

void pci_write(const struct pci_device *device, unsigned offset, unsigned size, uint32_t value)
{
    if (ecam.base != 0) {
        volatile void *at = ecam_at(device, offset);
        if (size == 1) {
            *(volatile uint8_t *)at = (uint8_t)value;
        } else if (size == 2) {
            *(volatile uint16_t *)at = (uint16_t)value;
        } else {
            *(volatile uint32_t *)at = value;
        }
        return;
    }
    if (!select_port(device, offset)) {
        return;
    }
    uint16_t port = (uint16_t)(CONFIG_DATA + (offset & 3));
    if (size == 1) {
        out8(port, (uint8_t)value);
    } else if (size == 2) {
        out16(port, (uint16_t)value);
    } else {
        out32(CONFIG_DATA, value);
    }
}
