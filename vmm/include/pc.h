/* SPDX-License-Identifier: MIT
 * The fixed addresses of the virtual PC: what is where in its memory and port space. The same on every host. */
#pragma once

/* Below 1 MiB. */
#define PC_BDA 0x400u            /* BIOS data area */
#define PC_EBDA 0x9fc00u         /* extended BIOS data area, 1 KiB: end of the conventional memory */
#define PC_EBDA_SIZE 0x400u
#define PC_BIOS_AREA 0xe0000u    /* ACPI tables; e820 says reserved */
#define PC_RSDP 0xf0000u
#define PC_MP_FLOATING 0xf0040u  /* MP floating pointer, its configuration table behind */
#define PC_MP_TABLE 0xf0080u
#define PC_BIOS_SEGMENT 0xf000u
#define PC_BIOS_CODE 0xfe000u    /* interrupt stubs and the reset code (bios.h) */
#define PC_BIOS_STUB_SIZE 16u
#define PC_BIOS_CONFIGURATION 0xfe6f5u /* table of INT 15h AH=C0h, where the PC/AT had it */
#define PC_BIOS_END 0x100000u

/* With firmware of the guest's own (start.h) it has the area below 1 MiB, and the ACPI tables are at the end of low memory. */
#define PC_FIRMWARE_SIZE_MIN 0x10000u  /* of its file: the last 64 KiB below 1 MiB at least... */
#define PC_FIRMWARE_SIZE_MAX 0x800000u /* ...and what fits between the test memory and 4 GiB */
#define PC_FIRMWARE_SHADOW 0x20000u    /* below 1 MiB there are its last 128 KiB */
#define PC_FIRMWARE_TABLES 0x10000u    /* at the end of low memory; the RSDP is at the end of it */
#define PC_FIRMWARE_RSDP 0xffc0u       /* ... at this offset */
#define PC_FIRMWARE_MEMORY_MIN 0x200000u

/* Below 4 GiB. RAM ends at PC_LOW_MEMORY_MAX or earlier. */
#define PC_LOW_MEMORY_MAX 0xc0000000ull
#define PC_ECAM 0xe0000000ull       /* PCI configuration space, 256 busses */
#define PC_ECAM_SIZE 0x10000000ull
#define PC_PCI_MMIO 0xf0000000ull   /* window of memory BARs assigned at reset */
#define PC_PCI_MMIO_END 0xfec00000ull
#define PC_IOAPIC 0xfec00000ull
#define PC_HPET 0xfed00000ull
#define PC_LAPIC 0xfee00000ull
#define PC_TEST_MEMORY 0xff000000ull
#define PC_TEST_MEMORY_SIZE 0x10000u
#define PC_HPET_ID 0x8086a201u      /* low half of the HPET's capability register: 3 timers, 64 bits */

/* Ports. */
#define PC_COM1 0x3f8
#define PC_PM_BASE 0x600     /* ACPI power-management block: PM1a event, control, timer */
#define PC_GPE_BASE 0x620
#define PC_WATCHDOG 0x640
#define PC_RESET_PORT 0xcf9
#define PC_FW_CFG 0x510
#define PC_DEBUG_TEXT 0x402  /* firmware's messages */
#define PC_BIOS_CALL 0xb3    /* APM status on a PC, a scratch register between OS and firmware; here the BIOS stubs' way out */
#define PC_DEBUG_EXIT 0xf4
#define PC_TEST_PORTS 0xe0   /* test device: with the debug-exit port only */
#define PC_TEST_IRQS 0x2000
#define PC_PCI_IO 0xc000     /* window of I/O BARs assigned at reset */
#define PC_PCI_IO_END 0x10000

/* Interrupt lines. */
#define PC_IRQ_KEYBOARD 1
#define PC_IRQ_COM1 4
#define PC_IRQ_RTC 8
#define PC_IRQ_SCI 9
#define PC_GSI_PCI 16        /* GSIs 16 to 23 are PCI INTx */
#define PC_GSI_PCI_COUNT 8
#define PC_GSI_COUNT 24
