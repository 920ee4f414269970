/* SPDX-License-Identifier: MIT
 * Commands for CPUs, time and the machine. */
#include <string.h>
#include "command_parts.h"
#include "lifecycle.h"
#include "placement.h"

/* The running domain that argument 0 names. */
static struct domain *running_domain(struct command_call *call, const char *what)
{
    struct domain *domain = command_domain(call, 0);
    if (domain != NULL && !lifecycle_alive(domain)) {
        (void)command_fail(call, "domain \"%s\" is %s; only a running domain can be %s", domain->config->name,
                           lifecycle_state(domain), what);
        return NULL;
    }
    return domain;
}

enum command_result command_pin(struct command_call *call)
{
    char why[LIFECYCLE_WHY];
    uint64_t vcpu, cpu;
    struct domain *domain = running_domain(call, "moved");
    if (domain == NULL) {
        return COMMAND_FAILED;
    }
    if (!command_number(call->arguments[1], 0, domain->config->vcpus - 1, &vcpu)) {
        return command_fail(call, "\"%.40s\": domain \"%s\" has the vcpus 0 to %u", call->arguments[1],
                            domain->config->name, domain->config->vcpus - 1);
    }
    if (!command_number(call->arguments[2], 0, call->manager->info->cpu_count - 1, &cpu)) {
        return command_fail(call, "\"%.40s\": this machine has the CPUs 0 to %u", call->arguments[2],
                            call->manager->info->cpu_count - 1);
    }
    return command_done(call, placement_pin(call->manager, domain, (unsigned)vcpu, (unsigned)cpu, why, sizeof(why)),
                        why);
}

enum command_result command_sched(struct command_call *call)
{
    char why[LIFECYCLE_WHY];
    uint64_t priority;
    struct domain *domain = running_domain(call, "given another priority");
    if (domain == NULL) {
        return COMMAND_FAILED;
    }
    if (!command_number(call->arguments[1], 0, CONFIG_MAX_PRIORITY, &priority)) {
        return command_fail(call, "\"%.40s\": a priority is a number from 0 (lowest) to %u", call->arguments[1],
                            CONFIG_MAX_PRIORITY);
    }
    return command_done(call, placement_priority(call->manager, domain, (unsigned)priority, why, sizeof(why)), why);
}

/* Calls again when `seconds` have passed since the first call; 0 for ~0: no such time. */
static uint64_t until(const struct command_call *call, uint64_t seconds)
{
    return seconds == ~0ull ? 0 : call->since + seconds * call->manager->info->tsc_hz;
}

enum command_result command_wait(struct command_call *call)
{
    uint64_t seconds;
    struct domain *domain = command_domain(call, 0);
    if (domain == NULL || !command_seconds(call, 1, ~0ull, &seconds)) {
        return COMMAND_FAILED;
    }
    if (!domain->was_started) {
        return command_fail(call, "domain \"%s\" is created; it must be started before it can end",
                            domain->config->name);
    }
    if (!lifecycle_alive(domain) && domain->restart_at == 0) {
        json_text(call->json, domain->reason);
        return COMMAND_DONE;
    }
    call->wake = until(call, seconds);
    if (call->wake != 0 && call->now >= call->wake) {
        return command_fail(call, "domain \"%s\" is still %s after %llu s", domain->config->name,
                            lifecycle_state(domain), (unsigned long long)seconds);
    }
    return COMMAND_LATER;
}

enum command_result command_sleep(struct command_call *call)
{
    uint64_t seconds;
    if (!command_seconds(call, 0, 0, &seconds)) {
        return COMMAND_FAILED;
    }
    call->wake = until(call, seconds);
    return call->now >= call->wake ? COMMAND_DONE : COMMAND_LATER;
}

enum command_result command_poweroff(struct command_call *call)
{
    bool reset = call->count > 0 && strcmp(call->arguments[0], "reset") == 0;
    uint64_t seconds;
    if (call->count == 2 && !reset) {
        return command_fail(call, "\"%.40s\": poweroff needs: poweroff [reset] [SECONDS]", call->arguments[0]);
    }
    if (!command_seconds(call, reset, 30, &seconds)) {
        return COMMAND_FAILED;
    }
    lifecycle_power_off(call->manager, reset, seconds);
    return COMMAND_DONE;
}
