/* SPDX-License-Identifier: MIT
 * Walks the guest's page tables in software (SDM 3A chapter 5 "Paging", APM 2 chapter 5), for accesses that the monitor makes on a guest's behalf:
 * no paging, 32-bit with 4 MiB pages (PSE, PSE-36), PAE, 4-level. All functions need GROUP_CR and GROUP_CODE. */
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
#define WALK_AC (1u << 4)

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

/* Translates one linear address, checks its rights and sets the accessed and dirty flags as the hardware does. The result
 * holds to the end of the 4 KiB page. linear must be canonical (segment.h sees to that); without long mode only its low 32 bits
 * count. False: *fault. A table that lies outside RAM reads as all ones. */
bool walk(struct vcpu *vcpu, uint64_t linear, unsigned access, struct walk *out, struct fault *fault);
/* As walk() without the caches and without setting any flag: for diagnosis. True: *gpa. */
bool walk_probe(const struct vcpu *vcpu, uint64_t linear, uint64_t *gpa);

/* The full walk, filling `out` for later use as a cache entry; walk() and fetch() call it. */
bool walk_tables(struct vcpu *vcpu, uint64_t linear, unsigned key, struct translation *out, struct fault *fault);

static inline unsigned walk_cpl(const struct vcpu_state *state)
{
    return state->seg[SEG_SS].attr >> SEG_ATTR_DPL_SHIFT & 3; /* SDM 3C 26.3.1.5: SS.DPL is the CPL in every mode */
}

/* Host pointer of a guest-physical address for an access inside its 4 KiB page. RAM consists of whole pages. */
static inline uint8_t *walk_ram(const struct memory *memory, uint64_t gpa)
{
    bool ram = gpa < memory->low || gpa - MEMORY_HIGH_BASE < memory->high;
    return ram ? memory->base + gpa : (uint8_t *)0;
}

static inline bool translation_tables_same(const struct translation *t)
{
    uint64_t differ = 0;
    for (unsigned i = 0; i < TRANSLATION_ENTRIES; i++) {
        differ |= *(const volatile uint64_t *)t->entry[i] ^ t->value[i];
    }
    return differ == 0;
}

/* May the remembered translation be used for this state? (The linear page and key are the caller's to compare.) */
static inline bool translation_current(const struct translation *t, const struct vcpu_state *state)
{
    uint64_t differ = (t->cr3 ^ state->cr3) | (t->cr0 ^ state->cr0) | (t->cr4 ^ state->cr4) | (t->efer ^ state->efer);
    return differ == 0 && translation_tables_same(t);
}
