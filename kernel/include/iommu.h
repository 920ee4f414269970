/* SPDX-License-Identifier: MIT
 * DMA and interrupt remapping (Intel VT-d specification 4.1, legacy mode). All devices belong to one domain or to nobody:
 * they see what the domain has as guest memory, at guest-physical addresses, and nothing else; not device memory either. Where a single one is
 * meant its source names it: bus << 8 | device << 3 | function. Manage lock held, unless said. */
#pragma once

#include "domain.h"

#define IOMMU_MAX_UNITS 16
#define IOMMU_MAX_IOAPICS 8
#define IOMMU_ANY 0x10000u  /* in the place of an interrupt's source: whoever sends it */

/* What the DMAR table says (VT-d specification chapter 8). */
struct dmar {
    uint32_t unit_count, ioapic_count;
    struct { uint64_t address; uint16_t segment; } units[IOMMU_MAX_UNITS];
    struct { uint8_t id; uint16_t source; } ioapics[IOMMU_MAX_IOAPICS];
    bool interrupts; /* they can be remapped */
};
/* Reads the table, whose length and checksum are right. Null, or a sentence: then *dmar has no units. Memory that the firmware
 * reserves for devices (RMRR) is refused with a message. */
const char *dmar_read(struct dmar *dmar, const uint8_t *table, uint32_t length);
extern struct dmar dmar; /* of this machine; filled by acpi_init */

/* --- iommu.c --- */
/* Boot CPU, its local APIC is on: turns translation on in all units, with the devices given to nobody, and interrupt remapping where all units
 * have it. If it cannot be used the console says why, and nothing is changed. */
void iommu_init(uint32_t apic_id);
/* DMA is confined. Any time. */
bool iommu_active(void);
/* The devices belong to the domain, whoever had them. Before its guest memory (ERR_BUSY). ERR_SUPPORT: no IOMMU, ERR_MEMORY. */
must_use enum status iommu_give(struct domain *domain);
/* Whose they are; may be null. Any time. */
const struct domain *iommu_owner(void);
/* The domain goes away: devices see nothing of it any more when this returns. */
void iommu_release(struct domain *domain);
/* Mirrors guest memory. ERR_MEMORY; ERR_PARAM: beyond what the units reach. When iommu_unmap returns no device has a translation any more. */
must_use enum status iommu_map(struct domain *domain, uint64_t gpa, uint64_t hpa, uint64_t size, bool writable);
must_use enum status iommu_unmap(struct domain *domain, uint64_t gpa, uint64_t size);
/* Interrupts are remapped: nothing that was not announced by iommu_interrupt arrives. Any time. */
bool iommu_remaps(void);
/* Lets `source` raise this vector on that CPU. The entry's index is the vector. Any lock of interrupt_create and ioapic.c. */
void iommu_interrupt(uint8_t vector, uint32_t apic_id, bool level, uint32_t source);
/* Nobody raises it any more. Interrupt handlers, too. */
void iommu_interrupt_end(uint8_t vector);
/* The source of an I/O APIC by its id, IOMMU_ANY if the table does not say. */
uint32_t iommu_ioapic_source(uint8_t id);

/* --- iommu_unit.c: the registers. Boot CPU for the first two --- */
struct iommu_limits { /* what all units can */
    uint8_t levels, max_leaf; /* of second-level tables */
    bool coherent;            /* they see the CPU's caches */
    bool interrupts, eim;     /* remap interrupts; to 32-bit APIC ids */
    bool flush_maps;          /* new mappings need a flush, too */
    uint32_t domains;         /* domain ids */
};
/* Null, or a sentence on why they cannot be used. */
const char *iommu_units_check(const struct dmar *dmar, struct iommu_limits *limits);
/* root of the tables for segment 0 and for the others; interrupts: value of the table's address register, 0: no remapping. */
void iommu_units_enable(uint64_t root, uint64_t empty, uint64_t interrupts, uint32_t apic_id);
enum iommu_cache { IOMMU_TRANSLATIONS, IOMMU_INTERRUPTS };
/* Drops what the units have cached. Any CPU; waits for the units. */
void iommu_flush(enum iommu_cache cache);
/* Interrupt handler: tells of refused accesses. */
void iommu_faults(void);
/* Faults are told again if there were too many. */
void iommu_faults_again(void);
