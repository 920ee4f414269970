/* SPDX-License-Identifier: MIT
 * The list of what is to be loaded. */
#include "loader.h"
#include <string.h>

struct text {
    const char *at, *end; /* of one line */
};

/* The next word of the line, without its quotes. Null or a sentence; an empty word: the line has no more. */
static const char *next_word(struct text *line, char *out)
{
    size_t n = 0;
    bool quoted = false;
    while (line->at < line->end && (*line->at == ' ' || *line->at == '\t'))
        line->at++;
    for (; line->at < line->end && (quoted || (*line->at != ' ' && *line->at != '\t')); line->at++) {
        if (*line->at == '\'') {
            quoted = !quoted;
            continue;
        }
        if (*line->at == '\\' && !quoted && line->at + 1 < line->end)
            line->at++;
        if (n + 1 >= MANIFEST_WORD)
            return "a word is longer than 95 characters";
        out[n++] = *line->at;
    }
    out[n] = 0;
    return quoted ? "a quote is not closed" : NULL;
}

static const char *read_line(struct manifest *out, struct text line)
{
    char command[MANIFEST_WORD], file[MANIFEST_WORD], name[MANIFEST_WORD];
    const char *problem = next_word(&line, command);
    problem = problem ? problem : next_word(&line, file);
    problem = problem ? problem : next_word(&line, name);
    if (problem || !command[0] || command[0] == '#')
        return command[0] == '#' ? NULL : problem;
    if (!strcmp(command, "kernel") && file[0] && !name[0]) {
        if (out->kernel[0])
            return "there is a kernel already";
        strcpy(out->kernel, file);
        return NULL;
    }
    if (strcmp(command, "load") || !file[0] || !name[0])
        return "allowed are \"kernel FILE\" and \"load FILE NAME\"";
    if (out->count == MANIFEST_MODULES)
        return "there are more than 48 files to load";
    strcpy(out->modules[out->count].file, file);
    strcpy(out->modules[out->count++].name, name);
    return NULL;
}

const char *manifest_parse(struct manifest *out, const char *text, size_t size)
{
    const char *end = text + size;
    memset(out, 0, sizeof(*out));
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        struct text line = { text, stop ? stop : end };
        text = line.end + 1;
        if (line.end > line.at && line.end[-1] == '\r') /* an editor's */
            line.end--;
        out->line++;
        const char *problem = read_line(out, line);
        if (problem)
            return problem;
    }
    return out->kernel[0] ? NULL : "there is no line \"kernel FILE\"";
}
