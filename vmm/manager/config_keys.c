/* SPDX-License-Identifier: MIT
 * The keys of the configuration: one table per section. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config_parser.h"

/* One key: its setter returns false if the value is not allowed. */
struct key {
    const char *name;
    bool (*set)(struct config_parser *parser, const char *value);
    const char *allowed; /* for the message */
    bool repeatable;
};

static bool copy_text(char *out, size_t size, const char *text)
{
    size_t length = strlen(text);
    if (length >= size) {
        return false;
    }
    memcpy(out, text, length + 1);
    return true;
}

static bool set_flag(const char *value, bool *flag)
{
    *flag = strcmp(value, "yes") == 0;
    return *flag || strcmp(value, "no") == 0;
}

/* A decimal number in [low, high] that ends at a character of `stop`; *end is set behind it. */
static bool take_number(const char *text, uint64_t low, uint64_t high, const char **end, uint64_t *number)
{
    if (!isdigit((unsigned char)*text)) {
        return false;
    }
    char *behind;
    *number = strtoull(text, &behind, 10);
    *end = behind;
    return *number >= low && *number <= high;
}

static bool set_number(const char *value, uint64_t low, uint64_t high, uint64_t *number)
{
    const char *end;
    return take_number(value, low, high, &end, number) && *end == 0;
}

static bool set_path(struct config_module *module, const char *value)
{
    return value[0] != 0 && copy_text(module->path, sizeof(module->path), value);
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
    return copy_text(module->arguments, sizeof(module->arguments), value + length + strspn(value + length, " \t"));
}

static bool set_cmdline(struct config_parser *parser, const char *value)
{
    return copy_text(parser->domain->cmdline, sizeof(parser->domain->cmdline), value);
}

