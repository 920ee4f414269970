/* SPDX-License-Identifier: MIT
 * Logs, which come in pieces: {"text", "next", "more"} (docs/control.md). */
#pragma once

#include "json_read.h"

/* True: the result is a piece of a log. *next is where the next piece begins, 0 if there is none; a position that is
 * not behind `from`, where this piece was to begin, would never end and counts as none. */
bool log_piece(struct json_value result, uint64_t from, struct json_value *text, uint64_t *next);
/* Cuts the position off: `log NAME [FROM]`, `dmesg [FROM]`. */
void log_cut_position(char *command);
