/* SPDX-License-Identifier: MIT
 * MSI-X (PCI Local Bus 3.0, 6.8.2). */
#include "devices/msix.h"
#include <linux/pci_regs.h>
#include <stddef.h>
#include <string.h>
#include "irq.h"

#define ENTRY_SIZE PCI_MSIX_ENTRY_SIZE
#define ADDRESS_KEPT 0xfffffffcu
_Static_assert(sizeof(struct msix_entry) == ENTRY_SIZE, "the layout of the table");
_Static_assert(offsetof(struct msix_entry, control) == PCI_MSIX_ENTRY_VECTOR_CTRL, "the layout of the table");

static uint16_t control(const struct msix *msix)
{
    return pci_get16(msix->function, msix->capability + PCI_MSIX_FLAGS);
}

bool msix_enabled(const struct msix *msix)
{
    return (control(msix) & PCI_MSIX_FLAGS_ENABLE) != 0;
}

bool msix_ready(const struct msix *msix, unsigned vector)
{
    uint16_t flags = control(msix) & (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    bool master = pci_get16(msix->function, PCI_COMMAND) & PCI_COMMAND_MASTER; /* a message is a write to memory */
    return vector < msix->count && flags == PCI_MSIX_FLAGS_ENABLE && master &&
           !(msix->s.table[vector].control & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

const struct msix_entry *msix_message(const struct msix *msix, unsigned vector)
{
    return &msix->s.table[vector];
}

static void send(struct msix *msix, unsigned vector)
{
    const struct msix_entry *entry = &msix->s.table[vector];
    msix->s.pending &= ~(1u << vector);
    irq_message(msix->function->pci->machine, entry->address, entry->data);
}

void msix_signal(struct msix *msix, unsigned vector)
{
    if (vector >= msix->count || !msix_enabled(msix))
        return;
    if (msix_ready(msix, vector))
        send(msix, vector);
    else
        msix->s.pending |= 1u << vector;
}

static void update(struct msix *msix, unsigned vector)
{
    if ((msix->s.pending >> vector & 1) && msix_ready(msix, vector))
        send(msix, vector);
    if (msix->changed)
        msix->changed(msix->device, vector);
}

void msix_written(struct msix *msix, unsigned offset, unsigned size)
{
    unsigned flags = msix->capability + PCI_MSIX_FLAGS;
    bool command = offset < PCI_COMMAND + 2 && offset + size > PCI_COMMAND;
    if (!command && (offset >= flags + 2u || offset + size <= flags))
        return;
    if (!msix_enabled(msix))
        msix->s.pending = 0;
    for (unsigned vector = 0; vector < msix->count; vector++)
        update(msix, vector);
}

uint64_t msix_read(const struct msix *msix, uint32_t offset, unsigned size)
{
    uint64_t value = 0;
    if (offset < msix->count * ENTRY_SIZE && size <= msix->count * ENTRY_SIZE - offset)
        memcpy(&value, (const uint8_t *)msix->s.table + offset, size);
    else if (offset >= MSIX_PBA && offset < MSIX_PBA + sizeof(msix->s.pending))
        value = msix->s.pending >> 8 * (offset - MSIX_PBA);
    return value;
}

static void write_word(struct msix *msix, uint32_t offset, uint32_t value)
{
    unsigned vector = offset / ENTRY_SIZE;
    if (offset % ENTRY_SIZE == PCI_MSIX_ENTRY_LOWER_ADDR)
        value &= ADDRESS_KEPT;
    if (offset % ENTRY_SIZE == PCI_MSIX_ENTRY_VECTOR_CTRL)
        value &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
    memcpy((uint8_t *)msix->s.table + offset, &value, sizeof(value));
    update(msix, vector);
}

void msix_write(struct msix *msix, uint32_t offset, unsigned size, uint64_t value)
{
    if (size < 4 || offset % size || offset >= msix->count * ENTRY_SIZE)
        return;
    write_word(msix, offset, (uint32_t)value);
    if (size == 8)
        write_word(msix, offset + 4, (uint32_t)(value >> 32));
}

void msix_reset(struct msix *msix)
{
    memset(&msix->s, 0, sizeof(msix->s));
    for (unsigned vector = 0; vector < msix->count; vector++)
        msix->s.table[vector].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

enum status msix_init(struct msix *msix, struct pci_function *function, unsigned count, unsigned bar, uint32_t offset)
{
    *msix = (struct msix){ .function = function, .count = count };
    if (count == 0 || count > MSIX_MAX_VECTORS)
        return ERR_PARAM;
    enum status status = pci_add_capability(function, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF, &msix->capability);
    if (status)
        return status;
    pci_put16(function, msix->capability + PCI_MSIX_FLAGS, (uint16_t)(count - 1));
    pci_put32(function, msix->capability + PCI_MSIX_TABLE, offset | bar);
    pci_put32(function, msix->capability + PCI_MSIX_PBA, (offset + MSIX_PBA) | bar);
    function->write_mask[msix->capability + PCI_MSIX_FLAGS + 1] = (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
    msix_reset(msix);
    return OK;
}
