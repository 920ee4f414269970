/* SPDX-License-Identifier: MIT
 * A line "key = value": finds the key, says what is wrong with it. The keys are in config_*_keys.c. */
#include "config_keys.h"

#include <stdio.h>
#include <string.h>

#define KEYS_MAX 32 /* in a table */

static const struct config_key *find_key(const struct config_key *table, const char *name)
{
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

static unsigned count_keys(const struct config_key *table)
{
    unsigned count = 0;
    while (table[count].name != NULL) {
        count++;
    }
    return count;
}

unsigned config_domain_keys(void) { return count_keys(config_domain_table); }

const char *config_domain_key(unsigned index, const char **allowed)
{
    if (index >= config_domain_keys()) {
        return NULL;
    }
    *allowed = config_domain_table[index].allowed;
    return config_domain_table[index].name;
}

unsigned config_line_of(const struct config_domain *domain, const char *name)
{
    const struct config_key *key = find_key(config_domain_table, name);
    unsigned line = key != NULL ? domain->key_lines[key - config_domain_table] : 0;
    return line != 0 ? line : domain->line;
}

unsigned config_host_line(const struct config *config, const char *name)
{
    const struct config_key *key = find_key(config_host_table, name);
    return key != NULL ? config->host_lines[key - config_host_table] : 0;
}

static void unknown_key(struct config_parser *parser, const struct config_key *table, const char *name)
{
    const char *names[KEYS_MAX + 1];
    char list[CONFIG_ERROR_SIZE];
    size_t used = 0;
    unsigned count = count_keys(table);
    for (unsigned i = 0; i < count && i < KEYS_MAX; i++) {
        names[i] = table[i].name;
        names[i + 1] = NULL;
        if (used < sizeof(list)) {
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "", table[i].name);
        }
    }
    const char *meant = config_suggest(name, names);
    bool host = table == config_host_table;
    if (find_key(host ? config_domain_table : config_host_table, name) != NULL) {
        config_error(parser, parser->domain, parser->line, "\"%s\" is a key of %s, not of %s; move the line to %s",
                     name, host ? "a domain" : "[host]", host ? "[host]" : "a domain",
                     host ? "the section of a domain" : "the section [host]");
    } else if (meant != NULL) {
        config_error(parser, parser->domain, parser->line,
                     "unknown key \"%.40s\"; did you mean \"%s\"? Allowed are: %s", name, meant, list);
    } else {
        config_error(parser, parser->domain, parser->line, "unknown key \"%.40s\"; allowed are: %s", name, list);
    }
}

/* False: the value is not allowed, and this has been said. */
static bool set(struct config_parser *parser, const struct config_key *key, const char *value)
{
    if (key->set(parser, value)) {
        return true;
    }
    size_t length = strlen(value);
    config_error(parser, parser->domain, parser->line, "%s = \"%.60s%s\" (%lu characters): allowed is %s", key->name,
                 value, length > 60 ? "..." : "", (unsigned long)length, key->allowed);
    return false;
}

void config_key(struct config_parser *parser, const char *name, const char *value)
{
    bool host = parser->section == SECTION_HOST;
    const struct config_key *table = host ? config_host_table : config_domain_table, *key = find_key(table, name);
    unsigned *lines = host ? parser->config->host_lines : parser->domain->key_lines;
    if (key == NULL) {
        unknown_key(parser, table, name);
        return;
    }
    unsigned *line = &lines[key - table];
    if (*line != 0 && !key->repeatable) {
        config_error(parser, parser->domain, parser->line,
                     "%s is given twice (first in line %u); remove one of the two", name, *line);
        return;
    }
    *line = parser->line;
    (void)set(parser, key, value);
}

bool config_key_again(struct config_parser *parser, const char *name, const char *value)
{
    return set(parser, find_key(config_domain_table, name), value);
}
