/* SPDX-License-Identifier: MIT
 * Commands for time and the machine. */
#include <string.h>
#include "command_parts.h"
#include "lifecycle.h"

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
