/* SPDX-License-Identifier: MIT
 * Reads the host's ACPI tables through the boot mappings: every table's length and checksum before its contents. */
#include "acpi.h"
#include "api.h"
#include "iommu.h"
#include <string.h>

#define RSDP_SIZE_1 20
#define RSDP_SIZE_2 36
#define HEADER_SIZE 36
#define TABLE_MAX (16u << 20) /* larger is absurd */
#define BOOT_LIMIT (1ull << 32)
#define BIOS_EBDA_SEGMENT 0x40e

struct acpi_host acpi;

static uint8_t sum(const uint8_t *p, size_t size)
{
    uint8_t s = 0;
    while (size--)
        s += *p++;
    return s;
}

static uint16_t get16(const uint8_t *p) { return p[0] | p[1] << 8; }
static uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static uint64_t get64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }
static uint32_t length_of(const uint8_t *table) { return get32(table + 4); }

/* --- finding tables --- */

static bool rsdp_valid(const uint8_t *p, uint32_t size)
{
    return size >= RSDP_SIZE_1 && !memcmp(p, "RSD PTR ", 8) && sum(p, RSDP_SIZE_1) == 0;
}

static const uint8_t *rsdp_scan(uint64_t base, uint64_t size)
{
    for (uint64_t at = base; at + RSDP_SIZE_2 <= base + size; at += 16)
        if (rsdp_valid(boot_pointer(at), RSDP_SIZE_2))
            return boot_pointer(at);
    return NULL;
}

static const uint8_t *rsdp_find(const struct boot_loader *loader)
{
    if (rsdp_valid(loader->rsdp, loader->rsdp_size))
        return loader->rsdp;
    if (loader->uefi) /* no BIOS areas there */
        return NULL;
    uint64_t ebda = (uint64_t)get16(boot_pointer(BIOS_EBDA_SEGMENT)) << 4;
    const uint8_t *found = ebda >= 0x400 && ebda < 0xa0000 ? rsdp_scan(ebda, 1024) : NULL;
    return found ? found : rsdp_scan(0xe0000, 0x20000);
}

/* A table by its address, checked; null (said on the console) if it cannot be trusted. `minimum` bytes are there. */
static const uint8_t *table_at(uint64_t address, uint32_t minimum)
{
    if (!address || address > BOOT_LIMIT - HEADER_SIZE)
        return NULL;
    const uint8_t *table = boot_pointer(address);
    uint32_t length = get32(table + 4);
    if (length < minimum || length > TABLE_MAX || length > BOOT_LIMIT - address || sum(table, length)) {
        print("acpi: table at 0x%lx ignored: wrong length (%u) or checksum\n", address, length);
        return NULL;
    }
    return table;
}


/* --- MADT (5.2.12) --- */

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_X2APIC = 9 };
#define MADT_ENABLED 1u

static void add_cpu(uint32_t apic_id, uint32_t flags)
{
    if (!(flags & MADT_ENABLED))
        return;
    for (uint32_t i = 0; i < acpi.cpu_count; i++)
        if (acpi.cpus[i] == apic_id)
            return;
    if (acpi.cpu_count < ACPI_MAX_CPUS)
        acpi.cpus[acpi.cpu_count++] = apic_id;
}

static void add_override(const uint8_t *e)
{
    uint16_t flags = get16(e + 8);
    if (e[2] == 0 && e[3] < ARRAY_COUNT(acpi.isa))
        acpi.isa[e[3]] = (struct acpi_isa_route){ get32(e + 4), (flags & 3) == 3, (flags >> 2 & 3) == 3 };
}

static void madt_entry(const uint8_t *e)
{
    static const uint8_t minimum[16] = { [MADT_LAPIC] = 8, [MADT_IOAPIC] = 12, [MADT_OVERRIDE] = 10, [MADT_X2APIC] = 16 };
    if (e[0] >= ARRAY_COUNT(minimum) || e[1] < minimum[e[0]])
        return;
    if (e[0] == MADT_LAPIC && e[3] != 0xff)
        add_cpu(e[3], get32(e + 4));
    else if (e[0] == MADT_X2APIC)
        add_cpu(get32(e + 4), get32(e + 8));
    else if (e[0] == MADT_IOAPIC && acpi.ioapic_count < ACPI_MAX_IOAPICS)
        acpi.ioapics[acpi.ioapic_count++] = (struct acpi_ioapic){ get32(e + 4), get32(e + 8), e[2] };
    else if (e[0] == MADT_OVERRIDE)
        add_override(e);
}

static void read_madt(const uint8_t *t)
{
    uint32_t length = length_of(t);
    for (uint32_t at = 44; at + 2 <= length && t[at + 1] >= 2 && at + t[at + 1] <= length; at += t[at + 1])
        madt_entry(t + at);
}

/* --- FADT (5.2.9) and \_S5 --- */

/* AML (20.2): NameOp "_S5_" PackageOp PkgLength NumElements, then integers. */
static const uint8_t *aml_byte(const uint8_t *p, const uint8_t *end, uint8_t *value)
{
    if (p < end && (*p == 0x00 || *p == 0x01)) { /* ZeroOp, OneOp */
        *value = *p;
        return p + 1;
    }
    if (p + 1 < end && *p == 0x0a) { /* BytePrefix */
        *value = p[1];
        return p + 2;
    }
    return NULL;
}

