/* SPDX-License-Identifier: MIT
 * Words and quotes. */
#include "request.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* Takes the word at *at, without its quotes, in place; *at goes behind it. Null if a quote is not closed. */
static char *take_word(char **at)
{
    char *in = *at, *out = *at, *word = *at;
    bool quoted = false;
    for (; *in != 0 && (quoted || !is_blank(*in)); in++) {
        if (*in == '"') {
            quoted = !quoted;
            continue;
        }
        in += quoted && *in == '\\' && (in[1] == '"' || in[1] == '\\');
        *out++ = *in;
    }
    *at = *in != 0 ? in + 1 : in;
    *out = 0;
    return quoted ? NULL : word;
}

const char *request_parse(struct request *request, char *line)
{
    request->tag = NULL;
    request->count = 0;
    for (const char *at = line; *at != 0; at++) {
        if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f) {
            return "the line has a control character; a request is a line of text";
        }
    }
    unsigned count = 0;
    for (char *at = line + strspn(line, " \t"); *at != 0; at += strspn(at, " \t")) {
        bool tag = *at == '@' && count == 0 && request->tag == NULL;
        char *word = take_word(&at);
        if (word == NULL) {
            return "the closing \" of a word is missing";
        }
        if (tag) {
            request->tag = word + 1;
            continue;
        }
        if (count == REQUEST_WORDS) {
            return "the line has more than 64 words";
        }
        request->words[count++] = word;
    }
    request->count = count;
    return NULL;
}
_Static_assert(REQUEST_WORDS == 64, "limit in the text above");
