/* SPDX-License-Identifier: MIT
 * One walker for the page tables of x86: the host's (4-level), EPT, NPT, and second-level tables of VT-d (3 or 4 levels). Tables live in the pool and are charged to
 * the quota of the domain that they serve. Locking: the caller's (the domain's lock). */
#pragma once

#include "pool.h"

enum pt_rights {
    PT_READ = 1u << 0, PT_WRITE = 1u << 1, PT_EXEC = 1u << 2,
    PT_USER = 1u << 3,   /* host table: ring 3 */
    PT_DEVICE = 1u << 4, /* uncached */
};

/* How a format spells its entries; const, one per format. */
struct pt_format;
extern const struct pt_format pt_host, pt_ept, pt_npt, pt_vtd3, pt_vtd4;

/* The root whose upper half every new host table gets; set by hostmap.c, null before. */
extern const uint64_t *pt_kernel_root;

struct page_table {
    const struct pt_format *format;
    uint64_t *root; /* pool page */
    struct quota *quota;
    uint8_t max_leaf; /* largest leaf level the hardware has: 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB */
    uint8_t levels;   /* 4, or what the format says */
    void (*new_tables)(void); /* if not null: called between the clearing of new table pages and their linking, for hardware that does not
                                 see the CPU's caches */
};

must_use enum status pt_create(struct page_table *table, const struct pt_format *format, struct quota *quota, uint8_t max_leaf);
/* Frees all table pages (of a host table: the lower half only; the upper half is the kernel's). */
void pt_destroy(struct page_table *table);

/* Maps [va, va + size) to [pa, pa + size) with the largest pages that fit. Check, then commit: ERR_PARAM (alignment, wrap,
 * outside the table, no PT_READ, in a host table: PT_WRITE with PT_EXEC, PT_USER above or not PT_USER below the middle), ERR_EXISTS (any page of it is mapped already), ERR_MEMORY (table pages); then nothing has changed
 * (empty table pages that a failed call allocated are freed again). */
must_use enum status pt_map(struct page_table *table, uint64_t va, uint64_t pa, uint64_t size, unsigned rights);
/* Unmaps what is mapped in [va, va + size); large pages that lie across a border are split. Returns ERR_MEMORY before any
 * change if a split needs a page that the quota does not have. If anything was mapped there, flush(context) is called once after
 * the entries are gone and before table pages that became empty are freed: it must drop the table's translations from every TLB.
 * flush may be null if no CPU uses the table. */
must_use enum status pt_unmap(struct page_table *table, uint64_t va, uint64_t size, void (*flush)(void *context), void *context);
/* Looks va up. True if mapped: *pa = address, *rights. */
bool pt_lookup(const struct page_table *table, uint64_t va, uint64_t *pa, unsigned *rights);
