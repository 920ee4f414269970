/* SPDX-License-Identifier: MIT
 * A key of a domain that is changed at run time: the same values and the same checks as in the file. */
#include <stdlib.h>
#include "config_parser.h"

bool config_change(struct config *config, struct config_domain *domain, const char *key, const char *value,
                   const struct config_report *report)
{
    struct config_parser parser = {
        .config = config, .report = report, .line = domain->line, .section = SECTION_DOMAIN, .domain = domain
    };
    struct config_domain *before = malloc(sizeof(*before)); /* large for a stack */
    unsigned errors = config->error_count, index = 0;
    if (before == NULL) {
        report->error(report->context, "the manager's heap is exhausted");
        return false;
    }
    *before = *domain;
    while (config->domains[index] != domain) {
        index++;
    }
    if (config_key_again(&parser, key, value)) {
        config_check_domain(&parser, index);
    }
    bool allowed = config->error_count == errors;
    if (!allowed) {
        *domain = *before;
        config->error_count = errors; /* the boot configuration's */
    }
    free(before);
    return allowed;
}