static bool set_memory(struct config_parser *parser, const char *value)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"M", 20}, {"MiB", 20}, {"G", 30}, {"GiB", 30}};
    const char *end;
    uint64_t number;
    if (!take_number(value, 1, CONFIG_MAX_MEMORY >> 20, &end, &number)) {
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
    bool allowed = set_number(value, 1, MAX_VCPUS, &number);
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
        if (!take_number(value, 0, MAX_CPUS - 1, &value, &first)) {
            return false;
        }
        last = first;
        if (*value == '-' && !take_number(value + 1, first, MAX_CPUS - 1, &value, &last)) {
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
    bool allowed = set_number(value, 0, CONFIG_MAX_PRIORITY, &number);
    parser->domain->priority = (uint8_t)number;
    return allowed;
}

static bool set_dedicated(struct config_parser *parser, const char *value)
{
    return set_flag(value, &parser->domain->dedicated);
}
static bool set_console(struct config_parser *parser, const char *value)
{
    return set_flag(value, &parser->domain->console);
}
static bool set_debug_exit(struct config_parser *parser, const char *value)
{
    return set_flag(value, &parser->domain->debug_exit);
}
static bool set_trace(struct config_parser *parser, const char *value)
{
    return set_flag(value, &parser->domain->trace);
}

static bool set_autostart(struct config_parser *parser, const char *value)
{
    return set_flag(value, &parser->domain->autostart);
}
static bool set_control(struct config_parser *parser, const char *value)
{
    return set_flag(value, &parser->domain->control);
}

static bool set_restart_limit(struct config_parser *parser, const char *value)
{
    uint64_t number = 0;
    bool allowed = set_number(value, 1, 1000000, &number);
    parser->domain->restart_limit = (unsigned)number;
    return allowed;
}

static bool set_action(const char *value, enum config_action *action)
{
    static const char *const names[ACTION_COUNT] = {
        [ACTION_DESTROY] = "destroy", [ACTION_RESTART] = "restart", [ACTION_PRESERVE] = "preserve"};
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

static struct config_device *add_device(struct config_parser *parser)
{
    struct config_domain *domain = parser->domain;
    if (domain->device_count == START_MAX_CHANNELS) {
        return NULL;
    }
    struct config_device *device = &domain->devices[domain->device_count++];
    device->line = parser->line;
    return device;
}

/* Copies the part of the value up to the next comma; *rest is behind it, or null at the end. */
static bool take_part(const char *value, char *out, size_t size, const char **rest)
{
    size_t length = strcspn(value, ",");
    if (length == 0 || length >= size) {
        return false;
    }
    memcpy(out, value, length);
    out[length] = 0;
    *rest = value[length] == ',' ? value + length + 1 : NULL;
    return true;
}

/* "NAME,SOURCE[,ro]" */
static bool set_disk(struct config_parser *parser, const char *value)
{
    static const char *const kinds[] = {"file:", "dev:", "part:", "ram:"};
    struct config_device *device = add_device(parser);
    char source[sizeof(device->source)];
    const char *rest;
    bool known = false;
    if (device == NULL || !take_part(value, device->name, sizeof(device->name), &rest) || rest == NULL ||
        !take_part(rest, source, sizeof(source) - sizeof("file:"), &rest)) {
        return false;
    }
    device->type = CHANNEL_BLOCK;
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        known |= strncmp(source, kinds[i], strlen(kinds[i])) == 0;
    }
    snprintf(device->source, sizeof(device->source), "%s%s", known ? "" : "file:", source);
    device->read_only = rest != NULL && strcmp(rest, "ro") == 0;
    return rest == NULL || device->read_only;
}

/* A device that needs no more than a name. */
static bool set_device(struct config_parser *parser, const char *value, enum channel_type type, const char *name)
{
    bool wanted;
    if (!set_flag(value, &wanted)) {
        return false;
    }
    struct config_device *device = wanted ? add_device(parser) : NULL;
    if (device != NULL) {
        device->type = type;
        snprintf(device->name, sizeof(device->name), "%s", name);
    }
    return !wanted || device != NULL;
}

static bool set_hvc(struct config_parser *parser, const char *value)
{
    return set_device(parser, value, CHANNEL_CONSOLE, "hvc0");
}
static bool set_rng(struct config_parser *parser, const char *value)
{
    return set_device(parser, value, CHANNEL_RNG, "rng0");
}

static bool set_mac(struct config_device *device, const char *text)
{
    for (unsigned i = 0; i < sizeof(device->mac); i++, text += 3) {
        if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) || text[2] != (i < 5 ? ':' : 0)) {
            return false;
        }
        device->mac[i] = (uint8_t)strtoul(text, NULL, 16);
    }
    device->has_mac = true;
    return !(device->mac[0] & 1); /* one station */
}

/* "SWITCH[,mac=..][,vlan=..][,rate=..]" */
static bool set_net(struct config_parser *parser, const char *value)
{
    struct config_device *device = add_device(parser);
    const char *rest, *end;
    char part[64];
    uint64_t number;
    if (device == NULL || !take_part(value, device->source, NAME_SIZE, &rest)) {
        return false;
    }
    device->type = CHANNEL_NET;
    snprintf(device->name, sizeof(device->name), "net%u", parser->domain->device_count - 1);
    while (rest != NULL) {
        if (!take_part(rest, part, sizeof(part), &rest)) {
            return false;
        }
        if (strncmp(part, "mac=", 4) == 0) {
            if (!set_mac(device, part + 4)) {
                return false;
            }
        } else if (strncmp(part, "vlan=", 5) == 0) {
            if (!set_number(part + 5, 1, 4094, &number)) {
                return false;
            }
            device->vlan = (uint16_t)number;
        } else if (strncmp(part, "rate=", 5) == 0) {
            if (!take_number(part + 5, 1, 100000, &end, &number) || strcmp(end, "M") != 0) {
                return false;
            }
            device->rate = number * 1000000;
        } else {
            return false;
        }
    }
    return true;
}

static bool set_peer(struct config_parser *parser, const char *value)
{
    struct config_domain *domain = parser->domain;
    return domain->peer_count < PV_MAX_PEERS && value[0] != 0 && strcmp(value, domain->name) != 0 &&
           copy_text(domain->peers[domain->peer_count++], NAME_SIZE, value);
}

