/* SPDX-License-Identifier: MIT
 * Commands that say what a domain has of the machine: memory, vcpus, CPUs, priority. What they change stays so for as
 * long as the domain exists, over all its restarts. */
#include <string.h>
#include "command_parts.h"
#include "domain_size.h"
#include "lifecycle.h"
#include "placement.h"

/* memory, vcpus: the key of the same name. */
static enum command_result change_size(struct command_call *call, const char *key)
{
    char why[LIFECYCLE_WHY];
    struct domain *domain = command_domain(call, 0);
    if (domain == NULL) {
        return COMMAND_FAILED;
    }
    if (!domain_size_change(call->manager, domain, key, call->arguments[1], why)) {
        return command_fail(call, "%s", why);
    }
    if (domain->next.memory != 0) {
        json_format(call->json,
                    "domain \"%s\" is %s: it keeps %lluM and %u vcpu%s until its next start, then it has %lluM "
                    "and %u",
                    domain->config->name, lifecycle_state(domain), (unsigned long long)(domain->config->memory >> 20),
                    domain->config->vcpus, domain->config->vcpus == 1 ? "" : "s",
                    (unsigned long long)(domain->next.memory >> 20), domain->next.vcpus);
    }
    return COMMAND_DONE;
}

enum command_result command_memory(struct command_call *call) { return change_size(call, "memory"); }
enum command_result command_vcpus(struct command_call *call) { return change_size(call, "vcpus"); }

enum command_result command_pin(struct command_call *call)
{
    char why[LIFECYCLE_WHY];
    uint64_t vcpu, cpu = 0;
    struct domain *domain = command_domain(call, 0);
    if (domain == NULL) {
        return COMMAND_FAILED;
    }
    if (!command_number(call->arguments[1], 0, domain->config->vcpus - 1, &vcpu)) {
        return command_fail(call, "\"%.40s\": domain \"%s\" has the vcpus 0 to %u", call->arguments[1],
                            domain->config->name, domain->config->vcpus - 1);
    }
    bool any = strcmp(call->arguments[2], "any") == 0;
    if (!any && !command_number(call->arguments[2], 0, call->manager->info->cpu_count - 1, &cpu)) {
        return command_fail(call, "\"%.40s\": this machine has the CPUs 0 to %u", call->arguments[2],
                            call->manager->info->cpu_count - 1);
    }
    return command_done(
        call, placement_pin(call->manager, domain, (unsigned)vcpu, any ? -1 : (int)cpu, why, sizeof(why)), why);
}

enum command_result command_sched(struct command_call *call)
{
    char why[LIFECYCLE_WHY];
    uint64_t priority;
    struct domain *domain = command_domain(call, 0);
    if (domain == NULL) {
        return COMMAND_FAILED;
    }
    if (!command_number(call->arguments[1], 0, CONFIG_MAX_PRIORITY, &priority)) {
        return command_fail(call, "\"%.40s\": a priority is a number from 0 (lowest) to %u", call->arguments[1],
                            CONFIG_MAX_PRIORITY);
    }
    return command_done(call, placement_priority(call->manager, domain, (unsigned)priority, why, sizeof(why)), why);
}
