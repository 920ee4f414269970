/* SPDX-License-Identifier: MIT
 * The fixup table: instructions of the kernel that may fault by design, and where to go on then. */
#pragma once

#include <stdbool.h>

struct trap_frame;

/* In an asm text: a fault of the instruction at label `fault` goes on at label `recover`. */
#define FIXUP(fault, recover) \
    "\n.pushsection .fixup, \"a\"\n.quad " fault ", " recover "\n.popsection"

/* For trap(), on a #GP or #UD in ring 0: true if the instruction is listed; then frame->rip is changed, return from the trap. */
bool fixup_trap(struct trap_frame *frame);
