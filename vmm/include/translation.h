/* SPDX-License-Identifier: MIT
 * Remembered translations of guest pages, and decoded instructions. This is no TLB: a translation counts only as long
 * as the control registers are the same and every page-table entry that it came from still reads as it did, and a
 * decoded instruction as long as its bytes do, so the guest never has to be watched for invalidations. */
#pragma once

#include <stdint.h>
#include "abi/state.h"
#include "decode.h"

#define TRANSLATION_ENTRIES 4

struct translation {
    uint64_t page;               /* linear address of the page, | TRANSLATION_VALID; 0: nothing is remembered */
    uint64_t key;                /* privilege and access that were checked: WALK_* of walk.h */
    uint64_t gpa;                /* of the page */
    uint8_t *host;               /* the page in this process, null if it is not RAM */
    const uint64_t *entry[TRANSLATION_ENTRIES]; /* where the table entries lie; the leaf is repeated */
    uint64_t value[TRANSLATION_ENTRIES];        /* and what they said */
};
#define TRANSLATION_VALID 1u

/* A page of code. RIP - rip is the offset in it. The code segment is not conforming, so that its DPL is the CPL. */
struct code_page {
    struct translation at;
    uint64_t rip;                /* of the page's first byte, in terms of the code segment */
    uint64_t room;               /* PAGE_SIZE, or 0: nothing is remembered */
    uint64_t cs_base, cs_rest;   /* the code segment: base; limit and attributes */
};

/* A decoded instruction. */
struct decoded {
    uint64_t bytes[2], mask[2];  /* mask: the bytes that belong to it */
    struct insn insn;            /* length 0: nothing is remembered */
    uint8_t simple;              /* emulate_simple() executes it */
};

#define CODE_PAGES 4
#define DATA_PAGES 4
#define DECODED_INSNS 16

/* Of one vcpu; used by its own thread only. All zero = empty. */
struct walk_cache {
    uint64_t cr0, cr3, cr4, efer;           /* under which all of it was made */
    struct code_page code[CODE_PAGES];      /* by page number */
    struct translation data[DATA_PAGES][2]; /* by page number; reads, writes */
    struct decoded decoded[DECODED_INSNS];  /* by RIP */
    uint64_t stuck_rip;                     /* where the emulator found nothing to execute... */
    uint32_t stuck;                         /* ...and how often in a row */
};
