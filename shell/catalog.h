/* SPDX-License-Identifier: MIT
 * The manager's commands as its `help` tells them, and the words among which a completion chooses. */
#pragma once

#include "json_read.h"

#define CATALOG_COMMANDS  48u
#define CATALOG_NAME      16u
#define CATALOG_ARGUMENTS 80u
#define CHOICES_MAX       100u
#define CHOICE_SIZE       40u

struct catalog {
    bool known;
    unsigned count;
    struct {
        char name[CATALOG_NAME], arguments[CATALOG_ARGUMENTS];
    } commands[CATALOG_COMMANDS];
};

struct choices {
    unsigned count;
    char words[CHOICES_MAX][CHOICE_SIZE];
};

/* help: the result of the manager's `help`; what has another shape is left out. */
void catalog_fill(struct catalog *catalog, struct json_value help);
/* The arguments of a command as help shows them, or null. */
const char *catalog_arguments(const struct catalog *catalog, const char *name);

void choices_clear(struct choices *choices);
/* Only words that begin with `prefix`, each once. */
void choices_add(struct choices *choices, const char *word, const char *prefix);
/* From the rows of a table the member `key`, each with `suffix` (at most one character) behind it. */
void choices_add_rows(struct choices *choices, struct json_value table, const char *key, const char *suffix,
                      const char *prefix);
/* How many characters all of them have in common. */
size_t choices_common(const struct choices *choices);
