/* SPDX-License-Identifier: MIT
 * The kernel's messages. print() and vprint() are in api.h. */
#pragma once

#include "vcpu.h"

/* Copies messages from the count of bytes `position` on, at most max bytes; returns how many. *lost: how many bytes from there on are
 * overwritten; they are skipped. Any CPU. */
uint32_t log_read(uint64_t position, char *out, uint32_t max, uint64_t *lost);
/* From now on messages are only kept, and the vcpu gets EVENT_LOG for each; null: they are printed too. Panics are always printed. */
void log_listen(struct vcpu *vcpu);