_Static_assert(PV_MAX_PEERS == 8, "limits in the texts below");
_Static_assert(START_MAX_CHANNELS == 8, "limits in the texts below");
_Static_assert(MAX_VCPUS == 32 && MAX_CPUS == 64 && PRIORITIES == 8 && BOOT_NAME_SIZE == 96 &&
                   START_MAX_MODULES == 16 && START_CMDLINE == 2048 && NAME_SIZE == 32,
               "limits in the texts below");

#define YES_NO "yes or no"
#define ACTION "destroy, restart or preserve"
static const struct key domain_keys[] = {
    {"kernel", set_kernel, "a path of 1 to 95 characters", false},
    {"firmware", set_firmware, "bios, or a path of 1 to 95 characters", false},
    {"initrd", set_initrd, "a path of 1 to 95 characters, with at most 15 modules and initrd in all", false},
    {"module", set_module, "a path of up to 95 characters and up to 159 characters of arguments, at most 15 times",
     true},
    {"cmdline", set_cmdline, "up to 2047 characters", false},
    {"memory", set_memory, "a size from 1M to 1024G, such as 256M or 1G", false},
    {"vcpus", set_vcpus, "a number from 1 to 32", false},
    {"cpus", set_cpus, "a list of different CPUs from 0 to 63, such as 0,1 or 0-1", false},
    {"dedicated", set_dedicated, YES_NO, false},
    {"priority", set_priority, "a number from 0 (lowest) to 6", false},
    {"console", set_console, YES_NO, false},
    {"debug-exit", set_debug_exit, YES_NO, false},
    {"on-crash", set_on_crash, ACTION, false},
    {"on-reboot", set_on_reboot, ACTION, false},
    {"on-shutdown", set_on_shutdown, ACTION, false},
    {"restart-limit", set_restart_limit, "a number from 1 to 1000000: of restarts in a row after quick ends", false},
    {"autostart", set_autostart, YES_NO, false},
    {"control", set_control, YES_NO, false},
    {"hvc", set_hvc, YES_NO ", at most 8 of disk, net, hvc and rng in all", false},
    {"rng", set_rng, YES_NO ", at most 8 of disk, net, hvc and rng in all", false},
    {"trace", set_trace, YES_NO, false},
    {"disk", set_disk, "NAME,SOURCE[,ro] with SOURCE file:PATH, dev:DEVICE, part:LABEL or ram:MODULE, at most 8 of disk, net, hvc and rng in all", true},
    {"peer", set_peer, "the name of another paravirtual domain, which must name this one; at most 8 times", true},
    {"net", set_net, "SWITCH[,mac=xx:xx:xx:xx:xx:xx][,vlan=1 to 4094][,rate=NUMBERM (megabytes per second)], at most 8 of disk, net, hvc and rng in all", true},
};
#define DOMAIN_KEYS (sizeof(domain_keys) / sizeof(domain_keys[0]))

static bool set_focus(struct config_parser *parser, const char *value)
{
    return value[0] != 0 && copy_text(parser->config->focus, sizeof(parser->config->focus), value);
}

/* "MS" or "FIRST+STEPus*COUNT" */
static bool set_drivers_restart(struct config_parser *parser, const char *value)
{
    struct config_kills *kills = &parser->config->drivers_restart;
    const char *end;
    uint64_t number, count;
    *kills = (struct config_kills){.first = 0};
    if (!take_number(value, 0, CONFIG_MAX_KILL_US, &end, &number)) {
        return false;
    }
    if (*end == 0) {
        kills->first = number * 1000;
        kills->enabled = number > 0 && kills->first <= CONFIG_MAX_KILL_US;
        return kills->enabled;
    }
    kills->first = number;
    if (*end != '+' || !take_number(end + 1, 1, CONFIG_MAX_KILL_US, &end, &kills->step) || strncmp(end, "us*", 3) != 0 ||
        !set_number(end + 3, 1, 1000000, &count)) {
        return false;
    }
    kills->count = (unsigned)count;
    kills->enabled = true;
    return true;
}

static bool set_keep_running(struct config_parser *parser, const char *value)
{
    return set_flag(value, &parser->config->keep_running);
}

