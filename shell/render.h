/* SPDX-License-Identifier: MIT
 * Results of the manager for people. A table is an array of objects: a line of headings, then one line for each; an
 * object is a line `key: value` for each member; a string is its text, null is `ok`. What is nested in these: scalars
 * of an array with commas between, a table or an object indented below its key, anything deeper as JSON. Works for
 * every well-formed value; only printable ASCII and newlines come out. */
#pragma once

#include "json_read.h"
#include "sink.h"

#define RENDER_COLUMNS 32u /* of a table; more keys are left out */

/* Whole lines, unless sink->full. */
void render_value(struct sink *sink, struct json_value value);
/* The string as it is: newlines and tabs are kept, carriage returns and terminal control sequences left out, '?' for a
 * character that is not ASCII. A last line without newline gets none: it may go on in the next piece. sink->keep_blanks
 * is wanted. */
void render_log(struct sink *sink, struct json_value string);
/* The JSON of the value in one line. */
void render_json(struct sink *sink, struct json_value value);
/* The manager's answer as JSON in one line, without its tag: {"ok":true,"result":...}. */
void render_answer(struct sink *sink, struct json_value answer);
