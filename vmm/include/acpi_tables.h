/* SPDX-License-Identifier: MIT
 * What firmware leaves in memory for the operating system: ACPI tables, the MP table, and the BIOS data areas. All of it
 * lies in the last KiB of conventional memory and in [PC_BIOS_AREA, PC_BIOS_END), where small kernels look for it
 * without a page table. The guest may overwrite it; the monitor never reads it back. */
#pragma once

#include "abi/status.h"

struct machine;

#define ACPI_RSDP_SIZE 36

/* RSDP at PC_RSDP (revision 2), XSDT, RSDT, FADT, FACS, MADT, MCFG, HPET, DSDT; with firmware of the guest's own at the end of low
 * memory instead, the RSDP at PC_FIRMWARE_RSDP of it. *rsdp is set to the RSDP. ERR_MEMORY: RAM does not reach 1 MiB, or
 * PC_FIRMWARE_MEMORY_MIN. */
must_use enum status acpi_tables_write(struct machine *machine, const void **rsdp);
/* MultiProcessor Specification 1.4: floating pointer at PC_MP_FLOATING. ERR_MEMORY as above. */
must_use enum status mp_table_write(struct machine *machine);
/* Interrupt vectors that return an error to a caller of BIOS services, the BIOS data area, the EBDA and the reset code at
 * 0xffff0. ERR_MEMORY as above. */
must_use enum status bios_area_write(struct machine *machine);
