/* SPDX-License-Identifier: MIT
 * Pieces of logs (log.h). */
#include "log.h"
#include <string.h>
#include "words.h"

bool log_piece(struct json_value result, uint64_t from, struct json_value *text, uint64_t *next)
{
    struct json_value position, more;
    if (!json_get(result, "text", text) || json_type(*text) != JSON_STRING) {
        return false;
    }
    if (!json_get(result, "next", &position) || !json_get(result, "more", &more) || *more.text != 't' ||
        !json_to_number(position, next) || *next <= from) {
        *next = 0;
    }
    return true;
}

void log_cut_position(char *command)
{
    char word[64];
    const char *at = command;
    if (words_next(&at, word, sizeof(word)) && strcmp(word, "log") == 0 && !words_next(&at, word, sizeof(word))) {
        return;
    }
    size_t size = (size_t)(at - command);
    while (size > 0 && command[size - 1] == ' ') {
        size--;
    }
    command[size] = 0;
}
