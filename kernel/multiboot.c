/* SPDX-License-Identifier: MIT
 * The boot loader's information (Multiboot2 specification 3.6), copied out with every length checked. */
#include "api.h"
#include "boot.h"
#include <string.h>

enum { TAG_END = 0, TAG_LOADER = 2, TAG_MODULE = 3, TAG_MAP = 6, TAG_SCREEN = 8, TAG_EFI32 = 11, TAG_EFI64 = 12, TAG_RSDP1 = 14, TAG_RSDP2 = 15 };
#define INFORMATION_MAX 0x1000000u /* 16 MiB: more is absurd */

struct tag {
    uint32_t type, size;
};
struct tag_module {
    struct tag tag;
    uint32_t start, end;
    char line[];
};
struct tag_map {
    struct tag tag;
    uint32_t entry_size, version;
};

struct tag_screen {
    struct tag tag;
    uint64_t address;
    uint32_t pitch, width, height;
    uint8_t bits_per_pixel, type; /* SCREEN_TAG_* */
    uint16_t reserved;
};
enum { SCREEN_TAG_RGB = 1, SCREEN_TAG_TEXT = 2 };

/* The first word of `line`, which has at most `max` bytes. False: empty or too long. */
static bool first_word(char *out, size_t size, const char *line, size_t max)
{
    size_t i = 0, n = 0;
    while (i < max && line[i] == ' ')
        i++;
    while (i < max && line[i] && line[i] != ' ') {
        if (n + 1 >= size)
            return false;
        out[n++] = line[i++];
    }
    out[n] = 0;
    return n > 0;
}

static void read_module(struct boot_loader *out, const struct tag_module *m)
{
    struct boot_module *module = &out->modules[out->module_count];
    if (m->tag.size < sizeof(*m))
        return;
    if (!first_word(module->name, sizeof(module->name), m->line, m->tag.size - sizeof(*m)))
        print("boot: module at 0x%x left out: its name is missing or longer than %u bytes\n", m->start, BOOT_NAME_SIZE - 1);
    else if (m->end < m->start || (m->start & PAGE_MASK))
        print("boot: module %s left out: not on a page border or of negative size (0x%x to 0x%x)\n", module->name,
              m->start, m->end);
    else {
        module->base = m->start;
        module->size = m->end - m->start;
        out->module_count++;
    }
}

static void read_map(struct boot_loader *out, const struct tag_map *m)
{
    if (m->tag.size < sizeof(*m) || m->entry_size < 24 || m->entry_size > 4096)
        return;
    uint32_t count = (m->tag.size - sizeof(*m)) / m->entry_size;
    if (count > BOOT_MAX_MAP - out->map_count) {
        print("boot: memory map has %u entries, %u are used\n", count, BOOT_MAX_MAP - out->map_count);
        count = BOOT_MAX_MAP - out->map_count;
    }
    for (uint32_t i = 0; i < count; i++)
        memcpy(&out->map[out->map_count++], (const uint8_t *)(m + 1) + (size_t)i * m->entry_size, 20);
}

static void read_screen(struct boot_loader *out, const struct tag_screen *t)
{
    static const uint8_t kinds[] = { [SCREEN_TAG_RGB] = SCREEN_RGB, [SCREEN_TAG_TEXT] = SCREEN_TEXT };
    if (t->tag.size >= sizeof(*t) && t->type < ARRAY_COUNT(kinds))
        out->screen = (struct boot_screen){ .base = t->address, .kind = kinds[t->type], .width = t->width, .height = t->height,
                                            .pitch = t->pitch, .bits_per_pixel = t->bits_per_pixel };
}

static void read_tag(struct boot_loader *out, const struct tag *tag)
{
    size_t body = tag->size - sizeof(*tag);
    const char *data = (const char *)(tag + 1);
    bool room = out->module_count < BOOT_MAX_MODULES;
    if (tag->type == TAG_LOADER) {
        memcpy(out->loader, data, body < sizeof(out->loader) ? body : sizeof(out->loader) - 1);
    } else if (tag->type == TAG_MODULE && room) {
        read_module(out, (const struct tag_module *)tag);
    } else if (tag->type == TAG_MODULE) {
        print("boot: more than %u modules, the others are left out\n", BOOT_MAX_MODULES);
    } else if (tag->type == TAG_MAP) {
        read_map(out, (const struct tag_map *)tag);
    } else if (tag->type == TAG_SCREEN) {
        read_screen(out, (const struct tag_screen *)tag);
    } else if (tag->type == TAG_EFI32 || tag->type == TAG_EFI64) {
        out->uefi = true;
    } else if ((tag->type == TAG_RSDP1 || tag->type == TAG_RSDP2) && body >= out->rsdp_size) { /* version 2 wins, in any order */
        out->rsdp_size = body < sizeof(out->rsdp) ? body : sizeof(out->rsdp);
        memcpy(out->rsdp, data, out->rsdp_size);
    }
}

const char *multiboot_parse(struct boot_loader *out, uint64_t address)
{
    const uint8_t *p = boot_pointer(address);
    uint32_t total = *(const uint32_t *)p;
    if ((address & 7) || total < 16 || total > INFORMATION_MAX || address + total > 1ull << 32)
        return "the boot loader's information is misplaced or of absurd size";
    for (uint32_t at = 8; at + sizeof(struct tag) <= total;) {
        const struct tag *tag = (const struct tag *)(p + at);
        if (tag->type == TAG_END)
            return out->map_count ? NULL : "the boot loader gives no memory map";
        if (tag->size < sizeof(*tag) || tag->size > total - at)
            return "the boot loader's information has a tag that is longer than the whole";
        read_tag(out, tag);
        at += ALIGN_UP(tag->size, 8);
    }
    return "the boot loader's information does not end where it should";
}
