/* SPDX-License-Identifier: MIT
 * What the values of keys are made of. */
#include "config_value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool config_value_text(char *out, size_t size, const char *text)
{
    size_t length = strlen(text);
    if (length >= size) {
        return false;
    }
    memcpy(out, text, length + 1);
    return true;
}

bool config_value_flag(const char *value, bool *flag)
{
    *flag = strcmp(value, "yes") == 0;
    return *flag || strcmp(value, "no") == 0;
}

bool config_value_number_at(const char *text, uint64_t low, uint64_t high, const char **end, uint64_t *number)
{
    if (!isdigit((unsigned char)*text)) {
        return false;
    }
    char *behind;
    *number = strtoull(text, &behind, 10);
    *end = behind;
    return *number >= low && *number <= high;
}

bool config_value_number(const char *value, uint64_t low, uint64_t high, uint64_t *number)
{
    const char *end;
    return config_value_number_at(value, low, high, &end, number) && *end == 0;
}
