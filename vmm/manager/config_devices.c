/* SPDX-License-Identifier: MIT
 * Disks and network cards of all domains together: nothing is used twice that only one may use. */
#include <stdio.h>
#include <string.h>
#include "config_parser.h"

#define SERIAL_MAX 20u /* of an ATA, NVMe or virtio disk */

/* Behind "./" at the start of a path, which says nothing. */
static const char *plain_path(const char *path)
{
    while (path[0] == '.' && path[1] == '/') {
        path += 2 + strspn(path + 2, "/");
    }
    return path;
}

static bool same_source(const char *a, const char *b)
{
    size_t kind = strcspn(a, ":") + 1; /* the parser has written one */
    return strncmp(a, b, kind) == 0 && strcmp(plain_path(a + kind), plain_path(b + kind)) == 0;
}

/* `device` of `domain` and `other`, which stands before it in domain `owner`. */
static void check_pair(struct config_parser *parser, struct config_domain *domain, const struct config_device *device,
                       const struct config_domain *owner, const struct config_device *other)
{
    if (device->type != other->type || (device->type != CHANNEL_NET && device->type != CHANNEL_BLOCK)) {
        return;
    }
    if (device->type == CHANNEL_NET) {
        if (device->has_mac && other->has_mac && memcmp(device->mac, other->mac, sizeof(device->mac)) == 0) {
            config_error(
                parser, domain, device->line,
                "net = %s: domain \"%s\" (line %u) has the same mac; each card needs its own: choose another, or "
                "leave mac out",
                device->source, owner->name, other->line);
        }
    } else if (owner == domain && strcmp(device->name, other->name) == 0) {
        config_error(parser, domain, device->line,
                     "disk = %s: this domain has a disk of this name already (line %u); choose another name",
                     device->name, other->line);
    } else if (same_source(device->source, other->source) && !(device->read_only && other->read_only)) {
        config_error(parser, domain, device->line,
                     "disk = %s: domain \"%s\" (line %u) uses %.80s too; two domains may share a disk only if both "
                     "have it read-only (\",ro\")",
                     device->name, owner->name, other->line, device->source);
    }
}

static void check_device(struct config_parser *parser, unsigned index, unsigned number)
{
    const struct config *config = parser->config;
    struct config_domain *domain = config->domains[index];
    const struct config_device *device = &domain->devices[number];
    size_t length = strlen(domain->name) + 1 + strlen(device->name);
    if (device->type == CHANNEL_BLOCK && strncmp(device->source, "file:", 5) == 0 && length > SERIAL_MAX) {
        config_error(parser, domain, device->line,
                     "disk = %s: \"%s.%s\", by which drivers-dom finds the file's disk, has %lu characters; at most %u "
                     "are allowed: choose a shorter name",
                     device->name, domain->name, device->name, (unsigned long)length, SERIAL_MAX);
    }
    for (unsigned i = 0; i <= index && !domain->bad; i++) {
        const struct config_domain *owner = config->domains[i];
        unsigned count = i == index ? number : owner->device_count;
        for (unsigned d = 0; d < count && !owner->bad && !domain->bad; d++) {
            check_pair(parser, domain, device, owner, &owner->devices[d]);
        }
    }
}

void config_check_devices(struct config_parser *parser, unsigned index)
{
    struct config_domain *domain = parser->config->domains[index];
    for (unsigned d = 0; d < domain->device_count && !domain->bad; d++) {
        check_device(parser, index, d);
    }
}
