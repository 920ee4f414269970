/* SPDX-License-Identifier: MIT
 * An exception that an emulated instruction raises, as a value: nothing has changed yet when one is reported. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu_state;

enum exception {
    EXCEPTION_DE = 0, EXCEPTION_DB = 1, EXCEPTION_UD = 6, EXCEPTION_NM = 7, EXCEPTION_DF = 8, EXCEPTION_TS = 10,
    EXCEPTION_NP = 11, EXCEPTION_SS = 12, EXCEPTION_GP = 13, EXCEPTION_PF = 14, EXCEPTION_AC = 17,
    FAULT_RETRY = 0xff, /* no exception: the page tables changed under the walk, let the guest execute it again */
};

struct fault {
    uint8_t vector;    /* enum exception */
    uint8_t has_error;
    uint32_t error;
    uint64_t address;  /* #PF: for CR2 */
};

static inline bool fault_set(struct fault *fault, uint8_t vector, uint32_t error)
{
    *fault = (struct fault){ .vector = vector, .has_error = vector != EXCEPTION_UD && vector != EXCEPTION_DE &&
                             vector != EXCEPTION_DB && vector != EXCEPTION_NM, .error = error };
    return false;
}

/* Makes the next entry deliver it: inject, inject_error, CR2, dirty. GROUP_CR must be valid for a #PF. Nothing for
 * FAULT_RETRY. */
void fault_inject(struct vcpu_state *state, const struct fault *fault);
