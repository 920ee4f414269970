/* SPDX-License-Identifier: MIT
 * What exists only while the kernel boots: the boot loader's information, the memory map, boot mappings. All of it runs on the
 * boot CPU, alone. */
#pragma once

#include "abi/info.h"
#include "types.h"

/* --- multiboot.c --- */
#define BOOT_MAX_MAP 256
struct boot_map_entry {
    uint64_t base, size;
    uint32_t type; /* Multiboot2 specification 3.6.8: 1 available, 3 ACPI reclaimable, 4 ACPI NVS, 5 defective, else reserved */
};
struct boot_loader {
    struct boot_map_entry map[BOOT_MAX_MAP];
    uint32_t map_count;
    struct boot_module modules[BOOT_MAX_MODULES];
    uint32_t module_count;
    bool uefi;
    uint8_t rsdp[36]; /* a copy; rsdp_size 0: none */
    uint32_t rsdp_size;
    char loader[32];
    struct boot_screen screen;
};
/* Reads the information at `address`. Null or a sentence (then nothing else may be used). Modules that cannot be
 * are left out with a message. */
const char *multiboot_parse(struct boot_loader *out, uint64_t address);

/* --- memory.c --- */
/* Takes the loader's map, the image and the modules into account. Null or a sentence. */
const char *memory_init(const struct boot_loader *loader);
/* Takes page-aligned memory out of the free ranges, below 4 GiB if it can be (below `limit` always), and records it as `kind`.
 * 0: there is none. Not zeroed. */
uint64_t memory_take(uint64_t size, uint64_t align, uint64_t limit, enum range_kind kind);
/* Bytes of free memory. */
uint64_t memory_free(void);
/* A free page below 1 MiB for the AP trampoline, or 0. It stays RANGE_RESERVED. */
extern uint64_t memory_low_page;
/* What all of [base, base + size) is, enum range_kind; 0 if it is of several kinds or not listed. Any time, any CPU: the map does
 * not change any more when the manager runs. */
uint32_t memory_kind(uint64_t base, uint64_t size);
/* True if [base, base + size) touches neither memory nor a device of the kernel's own (APICs). Any time, any CPU. */
bool memory_is_device(uint64_t base, uint64_t size);
/* Fills boot_info.ranges; called after each boot_take too. */
void memory_export(struct boot_info *info);
extern struct boot_info boot_info;

/* --- for manager_create: valid until it returns --- */
/* Machine memory as the boot mappings show it; hpa < 4 GiB. */
void *boot_pointer(uint64_t hpa);
/* Machine memory for the manager: page-aligned, zeroed, recorded as RANGE_MANAGER, also in boot_info at once. 0: there is none.
 * size is rounded up to pages. */
uint64_t boot_take(uint64_t size);

/* --- pool.c --- */
/* Places the pool (pool.h) and maps it in the boot tables. Null or a sentence. */
const char *pool_init(void);

/* --- the rest of the sequence --- */
uint64_t rtc_epoch(uint8_t century_register); /* seconds since 1970-01-01 UTC from the RTC */
void poweroff_init(void);       /* maps the reset register if it is in memory, for machine_off (api.h) */
void tsc_calibrate(void);      /* sets tsc_hz */
void tsc_delay(uint64_t microseconds);
/* Starts all other CPUs of the MADT; those that come up wait for smp_release. A CPU that does not is named and left out. */
void smp_start(void);
void smp_release(void);        /* they go to their schedulers */
/* A CPU's stacks and struct cpu; its index is the next free one. Null if the pool or MAX_CPUS is exhausted. */
struct cpu *cpu_create(uint32_t apic_id);
/* This CPU: features, GDT, IDT. Null or a sentence that names what is missing. */
const char *cpu_prepare(struct cpu *cpu);
/* This CPU: virtualization on. Null or a sentence. */
const char *cpu_virtualize(struct cpu *cpu);
/* Chooses `vendor` by what the boot CPU has. Null or a sentence. */
const char *vendor_choose(void);
void cpu_report(void);         /* one line on what the boot CPU is */
