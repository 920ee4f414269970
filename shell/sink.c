/* SPDX-License-Identifier: MIT
 * The window of rendered text (sink.h). */
#include "sink.h"

static void store(struct sink *sink, char c)
{
    if (sink->height != 0 && sink->lines >= sink->height) {
        return;
    }
    sink->lines += c == '\n';
    if (sink->skip > 0) {
        sink->skip--;
    } else if (sink->used < sink->size) {
        sink->out[sink->used++] = c;
    } else {
        sink->full = true;
    }
}

void sink_char(struct sink *sink, char c)
{
    if (c == '\n') {
        sink->blanks = sink->column = 0;
        store(sink, c);
        return;
    }
    sink->column++;
    if (sink->measure || (sink->width != 0 && sink->column > sink->width)) {
        return;
    }
    if (c == ' ' && !sink->keep_blanks) {
        sink->blanks++;
        return;
    }
    for (; sink->blanks > 0; sink->blanks--) {
        store(sink, ' ');
    }
    store(sink, c);
}

void sink_text(struct sink *sink, const char *text)
{
    while (*text != 0) {
        sink_char(sink, *text++);
    }
}

void sink_blanks(struct sink *sink, size_t count)
{
    while (count-- > 0) {
        sink_char(sink, ' ');
    }
}

void sink_byte(struct sink *sink, int byte) { sink_char(sink, (char)(byte >= ' ' && byte <= '~' ? byte : '?')); }
