/* SPDX-License-Identifier: MIT
 * Memory and vcpus of a domain, changed by commands. What a running domain is made of says its configuration, so the
 * new size waits beside it until the next start. */
#include "domain_size.h"

#include <stdio.h>
#include <string.h>
#include "lifecycle.h"

#define MIB 20

static void keep_error(void *context, const char *text)
{
    char *why = context;
    if (why[0] == 0) {
        snprintf(why, LIFECYCLE_WHY, "%s", text);
    }
}

static struct domain_size set(struct config_domain *config, struct domain_size size)
{
    struct domain_size old = { config->memory, config->vcpus };
    config->memory = size.memory;
    config->vcpus = size.vcpus;
    return old;
}

/* Could the domain be started now? What it holds comes back before. */
static bool fits(const struct domain *domain, struct domain_size next, char *why)
{
    uint64_t own = domain->phase != PHASE_NONE ? config_memory_of(domain->config) : 0,
             available = memory_available() + own;
    if (next.memory <= domain->config->memory || next.memory <= available) {
        return true;
    }
    snprintf(
        why, LIFECYCLE_WHY,
        "memory = %lluM: only %lluM are there for \"%s\": %lluM that are free%s (the machine has %lluM for domains)",
        (unsigned long long)(next.memory >> MIB), (unsigned long long)(available >> MIB), domain->config->name,
        (unsigned long long)(memory_available() >> MIB), own > 0 ? ", and what it has" : "",
        (unsigned long long)(memory_total() >> MIB));
    return false;
}

bool domain_size_change(struct manager *manager, struct domain *domain, const char *key, const char *value, char *why)
{
    struct config_domain *config = domain->config;
    const struct config_report report = { keep_error, why };
    why[0] = 0;
    if (config->bad) {
        snprintf(why, LIFECYCLE_WHY, "%s; \"destroy\" forgets it, \"create\" defines it anew", config->error);
        return false;
    }
    struct domain_size now = { config->memory, config->vcpus };
    (void)set(config, domain->next.memory != 0 ? domain->next : now);
    bool allowed = config_change(&manager->config, config, key, value, &report);
    struct domain_size next = set(config, now);
    if (!allowed || !fits(domain, next, why)) {
        return false;
    }
    domain->next = next;
    if (domain->phase == PHASE_NONE) {
        domain_size_apply(domain);
    }
    return true;
}

void domain_size_apply(struct domain *domain)
{
    struct config_domain *config = domain->config;
    if (domain->next.memory != 0) {
        (void)set(config, domain->next);
        memset(config->pins + config->vcpus, 0, sizeof(config->pins) - config->vcpus); /* of vcpus that are no more */
        domain->next = (struct domain_size){ 0 };
    }
}
