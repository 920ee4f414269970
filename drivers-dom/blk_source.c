/* SPDX-License-Identifier: MIT
 * From the source of a disk, as configured, to the block device. */
#include <string.h>
#include "blk.h"

#define SERIAL_SIZE (sizeof(((struct blk_device *)0)->serial) - 1)

static bool has_name(const struct blk_device *device, const char *name) { return strcmp(device->name, name) == 0; }

/* Serial numbers are cut to what a disk can tell; where the disk's own cannot be set (Bochs), its model says it. */
static bool has_serial(const struct blk_device *device, const char *serial)
{
    return device->label == NULL &&
        (strncmp(device->serial, serial, SERIAL_SIZE) == 0 || strcmp(device->model, serial) == 0);
}

static bool has_name_or_serial(const struct blk_device *device, const char *name)
{
    return has_name(device, name) || (device->serial[0] != 0 && has_serial(device, name));
}

static bool has_label(const struct blk_device *device, const char *label)
{
    return device->label != NULL && strcmp(device->label, label) == 0;
}

static const struct source_kind {
    const char *prefix;
    bool whole; /* the prefix is a part of the name */
    bool (*matches)(const struct blk_device *device, const char *text);
    const char *none, *several;
} kinds[] = {
    {"dev:", false, has_name_or_serial, "no such device", "several devices have this serial number"},
    {"serial:", false, has_serial, "no disk has this serial number", "several disks have this serial number"},
    {"part:", false, has_label, "no GPT partition has this label", "several GPT partitions have this label"},
    {"ram:", true, has_name, "no such boot module", "several boot modules have this name"},
};

struct blk_device *blk_source(const char *source, const char **error)
{
    *error = "a source begins with dev:, serial:, part: or ram:";
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct source_kind *kind = &kinds[i];
        size_t length = strlen(kind->prefix);
        if (strncmp(source, kind->prefix, length) != 0) {
            continue;
        }
        struct blk_device *found = NULL;
        for (struct blk_device *device = blk_next(NULL); device != NULL; device = blk_next(device)) {
            if (!kind->matches(device, kind->whole ? source : source + length)) {
                continue;
            }
            if (found != NULL) {
                /* Taking the first would let a disk's contents choose whose data a guest gets. */
                *error = kind->several;
                return NULL;
            }
            found = device;
        }
        *error = found == NULL ? kind->none : "";
        return found;
    }
    return NULL;
}
