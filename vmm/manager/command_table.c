/* SPDX-License-Identifier: MIT
 * The table of commands, and what several of them need. docs/control.md describes each one's result. */
#include <string.h>
#include "command_parts.h"
#include "lifecycle.h"
#include "service_parts.h"

const struct command command_table[] = {
    { "help", "[COMMAND]", "what the commands do", 0, 1, command_help },
    { "list", "", "all domains: state, memory, vcpus, CPUs, how long they run", 0, 0, command_list },
    { "info", "[NAME]", "all about a domain; without a name about the machine", 0, 1, command_info },
    { "create", "NAME [KEY=VALUE...]",
      "defines a domain, by keys of the configuration or as the section of that name in the boot configuration says; "
      "starts it unless autostart=no",
      1, REQUEST_WORDS, command_create },
    { "start", "NAME", "starts a domain that is created or has ended", 1, 1, command_start },
    { "pause", "NAME", "its vcpus do not run until it is resumed", 1, 1, command_pause },
    { "resume", "NAME", "lets a paused domain go on", 1, 1, command_resume },
    { "shutdown", "NAME [SECONDS]",
      "presses its power button; after SECONDS it is stopped by force (0: at once; without: never)", 1, 2,
      command_shutdown },
    { "reboot", "NAME [SECONDS]", "presses its power button and starts it again when it is off; after SECONDS by force",
      1, 2, command_reboot },
    { "reset", "NAME", "stops it by force and starts it again", 1, 1, command_reset },
    { "destroy", "NAME", "stops it by force and forgets it, with its log", 1, 1, command_destroy },
    { "wait", "NAME [SECONDS]", "answers when the domain has ended; after SECONDS with an error", 1, 2, command_wait },
    { "log", "NAME [FROM]", "its console's last 64 KiB, or from byte FROM on", 1, 2, command_log },
    { "dmesg", "[FROM]", "the messages of manager and kernel", 0, 1, command_dmesg },
    { "top", "", "CPU, exits, disk and network since the last time", 0, 0, command_top },
    { "exits", "NAME", "its exits by reason", 1, 1, command_exits },
    { "memory", "NAME SIZE", "changes its memory, such as 512M or 2G; that of a running domain at its next start", 2, 2,
      command_memory },
    { "vcpus", "NAME COUNT", "changes how many vcpus it has; those of a running domain at its next start", 2, 2,
      command_vcpus },
    { "pin", "NAME VCPU CPU|any", "moves a vcpu to a CPU, for as long as the domain exists; any: as its key cpus says",
      3, 3, command_pin },
    { "sched", "NAME PRIORITY", "changes its priority, 0 (lowest) to 6, for as long as the domain exists", 2, 2,
      command_sched },
    { "devices", "", "the devices that drivers-dom has found", 0, 0, command_devices },
    { "sleep", "SECONDS", "answers after that time", 1, 1, command_sleep },
    { "poweroff", "[reset] [SECONDS]",
      "shuts all domains down (after SECONDS, 30 if not given, by force), then switches the machine off or resets it",
      0, 2, command_poweroff },
    { 0 },
};
_Static_assert(CONFIG_MAX_PRIORITY == 6, "limit in the text above");

struct domain *command_domain(struct command_call *call, unsigned index)
{
    struct manager *manager = call->manager;
    const char *name = call->arguments[index], *names[CONFIG_MAX_DOMAINS + 1] = { NULL };
    struct domain *domain = lifecycle_find(manager, name);
    if (domain != NULL) {
        return domain;
    }
    for (unsigned i = 0; i < manager->config.domain_count; i++) {
        names[i] = manager->config.domains[i]->name;
    }
    const char *meant = config_suggest(name, names);
    (void)command_fail(call, "there is no domain \"%.40s\"%s%s%s; \"list\" shows all", name,
                       meant != NULL ? "; did you mean \"" : "", meant != NULL ? meant : "",
                       meant != NULL ? "\"?" : "");
    return NULL;
}

const struct domain *command_shown(struct command_call *call, unsigned index)
{
    const struct service *service = call->manager->service;
    if (service != NULL && strcmp(call->arguments[index], service->domain.config->name) == 0) {
        return &service->domain;
    }
    return command_domain(call, index);
}

enum command_result command_done(struct command_call *call, bool done, const char *why)
{
    return done ? COMMAND_DONE : command_fail(call, "%s", why);
}

bool command_seconds(struct command_call *call, unsigned index, uint64_t otherwise, uint64_t *seconds)
{
    *seconds = otherwise;
    if (call->count <= index || command_number(call->arguments[index], 0, 86400, seconds)) {
        return true;
    }
    (void)command_fail(call, "\"%.40s\": seconds are a number from 0 to 86400", call->arguments[index]);
    return false;
}
