/* SPDX-License-Identifier: MIT
 * What the kernel tells the manager at its start, read-only at LAYOUT_START. */
#pragma once

#include <stdint.h>
#include "abi/layout.h"

#define BOOT_INFO_MAGIC 0x6c75626bu /* "bulk" */
#define BOOT_INFO_VERSION 3
#define BOOT_MAX_RANGES 320
#define BOOT_MAX_MODULES 48
#define BOOT_NAME_SIZE 96

enum range_kind { RANGE_FREE = 1, RANGE_KERNEL, RANGE_MANAGER, RANGE_MODULE, RANGE_ACPI, RANGE_RESERVED };

/* Machine memory, ascending, not overlapping, page-aligned. Only RANGE_FREE may be handed out for writing. */
struct boot_range {
    uint64_t base, size;
    uint32_t kind;
    uint32_t reserved;
};

struct boot_module {
    uint64_t base, size;       /* machine address (page-aligned) and size in bytes */
    char name[BOOT_NAME_SIZE]; /* first word of its boot-loader line: the path by which the configuration names it;
                                * "manager", "vmm", and "config" or "config:" + what messages call the configuration */
};

/* The screen as the boot loader left it. */
enum screen_kind { SCREEN_NONE, SCREEN_TEXT /* VGA, two bytes per character */, SCREEN_RGB /* a linear frame buffer */ };
struct boot_screen {
    uint64_t base;             /* machine address of the upper left corner */
    uint32_t kind;             /* enum screen_kind */
    uint32_t width, height;    /* characters or pixels */
    uint32_t pitch;            /* bytes from one row to the next */
    uint32_t bits_per_pixel;
    uint32_t reserved;
};

struct boot_info {
    uint32_t magic, version;
    uint32_t cpu_count, module_count, range_count;
    uint32_t features;         /* BOOT_FEATURE_* */
    uint64_t tsc_hz;
    uint64_t kernel_image_size, kernel_pool_size, kernel_pool_used; /* bytes */
    uint64_t heap_base, heap_size; /* LAYOUT_HEAP memory mapped for the manager at start */
    uint64_t epoch;            /* seconds since 1970-01-01 UTC from the RTC at boot */
    uint64_t boot_tsc;         /* TSC when `epoch` was read */
    uint64_t ecam_base;        /* PCI configuration space of segment 0, 0: none */
    uint32_t ecam_first_bus, ecam_last_bus;
    uint32_t cpu_apic_ids[MAX_CPUS];
    char virtualization[16];   /* "VT-x/EPT" or "AMD-V/NPT" */
    struct boot_screen screen;
    struct boot_range ranges[BOOT_MAX_RANGES];
    struct boot_module modules[BOOT_MAX_MODULES];
};
#define BOOT_FEATURE_UEFI (1u << 0)
#define BOOT_FEATURE_IOMMU (1u << 1) /* in use: devices see what SYS_DEVICES_GIVE says */
#define BOOT_INFO_PAGES 4
_Static_assert(sizeof(struct boot_info) <= BOOT_INFO_PAGES * PAGE_SIZE, "struct boot_info");
