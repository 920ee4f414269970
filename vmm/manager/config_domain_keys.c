/* SPDX-License-Identifier: MIT
 * Keys of a domain, without its devices. */
#include <string.h>
#include "config_keys.h"
#include "config_value.h"

static bool set_path(struct config_module *module, const char *value)
{
    return value[0] != 0 && config_value_text(module->path, sizeof(module->path), value);
}

static bool set_kernel(struct config_parser *parser, const char *value)
{
    return set_path(&parser->domain->modules[0], value);
}

/* "bios" is the name of a file that the launcher puts into the boot image. */
static bool set_firmware(struct config_parser *parser, const char *value)
{
    parser->domain->firmware = true;
    return set_path(&parser->domain->modules[0], value);
}

/* The initrd is module 1, whatever modules were named before it. */
static bool set_initrd(struct config_parser *parser, const char *value)
{
    struct config_domain *domain = parser->domain;
    if (domain->module_count > CONFIG_MAX_MODULES) {
        return false;
    }
    memmove(&domain->modules[2], &domain->modules[1], (domain->module_count - 1) * sizeof(domain->modules[0]));
    memset(&domain->modules[1], 0, sizeof(domain->modules[1]));
    domain->module_count++;
    domain->has_initrd = true;
    return set_path(&domain->modules[1], value);
}

/* "PATH ARGUMENTS" */
static bool set_module(struct config_parser *parser, const char *value)
{
    struct config_domain *domain = parser->domain;
    size_t length = strcspn(value, " \t");
    if (domain->module_count > CONFIG_MAX_MODULES || length == 0 || length >= BOOT_NAME_SIZE) {
        return false;
    }
    struct config_module *module = &domain->modules[domain->module_count++];
    memcpy(module->path, value, length);
    module->path[length] = 0;
    return config_value_text(module->arguments, sizeof(module->arguments),
                             value + length + strspn(value + length, " \t"));
}

static bool set_cmdline(struct config_parser *parser, const char *value)
{
    return config_value_text(parser->domain->cmdline, sizeof(parser->domain->cmdline), value);
}

static bool set_memory(struct config_parser *parser, const char *value)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = { { "M", 20 }, { "MiB", 20 }, { "G", 30 }, { "GiB", 30 } };
    const char *end;
    uint64_t number;
    if (!config_value_number_at(value, 1, CONFIG_MAX_MEMORY >> 20, &end, &number)) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            parser->domain->memory = number << units[i].shift;
            return number <= CONFIG_MAX_MEMORY >> units[i].shift;
        }
    }
    return false;
}

static bool set_vcpus(struct config_parser *parser, const char *value)
{
    uint64_t number = 0;
    bool allowed = config_value_number(value, 1, MAX_VCPUS, &number);
    parser->domain->vcpus = allowed ? (unsigned)number : 1;
    return allowed;
}

static bool add_cpu(struct config_domain *domain, uint64_t cpu)
{
    if (memchr(domain->cpus, (int)cpu, domain->cpu_count) != NULL) {
        return false;
    }
    domain->cpus[domain->cpu_count++] = (uint8_t)cpu;
    return true;
}

/* "0,1", "0-3", "0,2-3" */
static bool take_cpus(struct config_domain *domain, const char *value)
{
    for (;; value++) {
        uint64_t first, last;
        if (!config_value_number_at(value, 0, MAX_CPUS - 1, &value, &first)) {
            return false;
        }
        last = first;
        if (*value == '-' && !config_value_number_at(value + 1, first, MAX_CPUS - 1, &value, &last)) {
            return false;
        }
        for (uint64_t cpu = first; cpu <= last; cpu++) {
            if (!add_cpu(domain, cpu)) {
                return false;
            }
        }
        if (*value == 0) {
            return true;
        }
        if (*value != ',') {
            return false;
        }
    }
}

static bool set_cpus(struct config_parser *parser, const char *value)
{
    bool allowed = take_cpus(parser->domain, value);
    parser->domain->cpu_count = allowed ? parser->domain->cpu_count : 0;
    return allowed;
}

static bool set_priority(struct config_parser *parser, const char *value)
{
    uint64_t number = 0;
    bool allowed = config_value_number(value, 0, CONFIG_MAX_PRIORITY, &number);
    parser->domain->priority = (uint8_t)number;
    return allowed;
}

static bool set_dedicated(struct config_parser *parser, const char *value)
{
    return config_value_flag(value, &parser->domain->dedicated);
}
static bool set_console(struct config_parser *parser, const char *value)
{
    return config_value_flag(value, &parser->domain->console);
}
static bool set_debug_exit(struct config_parser *parser, const char *value)
{
    return config_value_flag(value, &parser->domain->debug_exit);
}
static bool set_trace(struct config_parser *parser, const char *value)
{
    return config_value_flag(value, &parser->domain->trace);
}

