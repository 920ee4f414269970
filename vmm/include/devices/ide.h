/* SPDX-License-Identifier: MIT
 * The ports of a PC's two IDE channels, with no drive connected. Simple drivers take a status of 0 as "no drive", but wait
 * for ever on the all-ones of an absent port, which looks busy. */
#pragma once

#include "abi/status.h"

struct machine;

struct ide {
    struct machine *machine;
};

must_use enum status ide_init(struct ide *ide, struct machine *machine);
/* Nothing to reset: without a drive there is no state. */
static inline void ide_reset(struct ide *ide) { (void)ide; }