static bool set_commands(struct config_parser *parser, const char *value)
{
    return value[0] != 0 && copy_text(parser->config->commands, sizeof(parser->config->commands), value);
}

/* For the image builder: the manager finds files by their names. */
static bool set_file(struct config_parser *parser, const char *value)
{
    return value[0] != 0 && strlen(value) < BOOT_NAME_SIZE;
}

static const struct key host_keys[] = {
    {"focus", set_focus, "the name of a domain: it gets the console's input first", false},
    {"keep-running", set_keep_running, YES_NO, false},
    {"commands", set_commands, "a path of 1 to 95 characters: of a file of commands that are carried out at boot", false},
    {"file", set_file, "a path of 1 to 95 characters: of a file for domains that are created later", true},
    {"drivers-restart", set_drivers_restart,
     "a number of milliseconds from 1 to 3600000: drivers-dom is killed and restarted this often; or FIRST+STEPus*COUNT: COUNT times, "
     "each time STEP microseconds later after its start", false},
};
#define HOST_KEYS (sizeof(host_keys) / sizeof(host_keys[0]))
_Static_assert(HOST_KEYS <= sizeof(((struct config *)0)->host_lines) / sizeof(unsigned), "host_lines");

unsigned config_domain_keys(void) { return DOMAIN_KEYS; }

const char *config_domain_key(unsigned index, const char **allowed)
{
    if (index >= DOMAIN_KEYS) {
        return NULL;
    }
    *allowed = domain_keys[index].allowed;
    return domain_keys[index].name;
}

unsigned config_line_of(const struct config_domain *domain, const char *key)
{
    for (unsigned i = 0; i < DOMAIN_KEYS; i++) {
        if (strcmp(domain_keys[i].name, key) == 0 && domain->key_lines[i] != 0) {
            return domain->key_lines[i];
        }
    }
    return domain->line;
}

static bool find_key(const struct key *keys, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void unknown_key(struct config_parser *parser, const struct key *keys, unsigned count, const char *key)
{
    const char *names[DOMAIN_KEYS + 1];
    char list[CONFIG_ERROR_SIZE];
    size_t used = 0;
    for (unsigned i = 0; i < count; i++) {
        names[i] = keys[i].name;
        if (used < sizeof(list)) {
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "", keys[i].name);
        }
    }
    names[count] = NULL;
    const char *meant = config_suggest(key, names);
    bool host = keys == host_keys;
    if (find_key(host ? domain_keys : host_keys, host ? DOMAIN_KEYS : HOST_KEYS, key)) {
        config_error(parser, parser->domain, parser->line, "\"%s\" is a key of %s, not of %s", key,
                     host ? "a domain" : "[host]", host ? "[host]" : "a domain");
    } else if (meant != NULL) {
        config_error(parser, parser->domain, parser->line,
                     "unknown key \"%.40s\"; did you mean \"%s\"? Allowed are: %s", key, meant, list);
    } else {
        config_error(parser, parser->domain, parser->line, "unknown key \"%.40s\"; allowed are: %s", key, list);
    }
}

void config_key(struct config_parser *parser, const char *name, const char *value)
{
    bool host = parser->section == SECTION_HOST;
    const struct key *keys = host ? host_keys : domain_keys;
    unsigned count = host ? HOST_KEYS : DOMAIN_KEYS;
    unsigned *lines = host ? parser->config->host_lines : parser->domain->key_lines;
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(keys[i].name, name) != 0) {
            continue;
        }
        if (lines[i] != 0 && !keys[i].repeatable) {
            config_error(parser, parser->domain, parser->line, "%s is given twice (first in line %u)", name, lines[i]);
            return;
        }
        lines[i] = parser->line;
        if (!keys[i].set(parser, value)) {
            size_t length = strlen(value);
            config_error(parser, parser->domain, parser->line, "%s = \"%.60s%s\" (%lu characters): allowed is %s", name,
                         value, length > 60 ? "..." : "", (unsigned long)length, keys[i].allowed);
        }
        return;
    }
    unknown_key(parser, keys, count, name);
}
