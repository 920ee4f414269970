/* SPDX-License-Identifier: MIT
 * Hands an exception of an emulated instruction to the guest. */
#include "abi/state.h"
#include "fault.h"

void fault_inject(struct vcpu_state *state, const struct fault *fault)
{
    if (fault->vector == FAULT_RETRY) {
        return;
    }
    state->inject = INJECT_VALID | (uint32_t)INJECT_EXCEPTION << INJECT_TYPE_SHIFT | fault->vector |
                    (fault->has_error ? INJECT_ERROR_CODE : 0);
    state->inject_error = fault->has_error ? fault->error : 0;
    if (fault->vector == EXCEPTION_PF) {
        state->cr2 = fault->address;
        state->dirty |= GROUP_CR;
    }
}
