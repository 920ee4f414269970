/* SPDX-License-Identifier: MIT
 * The arithmetic of the emulator: pure functions from operands and flags to a result and flags (SDM 2, the "Operation"
 * sections). Flags that the manuals call undefined are left as they were, or as the shift count 1 would give them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct alu {
    uint64_t dst, src; /* zero-extended from `size` */
    uint64_t extra;    /* SHLD, SHRD: the count */
    uint64_t flags;    /* RFLAGS, in and out */
    uint8_t size;      /* 1, 2, 4, 8 */
    uint8_t op;        /* enum insn_op */
    bool keep;         /* out: the destination register keeps its value (BSF, BSR of zero) */
};

/* size: 0 to 8 bytes. */
static inline uint64_t size_mask(unsigned size)
{
    static const uint64_t masks[] = {
        0, 0xff, 0xffff, 0xffffff, 0xffffffff, ~0ull >> 24, ~0ull >> 16, ~0ull >> 8, ~0ull
    };
    return masks[size];
}

static inline uint64_t sign_extend(uint64_t value, unsigned size)
{
    unsigned shift = 64 - 8 * size;
    return (uint64_t)((int64_t)(value << shift) >> shift);
}

/* The result, cut to the operand size. */
uint64_t alu_compute(struct alu *alu);
/* Condition `code` (low four bits of Jcc, SETcc, CMOVcc) of the flags. */
bool alu_condition(uint64_t flags, unsigned code);
/* MUL, IMUL, DIV, IDIV of the accumulator (*high:*low) with alu->src. False: #DE, nothing changed. For size 1 both
 * halves are in *low. */
bool alu_wide(struct alu *alu, uint64_t *low, uint64_t *high);
