/* SPDX-License-Identifier: MIT
 * Commands that show domains, the machine and its devices. */
#include <stdio.h>
#include <string.h>
#include "bulkhead/libc.h"
#include "bulkhead/syscall.h"
#include "command_parts.h"
#include "lifecycle.h"
#include "service_parts.h"

#define MIB 20

static uint64_t seconds_of(const struct manager *manager, uint64_t ticks) { return ticks / manager->info->tsc_hz; }

/* For how long it has been in this state: running, or ended. */
static uint64_t uptime(const struct manager *manager, const struct domain *domain)
{
    uint64_t end = lifecycle_alive(domain) ? __builtin_ia32_rdtsc() : domain->ended;
    return domain->started != 0 && end > domain->started ? seconds_of(manager, end - domain->started) : 0;
}

/* "0,1,any": where each vcpu runs, or will; empty if nothing is said about any of them. */
static void key_cpus(struct json *json, const struct domain *domain)
{
    char text[4 * MAX_VCPUS] = "";
    size_t used = 0;
    bool known = false;
    for (unsigned i = 0; i < domain->config->vcpus && used < sizeof(text); i++) {
        int cpu = lifecycle_alive(domain) ? domain->cpus[i] : config_cpu_of(domain->config, i);
        const char *comma = i > 0 ? "," : "";
        known |= cpu >= 0;
        used += (size_t)snprintf(text + used, sizeof(text) - used, cpu >= 0 ? "%s%d" : "%sany", comma, cpu);
    }
    json_key_text(json, "cpus", known ? text : "");
}

/* Why it does not run any more. */
static const char *reason(const struct domain *domain)
{
    return domain->was_started && !lifecycle_alive(domain) ? domain->reason : "";
}

static void count(const struct domain *domain, struct domain_counters *c)
{
    memset(c, 0, sizeof(*c));
    if (domain->phase == PHASE_NONE || sys_domain_count(domain->handle, c) != OK) {
        memset(c, 0, sizeof(*c));
    }
}

/* What list and info have in common. */
static void show(struct json *json, const struct manager *manager, const struct domain *domain)
{
    struct domain_counters c;
    count(domain, &c);
    json_key_text(json, "name", domain->config->name);
    json_key_text(json, "state", lifecycle_state(domain));
    json_key_number(json, "memory", domain->config->memory >> MIB);
    json_key_number(json, "vcpus", domain->config->vcpus);
    key_cpus(json, domain);
    json_key_number(json, "time", uptime(manager, domain));
    json_key_number(json, "cpu", seconds_of(manager, c.ticks_run));
    json_key_number(json, "restarts", domain->restarts);
    json_key_text(json, "reason", reason(domain));
}

enum command_result command_list(struct command_call *call)
{
    json_begin_array(call->json);
    for (unsigned i = 0; i < CONFIG_MAX_DOMAINS; i++) {
        const struct domain *domain = &call->manager->domains[i];
        if (domain->config != NULL) {
            json_begin_object(call->json);
            show(call->json, call->manager, domain);
            json_end_object(call->json);
        }
    }
    json_end_array(call->json);
    return COMMAND_DONE;
}

/* Disks and nets as a list in one string. */
static void key_devices(struct json *json, const struct config_domain *config)
{
    char text[START_MAX_CHANNELS * 64] = "";
    size_t used = 0;
    for (unsigned i = 0; i < config->device_count && used < sizeof(text); i++) {
        const struct config_device *device = &config->devices[i];
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s=%.40s", i > 0 ? " " : "", device->name,
                                 device->source);
    }
    json_key_text(json, "devices", text);
}

static const char *action_name(enum config_action action)
{
    static const char *const names[ACTION_COUNT] = { "destroy", "restart", "preserve" };
    return names[action];
}

