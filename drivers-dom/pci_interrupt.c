/* SPDX-License-Identifier: MIT
 * Interrupts of PCI functions: MSI-X, MSI, or the line, whichever is there first (PCI local bus specification 6.8). */
#include <linux/pci_regs.h>
#include "pci.h"
#include "service.h"

void pci_interrupts_off(const struct pci_device *device)
{
    uint32_t command = pci_read(device, PCI_COMMAND, 2);
    pci_write(device, PCI_COMMAND, 2, command | PCI_COMMAND_INTX_DISABLE);
    unsigned msi = pci_capability(device, PCI_CAP_ID_MSI, 0);
    if (msi != 0) {
        uint32_t flags = pci_read(device, msi + PCI_MSI_FLAGS, 2);
        pci_write(device, msi + PCI_MSI_FLAGS, 2, flags & ~(uint32_t)PCI_MSI_FLAGS_ENABLE);
    }
    unsigned msix = pci_capability(device, PCI_CAP_ID_MSIX, 0);
    if (msix != 0) {
        uint32_t flags = pci_read(device, msix + PCI_MSIX_FLAGS, 2);
        pci_write(device, msix + PCI_MSIX_FLAGS, 2, flags & ~(uint32_t)PCI_MSIX_FLAGS_ENABLE);
    }
}

unsigned pci_msix_count(const struct pci_device *device)
{
    unsigned msix = pci_capability(device, PCI_CAP_ID_MSIX, 0);
    return msix == 0 ? 0 : (pci_read(device, msix + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
}

bool pci_msix_active(const struct pci_device *device)
{
    unsigned msix = pci_capability(device, PCI_CAP_ID_MSIX, 0);
    return msix != 0 && (pci_read(device, msix + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE) != 0;
}

/* The table of vectors; null with a message if it is not where the capability says. */
static volatile uint32_t *msix_table(const struct pci_device *device, unsigned msix)
{
    uint32_t table = pci_read(device, msix + PCI_MSIX_TABLE, 4);
    uint64_t offset = table & ~(uint32_t)PCI_MSIX_TABLE_BIR;
    uint64_t end = offset + (uint64_t)pci_msix_count(device) * PCI_MSIX_ENTRY_SIZE;
    volatile uint8_t *bar = pci_map_bar(device, table & PCI_MSIX_TABLE_BIR, end);
    return bar != NULL ? (volatile uint32_t *)(bar + offset) : NULL;
}

/* The name under which its messages travel. */
static uint16_t source_of(const struct pci_device *device)
{
    return (uint16_t)(device->bus << 8 | device->slot << 3 | device->function);
}

static enum status use_msix(struct pci_device *device, unsigned msix, unsigned vector, void (*handler)(void *),
                            void *context)
{
    volatile uint32_t *first = msix_table(device, msix);
    if (first == NULL) {
        return ERR_FORMAT;
    }
    uint64_t address;
    uint32_t data;
    enum status status = service_msi(source_of(device), handler, context, &address, &data);
    if (status != OK) {
        return status;
    }
    /* Memory decoding must be on for the table; the function stays masked until the entry is whole. */
    pci_enable(device, (pci_read(device, PCI_COMMAND, 2) & PCI_COMMAND_MASTER) != 0);
    uint32_t old = pci_read(device, msix + PCI_MSIX_FLAGS, 2), flags = old | PCI_MSIX_FLAGS_ENABLE;
    pci_write(device, msix + PCI_MSIX_FLAGS, 2, flags | PCI_MSIX_FLAGS_MASKALL);
    /* A former driver's messages. */
    for (unsigned i = 0; !(old & PCI_MSIX_FLAGS_ENABLE) && i < (flags & PCI_MSIX_FLAGS_QSIZE) + 1; i++) {
        first[i * (PCI_MSIX_ENTRY_SIZE / 4) + PCI_MSIX_ENTRY_VECTOR_CTRL / 4] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
    }
    volatile uint32_t *entry = first + vector * (PCI_MSIX_ENTRY_SIZE / 4);
    entry[PCI_MSIX_ENTRY_LOWER_ADDR / 4] = (uint32_t)address;
    entry[PCI_MSIX_ENTRY_UPPER_ADDR / 4] = (uint32_t)(address >> 32);
    entry[PCI_MSIX_ENTRY_DATA / 4] = data;
    entry[PCI_MSIX_ENTRY_VECTOR_CTRL / 4] = 0;
    pci_write(device, msix + PCI_MSIX_FLAGS, 2, flags & ~(uint32_t)PCI_MSIX_FLAGS_MASKALL);
    return OK;
}

static enum status use_msi(struct pci_device *device, unsigned msi, void (*handler)(void *), void *context)
{
    uint64_t address;
    uint32_t data;
    enum status status = service_msi(source_of(device), handler, context, &address, &data);
    if (status != OK) {
        return status;
    }
    uint32_t flags = pci_read(device, msi + PCI_MSI_FLAGS, 2) & ~(uint32_t)(PCI_MSI_FLAGS_QSIZE | PCI_MSI_FLAGS_ENABLE);
    bool wide = (flags & PCI_MSI_FLAGS_64BIT) != 0;
    pci_write(device, msi + PCI_MSI_ADDRESS_LO, 4, (uint32_t)address);
    if (wide) {
        pci_write(device, msi + PCI_MSI_ADDRESS_HI, 4, (uint32_t)(address >> 32));
    }
    pci_write(device, msi + (wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), 2, data);
    if (flags & PCI_MSI_FLAGS_MASKBIT) {
        pci_write(device, msi + (wide ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32), 4, 0);
    }
    pci_write(device, msi + PCI_MSI_FLAGS, 2, flags | PCI_MSI_FLAGS_ENABLE);
    return OK;
}

static enum status use_line(struct pci_device *device, void (*handler)(void *), void *context)
{
    if (device->line_gsi == PCI_NO_LINE) {
        service_log("PCI %s (%04x:%04x): no way to interrupt", device->name, device->vendor, device->device);
        return ERR_SUPPORT;
    }
    enum status status = service_line(device->line_gsi, handler, context);
    if (status != OK) {
        service_log("PCI %s (%04x:%04x): interrupt line %u was not given", device->name, device->vendor, device->device,
                    device->line_gsi);
        return status;
    }
    uint32_t command = pci_read(device, PCI_COMMAND, 2);
    pci_write(device, PCI_COMMAND, 2, command & ~(uint32_t)PCI_COMMAND_INTX_DISABLE);
    return OK;
}

enum status pci_interrupt(struct pci_device *device, unsigned vector, void (*handler)(void *context), void *context)
{
    if (vector < pci_msix_count(device)) {
        enum status status = use_msix(device, pci_capability(device, PCI_CAP_ID_MSIX, 0), vector, handler, context);
        if (status == OK || vector > 0) {
            return status;
        }
    }
    if (vector > 0) {
        return ERR_NONE;
    }
    unsigned msi = pci_capability(device, PCI_CAP_ID_MSI, 0);
    if (msi != 0 && use_msi(device, msi, handler, context) == OK) {
        return OK;
    }
    return use_line(device, handler, context);
}
