/* SPDX-License-Identifier: MIT
 * Commands that count: who uses the machine, and for what. */
#include <stdio.h>
#include <string.h>
#include "bulkhead/syscall.h"
#include "command_parts.h"
#include "exit_names.h"
#include "lifecycle.h"
#include "service_parts.h"

#define REASONS 64
#define SHOWN   3 /* main reasons in a line of top */

struct sample {
    uint64_t time;    /* host TSC */
    uint64_t started; /* of which life of the domain it is */
    uint64_t run, monitor, driver, exits, requests, in, out;
    uint64_t reasons[REASONS];
};

/* By the domain's place; the last one is drivers-dom's. */
static struct sample before[CONFIG_MAX_DOMAINS + 1];

static void take(const struct manager *manager, const struct domain *domain, struct sample *sample)
{
    struct domain_counters c;
    memset(sample, 0, sizeof(*sample));
    sample->time = __builtin_ia32_rdtsc();
    sample->started = domain->started;
    if (sys_domain_count(domain->handle, &c) == OK) {
        sample->run = c.ticks_run;
        sample->monitor = c.ticks_monitor;
        sample->exits = c.exits_kernel + c.exits_monitor;
        sample->reasons[EXIT_NONE] = c.exits_kernel;
    }
    for (unsigned v = 0; v < domain->config->vcpus && domain->console.account != NULL; v++) {
        const volatile uint64_t *exits = domain->console.account->exits[v];
        for (unsigned i = EXIT_NONE + 1; i < REASONS; i++) {
            sample->reasons[i] += exits[i];
        }
    }
    for (unsigned i = 0; i < domain->channel_count; i++) {
        const volatile struct control_work *work = &manager->service->control->work[domain->channel_slots[i]];
        sample->driver += work->ticks;
        sample->requests += work->requests;
        sample->in += work->bytes_in;
        sample->out += work->bytes_out;
    }
}

/* In tenths of `per` for each of `ticks`. */
static uint64_t tenths(uint64_t value, uint64_t per, uint64_t ticks)
{
    return ticks != 0 ? (uint64_t)((unsigned __int128)value * per * 10 / ticks) : 0;
}

static uint64_t since(uint64_t now, uint64_t then) { return now > then ? now - then : 0; }

static const char *reason_name(unsigned reason) { return reason == EXIT_NONE ? "kernel" : exit_name(reason); }

/* "io 1200 hlt 80": the most frequent reasons, each second. */
static void key_reasons(struct json *json, const struct sample *now, const struct sample *then, uint64_t hz,
                        uint64_t ticks)
{
    char text[SHOWN * 40] = "";
    size_t used = 0;
    bool shown[REASONS] = { false };
    for (unsigned n = 0; n < SHOWN; n++) {
        unsigned best = REASONS;
        for (unsigned i = 0; i < REASONS; i++) {
            uint64_t count = since(now->reasons[i], then->reasons[i]);
            if (!shown[i] && reason_name(i) != NULL && count > 0 &&
                (best == REASONS || count > since(now->reasons[best], then->reasons[best]))) {
                best = i;
            }
        }
        if (best == REASONS || used >= sizeof(text)) {
            break;
        }
        shown[best] = true;
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %llu", n > 0 ? " " : "", reason_name(best),
                                 (unsigned long long)tenths(since(now->reasons[best], then->reasons[best]), hz, ticks) /
                                     10);
    }
    json_key_text(json, "reasons", text);
}

static void key_tenths(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_tenths(json, value);
}

static void show(struct command_call *call, const struct domain *domain, struct sample *last)
{
    static const struct sample zero;
    struct sample now, then;
    struct json *json = call->json;
    uint64_t hz = call->manager->info->tsc_hz;
    take(call->manager, domain, &now);
    then = last->started == now.started ? *last : zero;
    uint64_t ticks = since(now.time, then.time != 0 ? then.time : now.started);
    uint64_t monitor = since(now.monitor, then.monitor), run = since(now.run, then.run);
    json_begin_object(json);
    json_key_text(json, "name", domain->config->name);
    json_key_text(json, "state", lifecycle_state(domain));
    key_tenths(json, "guest", tenths(since(run, monitor), 100, ticks));
    key_tenths(json, "monitor", tenths(monitor, 100, ticks));
    key_tenths(json, "driver", tenths(since(now.driver, then.driver), 100, ticks));
    json_key_number(json, "exits", tenths(since(now.exits, then.exits), hz, ticks) / 10);
    json_key_number(json, "memory", domain->config->memory >> 20);
    json_key_number(json, "requests", tenths(since(now.requests, then.requests), hz, ticks) / 10);
    json_key_number(json, "in", tenths(since(now.in, then.in), hz, ticks) / 10);
    json_key_number(json, "out", tenths(since(now.out, then.out), hz, ticks) / 10);
    key_reasons(json, &now, &then, hz, ticks); /* last: on a narrow screen the end of the line is not seen */
    json_end_object(json);
    *last = now;
}

enum command_result command_top(struct command_call *call)
{
    const struct manager *manager = call->manager;
    json_begin_array(call->json);
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        const struct domain *domain = &manager->domains[i];
        if (domain->config != NULL && lifecycle_alive(domain)) {
            show(call, domain, &before[i]);
        }
    }
    if (manager->service != NULL && lifecycle_alive(&manager->service->domain)) {
        show(call, &manager->service->domain, &before[CONFIG_MAX_DOMAINS]);
    }
    json_end_array(call->json);
    return COMMAND_DONE;
}

enum command_result command_exits(struct command_call *call)
{
    const struct domain *domain = command_shown(call, 0);
    struct json *json = call->json;
    struct sample now;
    if (domain == NULL) {
        return COMMAND_FAILED;
    }
    if (!lifecycle_alive(domain)) {
        return command_fail(call, "domain \"%s\" is %s; exits are counted while it runs", domain->config->name,
                            lifecycle_state(domain));
    }
    take(call->manager, domain, &now);
    json_begin_array(json);
    for (unsigned i = 0; i < REASONS; i++) {
        if (now.reasons[i] == 0 || reason_name(i) == NULL) {
            continue;
        }
        json_begin_object(json);
        json_key_text(json, "reason", reason_name(i));
        json_key_number(json, "count", now.reasons[i]);
        key_tenths(json, "rate", tenths(now.reasons[i], call->manager->info->tsc_hz, since(now.time, now.started)));
        json_end_object(json);
    }
    json_end_array(json);
    return COMMAND_DONE;
}
