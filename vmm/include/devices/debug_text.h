/* SPDX-License-Identifier: MIT
 * The port at which firmware for emulated PCs tells what it does (QEMU's isa-debugcon). There with firmware of the guest's own
 * and `trace`; its lines go to the log as the monitor's. */
#pragma once

#include <stdint.h>
#include "abi/status.h"

struct machine;

#define DEBUG_TEXT_LINE 120

struct debug_text {
    struct machine *machine;
    char line[DEBUG_TEXT_LINE];
    uint32_t used;
};

must_use enum status debug_text_init(struct debug_text *text, struct machine *machine);
void debug_text_reset(struct debug_text *text);
