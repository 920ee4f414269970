/* SPDX-License-Identifier: MIT
 * The history of history.h. */
#include <string.h>
#include "history.h"

static void forget_oldest(struct history *history)
{
    size_t size = strlen(history->text) + 1;
    memmove(history->text, history->text + size, history->used - size);
    history->used -= size;
    history->count--;
}

void history_add(struct history *history, const char *line)
{
    size_t size = strlen(line) + 1;
    const char *last = history_line(history, 1);
    if (size == 1 || size > HISTORY_SIZE || (last != NULL && strcmp(last, line) == 0)) {
        return;
    }
    while (history->count == HISTORY_LINES || history->used + size > HISTORY_SIZE) {
        forget_oldest(history);
    }
    memcpy(history->text + history->used, line, size);
    history->used += size;
    history->count++;
}

const char *history_line(const struct history *history, unsigned back)
{
    if (back == 0 || back > history->count) {
        return NULL;
    }
    const char *line = history->text;
    for (unsigned i = history->count; i > back; i--) {
        line += strlen(line) + 1;
    }
    return line;
}
