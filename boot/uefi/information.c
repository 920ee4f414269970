/* SPDX-License-Identifier: MIT
 * The boot information of Multiboot2 (specification 3.6): a size, a zero, tags aligned to 8, an end. */
#include "loader.h"
#include <string.h>

enum { TAG_END = 0, TAG_LOADER = 2, TAG_MODULE = 3, TAG_MAP = 6,
       TAG_SCREEN = 8, TAG_EFI64 = 12, TAG_RSDP1 = 14, TAG_RSDP2 = 15 };
#define SCREEN_RGB 1
#define RSDP1_SIZE 20u
#define RSDP2_SIZE 36u
#define RSDP_REVISION 15

struct tag {
    uint32_t type, size;
};
struct map_entry {
    uint64_t base, size;
    uint32_t type, zero;
};
struct map_head {
    uint32_t entry_size, version;
};
struct screen_tag {
    uint64_t base;
    uint32_t pitch, width, height;
    uint8_t depth, type;
    uint16_t reserved;
    uint8_t colours[6];
} __attribute__((packed));

/* Room for a tag with `size` bytes behind its head, or null. */
static void *add(struct information *info, uint32_t type, size_t size)
{
    size_t whole = (sizeof(struct tag) + size + 7) & ~(size_t)7;
    if (whole > info->size - info->used) {
        info->full = true;
        return NULL;
    }
    struct tag *tag = (struct tag *)(info->base + info->used);
    memset(tag, 0, whole);
    tag->type = type;
    tag->size = (uint32_t)(sizeof(*tag) + size);
    info->used += whole;
    return tag + 1;
}

static void add_bytes(struct information *info, uint32_t type, const void *bytes, size_t size)
{
    void *body = add(info, type, size);
    if (body)
        memcpy(body, bytes, size);
}

void information_begin(struct information *info, void *buffer, size_t size, const char *loader)
{
    *info = (struct information){ .base = buffer, .size = size, .used = sizeof(struct tag) };
    memset(buffer, 0, sizeof(struct tag));
    add_bytes(info, TAG_LOADER, loader, strlen(loader) + 1);
}

void information_module(struct information *info, uint32_t start, uint32_t end, const char *name)
{
    uint32_t *body = add(info, TAG_MODULE, 2 * sizeof(*body) + strlen(name) + 1);
    if (!body)
        return;
    body[0] = start;
    body[1] = end;
    strcpy((char *)(body + 2), name);
}

void information_rsdp(struct information *info, const void *rsdp)
{
    if (((const uint8_t *)rsdp)[RSDP_REVISION] >= 2)
        add_bytes(info, TAG_RSDP2, rsdp, RSDP2_SIZE);
    else
        add_bytes(info, TAG_RSDP1, rsdp, RSDP1_SIZE);
}

void information_screen(struct information *info, const struct screen *s)
{
    struct screen_tag tag = { s->base, s->pitch, s->width, s->height, s->depth, SCREEN_RGB, 0, { 0 } };
    for (int i = 0; i < 3; i++) {
        tag.colours[2 * i] = s->position[i];
        tag.colours[2 * i + 1] = s->bits[i];
    }
    if (s->depth)
        add_bytes(info, TAG_SCREEN, &tag, sizeof(tag));
}

void information_efi(struct information *info, uint64_t system_table)
{
    add_bytes(info, TAG_EFI64, &system_table, sizeof(system_table));
}

static size_t sort_and_join(struct memory *list, size_t count)
{
    size_t joined = 0;
    for (size_t i = 1; i < count; i++) {
        struct memory m = list[i];
        size_t at = i;
        for (; at > 0 && list[at - 1].base > m.base; at--)
            list[at] = list[at - 1];
        list[at] = m;
    }
    for (size_t i = 0; i < count; i++) {
        struct memory *last = joined ? &list[joined - 1] : NULL;
        if (last && last->type == list[i].type && last->base + last->size == list[i].base)
            last->size += list[i].size;
        else
            list[joined++] = list[i];
    }
    return joined;
}

void information_memory(struct information *info, struct memory *list, size_t count)
{
    count = sort_and_join(list, count);
    struct map_head *head = add(info, TAG_MAP, sizeof(*head) + count * sizeof(struct map_entry));
    if (!head)
        return;
    *head = (struct map_head){ sizeof(struct map_entry), 0 };
    struct map_entry *entries = (struct map_entry *)(head + 1);
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct map_entry){ list[i].base, list[i].size, list[i].type, 0 };
}

bool information_end(struct information *info)
{
    add(info, TAG_END, 0);
    *(uint32_t *)info->base = (uint32_t)info->used;
    return !info->full;
}
