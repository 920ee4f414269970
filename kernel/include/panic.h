/* SPDX-License-Identifier: MIT
 * The end of the machine: a bug in the kernel. Never the answer to anything that a guest or a process does. */
#pragma once

#include "types.h"

struct trap_frame;

/* A trap that should not happen in ring 0: prints registers and a backtrace, stops all CPUs, resets the machine after some seconds. */
_Noreturn void panic_trap(const struct trap_frame *frame, const char *what);
/* True once a CPU has panicked. The NMI handler calls panic_stop() then. */
bool panic_active(void);
/* Halts this CPU for ever. */
_Noreturn void panic_stop(void);
