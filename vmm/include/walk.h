/* SPDX-License-Identifier: MIT
 * Walks the guest's page tables in software (SDM 3A chapter 5 "Paging", APM 2 chapter 5), for accesses that the monitor
 * makes on a guest's behalf: no paging, 32-bit with 4 MiB pages (PSE, PSE-36), PAE, 4-level. All functions need
 * GROUP_CR and GROUP_CODE. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "fault.h"
#include "machine.h"
#include "translation.h"

/* What kind of access. */
#define WALK_READ 0u
#define WALK_WRITE (1u << 0)    /* also of read-modify-write */
#define WALK_EXEC (1u << 1)
#define WALK_IMPLICIT (1u << 2) /* a supervisor access at any CPL: descriptor tables, TSS */
/* In translation.key besides. */
#define WALK_USER (1u << 3)
#define WALK_AC (1u << 4)     /* RFLAGS.AC, bit 18 */

/* Error code of a page fault (SDM 3A 5.7). */
#define PF_PRESENT (1u << 0)
#define PF_WRITE (1u << 1)
#define PF_USER (1u << 2)
#define PF_RESERVED (1u << 3)
#define PF_FETCH (1u << 4)

struct walk {
    uint64_t gpa;       /* of the linear address itself */
    uint8_t *host;      /* the same in this process, null if it is not RAM */
};

/* Translates one linear address, checks its rights and sets the accessed and dirty flags as the hardware does. The
 * result holds to the end of the 4 KiB page. linear must be canonical (segment.h sees to that); without long mode only
 * its low 32 bits count. False: *fault. A table that lies outside RAM reads as all ones. */
bool walk(struct vcpu *vcpu, uint64_t linear, unsigned access, struct walk *out, struct fault *fault);

/* The full walk, filling `out` for later use as a cache entry; walk() and fetch() call it. */
bool walk_tables(struct vcpu *vcpu, uint64_t linear, unsigned key, struct translation *out, struct fault *fault);

/* The same for the plain case: 4-level paging, no fault, all flags set already. False: ask walk_tables(). */
bool walk_plain(struct vcpu *vcpu, uint64_t linear, unsigned key, struct translation *out);

static inline unsigned walk_cpl(const struct vcpu_state *state)
{
    return state->seg[SEG_SS].attr >> SEG_ATTR_DPL_SHIFT & 3; /* SDM 3C 26.3.1.5: SS.DPL is the CPL in every mode */
}

/* Host pointer of a guest-physical address for an access inside its 4 KiB page. RAM consists of whole pages. */
static inline uint8_t *walk_ram(const struct memory *memory, uint64_t gpa)
{
    bool ram = gpa < memory->low || gpa - memory->high_base < memory->high;
    return ram ? memory->base + gpa : (uint8_t *)0;
}

/* Does the cache hold translations of this address space and mode? */
static inline bool walk_cache_current(const struct walk_cache *cache, const struct vcpu_state *state)
{
    return cache->cr3 == state->cr3 && cache->cr0 == state->cr0 && cache->cr4 == state->cr4 &&
           cache->efer == state->efer;
}

/* Do the page tables still say the same? */
static inline bool translation_current(const struct translation *t)
{
    const volatile uint64_t *const *entry = (const volatile uint64_t *const *)t->entry;
    return *entry[0] == t->value[0] && *entry[1] == t->value[1] && *entry[2] == t->value[2] && *entry[3] == t->value[3];
}

/* Where the translation of a data page is remembered. */
static inline struct translation *walk_slot(struct vcpu *vcpu, uint64_t linear, unsigned access)
{
    return &vcpu->walk_cache.data[linear >> PAGE_SHIFT & (DATA_PAGES - 1)][access & WALK_WRITE];
}

/* The access with the privilege that the state gives it. */
static inline unsigned walk_key(const struct vcpu_state *state, unsigned access)
{
    unsigned key = access | (state->rflags >> 14 & WALK_AC);
    return !(access & WALK_IMPLICIT) && walk_cpl(state) == 3 ? key | WALK_USER : key;
}

/* Does the remembered translation answer for this access, in a cache that is current? Then linear is canonical, too. */
static inline bool walk_hits(const struct translation *t, uint64_t linear, unsigned key)
{
    return t->page == ((linear & ~PAGE_MASK) | TRANSLATION_VALID) && t->key == key && translation_current(t);
}

/* Empties the cache if it is one of another address space or mode. */
void walk_cache_sync(struct vcpu *vcpu);
