/* SPDX-License-Identifier: MIT
 * Domains that are defined at run time: the same parser and the same checks as for the file. */
#include <stdlib.h>
#include <string.h>
#include "config_parser.h"

void config_remove(struct config *config, struct config_domain *domain)
{
    for (unsigned i = 0; i < config->domain_count; i++) {
        if (config->domains[i] == domain) {
            config->domain_count--;
            for (; i < config->domain_count; i++) {
                config->domains[i] = config->domains[i + 1];
            }
            free(domain->key_lines);
            free(domain);
            return;
        }
    }
}

/* Checks the domain at the end, if there is one more than before; it stays if nothing was wrong. */
static struct config_domain *accept(struct config_parser *parser, unsigned count, unsigned errors)
{
    struct config *config = parser->config;
    struct config_domain *added = NULL;
    if (config->domain_count > count) {
        added = config->domains[count];
        config_check_domain(parser, count);
    }
    bool wrong = config->error_count != errors || config->domain_count != count + 1;
    while (wrong && config->domain_count > count) {
        config_remove(config, config->domains[config->domain_count - 1]);
    }
    config->error_count = errors; /* the boot configuration's */
    return wrong ? NULL : added;
}

struct config_domain *config_add(struct config *config, const char *file, const char *text, size_t size,
                                 const struct config_report *report)
{
    struct config_parser parser = { .config = config, .file = file, .report = report };
    unsigned count = config->domain_count, errors = config->error_count;
    config_lines(&parser, text, size);
    return accept(&parser, count, errors);
}

static void ignore(void *context, const char *text)
{
    (void)context;
    (void)text;
}

struct config_domain *config_add_section(struct config *config, const char *file, const char *text, size_t size,
                                         const char *name, const struct config_report *report)
{
    static struct config whole; /* large for a stack */
    const struct config_report silent = { ignore, NULL };
    struct config_parser reader = { .config = &whole, .file = file, .report = &silent };
    struct config_parser parser = { .config = config, .file = file, .report = report };
    unsigned count = config->domain_count, errors = config->error_count;
    memset(&whole, 0, sizeof(whole));
    config_lines(&reader, text, size);
    for (unsigned i = 0; i < whole.domain_count && count < CONFIG_MAX_DOMAINS; i++) {
        struct config_domain *domain = whole.domains[i];
        if (strcmp(domain->name, name) == 0) {
            whole.domains[i] = whole.domains[--whole.domain_count];
            config->domains[config->domain_count++] = domain;
            if (domain->bad) {
                config->error_count++;
                report->error(report->context, domain->error);
            }
            break;
        }
    }
    config_free(&whole);
    return accept(&parser, count, errors);
}