static bool set_autostart(struct config_parser *parser, const char *value)
{
    return config_value_flag(value, &parser->domain->autostart);
}
static bool set_control(struct config_parser *parser, const char *value)
{
    return config_value_flag(value, &parser->domain->control);
}

static bool set_restart_limit(struct config_parser *parser, const char *value)
{
    uint64_t number = 0;
    bool allowed = config_value_number(value, 1, 1000000, &number);
    parser->domain->restart_limit = (unsigned)number;
    return allowed;
}

static bool set_action(const char *value, enum config_action *action)
{
    static const char *const names[ACTION_COUNT] = {
        [ACTION_DESTROY] = "destroy", [ACTION_RESTART] = "restart", [ACTION_PRESERVE] = "preserve"
    };
    for (unsigned i = 0; i < ACTION_COUNT; i++) {
        if (strcmp(value, names[i]) == 0) {
            *action = (enum config_action)i;
            return true;
        }
    }
    return false;
}

static bool set_on_crash(struct config_parser *parser, const char *value)
{
    return set_action(value, &parser->domain->on_crash);
}
static bool set_on_reboot(struct config_parser *parser, const char *value)
{
    return set_action(value, &parser->domain->on_reboot);
}

static bool set_on_shutdown(struct config_parser *parser, const char *value)
{
    return set_action(value, &parser->domain->on_shutdown);
}

static bool set_peer(struct config_parser *parser, const char *value)
{
    struct config_domain *domain = parser->domain;
    return domain->peer_count < PV_MAX_PEERS && value[0] != 0 && strcmp(value, domain->name) != 0 &&
           config_value_text(domain->peers[domain->peer_count++], NAME_SIZE, value);
}

_Static_assert(PV_MAX_PEERS == 8, "limits in the texts below");
_Static_assert(START_MAX_CHANNELS == 8, "limits in the texts below");
_Static_assert(MAX_VCPUS == 32 && MAX_CPUS == 64 && PRIORITIES == 8 && BOOT_NAME_SIZE == 96, "limits in the texts below");
_Static_assert(START_MAX_MODULES == 16 && START_CMDLINE == 2048 && NAME_SIZE == 32, "limits in the texts below");

#define ACTION  "destroy, restart or preserve"
#define DEVICES ", at most 8 of disk, net, hvc and rng in all"
const struct config_key config_domain_table[] = {
    { "kernel", set_kernel, "a path of 1 to 95 characters", false },
    { "firmware", set_firmware, "bios, or a path of 1 to 95 characters", false },
    { "initrd", set_initrd, "a path of 1 to 95 characters, with at most 15 modules and initrd in all", false },
    { "module", set_module, "a path of up to 95 characters and up to 159 characters of arguments, at most 15 times",
      true },
    { "cmdline", set_cmdline, "up to 2047 characters", false },
    { "memory", set_memory, "a size from 1M to 1024G, such as 256M or 1G", false },
    { "vcpus", set_vcpus, "a number from 1 to 32", false },
    { "cpus", set_cpus, "a list of different CPUs from 0 to 63, such as 0,1 or 0-1", false },
    { "dedicated", set_dedicated, YES_NO, false },
    { "priority", set_priority, "a number from 0 (lowest) to 6", false },
    { "console", set_console, YES_NO, false },
    { "debug-exit", set_debug_exit, YES_NO, false },
    { "on-crash", set_on_crash, ACTION, false },
    { "on-reboot", set_on_reboot, ACTION, false },
    { "on-shutdown", set_on_shutdown, ACTION, false },
    { "restart-limit", set_restart_limit, "a number from 1 to 1000000: of restarts in a row after quick ends", false },
    { "autostart", set_autostart, YES_NO, false },
    { "control", set_control, YES_NO, false },
    { "hvc", config_set_hvc, YES_NO DEVICES, false },
    { "rng", config_set_rng, YES_NO DEVICES, false },
    { "trace", set_trace, YES_NO, false },
    { "disk", config_set_disk,
      "NAME,SOURCE[,ro], such as root,disk.img, with SOURCE file:PATH, dev:DEVICE, part:LABEL or ram:MODULE" DEVICES,
      true },
    { "peer", set_peer, "the name of another paravirtual domain, which must name this one; at most 8 times", true },
    { "net", config_set_net,
      "SWITCH[,mac=xx:xx:xx:xx:xx:xx][,vlan=1 to 4094][,rate=NUMBERM (megabytes per second)]" DEVICES, true },
    { 0 },
};
