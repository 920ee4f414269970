/* SPDX-License-Identifier: MIT
 * What a configuration asks of the machine: CPUs and memory, all domains together. */
#include "config_parser.h"

#define MIB        (1ull << 20)
#define LARGE_PAGE (2 * MIB)

static uint64_t cpu_mask(const struct config_domain *domain)
{
    uint64_t mask = 0;
    for (unsigned c = 0; c < domain->cpu_count; c++) {
        mask |= 1ull << domain->cpus[c];
    }
    return mask;
}

static void check_pinning(struct config_parser *parser, struct config_domain *domain, unsigned cpu_count)
{
    for (unsigned c = 0; c < domain->cpu_count; c++) {
        if (domain->cpus[c] >= cpu_count) {
            config_error(parser, domain, config_line_of(domain, "cpus"),
                         "cpus: there is no CPU %u; this machine has %u (0 to %u)", domain->cpus[c], cpu_count,
                         cpu_count - 1);
            return;
        }
    }
}

/* Domains that are not pinned, and drivers-dom, run on CPUs that are dedicated to nobody. */
static void check_shared_cpus(struct config_parser *parser, unsigned cpu_count)
{
    const struct config *config = parser->config;
    uint64_t all = cpu_count < MAX_CPUS ? (1ull << cpu_count) - 1 : ~0ull, dedicated = 0;
    for (unsigned i = 0; i < config->domain_count; i++) {
        const struct config_domain *domain = config->domains[i];
        dedicated |= domain->dedicated && !domain->bad ? cpu_mask(domain) : 0;
    }
    for (unsigned i = 0; i < config->domain_count && (all & ~dedicated) == 0; i++) {
        struct config_domain *domain = config->domains[i];
        if (domain->bad) {
            continue;
        }
        if (domain->cpu_count == 0) {
            config_error(
                parser, domain, domain->line,
                "no CPU is left for it: all %u CPUs of this machine are dedicated to other domains; leave one of them "
                "without dedicated = yes",
                cpu_count);
        } else if (domain->device_count > 0) {
            config_error(parser, domain, domain->devices[0].line,
                         "disks and networks need drivers-dom, and no CPU is left for that: all %u CPUs of this "
                         "machine are dedicated to domains; leave one of them without dedicated = yes",
                         cpu_count);
        }
    }
}

uint64_t config_memory_of(const struct config_domain *domain)
{
    return (domain->memory + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
}

static void check_memory(struct config_parser *parser, uint64_t memory)
{
    const struct config *config = parser->config;
    uint64_t used = 0;
    for (unsigned i = 0; i < config->domain_count; i++) {
        const struct config_domain *domain = config->domains[i];
        used = !domain->bad && domain->autostart && domain->device_count > 0 ? CONFIG_SERVICE_MEMORY : used;
    }
    for (unsigned i = 0; i < config->domain_count; i++) {
        struct config_domain *domain = config->domains[i];
        uint64_t wanted = config_memory_of(domain);
        if (domain->bad || !domain->autostart) { /* started later, it may have the memory of one that has ended */
            continue;
        }
        if (used + wanted > memory) {
            config_error(parser, domain, config_line_of(domain, "memory"),
                         "memory = %lluM is too much: of the %lluM that this machine has for domains, those before it "
                         "take %lluM; give it or them less, or the machine more",
                         (unsigned long long)(domain->memory / MIB), (unsigned long long)(memory / MIB),
                         (unsigned long long)(used / MIB));
        } else {
            used += wanted;
        }
    }
}

bool config_check_added(struct config_domain *domain, unsigned cpu_count, const struct config_report *report)
{
    static struct config none; /* config_error() counts there */
    struct config_parser parser = { .config = &none, .file = domain->file, .report = report };
    check_pinning(&parser, domain, cpu_count);
    return !domain->bad;
}

void config_check_machine(struct config *config, const char *file, unsigned cpu_count, uint64_t memory,
                          const struct config_report *report)
{
    struct config_parser parser = { .config = config, .file = file, .report = report };
    for (unsigned i = 0; i < config->domain_count; i++) {
        check_pinning(&parser, config->domains[i], cpu_count);
    }
    check_shared_cpus(&parser, cpu_count);
    check_memory(&parser, memory);
}
