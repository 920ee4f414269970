/* SPDX-License-Identifier: MIT
 * One remembered translation of a guest page, and the instruction bytes' one. It is no TLB: it counts only as long as every
 * page-table entry that it came from still reads as it did, so the guest never has to be watched for invalidations. */
#pragma once

#include <stdint.h>
#include "abi/state.h"

#define TRANSLATION_ENTRIES 4

struct translation {
    uint64_t page;                 /* linear address of the page, | TRANSLATION_VALID */
    uint64_t cr0, cr3, cr4, efer;  /* under which it was made */
    uint64_t key;                  /* privilege and accesses that were checked: WALK_* of walk.h */
    const uint64_t *entry[TRANSLATION_ENTRIES]; /* where the table entries lie; the leaf is repeated */
    uint64_t value[TRANSLATION_ENTRIES];        /* and what they said */
    uint64_t gpa;                  /* of the page */
    uint8_t *host;                 /* the page in this process, null if it is not RAM */
    struct segment cs;             /* fetch only: the code segment it was made with... */
    uint32_t ss_attr;              /* ...and the privilege */
    uint32_t mode;                 /* fetch only: enum insn_mode */
};
#define TRANSLATION_VALID 1u

/* Of one vcpu; used by its own thread only. All zero = empty. */
struct walk_cache {
    struct translation fetch, data[2]; /* data: reads, writes */
};
