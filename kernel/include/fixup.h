/* SPDX-License-Identifier: MIT
 * The fixup table: instructions of the kernel that may fault by design, and where to go on then. */
#pragma once

/* In an asm text: a fault (#GP, #UD) of the instruction at label `fault` goes on at label `recover`. */
#define FIXUP(fault, recover) \
    "\n.pushsection .fixup, \"a\"\n.quad " fault ", " recover "\n.popsection"