static void info_domain(struct command_call *call, const struct domain *domain)
{
    const struct config_domain *config = domain->config;
    struct json *json = call->json;
    struct domain_counters c;
    count(domain, &c);
    json_begin_object(json);
    show(json, call->manager, domain);
    json_key_text(json, "kernel", config->modules[0].path);
    json_key_text(json, "cmdline", config->cmdline);
    key_devices(json, config);
    json_key_number(json, "memory-next", (domain->next.memory != 0 ? domain->next.memory : config->memory) >> MIB);
    json_key_number(json, "vcpus-next", domain->next.memory != 0 ? domain->next.vcpus : config->vcpus);
    json_key_number(json, "priority", lifecycle_alive(domain) ? domain->priority : config->priority);
    json_key_bool(json, "dedicated", config->dedicated);
    json_key_bool(json, "autostart", config->autostart);
    json_key_bool(json, "control", config->control);
    json_key_text(json, "on-crash", action_name(config->on_crash));
    json_key_text(json, "on-reboot", action_name(config->on_reboot));
    json_key_text(json, "on-shutdown", action_name(config->on_shutdown));
    json_key_number(json, "kernel-pages", c.kernel_pages);
    json_key_number(json, "kernel-quota", c.kernel_quota);
    json_key_number(json, "monitor-pages", c.process_pages);
    json_key_number(json, "handles", c.handles);
    json_key_number(json, "events", c.events);
    json_key_number(json, "exits-kernel", c.exits_kernel);
    json_key_number(json, "exits-monitor", c.exits_monitor);
    json_end_object(json);
}

static void info_machine(struct command_call *call)
{
    const struct boot_info *info = call->manager->info;
    const struct service *service = call->manager->service;
    struct json *json = call->json;
    struct domain_counters c = { 0 };
    struct heap_usage heap = heap_usage();
    if (sys_domain_count(HANDLE_SELF, &c) != OK) {
        memset(&c, 0, sizeof(c));
    }
    json_begin_object(json);
    json_key_text(json, "virtualization", info->virtualization);
    json_key_number(json, "cpus", info->cpu_count);
    json_key_number(json, "mhz", info->tsc_hz / 1000000);
    json_key_number(json, "time", seconds_of(call->manager, call->now - info->boot_tsc));
    json_key_number(json, "domains", call->manager->config.domain_count);
    json_key_number(json, "memory", memory_total() >> MIB);
    json_key_number(json, "memory-free", memory_available() >> MIB);
    json_key_number(json, "pages-free", memory_available() / PAGE_SIZE);
    json_key_number(json, "pool-pages", info->kernel_pool_size / PAGE_SIZE);
    json_key_number(json, "pool-used", c.pool_pages);
    json_key_number(json, "handles", c.handles);
    json_key_number(json, "events", c.events);
    json_key_number(json, "heap", heap.used + heap.available);
    json_key_number(json, "heap-used", heap.used);
    json_key_text(json, "drivers-dom",
                  service == NULL                          ? "absent"
                  : service->domain.phase == PHASE_RUNNING ? "running"
                                                           : "ended");
    json_key_number(json, "drivers-dom-restarts", service != NULL ? service->restarts.count : 0);
    json_key_bool(json, "keep-running", call->manager->config.keep_running);
    json_end_object(json);
}

enum command_result command_info(struct command_call *call)
{
    if (call->count == 0) {
        info_machine(call);
        return COMMAND_DONE;
    }
    const struct domain *domain = command_shown(call, 0);
    if (domain == NULL) {
        return COMMAND_FAILED;
    }
    info_domain(call, domain);
    return COMMAND_DONE;
}

/* A text that drivers-dom wrote: possibly without an end. */
static void key_shared(struct json *json, const char *key, const char *text, size_t size)
{
    char copy[128];
    size = size < sizeof(copy) ? size : sizeof(copy);
    memcpy(copy, text, size);
    json_key(json, key);
    json_bytes(json, copy, strnlen(copy, size));
}

enum command_result command_devices(struct command_call *call)
{
    const struct service *service = call->manager->service;
    struct json *json = call->json;
    if (service == NULL) {
        return command_fail(call, "drivers-dom does not run, so that no devices are known");
    }
    json_begin_array(json);
    for (unsigned i = 0; i < CONTROL_MAX_DEVICES; i++) {
        const struct control_device *device = &service->control->devices[i];
        if (device->name[0] == 0) {
            break;
        }
        json_begin_object(json);
        key_shared(json, "name", device->name, sizeof(device->name));
        key_shared(json, "address", device->address, sizeof(device->address));
        key_shared(json, "what", device->what, sizeof(device->what));
        key_shared(json, "users", device->users, sizeof(device->users));
        json_end_object(json);
    }
    json_end_array(json);
    return COMMAND_DONE;
}
