/* SPDX-License-Identifier: MIT
 * What a configuration's keys and domains must be together. */
#include <string.h>
#include "config_parser.h"

int config_cpu_of(const struct config_domain *domain, unsigned vcpu)
{
    if (domain->pins[vcpu] != 0) {
        return domain->pins[vcpu] - 1;
    }
    return domain->cpu_count > 0 ? domain->cpus[vcpu % domain->cpu_count] : -1;
}

static bool has_cpu(const struct config_domain *domain, unsigned cpu)
{
    for (unsigned i = 0; i < domain->vcpus; i++) {
        if (config_cpu_of(domain, i) == (int)cpu) {
            return true;
        }
    }
    return false;
}

/* A kernel of the boot image, or firmware that finds one on a disk. */
static void check_start(struct config_parser *parser, struct config_domain *domain)
{
    static const char *const of_kernels[] = { "kernel", "initrd", "module", "cmdline" };
    if (!domain->firmware && config_line_of(domain, "kernel") == domain->line) {
        config_error(
            parser, domain, domain->line,
            "kernel is missing: name the file to boot, or say firmware = bios to start what is on its first disk");
    }
    for (unsigned i = 0; domain->firmware && i < sizeof(of_kernels) / sizeof(of_kernels[0]); i++) {
        unsigned line = config_line_of(domain, of_kernels[i]);
        if (line != domain->line) {
            config_error(parser, domain, line,
                         "%s: not together with firmware (line %u), which starts what is on the "
                         "domain's first disk; remove one of the two",
                         of_kernels[i], config_line_of(domain, "firmware"));
        }
    }
    if (domain->firmware && domain->memory < CONFIG_FIRMWARE_MEMORY) {
        config_error(parser, domain, config_line_of(domain, "memory"), "memory = %lluM: firmware needs at least %lluM",
                     (unsigned long long)(domain->memory >> 20), (unsigned long long)(CONFIG_FIRMWARE_MEMORY >> 20));
    }
}

static void check_domain(struct config_parser *parser, struct config_domain *domain)
{
    check_start(parser, domain);
    if (domain->control && domain->device_count == START_MAX_CHANNELS) {
        config_error(parser, domain, config_line_of(domain, "control"),
                     "control = yes needs the place of a device, and the domain has %u of disk, net, hvc and rng; "
                     "together with a control "
                     "channel %u are allowed",
                     domain->device_count, START_MAX_CHANNELS - 1);
    }
    unsigned line = config_line_of(domain, "cpus");
    if (domain->cpu_count > domain->vcpus) {
        config_error(parser, domain, line, "cpus names %u CPUs for %u vcpus; at most as many as vcpus are allowed",
                     domain->cpu_count, domain->vcpus);
    }
    line = config_line_of(domain, "dedicated");
    if (domain->dedicated && domain->cpu_count == 0) {
        config_error(parser, domain, line, "dedicated = yes needs the key cpus, with a CPU for each vcpu");
    } else if (domain->dedicated && domain->cpu_count < domain->vcpus) {
        config_error(parser, domain, line, "dedicated = yes needs a CPU for each vcpu: cpus names %u for %u vcpus",
                     domain->cpu_count, domain->vcpus);
    }
}

/* A dedicated CPU belongs to one domain. The later one of two is wrong; a wrong one takes nothing away. */
static void check_dedicated(struct config_parser *parser, unsigned index)
{
    struct config_domain *domain = parser->config->domains[index];
    for (unsigned i = 0; i < index && !domain->bad; i++) {
        const struct config_domain *other = parser->config->domains[i];
        for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
            if (other->bad || !has_cpu(domain, cpu) || !has_cpu(other, cpu) ||
                !(domain->dedicated || other->dedicated)) {
                continue;
            }
            const char *owner = other->dedicated ? "is dedicated to" : "is wanted as dedicated, but is also used by";
            config_error(parser, domain, config_line_of(domain, "cpus"),
                         "cpus: CPU %u %s domain \"%s\" (line %u); choose another CPU", cpu, owner, other->name,
                         config_line_of(other, "cpus"));
            break;
        }
    }
}

static void check_focus(struct config_parser *parser)
{
    struct config *config = parser->config;
    const char *names[CONFIG_MAX_DOMAINS + 1] = { NULL };
    if (config->focus[0] == 0) {
        return;
    }
    for (unsigned i = 0; i < config->domain_count; i++) {
        names[i] = config->domains[i]->name;
        if (strcmp(names[i], config->focus) == 0) {
            if (!config->domains[i]->console) {
                config_error(parser, NULL, config_host_line(config, "focus"),
                             "focus = \"%s\": this domain has console = no (line %u); remove one of the two",
                             config->focus, config_line_of(config->domains[i], "console"));
            }
            return;
        }
    }
    const char *meant = config_suggest(config->focus, names);
    config_error(parser, NULL, config_host_line(config, "focus"), "focus = \"%s\": there is no such domain; %s%s%s",
                 config->focus, meant != NULL ? "did you mean \"" : "name one of this file, or remove the line",
                 meant != NULL ? meant : "", meant != NULL ? "\"?" : "");
}

static void check_file(struct config_parser *parser, unsigned line, const char *key, const char *path,
                       const char *const *names)
{
    char what[CONFIG_MISSING_SIZE];
    if (path[0] != 0 && config_missing_file(what, path, names)) {
        config_error(parser, NULL, line, "%s = \"%s\": %s", key, path, what);
    }
}

void config_check_domain(struct config_parser *parser, unsigned index)
{
    check_domain(parser, parser->config->domains[index]);
    check_dedicated(parser, index);
    config_check_devices(parser, index);
}

void config_check(struct config_parser *parser)
{
    struct config *config = parser->config;
    for (unsigned i = 0; i < config->domain_count; i++) {
        config_check_domain(parser, i);
    }
    check_focus(parser);
    if (config->domain_count == 0 && config->error_count == 0 && !config->keep_running && config->commands[0] == 0) {
        config_error(parser, NULL, parser->line, "no domain is defined; a domain begins with [domain NAME]");
    }
}

void config_check_files(struct config *config, const char *file, const char *const *names,
                        const struct config_report *report)
{
    struct config_parser parser = { .config = config, .file = file, .report = report };
    check_file(&parser, config_host_line(config, "commands"), "commands", config->commands, names);
    for (unsigned i = 0; i < config->file_count; i++) {
        check_file(&parser, config->files[i].line, "file", config->files[i].path, names);
    }
}