static void find_s5(const uint8_t *table)
{
    const uint8_t *end = table + length_of(table);
    for (const uint8_t *p = table + HEADER_SIZE; p + 8 < end; p++) {
        bool named = p[-1] == 0x08 || (p[-1] == '\\' && p[-2] == 0x08);
        if (memcmp(p, "_S5_", 4) || !named || p[4] != 0x12)
            continue;
        const uint8_t *e = p + 5 + 1 + (p[5] >> 6) + 1; /* PkgLength says in its top bits how many bytes follow; NumElements */
        e = aml_byte(e, end, &acpi.s5_type_a);
        if (e && aml_byte(e, end, &acpi.s5_type_b))
            acpi.s5 = true;
        return;
    }
}

static uint16_t port_of(const uint8_t *t, uint32_t legacy, uint32_t extended)
{
    uint32_t length = length_of(t);
    if (length >= extended + 12 && t[extended] == ACPI_SPACE_IO && get64(t + extended + 4) - 1 < 0xffff)
        return (uint16_t)get64(t + extended + 4);
    return get32(t + legacy) < 0x10000 ? (uint16_t)get32(t + legacy) : 0;
}

static void read_fadt(const uint8_t *t)
{
    uint32_t length = length_of(t), flags = get32(t + 112);
    acpi.smi_command = get32(t + 48) < 0x10000 ? (uint16_t)get32(t + 48) : 0;
    acpi.acpi_enable = t[52];
    acpi.pm1a_control = port_of(t, 64, 172);
    acpi.pm1b_control = port_of(t, 68, 184);
    acpi.pm_timer = t[91] == 4 ? port_of(t, 76, 208) : 0;
    acpi.pm_timer_32 = flags >> 8 & 1;
    acpi.century = t[108] < 0x80 ? t[108] : 0;
    if (length >= 129 && (flags >> 10 & 1)) {
        acpi.reset = (struct acpi_register){ get64(t + 120), t[116], t[117] };
        acpi.reset_value = t[128];
    }
    uint64_t dsdt = length >= 148 && get64(t + 140) ? get64(t + 140) : get32(t + 40);
    const uint8_t *aml = table_at(dsdt, HEADER_SIZE);
    if (aml)
        find_s5(aml);
}

/* PCI Firmware Specification 3.3, table 4-2: entries of base, segment, first and last bus. */
#define MCFG_FIRST 44u
#define MCFG_ENTRY 16u
static void read_mcfg(const uint8_t *t)
{
    for (uint32_t at = MCFG_FIRST; at + MCFG_ENTRY <= length_of(t); at += MCFG_ENTRY) {
        if (t[at + 8] || t[at + 9] || t[at + 10] > t[at + 11])
            continue;
        acpi.ecam = get64(t + at);
        acpi.ecam_first_bus = t[at + 10];
        acpi.ecam_last_bus = t[at + 11];
    }
}

/* --- all tables --- */

static void read_table(const uint8_t *t)
{
    if (!memcmp(t, "APIC", 4))
        read_madt(t);
    else if (!memcmp(t, "FACP", 4) && length_of(t) >= 116)
        read_fadt(t);
    else if (!memcmp(t, "SSDT", 4) && !acpi.s5)
        find_s5(t);
    if (!memcmp(t, "MCFG", 4))
        read_mcfg(t);
    acpi.amd_iommu |= !memcmp(t, "IVRS", 4);
    const char *problem = memcmp(t, "DMAR", 4) ? NULL : dmar_read(&dmar, t, length_of(t));
    if (problem)
        print("iommu: VT-d is not used: %s\n", problem);
}

static const char *read_root(const uint8_t *rsdp, uint32_t size)
{
    bool extended = rsdp[15] >= 2 && size >= RSDP_SIZE_2 && sum(rsdp, RSDP_SIZE_2) == 0 && get64(rsdp + 24);
    const uint8_t *root = extended ? table_at(get64(rsdp + 24), HEADER_SIZE) : NULL;
    uint32_t entry = root ? 8 : 4;
    if (!root)
        root = table_at(get32(rsdp + 16), HEADER_SIZE);
    if (!root || memcmp(root, entry == 8 ? "XSDT" : "RSDT", 4))
        return "the ACPI root table (XSDT or RSDT) is missing or damaged";
    for (uint32_t at = HEADER_SIZE; at + entry <= length_of(root); at += entry) {
        const uint8_t *t = table_at(entry == 8 ? get64(root + at) : get32(root + at), HEADER_SIZE);
        if (t)
            read_table(t);
    }
    return NULL;
}

const char *acpi_init(const struct boot_loader *loader)
{
    for (uint32_t i = 0; i < ARRAY_COUNT(acpi.isa); i++)
        acpi.isa[i].gsi = i;
    const uint8_t *rsdp = rsdp_find(loader);
    if (!rsdp)
        return "there are no ACPI tables (no RSDP): enable ACPI in the firmware's setup";
    const char *problem = read_root(rsdp, rsdp == loader->rsdp ? loader->rsdp_size : RSDP_SIZE_2);
    if (problem)
        return problem;
    if (!acpi.cpu_count || !acpi.ioapic_count)
        return "the ACPI tables list no CPU or no I/O APIC (MADT): enable ACPI and APIC mode in the firmware's setup";
    print("acpi: %u CPUs, %u I/O APICs, PM timer %s, soft-off %s, ECAM %s, IOMMU %s\n", acpi.cpu_count, acpi.ioapic_count,
          acpi.pm_timer ? "yes" : "no", acpi.s5 && acpi.pm1a_control ? "yes" : "no", acpi.ecam ? "yes" : "no",
          dmar.unit_count ? "VT-d" : acpi.amd_iommu ? "AMD-Vi (not used)" : "no");
    if (!dmar.unit_count)
        print("acpi: no IOMMU: devices can reach all memory; if the machine has VT-d, enable it in the firmware's setup\n");
    return NULL;
}
