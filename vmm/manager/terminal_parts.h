/* SPDX-License-Identifier: MIT
 * The terminal in the manager, between its files: terminal.c (the terminal itself), terminal_console.c (the consoles).
 */
#pragma once

#include "abi/control.h"
#include "console_mux.h"
#include "terminal.h"

#define TERMINAL_STRIDE 0x80000ul /* of consoles in the manager's address space */

extern struct mux terminal_mux; /* used while the manager has the terminal */

static inline uint64_t terminal_address(unsigned entry) { return LAYOUT_CONSOLE + entry * TERMINAL_STRIDE; }

static inline bool terminal_is_ours(const struct manager *manager)
{
    return !__atomic_load_n(&manager->control->console_owner, __ATOMIC_ACQUIRE);
}

/* A console in `entry` of the control area, in `size` bytes of memory at *base, mapped in the manager. */
must_use enum status terminal_make(const struct manager *manager, unsigned entry, uint32_t kind, const char *name,
                                   uint64_t size, uint64_t *base);
