/* SPDX-License-Identifier: MIT
 * What commands do to domains. What their ends do is in lifecycle_end.c. */
#include "lifecycle.h"

#include <stdio.h>
#include <string.h>
#include "bulkhead/syscall.h"
#include "lifecycle_end.h"
#include "placement.h"
#include "service.h"
#include "terminal.h"

struct domain *lifecycle_add(struct manager *manager, struct config_domain *config)
{
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        struct domain *domain = &manager->domains[i];
        if (domain->config == NULL) { /* as many as manager->config can have */
            memset(domain, 0, sizeof(*domain));
            domain->config = config;
            return domain;
        }
    }
    return NULL;
}

struct domain *lifecycle_find(struct manager *manager, const char *name)
{
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        struct domain *domain = &manager->domains[i];
        if (domain->config != NULL && strcmp(domain->config->name, name) == 0) {
            return domain;
        }
    }
    return NULL;
}

bool lifecycle_alive(const struct domain *domain) { return domain->phase == PHASE_RUNNING; }

const char *lifecycle_state(const struct domain *domain)
{
    if (domain->phase == PHASE_RUNNING) {
        return domain->paused ? "paused" : "running";
    }
    if (domain->phase == PHASE_PRESERVED) {
        return "preserved";
    }
    if (domain->restart_at != 0) {
        return "restarting";
    }
    return !domain->was_started ? "created" : lifecycle_crashed(domain) ? "crashed" : "ended";
}

/* The domain's state does not allow it. */
static bool refuse(const struct domain *domain, const char *possible, char *why)
{
    snprintf(why, LIFECYCLE_WHY, "domain \"%s\" is %s; %s", domain->config->name, lifecycle_state(domain), possible);
    return false;
}

bool lifecycle_start(struct manager *manager, struct domain *domain, char *why)
{
    if (domain->phase == PHASE_RUNNING) {
        return refuse(domain, domain->paused ? "\"resume\" lets it go on" : "\"reset\" starts it anew", why);
    }
    if (domain->phase == PHASE_PRESERVED) {
        return refuse(domain, "\"reset\" frees what is kept of it and starts it anew", why);
    }
    if (domain->config->bad) {
        snprintf(why, LIFECYCLE_WHY, "%s", domain->config->error);
        return false;
    }
    if (manager->off) {
        snprintf(why, LIFECYCLE_WHY, "the machine is being switched off; nothing is started any more");
        return false;
    }
    domain->quick_ends = 0;
    if (!lifecycle_begin(manager, domain)) {
        snprintf(why, LIFECYCLE_WHY, "%s", domain->reason);
        return false;
    }
    return true;
}

bool lifecycle_pause(struct domain *domain, bool on, char *why)
{
    if (domain->phase != PHASE_RUNNING) {
        return refuse(domain, "only a running domain can be paused and resumed", why);
    }
    if (domain->paused == on) {
        return refuse(domain, on ? "\"resume\" lets it go on" : "it need not be resumed", why);
    }
    enum status status = sys_domain_pause(domain->handle, on);
    if (status != OK) {
        snprintf(why, LIFECYCLE_WHY, "the kernel did not %s domain \"%s\": status %u", on ? "pause" : "resume",
                 domain->config->name, status);
        return false;
    }
    domain->paused = on;
    return true;
}

/* The monitor presses the ACPI power button. */
static bool press_button(const struct domain *domain, char *why)
{
    enum status status = sys_event_signal(domain->console.power_event);
    if (status != OK) {
        snprintf(why, LIFECYCLE_WHY, "the power button of \"%s\" cannot be pressed: status %u", domain->config->name,
                 status);
    }
    return status == OK;
}

static void stop(struct manager *manager, struct domain *domain, const char *reason)
{
    if (domain->paused) {
        (void)sys_domain_pause(domain->handle, 0);
    }
    (void)sys_domain_stop(domain->handle, END_STOPPED, reason);
    lifecycle_look_at(manager, domain);
}

bool lifecycle_shutdown(struct manager *manager, struct domain *domain, uint64_t seconds, bool again, char *why)
{
    if (domain->restart_at != 0) { /* it has ended, and is not to come back */
        domain->restart_at = again ? __builtin_ia32_rdtsc() : 0;
        return true;
    }
    if (domain->phase != PHASE_RUNNING) {
        return refuse(domain, "only a running domain can be shut down", why);
    }
    if (domain->paused && seconds != 0) {
        return refuse(domain, "it cannot notice its power button: \"resume\" it first, or give 0 seconds", why);
    }
    if (seconds != 0 && !press_button(domain, why)) {
        return false;
    }
    domain->wish = again ? WISH_REBOOT : WISH_OFF;
    domain->force_at = seconds == ~0ull ? 0 : __builtin_ia32_rdtsc() + seconds * manager->info->tsc_hz;
    if (seconds == 0) {
        stop(manager, domain, again ? "reset by a command" : "stopped by a command");
    }
    return true;
}

bool lifecycle_reset(struct manager *manager, struct domain *domain, char *why)
{
    if (domain->phase == PHASE_PRESERVED && domain_free(manager, domain) != OK) {
        snprintf(why, LIFECYCLE_WHY, "the kernel still holds what is kept of domain \"%s\"; try again",
                 domain->config->name);
        return false;
    }
    if (domain->phase != PHASE_RUNNING) {
        return lifecycle_start(manager, domain, why);
    }
    domain->wish = WISH_REBOOT;
    stop(manager, domain, "reset by a command");
    if (domain->phase != PHASE_RUNNING) {
        snprintf(why, LIFECYCLE_WHY, "%s", domain->reason);
    }
    return domain->phase == PHASE_RUNNING;
}

bool lifecycle_remove(struct manager *manager, struct domain *domain, char *why)
{
    if (domain->phase == PHASE_RUNNING) {
        domain->wish = WISH_OFF;
        stop(manager, domain, "destroyed by a command");
    }
    if (domain->phase == PHASE_PRESERVED && domain_free(manager, domain) != OK) {
        snprintf(why, LIFECYCLE_WHY, "the kernel still holds domain \"%s\"; try again", domain->config->name);
        return false;
    }
    terminal_close(manager, domain);
    config_remove(&manager->config, domain->config);
    domain->config = NULL;
    return true;
}

void lifecycle_power_off(struct manager *manager, unsigned how, uint64_t seconds)
{
    char why[LIFECYCLE_WHY];
    manager->off = true;
    manager->off_how = how;
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        struct domain *domain = &manager->domains[i];
        domain->restart_at = 0;
        if (domain->config == NULL || domain->phase != PHASE_RUNNING) {
            continue;
        }
        if (domain->paused && seconds != 0) {
            (void)lifecycle_pause(domain, false, why);
        }
        if (!lifecycle_shutdown(manager, domain, seconds, false, why)) {
            printf("bulkhead: %s\n", why);
        }
    }
}
