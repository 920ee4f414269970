/* SPDX-License-Identifier: MIT
 * Tables: arrays of objects. */
#pragma once

#include "render.h"

#define RENDER_CELL 48u /* a column is at most as wide; a longer cell moves the rest of its line */

/* A value on one line. */
void render_cell(struct sink *sink, struct json_value value);
void render_table(struct sink *sink, struct json_value array, size_t indent);
