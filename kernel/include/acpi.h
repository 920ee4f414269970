/* SPDX-License-Identifier: MIT
 * What the ACPI tables say about the host (ACPI 6.5 chapter 5), read once at boot. Addresses are machine addresses. */
#pragma once

#include "boot.h"

#define ACPI_MAX_IOAPICS 8
#define ACPI_MAX_CPUS 256 /* listed; MAX_CPUS of them run */

struct acpi_ioapic {
    uint64_t address;
    uint32_t gsi_base;
    uint8_t id;
};
struct acpi_isa_route { /* where an ISA interrupt arrives */
    uint32_t gsi;
    bool active_low, level;
};
struct acpi_register { /* Generic Address Structure; address 0: none */
    uint64_t address;
    uint8_t space; /* ACPI_SPACE_* */
    uint8_t width; /* bits */
};
enum { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_IO = 1 };

struct acpi_host {
    uint32_t cpu_count;
    uint32_t cpus[ACPI_MAX_CPUS]; /* APIC ids of the enabled CPUs */
    uint32_t ioapic_count;
    struct acpi_ioapic ioapics[ACPI_MAX_IOAPICS];
    struct acpi_isa_route isa[16];
    uint16_t pm_timer;            /* port; 0: none */
    bool pm_timer_32;             /* 32 bits wide, else 24 */
    uint16_t pm1a_control, pm1b_control, smi_command;
    uint8_t acpi_enable;
    bool s5;                      /* \_S5 was found */
    uint8_t s5_type_a, s5_type_b; /* SLP_TYP of S5 for PM1a, PM1b */
    struct acpi_register reset;
    uint8_t reset_value;
    uint8_t century;              /* CMOS register, 0: none */
    uint64_t ecam;                /* PCI configuration space of segment 0 (MCFG); 0: none */
    uint8_t ecam_first_bus, ecam_last_bus;
    bool amd_iommu;               /* IVRS */
};
extern struct acpi_host acpi;

/* Null, or a sentence on why the machine cannot be used. Tables with wrong checksums are named and ignored. */
const char *acpi_init(const struct boot_loader *loader);
