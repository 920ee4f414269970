/* SPDX-License-Identifier: MIT
 * Placement of vcpus. */
#include "placement.h"

#include <stdio.h>
#include <string.h>
#include "bulkhead/syscall.h"
#include "domain_process.h"

#define PLACE_MS 100u

/* The CPUs that belong to one domain, whether it runs or not: a definition reserves them. */
static uint64_t dedicated_cpus(const struct config *config, const struct config_domain *but)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < config->domain_count; i++) {
        const struct config_domain *domain = config->domains[i];
        for (unsigned c = 0; domain != but && domain->dedicated && !domain->bad && c < domain->cpu_count; c++) {
            mask |= 1ull << domain->cpus[c];
        }
    }
    return mask;
}

enum status placement_choose(const struct manager *manager, struct domain *domain)
{
    const struct config_domain *config = domain->config;
    uint64_t taken = dedicated_cpus(&manager->config, NULL);
    unsigned load[MAX_CPUS];
    memcpy(load, manager->load, sizeof(load));
    domain->priority = config->priority;
    for (unsigned i = 0; i < config->vcpus; i++) {
        unsigned best = MAX_CPUS;
        for (unsigned cpu = 0; cpu < manager->info->cpu_count && cpu < MAX_CPUS; cpu++) {
            bool free = !(taken >> cpu & 1);
            if (free && (best == MAX_CPUS || load[cpu] < load[best])) {
                best = cpu;
            }
        }
        best = config_cpu_of(config, i) >= 0 ? (unsigned)config_cpu_of(config, i) : best;
        if (best == MAX_CPUS) {
            return domain_fail(manager, domain, ERR_BUSY, "cpus",
                               "all %u CPUs of this machine are dedicated to other domains", manager->info->cpu_count);
        }
        if (config->dedicated && manager->load[best] > 0) {
            return domain_fail(
                manager, domain, ERR_BUSY, "dedicated",
                "dedicated = yes: CPU %u runs %u vcpu%s of other domains; \"pin\" these to other CPUs first", best,
                manager->load[best], manager->load[best] == 1 ? "" : "s");
        }
        domain->cpus[i] = (uint8_t)best;
        load[best]++;
    }
    return OK;
}

uint32_t placement_word(const struct domain *domain, unsigned vcpu)
{
    return domain->cpus[vcpu] | (uint32_t)domain->priority << 16 | (uint32_t)domain->config->dedicated << 24 |
           (uint32_t)domain->identity << 25; /* drivers-dom comes first, but not for ever */
}

void placement_load(struct manager *manager, const struct domain *domain, int by)
{
    for (unsigned i = 0; i < domain->config->vcpus; i++) {
        manager->load[domain->cpus[i]] += (unsigned)by;
    }
}

/* Tells the kernel where the vcpu of the paused domain is to run. It may take a moment until it has left its old CPU.
 */
static enum status place_one(const struct manager *manager, const struct domain *domain, unsigned vcpu)
{
    enum status status = sys_vcpu_place(domain->vcpus[vcpu], placement_word(domain, vcpu));
    for (unsigned ms = 0; status == ERR_AGAIN && ms < PLACE_MS; ms++) {
        domain_wait_ms(manager);
        status = sys_vcpu_place(domain->vcpus[vcpu], placement_word(domain, vcpu));
    }
    return status;
}

/* vcpus [first, first + count). */
static bool place(const struct manager *manager, struct domain *domain, unsigned first, unsigned count, char *why,
                  size_t size)
{
    enum status status = domain->paused ? OK : sys_domain_pause(domain->handle, 1);
    for (unsigned i = 0; status == OK && i < count; i++) {
        status = place_one(manager, domain, first + i);
    }
    if (!domain->paused) {
        (void)sys_domain_pause(domain->handle, 0);
    }
    if (status != OK) {
        snprintf(why, size, "the kernel did not move the vcpus of \"%s\" (%s)", domain->config->name,
                 status == ERR_AGAIN ? "one does not leave its CPU" : "it has ended, or this is not possible");
    }
    return status == OK;
}

static bool move(struct manager *manager, struct domain *domain, unsigned vcpu, unsigned cpu, char *why, size_t size)
{
    uint8_t old = domain->cpus[vcpu];
    domain->cpus[vcpu] = (uint8_t)cpu;
    if (!place(manager, domain, vcpu, 1, why, size)) {
        domain->cpus[vcpu] = old;
        return false;
    }
    manager->load[old]--;
    manager->load[cpu]++;
    return true;
}

bool placement_pin(struct manager *manager, struct domain *domain, unsigned vcpu, int cpu, char *why, size_t size)
{
    struct config_domain *config = domain->config;
    if (config->dedicated) {
        snprintf(why, size, "\"%s\" has dedicated CPUs; where they are is fixed by its key cpus", config->name);
        return false;
    }
    if (cpu >= 0 && dedicated_cpus(&manager->config, config) >> cpu & 1) {
        snprintf(why, size, "CPU %d is dedicated to another domain", cpu);
        return false;
    }
    if (cpu >= 0 && domain->phase == PHASE_RUNNING && !move(manager, domain, vcpu, (unsigned)cpu, why, size)) {
        return false;
    }
    config->pins[vcpu] = (uint8_t)(cpu + 1);
    return true;
}

bool placement_priority(const struct manager *manager, struct domain *domain, unsigned priority, char *why, size_t size)
{
    uint8_t old = domain->priority;
    domain->priority = (uint8_t)priority;
    if (domain->phase == PHASE_RUNNING && !place(manager, domain, 0, domain->config->vcpus, why, size)) {
        domain->priority = old; /* those vcpus that have the new one keep it until the next start */
        return false;
    }
    domain->config->priority = (uint8_t)priority;
    return true;
}
