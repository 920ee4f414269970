/* SPDX-License-Identifier: MIT
 * Keys for the devices of a domain that drivers-dom serves: disk, net, hvc, rng. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config_keys.h"
#include "config_value.h"

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
bool config_set_disk(struct config_parser *parser, const char *value)
{
    static const char *const kinds[] = { "file:", "dev:", "part:", "ram:" };
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
    if (!config_value_flag(value, &wanted)) {
        return false;
    }
    struct config_device *device = wanted ? add_device(parser) : NULL;
    if (device != NULL) {
        device->type = type;
        snprintf(device->name, sizeof(device->name), "%s", name);
    }
    return !wanted || device != NULL;
}

bool config_set_hvc(struct config_parser *parser, const char *value)
{
    return set_device(parser, value, CHANNEL_CONSOLE, "hvc0");
}
bool config_set_rng(struct config_parser *parser, const char *value)
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
bool config_set_net(struct config_parser *parser, const char *value)
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
            if (!config_value_number(part + 5, 1, 4094, &number)) {
                return false;
            }
            device->vlan = (uint16_t)number;
        } else if (strncmp(part, "rate=", 5) == 0) {
            if (!config_value_number_at(part + 5, 1, 100000, &end, &number) || strcmp(end, "M") != 0) {
                return false;
            }
            device->rate = number * 1000000;
        } else {
            return false;
        }
    }
    return true;
}
