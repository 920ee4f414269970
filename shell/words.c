/* SPDX-License-Identifier: MIT
 * Words of a request (words.h). */
#include "words.h"
#include <string.h>

static const char *skip_blanks(const char *at) { return at + strspn(at, " "); }

bool words_next(const char **line, char *word, size_t size)
{
    const char *at = skip_blanks(*line);
    size_t used = 0;
    bool quoted = false, any = *at != 0;
    for (; *at != 0 && (quoted || *at != ' '); at++) {
        if (*at == '"') {
            quoted = !quoted;
            continue;
        }
        at += quoted && *at == '\\' && at[1] != 0;
        if (used + 1 >= size) {
            return false;
        }
        word[used++] = *at;
    }
    word[used] = 0;
    *line = skip_blanks(at);
    return any && !quoted;
}

bool words_cut_raw(char *line)
{
    bool quoted = false;
    for (char *at = line; *at != 0; at++) {
        if (*at == '\\' && quoted && at[1] != 0) {
            at++;
        } else if (*at == '"') {
            quoted = !quoted;
        } else if (!quoted && strncmp(at, " -j", 3) == 0 && (at[3] == ' ' || at[3] == 0)) {
            memmove(at, at + 3, strlen(at + 3) + 1);
            return true;
        }
    }
    return false;
}

static bool add_char(char *line, size_t size, char c)
{
    size_t used = strlen(line);
    if (used + 1 >= size) {
        return false;
    }
    line[used] = c;
    line[used + 1] = 0;
    return true;
}

bool words_add(char *line, size_t size, const char *word)
{
    bool quoted = *word == 0 || word[strcspn(word, " \"\\")] != 0;
    bool room = (*line == 0 || add_char(line, size, ' ')) && (!quoted || add_char(line, size, '"'));
    for (; room && *word != 0; word++) {
        if ((unsigned char)*word < ' ' || *word == 0x7f) {
            return false;
        }
        room =
            (!quoted || (*word != '"' && *word != '\\') || add_char(line, size, '\\')) && add_char(line, size, *word);
    }
    return room && (!quoted || add_char(line, size, '"'));
}
