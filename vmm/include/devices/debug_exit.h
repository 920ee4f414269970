/* SPDX-License-Identifier: MIT
 * The debug-exit port 0xf4: a guest's write of N ends its domain, with success when N is 0. Only when configured. */
#pragma once

#include <stdint.h>
#include "abi/status.h"

struct machine;

struct debug_exit {
    struct machine *machine;
};

must_use enum status debug_exit_init(struct debug_exit *exit, struct machine *machine);
/* Nothing to reset: the port has no state. */
static inline void debug_exit_reset(struct debug_exit *exit) { (void)exit; }
