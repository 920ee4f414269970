/* SPDX-License-Identifier: MIT
 * Who owns which machine memory at boot: the loader's map minus what is in use. */
#include "api.h"
#include "boot.h"
#include "hostmap.h"
#include "ranges.h"
#include <string.h>

#define LOW_END 0x100000ull  /* below: BIOS data, trampoline; never handed out */
#define VGA_FIRST 0xa0000ull /* but for the memory of a PC's display */
#define VGA_END 0xc0000ull
#define LOW_PAGE_MAX 0x90000ull
#define BOOT_END (1ull << 32) /* what the boot mappings show */
#define ADDRESS_END (1ull << 52)

extern const char image_start[], image_end[]; /* linker.ld: machine addresses */

struct boot_info boot_info;
static struct ranges ranges;
uint64_t memory_low_page;

static bool set(uint64_t base, uint64_t size, uint32_t kind)
{
    if (!size || base >= ADDRESS_END || size > ADDRESS_END - base)
        return true;
    bool free = kind == RANGE_FREE; /* whole pages only */
    uint64_t start = free ? ALIGN_UP(base, PAGE_SIZE) : ALIGN_DOWN(base, PAGE_SIZE);
    uint64_t end = free ? ALIGN_DOWN(base + size, PAGE_SIZE) : ALIGN_UP(base + size, PAGE_SIZE);
    return start >= end || ranges_set(&ranges, start, end, kind);
}

static uint32_t kind_of(uint32_t type)
{
    static const uint8_t kinds[] = { [1] = RANGE_FREE, [3] = RANGE_ACPI, [4] = RANGE_ACPI };
    return type < ARRAY_COUNT(kinds) && kinds[type] ? kinds[type] : RANGE_RESERVED;
}

/* Where the map contradicts itself the stricter entry wins: free memory is painted first. */
static bool paint(const struct boot_loader *loader)
{
    bool ok = true;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < loader->map_count; i++) {
            uint32_t kind = kind_of(loader->map[i].type);
            if ((kind == RANGE_FREE) == (pass == 0))
                ok &= set(loader->map[i].base, loader->map[i].size, kind);
        }
    return ok;
}

/* The highest free page below 576 KiB that no module uses: firmware keeps its data at both ends of low memory. */
static uint64_t find_low_page(const struct boot_loader *loader)
{
    for (uint64_t page = LOW_PAGE_MAX; page > 0; page -= PAGE_SIZE) {
        bool used = memory_kind(page, PAGE_SIZE) != RANGE_FREE;
        for (uint32_t i = 0; i < loader->module_count; i++) {
            const struct boot_module *m = &loader->modules[i];
            used |= page + PAGE_SIZE > m->base && page < m->base + m->size;
        }
        if (!used)
            return page;
    }
    return 0;
}

const char *memory_init(const struct boot_loader *loader)
{
    uint64_t start = (uint64_t)image_start, end = (uint64_t)image_end;
    bool ok = paint(loader);
    memory_low_page = find_low_page(loader);
    ok &= set(0, LOW_END, RANGE_RESERVED);
    for (uint32_t i = 0; i < loader->module_count; i++) {
        const struct boot_module *m = &loader->modules[i];
        if (m->size && m->base < end && m->base + m->size > start) {
            print("boot: module %s left out: the boot loader put it over the kernel\n", m->name);
            continue;
        }
        ok &= set(m->base, m->size, RANGE_MODULE);
        boot_info.modules[boot_info.module_count++] = *m;
    }
    ok &= set(start, end - start, RANGE_KERNEL);
    if (!ok)
        return "the memory map is too fragmented";
    memory_export(&boot_info);
    return memory_free() ? NULL : "the memory map has no free memory above 1 MiB: the modules need more than the machine has";
}

uint64_t memory_take(uint64_t size, uint64_t align, uint64_t limit, enum range_kind kind)
{
    uint64_t at = ranges_find(&ranges, size, align, limit < BOOT_END ? limit : BOOT_END);
    if (!at)
        at = ranges_find(&ranges, size, align, limit);
    if (!at || !ranges_set(&ranges, at, at + size, kind))
        return 0;
    return at;
}

uint64_t memory_free(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ranges.count; i++)
        sum += ranges.list[i].kind == RANGE_FREE ? ranges.list[i].size : 0;
    return sum;
}

uint32_t memory_kind(uint64_t base, uint64_t size)
{
    for (uint32_t i = 0; i < ranges.count; i++) {
        const struct boot_range *r = &ranges.list[i];
        if (base >= r->base && base < r->base + r->size)
            return size <= r->base + r->size - base ? r->kind : 0;
    }
    return 0;
}

bool memory_is_device(uint64_t base, uint64_t size)
{
    bool vga = base >= VGA_FIRST && base < VGA_END && size <= VGA_END - base;
    if ((base < LOW_END && !vga) || base + size < base || device_mapped(base, size))
        return false;
    for (uint32_t i = 0; i < ranges.count; i++) {
        const struct boot_range *r = &ranges.list[i];
        if (r->kind != RANGE_RESERVED && base < r->base + r->size && r->base < base + size)
            return false;
    }
    return true;
}

void memory_export(struct boot_info *info)
{
    info->range_count = ranges.count;
    memcpy(info->ranges, ranges.list, ranges.count * sizeof(ranges.list[0]));
}

void *boot_pointer(uint64_t hpa)
{
    assert(hpa < BOOT_END);
    return (void *)hpa;
}

uint64_t boot_take(uint64_t size)
{
    uint64_t hpa = memory_take(ALIGN_UP(size, PAGE_SIZE), PAGE_SIZE, BOOT_END, RANGE_MANAGER);
    if (!hpa)
        return 0;
    memset(boot_pointer(hpa), 0, ALIGN_UP(size, PAGE_SIZE));
    memory_export(&boot_info);
    return hpa;
}
