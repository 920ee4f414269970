/* SPDX-License-Identifier: MIT
 * The ACPI tables (ACPI 6.5, chapter 5.2). The DSDT is compiled from vmm/acpi/dsdt.asl; all else follows from the
 * machine. */
#include <stddef.h>
#include <string.h>
#include "acpi_tables.h"
#include "devices/acpi_pm.h"
#include "devices/watchdog.h"
#include "dsdt.h"
#include "machine.h"
#include "pc.h"

#define OEM_ID "BULKHD"
#define OEM_TABLE_ID "BULKHEAD"
#define CREATOR_ID "BLKH"
#define RSDP_REVISION 2
#define FADT_REVISION 3 /* the first with a reset register and 64-bit addresses; nothing later is used */
#define MADT_REVISION 3
#define ALIGNMENT 16u
#define FACS_ALIGNMENT 64u
#define MAX_TABLES 8

struct packed_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} __attribute__((packed));

struct address { /* generic address structure */
    uint8_t space, bits, offset, access;
    uint64_t address;
} __attribute__((packed));
enum { SPACE_MEMORY, SPACE_IO };

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt, length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
} __attribute__((packed));
#define RSDP_V1_SIZE 20

struct fadt {
    struct packed_header header;
    uint32_t facs, dsdt;
    uint8_t reserved1, profile;
    uint16_t sci;
    uint32_t smi_command;
    uint8_t acpi_enable, acpi_disable, s4bios, pstate;
    uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
    uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length, gpe0_length, gpe1_length;
    uint8_t gpe1_base, cstate;
    uint16_t c2_latency, c3_latency, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
    uint16_t boot_flags;
    uint8_t reserved2;
    uint32_t flags;
    struct address reset;
    uint8_t reset_value, reserved3[3];
    uint64_t x_facs, x_dsdt;
    struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control, x_pm_timer, x_gpe0,
        x_gpe1;
} __attribute__((packed));
_Static_assert(sizeof(struct fadt) == 244, "FADT of revision 3");

#define FADT_WBINVD (1u << 0)
#define FADT_C1 (1u << 2)
#define FADT_NO_SLEEP_BUTTON (1u << 5)
#define FADT_NO_RTC_WAKE (1u << 6)
#define FADT_TIMER_32BIT (1u << 8)
#define FADT_RESET_REGISTER (1u << 10)
#define BOOT_LEGACY_DEVICES (1u << 0)
#define BOOT_8042 (1u << 1)
#define NO_C2_LATENCY 0xfff
#define NO_C3_LATENCY 0xfff
#define RESET_VALUE 0x0f
#define CMOS_CENTURY 0x32

struct facs {
    char signature[4];
    uint32_t length, hardware_signature, waking_vector, global_lock, flags;
    uint64_t x_waking_vector;
    uint8_t version, reserved[31];
} __attribute__((packed));
_Static_assert(sizeof(struct facs) == 64, "FACS");

struct madt {
    struct packed_header header;
    uint32_t lapic, flags;
} __attribute__((packed));
#define MADT_8259 (1u << 0)
struct madt_lapic { uint8_t type, length, uid, apic_id; uint32_t flags; } __attribute__((packed));
struct madt_ioapic { uint8_t type, length, id, reserved; uint32_t address, gsi; } __attribute__((packed));
struct madt_override { uint8_t type, length, bus, irq; uint32_t gsi; uint16_t flags; } __attribute__((packed));
struct madt_nmi { uint8_t type, length, uid; uint16_t flags; uint8_t lint; } __attribute__((packed));
struct madt_x2apic { uint8_t type, length; uint16_t reserved; uint32_t apic_id, flags, uid; } __attribute__((packed));
enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_NMI = 4, MADT_X2APIC = 9 };
#define MADT_ENABLED 1u
#define MADT_ALL_UIDS 0xff
#define MADT_LEVEL_HIGH 0x0d
#define XAPIC_MAX_ID 254u

struct mcfg {
    struct packed_header header;
    uint64_t reserved1, base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
    uint32_t reserved2;
} __attribute__((packed));

struct hpet_table {
    struct packed_header header;
    uint32_t id;
    struct address address;
    uint8_t number;
    uint16_t minimum_tick;
    uint8_t protection;
} __attribute__((packed));
_Static_assert(sizeof(struct hpet_table) == 56, "HPET");
_Static_assert(sizeof(struct rsdp) == ACPI_RSDP_SIZE, "RSDP");

