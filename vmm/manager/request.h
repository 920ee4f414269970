/* SPDX-License-Identifier: MIT
 * A line of text cut into the words of a command (docs/control.md). Pure. */
#pragma once

#define REQUEST_MAX   4000 /* bytes of a line */
#define REQUEST_WORDS 64

struct request {
    const char *tag;            /* without its @; null: none */
    unsigned count;             /* words without the tag; 0: an empty line */
    char *words[REQUEST_WORDS]; /* words[0] is the command */
};

/* Cuts the line in place; `request` points into it. Null, or a sentence that says what is wrong with the line: then the
 * tag is valid (if it could be told), and count is 0. */
const char *request_parse(struct request *request, char *line);
