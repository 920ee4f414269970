/* SPDX-License-Identifier: MIT
 * Commands and words to choose from (catalog.h). */
#include "catalog.h"
#include <string.h>

void catalog_fill(struct catalog *catalog, struct json_value help)
{
    struct json_walk walk = json_walk(help);
    struct json_value row, name, arguments;
    catalog->count = 0;
    while (!walk.object && json_next(&walk, NULL, &row) && catalog->count < CATALOG_COMMANDS) {
        if (json_get(row, "command", &name) && json_get(row, "arguments", &arguments)) {
            json_copy(name, catalog->commands[catalog->count].name, CATALOG_NAME);
            json_copy(arguments, catalog->commands[catalog->count].arguments, CATALOG_ARGUMENTS);
            catalog->count++;
        }
    }
    catalog->known = true;
}

const char *catalog_arguments(const struct catalog *catalog, const char *name)
{
    for (unsigned i = 0; i < catalog->count; i++) {
        if (strcmp(catalog->commands[i].name, name) == 0) {
            return catalog->commands[i].arguments;
        }
    }
    return NULL;
}

void choices_clear(struct choices *choices) { choices->count = 0; }

void choices_add(struct choices *choices, const char *word, const char *prefix)
{
    size_t length = strlen(word);
    if (choices->count == CHOICES_MAX || length == 0 || length >= CHOICE_SIZE ||
        strncmp(word, prefix, strlen(prefix)) != 0) {
        return;
    }
    for (size_t i = 0; i < length; i++) {
        if (word[i] <= ' ' || word[i] > '~' || word[i] == '"') {
            return; /* cannot be typed without quotes */
        }
    }
    for (unsigned i = 0; i < choices->count; i++) {
        if (strcmp(choices->words[i], word) == 0) {
            return;
        }
    }
    memcpy(choices->words[choices->count++], word, length + 1);
}

void choices_add_rows(struct choices *choices, struct json_value table, const char *key, const char *suffix,
                      const char *prefix)
{
    struct json_walk walk = json_walk(table);
    struct json_value row, member;
    char word[CHOICE_SIZE + 2]; /* suffix: one character */
    while (!walk.object && json_next(&walk, NULL, &row)) {
        if (json_get(row, key, &member) && json_type(member) == JSON_STRING) {
            json_copy(member, word, CHOICE_SIZE);
            strcat(word, suffix);
            choices_add(choices, word, prefix);
        }
    }
}

size_t choices_common(const struct choices *choices)
{
    size_t common = choices->count == 0 ? 0 : strlen(choices->words[0]);
    for (unsigned i = 1; i < choices->count; i++) {
        size_t same = 0;
        while (same < common && choices->words[i][same] == choices->words[0][same]) {
            same++;
        }
        common = same;
    }
    return common;
}
