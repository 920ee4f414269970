/* SPDX-License-Identifier: MIT
 * The manager's reader of configurations as a program of the developer's machine, for tools/bulkhead check:
 * check-config NAME CPUS MEMORY <CONFIGURATION
 * MEMORY: bytes for domains; CPUS and MEMORY 0: no machine to check against. Lines of output, parts separated by tabs:
 *   error MESSAGE
 *   domain NAME LINE BYTES VCPUS
 *   file DOMAIN LINE KEY PATH       (KEY: kernel, firmware, initrd, module, disk or ram) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"

#define INPUT_MAX (64u << 20)

static void print_error(void *context, const char *text) { printf("error\t%s\n", text); }

static void print_file(const struct config_domain *domain, unsigned line, const char *key, const char *path)
{
    if (path[0] != 0) {
        printf("file\t%s\t%u\t%s\t%s\n", domain->name, line, key, path);
    }
}

/* A module's line is that of its domain's first one. */
static void print_domain(const struct config_domain *domain)
{
    printf("domain\t%s\t%u\t%llu\t%u\n", domain->name, domain->line, (unsigned long long)config_memory_of(domain),
           domain->vcpus);
    for (unsigned i = 0; i < domain->module_count; i++) {
        const char *first = domain->firmware ? "firmware" : "kernel";
        const char *key = i == 0 ? first : i == 1 && domain->has_initrd ? "initrd" : "module";
        print_file(domain, config_line_of(domain, key), key, domain->modules[i].path);
    }
    for (unsigned i = 0; i < domain->device_count; i++) {
        const struct config_device *device = &domain->devices[i];
        bool file = strncmp(device->source, "file:", 5) == 0;
        if (device->type != CHANNEL_BLOCK && device->type != CHANNEL_NET) {
            continue;
        }
        if (device->type == CHANNEL_BLOCK && (file || strncmp(device->source, "ram:", 4) == 0)) {
            print_file(domain, device->line, file ? device->read_only ? "disk,ro" : "disk" : "ram",
                       strchr(device->source, ':') + 1);
        } else {
            print_file(domain, device->line, device->type == CHANNEL_NET ? "net" : "device", device->source);
        }
    }
}

/* All of standard input; null if it cannot be read or there is no end to it. */
static char *read_input(size_t *size)
{
    char *text = malloc(INPUT_MAX);
    *size = text != NULL ? fread(text, 1, INPUT_MAX, stdin) : 0;
    if (!ferror(stdin) && *size < INPUT_MAX) {
        return text;
    }
    free(text);
    return NULL;
}

int main(int argc, char **argv)
{
    static struct config config;
    static const struct config_report report = {print_error, NULL};
    size_t size;
    char *text = argc == 4 ? read_input(&size) : NULL;
    if (text == NULL) {
        fprintf(stderr, "check-config: NAME CPUS MEMORY, and a configuration of less than 64 MiB as input\n");
        return 2;
    }
    unsigned cpus = (unsigned)strtoul(argv[2], NULL, 10);
    enum status status = config_parse(&config, argv[1], text, size, &report);
    if (cpus > 0 && status != ERR_MEMORY) {
        config_check_machine(&config, argv[1], cpus, strtoull(argv[3], NULL, 10), &report);
    }
    for (unsigned i = 0; i < config.domain_count; i++) {
        print_domain(config.domains[i]);
    }
    config_free(&config);
    free(text);
    return fflush(stdout) == 0 ? 0 : 2;
}
