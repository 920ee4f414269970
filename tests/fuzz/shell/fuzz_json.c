/* SPDX-License-Identifier: MIT
 * Arbitrary bytes as JSON: what is accepted can be rendered in every way, in pieces as in one, and only printable ASCII
 * and newlines come out. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"
#include "render.h"

static void check(void (*render)(struct sink *, struct json_value), struct json_value value, bool keep_blanks)
{
    static char whole[1 << 20], pieces[1 << 20];
    struct sink sink = { .out = whole, .size = sizeof(whole), .keep_blanks = keep_blanks };
    render(&sink, value);
    size_t size = sink.used, done = 0, window = size / 8 + 1;
    for (size_t i = 0; i < size; i++) {
        if (whole[i] != '\n' && (whole[i] < ' ' || whole[i] > '~')) {
            abort();
        }
    }
    while (done < size) {
        sink = (struct sink){ .out = pieces + done,
                              .size = window < sizeof(pieces) - done ? window : sizeof(pieces) - done,
                              .skip = done,
                              .keep_blanks = keep_blanks };
        render(&sink, value);
        done += sink.used;
        if (sink.used == 0) {
            abort();
        }
    }
    if (done != size || memcmp(whole, pieces, size) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_value value, text;
    uint64_t next;
    if (size > 60000 || !json_read(&value, (const char *)data, size)) {
        return 0;
    }
    check(render_value, value, false);
    check(render_json, value, true);
    check(render_answer, value, true);
    if (json_type(value) == JSON_STRING) {
        check(render_log, value, true);
    }
    if (log_piece(value, size, &text, &next) && next != 0 && next <= size) {
        abort();
    }
    return 0;
}