struct wdat_entry {
    uint8_t action, instruction;
    uint16_t reserved;
    struct address address;
    uint32_t value, mask;
} __attribute__((packed));
#define WDAT_ENTRIES 10
#define WDAT_ENABLED 1u
#define WDAT_HEADER_LENGTH 32u
struct wdat {
    struct packed_header header;
    uint32_t header_length;
    uint16_t segment;
    uint8_t bus, device, function, reserved1[3];
    uint32_t period, max_count, min_count;
    uint8_t flags, reserved2[3];
    uint32_t entry_count;
    struct wdat_entry entries[WDAT_ENTRIES];
} __attribute__((packed));
_Static_assert(offsetof(struct wdat, entries) == sizeof(struct packed_header) + WDAT_HEADER_LENGTH && sizeof(struct wdat_entry) == 24, "WDAT");

/* The area being filled, from its first byte on. */
struct area {
    uint8_t *memory;
    uint32_t base; /* guest-physical address of memory */
    uint32_t used;
    uint32_t tables[MAX_TABLES]; /* addresses, for RSDT and XSDT */
    unsigned table_count;
};

static uint8_t checksum(const void *data, uint32_t size)
{
    const uint8_t *bytes = data;
    uint8_t sum = 0;
    for (uint32_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return (uint8_t)-sum;
}

static void *reserve(struct area *area, uint32_t alignment, uint32_t *address)
{
    area->used = (area->used + alignment - 1) & ~(alignment - 1);
    *address = area->base + area->used;
    return area->memory + area->used;
}

static struct packed_header header(const char *signature, uint8_t revision)
{
    struct packed_header header = { .revision = revision, .oem_revision = 1, .creator_revision = 1 };
    memcpy(header.signature, signature, sizeof(header.signature));
    memcpy(header.oem_id, OEM_ID, sizeof(header.oem_id));
    memcpy(header.oem_table_id, OEM_TABLE_ID, sizeof(header.oem_table_id));
    memcpy(header.creator_id, CREATOR_ID, sizeof(header.creator_id));
    return header;
}

/* Puts a complete table into the area: length and checksum are filled in here. Returns its address. */
static uint32_t put_table(struct area *area, const void *table, uint32_t length)
{
    uint32_t address;
    struct packed_header *header = reserve(area, ALIGNMENT, &address);
    memcpy(header, table, length);
    header->length = length;
    header->checksum = 0;
    header->checksum = checksum(header, length);
    area->used += length;
    return address;
}

static void list_table(struct area *area, uint32_t address)
{
    area->tables[area->table_count++] = address;
}

static struct address port(uint16_t base, uint8_t bytes)
{
    return (struct address){ .space = SPACE_IO, .bits = (uint8_t)(bytes * 8),
        .access = bytes == 4 ? 3 : bytes == 2 ? 2 : 1,
                             .address = base };
}

static uint32_t put_facs(struct area *area)
{
    uint32_t address;
    struct facs facs = { .signature = "FACS", .length = sizeof(facs), .version = 1 };
    memcpy(reserve(area, FACS_ALIGNMENT, &address), &facs, sizeof(facs));
    area->used += sizeof(facs);
    return address;
}

static void put_fadt(struct area *area, uint32_t facs, uint32_t dsdt)
{
    struct fadt fadt = {
        .header = header("FACP", FADT_REVISION),
        .facs = facs, .dsdt = dsdt, .x_facs = facs, .x_dsdt = dsdt, .sci = PC_IRQ_SCI,
        .pm1a_event = PC_PM_BASE + ACPI_PM1_STATUS, .pm1_event_length = 4,
        .pm1a_control = PC_PM_BASE + ACPI_PM1_CONTROL, .pm1_control_length = 2,
        .pm_timer = PC_PM_BASE + ACPI_PM_TIMER, .pm_timer_length = 4,
        .gpe0 = PC_GPE_BASE, .gpe0_length = ACPI_GPE_PORTS,
        .c2_latency = NO_C2_LATENCY, .c3_latency = NO_C3_LATENCY, .century = CMOS_CENTURY,
        .boot_flags = BOOT_LEGACY_DEVICES | BOOT_8042,
        .flags = FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_RTC_WAKE | FADT_TIMER_32BIT |
                 FADT_RESET_REGISTER,
        .reset = port(PC_RESET_PORT, 1), .reset_value = RESET_VALUE,
        .x_pm1a_event = port(PC_PM_BASE + ACPI_PM1_STATUS, 4), .x_pm1a_control = port(PC_PM_BASE + ACPI_PM1_CONTROL, 2),
        .x_pm_timer = port(PC_PM_BASE + ACPI_PM_TIMER, 4), .x_gpe0 = port(PC_GPE_BASE, ACPI_GPE_PORTS),
    };
    fadt.x_pm1a_event.access = 2; /* a block of two 16-bit registers */
    fadt.x_gpe0.access = 1;
    list_table(area, put_table(area, &fadt, sizeof(fadt)));
}

/* The MADT is written in place, entry by entry. */
static void append(uint8_t *table, uint32_t *length, const void *entry, uint32_t size)
{
    memcpy(table + *length, entry, size);
    *length += size;
}

static void append_processor(uint8_t *table, uint32_t *length, uint32_t id)
{
    struct madt_lapic lapic = { MADT_LAPIC, sizeof(lapic), (uint8_t)id, (uint8_t)id, MADT_ENABLED };
    struct madt_x2apic x2apic = { MADT_X2APIC, sizeof(x2apic), 0, id, MADT_ENABLED, id };
    if (id <= XAPIC_MAX_ID)
        append(table, length, &lapic, sizeof(lapic));
    else
        append(table, length, &x2apic, sizeof(x2apic));
}

#define MADT_SIZE_MAX (sizeof(struct madt) + MAX_VCPUS * sizeof(struct madt_x2apic) + 64)

static void put_madt(struct area *area, uint32_t vcpus)
{
    const struct madt_ioapic ioapic = { MADT_IOAPIC, sizeof(ioapic), 0, 0, (uint32_t)PC_IOAPIC, 0 };
    const struct madt_override timer = { MADT_OVERRIDE, sizeof(timer), 0, 0, 2, 0 };
    const struct madt_override sci = { MADT_OVERRIDE, sizeof(sci), 0, PC_IRQ_SCI, PC_IRQ_SCI, MADT_LEVEL_HIGH };
    const struct madt_nmi nmi = { MADT_NMI, sizeof(nmi), MADT_ALL_UIDS, 0, 1 };
    const struct madt madt = { header("APIC", MADT_REVISION), (uint32_t)PC_LAPIC, MADT_8259 };
    uint8_t table[MADT_SIZE_MAX];
    uint32_t length = 0;
    append(table, &length, &madt, sizeof(madt));
    for (uint32_t i = 0; i < vcpus; i++)
        append_processor(table, &length, i);
    append(table, &length, &ioapic, sizeof(ioapic));
    append(table, &length, &timer, sizeof(timer));
    append(table, &length, &sci, sizeof(sci));
    append(table, &length, &nmi, sizeof(nmi));
    list_table(area, put_table(area, table, length));
}

static void put_mcfg(struct area *area)
{
    const struct mcfg mcfg = { .header = header("MCFG", 1), .base = PC_ECAM, .last_bus = 0xff };
    list_table(area, put_table(area, &mcfg, sizeof(mcfg)));
}

static void put_hpet(struct area *area)
{
    const struct hpet_table hpet = {
        .header = header("HPET", 1), .id = PC_HPET_ID,
        .address = { .space = SPACE_MEMORY, .bits = 64, .address = PC_HPET }, .minimum_tick = 100,
    };
    list_table(area, put_table(area, &hpet, sizeof(hpet)));
}

/* Each action of a driver is one access to a register. The table gives times in ticks. */
static void put_wdat(struct area *area)
{
    enum { ACTION_RESET = 1, ACTION_GET_CURRENT = 4, ACTION_GET_COUNT = 5, ACTION_SET_COUNT = 6, ACTION_GET_RUNNING = 8, ACTION_SET_RUNNING = 9,
           ACTION_GET_STOPPED = 10, ACTION_SET_STOPPED = 11, ACTION_GET_STATUS = 32, ACTION_SET_STATUS = 33 };
    enum { READ_VALUE = 0, READ_COUNT = 1, WRITE_VALUE = 2, WRITE_COUNT = 3 };
    static const struct { uint8_t action, instruction, offset, value; uint32_t mask; } actions[] = {
        { ACTION_RESET, WRITE_VALUE, WATCHDOG_CURRENT, 1, 1 },
        { ACTION_GET_CURRENT, READ_COUNT, WATCHDOG_CURRENT, 0, WATCHDOG_COUNT_MAX },
        { ACTION_GET_COUNT, READ_COUNT, WATCHDOG_COUNT, 0, WATCHDOG_COUNT_MAX },
        { ACTION_SET_COUNT, WRITE_COUNT, WATCHDOG_COUNT, 0, WATCHDOG_COUNT_MAX },
        { ACTION_GET_RUNNING, READ_VALUE, WATCHDOG_RUN, 1, 1 },
        { ACTION_SET_RUNNING, WRITE_VALUE, WATCHDOG_RUN, 1, 1 },
        { ACTION_GET_STOPPED, READ_VALUE, WATCHDOG_RUN, 0, 1 },
        { ACTION_SET_STOPPED, WRITE_VALUE, WATCHDOG_RUN, 0, 1 },
        { ACTION_GET_STATUS, READ_VALUE, WATCHDOG_STATUS, 1, 1 },
        { ACTION_SET_STATUS, WRITE_VALUE, WATCHDOG_STATUS, 1, 1 },
    };
    struct wdat wdat = { .header = header("WDAT", 1), .header_length = WDAT_HEADER_LENGTH, .segment = 0xff, .bus = 0xff, .device = 0xff,
                         .function = 0xff, .period = WATCHDOG_TICK_MS, .max_count = WATCHDOG_COUNT_MAX, .min_count = 1, .flags = WDAT_ENABLED,
                         .entry_count = sizeof(actions) / sizeof(actions[0]) };
    _Static_assert(sizeof(actions) / sizeof(actions[0]) == WDAT_ENTRIES, "entries");
    for (unsigned i = 0; i < WDAT_ENTRIES; i++)
        wdat.entries[i] = (struct wdat_entry){ actions[i].action, actions[i].instruction, 0, port(PC_WATCHDOG + actions[i].offset, 4),
                                               actions[i].value, actions[i].mask };
    list_table(area, put_table(area, &wdat, sizeof(wdat)));
}

/* RSDT and XSDT: the same list with 32 and with 64 bits. */
static uint32_t put_list(struct area *area, const char *signature, uint32_t entry_size)
{
    struct {
        struct packed_header header;
        uint8_t entries[MAX_TABLES * sizeof(uint64_t)];
    } __attribute__((packed)) list = { .header = header(signature, 1) };
    for (unsigned i = 0; i < area->table_count; i++) {
        uint64_t address = area->tables[i];
        memcpy(list.entries + i * entry_size, &address, entry_size);
    }
    return put_table(area, &list, (uint32_t)sizeof(list.header) + area->table_count * entry_size);
}

enum status acpi_tables_write(struct machine *machine, const void **rsdp_at)
{
    const bool firmware = machine_has_firmware(machine);
    const uint64_t base = firmware ? machine->memory.low - PC_FIRMWARE_TABLES : PC_BIOS_AREA;
    const uint32_t rsdp_offset = firmware ? PC_FIRMWARE_RSDP : PC_RSDP - PC_BIOS_AREA;
    struct area area = { .memory = memory_at(&machine->memory, base, rsdp_offset + sizeof(struct rsdp)),
                         .base = (uint32_t)base };
    struct rsdp rsdp = { .signature = "RSD PTR ", .oem_id = OEM_ID, .revision = RSDP_REVISION, .length = sizeof(rsdp) };
    if (!area.memory || machine->memory.low < (firmware ? PC_FIRMWARE_MEMORY_MIN : PC_BIOS_END))
        return ERR_MEMORY;
    put_fadt(&area, put_facs(&area), put_table(&area, dsdt_aml_code, sizeof(dsdt_aml_code)));
    put_madt(&area, machine->vcpu_count);
    put_hpet(&area);
    put_mcfg(&area);
    put_wdat(&area);
    rsdp.rsdt = put_list(&area, "RSDT", sizeof(uint32_t));
    rsdp.xsdt = put_list(&area, "XSDT", sizeof(uint64_t));
    rsdp.checksum = checksum(&rsdp, RSDP_V1_SIZE);
    rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
    memcpy(area.memory + rsdp_offset, &rsdp, sizeof(rsdp));
    *rsdp_at = area.memory + rsdp_offset;
    return OK;
}
