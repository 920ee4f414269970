/* SPDX-License-Identifier: MIT
 * Why the hardware refused to enter a guest: the checks on guest state of SDM 3C 27.3.1 and APM 2 15.5.1 as a table,
 * for the message of EXIT_ENTRY_FAILED. */
#pragma once

#include "abi/state.h"

/* A sentence that names the first rule that the state breaks and the section that states it, or one that says that no
 * known rule is broken. Never null. Needs GROUP_ALL. */
const char *entry_rule_broken(const struct vcpu_state *state);
