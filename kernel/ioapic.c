/* SPDX-License-Identifier: MIT
 * The I/O APICs (82093AA data sheet), and the 8259s, which are silenced. */
#include "apic.h"
#include "acpi.h"
#include "api.h"
#include "hostmap.h"
#include "iommu.h"
#include "sync.h"
#include "x86.h"

enum { IOAPIC_SELECT = 0x00, IOAPIC_WINDOW = 0x10 };
enum { IOAPIC_VERSION = 1, IOAPIC_ENTRY = 0x10 };
#define ENTRY_MASKED (1u << 16)
#define ENTRY_LEVEL (1u << 15)
#define ENTRY_LOW (1u << 13)
#define ENTRY_REMAPPED (1u << 16) /* upper half: entry `vector` of the interrupt remapping table */
#define ENTRY_INDEX 17
enum { PIC1 = 0x20, PIC2 = 0xa0 };
#define ICW1 0x11 /* edge, cascade, ICW4 */
#define ICW4 0x01 /* 8086 */
#define PIC_BASE 0xe0 /* spurious interrupts of the silenced 8259s arrive at 0xe7 and 0xef */

static struct {
    volatile uint32_t *registers;
    uint32_t gsi_base, count;
} ioapics[ACPI_MAX_IOAPICS];

static uint32_t read(uint32_t i, uint8_t reg)
{
    ioapics[i].registers[IOAPIC_SELECT / 4] = reg;
    return ioapics[i].registers[IOAPIC_WINDOW / 4];
}

static void write(uint32_t i, uint8_t reg, uint32_t v)
{
    ioapics[i].registers[IOAPIC_SELECT / 4] = reg;
    ioapics[i].registers[IOAPIC_WINDOW / 4] = v;
}

static void pic_init(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        uint16_t pic = i ? PIC2 : PIC1;
        outb(pic, ICW1);
        outb(pic + 1, PIC_BASE + 8 * i);
        outb(pic + 1, i ? 2 : 4);
        outb(pic + 1, ICW4);
        outb(pic + 1, 0xff);
    }
}

const char *ioapic_init(void)
{
    pic_init();
    for (uint32_t i = 0; i < acpi.ioapic_count; i++) {
        ioapics[i].registers = device_map(acpi.ioapics[i].address, 0x20);
        if (!ioapics[i].registers)
            return "there is no memory to map the I/O APICs";
        ioapics[i].gsi_base = acpi.ioapics[i].gsi_base;
        ioapics[i].count = ((read(i, IOAPIC_VERSION) >> 16) & 0xff) + 1;
        if (ioapics[i].count > 240) /* an absent one reads as ones */
            ioapics[i].count = 0;
        for (uint32_t n = 0; n < ioapics[i].count; n++)
            write(i, (uint8_t)(IOAPIC_ENTRY + 2 * n), ENTRY_MASKED);
    }
    return NULL;
}

/* The I/O APIC and the register of its entry for a GSI; -1: there is none. */
static int find(uint32_t gsi, uint8_t *reg)
{
    for (uint32_t i = 0; i < acpi.ioapic_count; i++) {
        *reg = (uint8_t)(IOAPIC_ENTRY + 2 * (gsi - ioapics[i].gsi_base));
        if (gsi >= ioapics[i].gsi_base && gsi - ioapics[i].gsi_base < ioapics[i].count)
            return (int)i;
    }
    return -1;
}

/* The registers are an index and a window: one CPU at a time. */
static _Atomic uint32_t lock;

static bool route_gsi(uint32_t gsi, uint32_t low, uint32_t apic_id)
{
    uint8_t reg;
    int i = find(gsi, &reg);
    if (i < 0)
        return false;
    uint32_t high = iommu_remaps() ? ENTRY_REMAPPED | (low & 0xff) << ENTRY_INDEX : apic_id << 24;
    iommu_interrupt((uint8_t)low, apic_id, low & ENTRY_LEVEL, iommu_ioapic_source(acpi.ioapics[i].id));
    spin_lock(&lock);
    write((uint32_t)i, reg + 1, high);
    write((uint32_t)i, reg, low);
    spin_unlock(&lock);
    return true;
}

bool ioapic_route_gsi(uint32_t gsi, uint8_t vector, uint32_t apic_id, bool *level)
{
    const struct acpi_isa_route pci = { gsi, true, true }, *route = gsi < ARRAY_COUNT(acpi.isa) ? &acpi.isa[gsi] : &pci;
    uint32_t how = (route->level ? ENTRY_LEVEL : 0) | (route->active_low ? ENTRY_LOW : 0);
    *level = route->level;
    return route_gsi(route->gsi, vector | how, apic_id);
}

void ioapic_mask_gsi(uint32_t gsi, bool masked)
{
    uint8_t reg;
    int i = find(gsi < ARRAY_COUNT(acpi.isa) ? acpi.isa[gsi].gsi : gsi, &reg);
    if (i < 0)
        return;
    spin_lock(&lock);
    uint32_t entry = read((uint32_t)i, reg) & ~ENTRY_MASKED;
    write((uint32_t)i, reg, entry | (masked ? ENTRY_MASKED : 0));
    spin_unlock(&lock);
}
