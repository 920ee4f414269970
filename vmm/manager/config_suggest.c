/* SPDX-License-Identifier: MIT
 * Which word was meant. */
#include <stdio.h>
#include <string.h>
#include "config.h"

#define SUGGEST_MAX 40

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

/* Levenshtein distance of two words of at most SUGGEST_MAX characters. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[SUGGEST_MAX + 1];
    unsigned length = (unsigned)strlen(b);
    for (unsigned j = 0; j <= length; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; a[i - 1] != 0; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= length; j++) {
            unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[length];
}

const char *config_suggest(const char *word, const char *const *words)
{
    const char *best = NULL;
    size_t length = strlen(word);
    unsigned limit = length < 4 ? 1 : 2;
    for (; length <= SUGGEST_MAX && *words != NULL; words++) {
        unsigned d = strlen(*words) <= SUGGEST_MAX ? distance(word, *words) : SUGGEST_MAX;
        if (d <= limit) {
            best = *words;
            limit = d > 0 ? d - 1 : 0;
        }
    }
    return best;
}

bool config_missing_file(char *what, const char *path, const char *const *names)
{
    for (const char *const *name = names; *name != NULL; name++) {
        if (strcmp(*name, path) == 0) {
            return false;
        }
    }
    const char *meant = config_suggest(path, names);
    snprintf(what, CONFIG_MISSING_SIZE, "the boot image has no such file; %s%s%s",
             meant != NULL ? "did you mean \""
                           : "build the image anew, or put a line \"load FILE NAME\" into its manifest",
             meant != NULL ? meant : "", meant != NULL ? "\"?" : "");
    return true;
}
