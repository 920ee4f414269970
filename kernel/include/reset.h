/* SPDX-License-Identifier: MIT
 * The architectural reset state of a virtual CPU. */
#pragma once

#include "abi/state.h"

/* Sets the guest registers of the state page to the values after RESET (SDM 3A table 9-1, APM 2 table 14-1), injects
 * nothing, blocks nothing, wants nothing, and marks every group dirty. The rest of the page (exit record, events, text)
 * stays as it is. */
void vcpu_state_reset(struct vcpu_state *state);
