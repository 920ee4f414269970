/* SPDX-License-Identifier: MIT
 * Ends of domains: reasons, policies, restarts with growing pauses, the machine's result. */
#include "lifecycle_end.h"

#include <stdio.h>
#include <string.h>
#include "bulkhead/syscall.h"
#include "domain_size.h"
#include "placement.h"
#include "script.h"
#include "service.h"
#include "service_parts.h"
#include "terminal.h"

/* A domain that ends within this time of its start has ended quickly. The second time in a row it is started again
 * after a second, then after two, and so on. */
#define QUICK_END_SECONDS 10
#define PAUSE_MAX_SECONDS 60

enum end_kind { END_KIND_SUCCESS, END_KIND_FAILURE, END_KIND_CRASH, END_KIND_REBOOT };
static const struct {
    enum end_kind kind;
    const char *name; /* if the reason's text is empty */
} ends[] = {
    [END_POWEROFF] = { END_KIND_SUCCESS, "power off" },
    [END_DEBUG_EXIT] = { END_KIND_SUCCESS, "debug exit" },
    [END_REBOOT] = { END_KIND_REBOOT, "reset" },
    [END_TRIPLE_FAULT] = { END_KIND_CRASH, "triple fault" },
    [END_GUEST_ERROR] = { END_KIND_CRASH, "guest error" },
    [END_CONFIG] = { END_KIND_FAILURE, "could not be started" },
    [END_MONITOR] = { END_KIND_CRASH, "fault of its monitor" },
    [END_STOPPED] = { END_KIND_FAILURE, "stopped" },
    [END_DEBUG_EXIT_FAILED] = { END_KIND_FAILURE, "debug exit with a failure status" },
    [END_WATCHDOG] = { END_KIND_CRASH, "watchdog expired" },
};
#define END_CODES (sizeof(ends) / sizeof(ends[0]))

static enum end_kind kind_of(enum domain_end code)
{
    return (unsigned)code < END_CODES ? ends[code].kind : END_KIND_CRASH;
}

bool lifecycle_crashed(const struct domain *domain) { return kind_of(domain->code) == END_KIND_CRASH; }

static void print_end(const struct domain *domain)
{
    printf("domain %s: ended: %s\n", domain->config->name, domain->reason);
}

static void print_counters(const struct domain *domain)
{
    struct domain_counters c;
    if (sys_domain_count(domain->handle, &c) != OK) {
        return;
    }
    printf("domain %s: kernel %llu KiB (limit %llu KiB), monitor %llu KiB, guest memory %llu KiB, "
           "exits: kernel %llu, monitor %llu, ticks %llu, of these in the monitor %llu\n",
           domain->config->name, (unsigned long long)c.kernel_pages * 4, (unsigned long long)c.kernel_quota * 4,
           (unsigned long long)c.process_pages * 4, (unsigned long long)c.guest_pages * 4,
           (unsigned long long)c.exits_kernel, (unsigned long long)c.exits_monitor, (unsigned long long)c.ticks_run,
           (unsigned long long)c.ticks_monitor);
}

/* Of a domain that ends, and of drivers-dom at that moment. */
static void print_trace(const struct manager *manager, const struct domain *domain)
{
    if (!domain->config->trace) {
        return;
    }
    print_counters(domain);
    if (manager->service != NULL && lifecycle_alive(&manager->service->domain)) {
        print_counters(&manager->service->domain);
    }
}

static enum config_action policy(const struct manager *manager, const struct domain *domain)
{
    const struct config_domain *config = domain->config;
    if (domain->wish != WISH_NONE || manager->off) {
        return domain->wish == WISH_REBOOT && !manager->off ? ACTION_RESTART : ACTION_DESTROY;
    }
    switch (kind_of(domain->code)) {
    case END_KIND_CRASH:
        return config->on_crash;
    case END_KIND_REBOOT:
        return config->on_reboot;
    default:
        return domain->code == END_POWEROFF ? config->on_shutdown : ACTION_DESTROY;
    }
}

/* Seconds to wait before the next start; false: it was restarted often enough. A command's restart is always at once.
 */
static bool plan_restart(const struct manager *manager, struct domain *domain, uint64_t *pause)
{
    bool quick = domain->ended - domain->started < QUICK_END_SECONDS * manager->info->tsc_hz;
    unsigned limit = domain->config->restart_limit;
    *pause = 0;
    if (domain->wish == WISH_REBOOT) {
        return true;
    }
    domain->quick_ends = quick ? domain->quick_ends + 1 : 0;
    if (limit != 0 && domain->quick_ends > limit) {
        printf("domain %s: not restarted: it ended %u times in a row within %u seconds of its start (restart-limit = "
               "%u)\n",
               domain->config->name, domain->quick_ends, QUICK_END_SECONDS, limit);
        return false;
    }
    if (domain->quick_ends > 1) {
        *pause = domain->quick_ends - 2 < 6 ? 1ull << (domain->quick_ends - 2) : PAUSE_MAX_SECONDS;
    }
    return true;
}

