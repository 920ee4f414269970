/* SPDX-License-Identifier: MIT
 * The manager's event loop, and the last lines of the output. */
#include "watch.h"

#include <stdio.h>
#include <string.h>
#include "bulkhead/syscall.h"
#include "service.h"
#include "terminal.h"

/* A domain that ends this often in a row within this time of its start is not started again. */
#define QUICK_END_SECONDS 2
#define QUICK_ENDS_MAX 5

/* What each end means. */
enum end_kind { END_KIND_SUCCESS, END_KIND_FAILURE, END_KIND_CRASH, END_KIND_REBOOT };
static const struct {
    enum end_kind kind;
    const char *name; /* if the reason's text is empty */
} ends[] = {
    [END_POWEROFF] = {END_KIND_SUCCESS, "power off"},
    [END_DEBUG_EXIT] = {END_KIND_SUCCESS, "debug exit"},
    [END_REBOOT] = {END_KIND_REBOOT, "reset"},
    [END_TRIPLE_FAULT] = {END_KIND_CRASH, "triple fault"},
    [END_GUEST_ERROR] = {END_KIND_CRASH, "guest error"},
    [END_CONFIG] = {END_KIND_FAILURE, "could not be started"},
    [END_MONITOR] = {END_KIND_CRASH, "fault of its monitor"},
    [END_STOPPED] = {END_KIND_FAILURE, "stopped"},
    [END_DEBUG_EXIT_FAILED] = {END_KIND_FAILURE, "debug exit with a failure status"},
};
#define END_CODES (sizeof(ends) / sizeof(ends[0]))

static enum end_kind kind_of(enum domain_end code)
{
    return (unsigned)code < END_CODES ? ends[code].kind : END_KIND_CRASH;
}

static void print_end(const struct domain *domain)
{
    printf("domain %s: ended: %s\n", domain->config->name, domain->reason);
}

static void print_counters(const struct domain *domain)
{
    struct domain_counters c;
    if (!domain->config->trace || sys_domain_count(domain->handle, &c) != OK) {
        return;
    }
    printf(
        "domain %s: kernel %llu KiB (limit %llu KiB), monitor %llu KiB, guest memory %llu KiB, "
        "exits: kernel %llu, monitor %llu, ticks %llu\n",
        domain->config->name, (unsigned long long)c.kernel_pages * 4, (unsigned long long)c.kernel_quota * 4,
        (unsigned long long)c.process_pages * 4, (unsigned long long)c.guest_pages * 4,
        (unsigned long long)c.exits_kernel, (unsigned long long)c.exits_monitor, (unsigned long long)c.ticks_run);
}

/* Counts ends that came right after the start; false if there were too many of them. */
static bool may_restart(const struct manager *manager, struct domain *domain)
{
    bool quick = __builtin_ia32_rdtsc() - domain->started < QUICK_END_SECONDS * manager->info->tsc_hz;
    domain->quick_ends = quick ? domain->quick_ends + 1 : 0;
    if (domain->quick_ends < QUICK_ENDS_MAX) {
        return true;
    }
    printf("domain %s: not restarted: it ended %u times in a row within %u seconds of its start\n",
           domain->config->name, domain->quick_ends, QUICK_END_SECONDS);
    return false;
}

static void restart(struct manager *manager, struct domain *domain)
{
    if (domain->phase == PHASE_PRESERVED) {
        printf("domain %s: not restarted: the kernel still holds the old one\n", domain->config->name);
        return;
    }
    printf("domain %s: restarting after: %s\n", domain->config->name, domain->reason);
    if (domain_start(manager, domain) != OK) {
        print_end(domain);
    }
}

static void unload(struct manager *manager, const struct domain *domain)
{
    for (unsigned i = 0; i < domain->config->vcpus; i++) {
        manager->load[domain->cpus[i]]--;
    }
}

static void domain_ended(struct manager *manager, struct domain *domain, enum domain_end code)
{
    const char *text = thread_state()->text;
    domain->code = code;
    snprintf(domain->reason, sizeof(domain->reason), "%.*s", STATE_TEXT_SIZE, text);
    if (domain->reason[0] == 0) {
        snprintf(domain->reason, sizeof(domain->reason), "%s",
                 (unsigned)code < END_CODES ? ends[code].name : "unknown reason");
    }
    unload(manager, domain);
    print_counters(domain);
    enum end_kind kind = kind_of(code);
    enum config_action action = kind == END_KIND_CRASH    ? domain->config->on_crash
                                : kind == END_KIND_REBOOT ? domain->config->on_reboot
                                                          : ACTION_DESTROY;
    bool again = action == ACTION_RESTART && may_restart(manager, domain);
    if (!again) {
        print_end(domain);
    }
    if (action == ACTION_PRESERVE) {
        domain->phase = PHASE_PRESERVED;
        return;
    }
    if (domain_free(manager, domain) != OK) {
        printf("domain %s: its memory could not be reclaimed\n", domain->config->name);
    }
    if (again) {
        restart(manager, domain);
    }
}

/* Looks at every running domain; returns how many there are now. */
static unsigned look(struct manager *manager)
{
    service_look(manager);
    unsigned running = 0;
    for (unsigned i = 0; i < manager->config.domain_count; i++) {
        struct domain *domain = &manager->domains[i];
        enum domain_state state = DOMAIN_ENDED;
        enum domain_end code = END_MONITOR;
        if (domain->phase != PHASE_RUNNING) {
            continue;
        }
        if (sys_domain_status(domain->handle, &state, &code) == OK && state == DOMAIN_ENDED) {
            domain_ended(manager, domain, code);
        }
        running += domain->phase == PHASE_RUNNING;
    }
    return running;
}

/* The launcher reads the last of these lines. A configuration error counts only if nothing worse happened. */
static void print_result(const struct manager *manager)
{
    bool failure = false, config_error = manager->config.error_count > 0;
    for (unsigned i = 0; i < manager->config.domain_count; i++) {
        const struct domain *domain = &manager->domains[i];
        print_end(domain);
        config_error |= domain->config_error;
        failure |= !domain->config_error && kind_of(domain->code) != END_KIND_SUCCESS;
    }
    printf("%s\n", failure        ? "bulkhead: domain failure"
                   : config_error ? "bulkhead: configuration error"
                                  : "bulkhead: all domains ended: success");
}

/* Of two moments, of which 0 means never. */
static uint64_t earlier(uint64_t a, uint64_t b) { return a == 0 || (b != 0 && b < a) ? b : a; }

_Noreturn void watch(struct manager *manager)
{
    struct vcpu_state *state = thread_state();
    for (;;) {
        /* Cleared before looking: what ends after that sets the bit again. */
        __atomic_store_n(&state->events, 0, __ATOMIC_SEQ_CST);
        if (look(manager) == 0) {
            break;
        }
        terminal_poll(manager);
        state->deadline = earlier(service_deadline(manager), terminal_deadline(manager));
        (void)sys_event_wait();
        state->deadline = 0;
    }
    print_result(manager);
    terminal_finish(manager);
    (void)sys_machine_off(0);
    printf("bulkhead: this machine cannot be powered off by software; switch it off\n");
    for (;;) {
        state->events = 0;
        (void)sys_event_wait();
    }
}
