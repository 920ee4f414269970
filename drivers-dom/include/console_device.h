/* SPDX-License-Identifier: MIT
 * Consoles of guests (virtio-console), seen from the terminal. */
#pragma once

#include <stdint.h>

/* The far end of the console at this machine address has input for a guest's virtio console, if it is one's. */
void console_typed(uint64_t address);
/* A console that sleeps has output: control channels look. */
void console_answered(void);