bool lifecycle_begin(struct manager *manager, struct domain *domain)
{
    domain->restart_at = domain->force_at = 0;
    domain->wish = WISH_NONE;
    domain->paused = false;
    domain->was_started = true;
    domain_size_apply(domain);
    bool started = domain_start(manager, domain) == OK;
    domain->ended = started ? 0 : __builtin_ia32_rdtsc();
    return started;
}

static void restart(struct manager *manager, struct domain *domain)
{
    domain->restarts++;
    if (!lifecycle_begin(manager, domain)) {
        print_end(domain);
    }
}

static void take_reason(struct domain *domain, enum domain_end code)
{
    domain->code = code;
    snprintf(domain->reason, sizeof(domain->reason), "%.*s", STATE_TEXT_SIZE, thread_state()->text);
    if (domain->reason[0] == 0) {
        snprintf(domain->reason, sizeof(domain->reason), "%s",
                 (unsigned)code < END_CODES ? ends[code].name : "unknown reason");
    }
}

static void domain_ended(struct manager *manager, struct domain *domain, enum domain_end code)
{
    uint64_t pause = 0;
    take_reason(domain, code);
    domain->ended = __builtin_ia32_rdtsc();
    domain->paused = false;
    domain->force_at = 0;
    placement_load(manager, domain, -1);
    print_trace(manager, domain);
    enum config_action action = policy(manager, domain);
    bool again = action == ACTION_RESTART && plan_restart(manager, domain, &pause);
    if (!again) {
        print_end(domain);
    }
    domain->phase = PHASE_PRESERVED;
    if (action == ACTION_PRESERVE) {
        service_disconnect(manager, domain); /* nobody uses its disks and cards */
        terminal_ended(manager, domain);
        return;
    }
    if (domain_free(manager, domain) != OK) {
        printf("domain %s: %sits memory could not be reclaimed: the kernel still holds it\n", domain->config->name,
               again ? "not restarted: " : "");
        return;
    }
    if (again && pause == 0) {
        printf("domain %s: restarting after: %s\n", domain->config->name, domain->reason);
        restart(manager, domain);
    } else if (again) {
        domain->restart_at = domain->ended + pause * manager->info->tsc_hz;
        printf("domain %s: restarting in %llu s after: %s (it ended %u times in a row within %u s of its start)\n",
               domain->config->name, (unsigned long long)pause, domain->reason, domain->quick_ends, QUICK_END_SECONDS);
    }
}

void lifecycle_look_at(struct manager *manager, struct domain *domain)
{
    enum domain_state state = DOMAIN_ENDED;
    enum domain_end code = END_MONITOR;
    if (domain->phase == PHASE_RUNNING && sys_domain_status(domain->handle, &state, &code) == OK &&
        state == DOMAIN_ENDED) {
        domain_ended(manager, domain, code);
    }
}

unsigned lifecycle_look(struct manager *manager, uint64_t *wake)
{
    unsigned alive = 0;
    uint64_t now = __builtin_ia32_rdtsc();
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        struct domain *domain = &manager->domains[i];
        if (domain->config == NULL) {
            continue;
        }
        if (domain->force_at != 0 && now >= domain->force_at) {
            (void)sys_domain_stop(domain->handle, END_STOPPED, "stopped by force: it did not shut down in time");
        }
        lifecycle_look_at(manager, domain);
        if (domain->restart_at != 0 && now >= domain->restart_at) {
            printf("domain %s: restarting after: %s\n", domain->config->name, domain->reason);
            restart(manager, domain);
        }
        wake_sooner(wake, domain->force_at);
        wake_sooner(wake, domain->restart_at);
        alive += domain->phase == PHASE_RUNNING || domain->restart_at != 0;
    }
    return alive;
}

bool lifecycle_config_error(const struct manager *manager)
{
    bool error = manager->config.error_count > 0 || script_errors(manager) > 0;
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        const struct domain *domain = &manager->domains[i];
        error |= domain->config != NULL && domain->was_started && domain->boot && domain->config_error;
    }
    return error;
}

/* A domain that a command has ended did what it should; one that a command started is the business of who gave the
 * command. */
void lifecycle_print_result(const struct manager *manager)
{
    bool failure = false;
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        const struct domain *domain = &manager->domains[i];
        if (domain->config == NULL || !domain->was_started) {
            continue;
        }
        print_end(domain);
        failure |= domain->boot && !domain->config_error && domain->wish != WISH_OFF &&
                   kind_of(domain->code) != END_KIND_SUCCESS;
    }
    printf("%s\n", failure                           ? "bulkhead: domain failure"
                   : lifecycle_config_error(manager) ? "bulkhead: configuration error"
                                                     : "bulkhead: all domains ended: success");
}
