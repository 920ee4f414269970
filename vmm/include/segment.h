/* SPDX-License-Identifier: MIT
 * From segment and offset to a linear address, with the checks that the hardware makes (SDM 3A 6.3, 6.5; canonical
 * form: SDM 1 3.3.7.1). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/state.h"
#include "cr.h"
#include "decode.h"
#include "fault.h"

static inline bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

static inline bool is_protected_mode(const struct vcpu_state *state)
{
    return (state->cr0 & CR0_PE) && !(state->rflags & RFLAGS_VM);
}

/* Checks an access of `size` bytes at segment:offset and gives its linear address. access: WALK_READ, WALK_WRITE,
 * WALK_EXEC (walk.h). False: *fault is #GP(0), or #SS(0) for the stack segment. Outside 64-bit mode bytes of the access
 * may wrap at 4 GiB: the caller masks. Needs GROUP_CR, GROUP_CODE and GROUP_SEG (but for CS, SS and, in 64-bit mode, DS
 * and ES). */
bool segment_linear(const struct vcpu_state *state, enum insn_mode mode, unsigned segment, uint64_t offset,
                    uint64_t size, unsigned access, uint64_t *linear, struct fault *fault);
