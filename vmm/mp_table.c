/* SPDX-License-Identifier: MIT
 * The MP table (Intel MultiProcessor Specification 1.4, chapter 4), for kernels that do not read ACPI. It says what the
 * MADT and the _PRT in the DSDT say. */
#include <string.h>
#include "acpi_tables.h"
#include "devices/lapic.h"
#include "devices/pci.h"
#include "machine.h"
#include "pc.h"

#define SPEC_REVISION 4
#define LAPIC_VERSION_BYTE (LAPIC_VERSION & 0xff)
#define IOAPIC_VERSION_BYTE 0x20
#define IOAPIC_ID 0
#define BUS_PCI 0
#define BUS_ISA 1
#define PCI_SLOTS 32
#define PCI_PINS 4
#define ALL_APICS 0xff

enum { ENTRY_PROCESSOR, ENTRY_BUS, ENTRY_IOAPIC, ENTRY_INTERRUPT, ENTRY_LOCAL_INTERRUPT };
enum { KIND_INT, KIND_NMI, KIND_SMI, KIND_EXTINT };

#define PROCESSOR_ENABLED 1u
#define PROCESSOR_BOOT 2u
#define PROCESSOR_SIGNATURE 0x00000600u /* family 6; software asks CPUID for more */
#define PROCESSOR_FEATURES 0x00000201u  /* FPU and APIC, the two bits that the specification defines */
#define FLAGS_LEVEL_HIGH 0x0d
#define FLAGS_LEVEL_LOW 0x0f

struct floating {
    char signature[4];
    uint32_t table;
    uint8_t length, revision, checksum, features[5];
} __attribute__((packed));
_Static_assert(sizeof(struct floating) == 16, "MP floating pointer");

struct mp_header {
    char signature[4];
    uint16_t length;
    uint8_t revision, checksum;
    char oem_id[8], product_id[12];
    uint32_t oem_table;
    uint16_t oem_size, entry_count;
    uint32_t lapic;
    uint16_t extended_length;
    uint8_t extended_checksum, reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct mp_header) == 44, "MP configuration table header");

struct mp_processor {
    uint8_t type, apic_id, version, flags;
    uint32_t signature, features, reserved[2];
} __attribute__((packed));
struct mp_bus { uint8_t type, id; char name[6]; } __attribute__((packed));
struct mp_ioapic { uint8_t type, id, version, flags; uint32_t address; } __attribute__((packed));
struct mp_interrupt { uint8_t type, kind; uint16_t flags; uint8_t bus, irq, apic, pin; } __attribute__((packed));

struct writer {
    uint8_t *begin;
    uint32_t used;
    uint16_t entries;
};

static uint8_t checksum(const void *data, uint32_t size)
{
    const uint8_t *bytes = data;
    uint8_t sum = 0;
    for (uint32_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return (uint8_t)-sum;
}

static void append(struct writer *writer, const void *entry, uint32_t size)
{
    memcpy(writer->begin + writer->used, entry, size);
    writer->used += size;
    writer->entries++;
}

static void append_interrupt(struct writer *writer, uint16_t flags, uint8_t bus, unsigned irq, unsigned pin)
{
    const struct mp_interrupt interrupt = {
        ENTRY_INTERRUPT, KIND_INT, flags, bus, (uint8_t)irq, IOAPIC_ID, (uint8_t)pin,
    };
    append(writer, &interrupt, sizeof(interrupt));
}

static void append_processors(struct writer *writer, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct mp_processor processor = {
            .type = ENTRY_PROCESSOR, .apic_id = (uint8_t)i, .version = LAPIC_VERSION_BYTE,
            .flags = PROCESSOR_ENABLED | (i ? 0 : PROCESSOR_BOOT),
            .signature = PROCESSOR_SIGNATURE, .features = PROCESSOR_FEATURES,
        };
        append(writer, &processor, sizeof(processor));
    }
}

/* The entries must be in the order of their types. */
static void append_interrupts(struct writer *writer)
{
    const struct mp_interrupt extint = { ENTRY_LOCAL_INTERRUPT, KIND_EXTINT, 0, BUS_ISA, 0, ALL_APICS, 0 };
    const struct mp_interrupt nmi = { ENTRY_LOCAL_INTERRUPT, KIND_NMI, 0, BUS_ISA, 0, ALL_APICS, 1 };
    for (unsigned irq = 0; irq < 16; irq++) {
        if (irq != 2) /* the cascade of the 8259 pair is no interrupt */
            append_interrupt(writer, irq == PC_IRQ_SCI ? FLAGS_LEVEL_HIGH : 0, BUS_ISA, irq, irq ? irq : 2);
    }
    for (unsigned slot = 1; slot < PCI_SLOTS; slot++) {
        for (unsigned pin = 0; pin < PCI_PINS; pin++)
            append_interrupt(writer, FLAGS_LEVEL_LOW, BUS_PCI, slot << 2 | pin, pci_gsi(slot, pin + 1));
    }
    append(writer, &extint, sizeof(extint));
    append(writer, &nmi, sizeof(nmi));
}

enum status mp_table_write(struct machine *machine)
{
    const struct mp_bus pci = { ENTRY_BUS, BUS_PCI, "PCI   " }, isa = { ENTRY_BUS, BUS_ISA, "ISA   " };
    const struct mp_ioapic ioapic = { ENTRY_IOAPIC, IOAPIC_ID, IOAPIC_VERSION_BYTE, 1, (uint32_t)PC_IOAPIC };
    struct floating *floating = memory_at(&machine->memory, PC_MP_FLOATING, sizeof(*floating));
    struct writer writer = { .begin = memory_at(&machine->memory, PC_MP_TABLE, PC_BIOS_CODE - PC_MP_TABLE),
                             .used = sizeof(struct mp_header) };
    struct mp_header header = { .signature = "PCMP", .revision = SPEC_REVISION, .oem_id = "BULKHEAD",
                                .product_id = "PC          ", .lapic = (uint32_t)PC_LAPIC };
    if (!floating || !writer.begin)
        return ERR_MEMORY;
    append_processors(&writer, machine->vcpu_count);
    append(&writer, &pci, sizeof(pci));
    append(&writer, &isa, sizeof(isa));
    append(&writer, &ioapic, sizeof(ioapic));
    append_interrupts(&writer);
    header.length = (uint16_t)writer.used;
    header.entry_count = writer.entries;
    memcpy(writer.begin, &header, sizeof(header));
    ((struct mp_header *)writer.begin)->checksum = checksum(writer.begin, writer.used);
    *floating = (struct floating){ .signature = "_MP_", .table = PC_MP_TABLE, .length = 1, .revision = SPEC_REVISION };
    floating->checksum = checksum(floating, sizeof(*floating));
    return OK;
}
