/* SPDX-License-Identifier: MIT
 * Recognises a kernel's format and loads it; what the formats' loaders share. */
#include "loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "load.h"

/* In the order in which they are tried: an ELF file may carry the headers of several protocols. */
static const struct loader *const loaders[] = {&firmware_loader,   &paravirtual_loader, &bzimage_loader,
                                               &multiboot1_loader, &multiboot2_loader,  &pvh_loader};
#define LOADER_COUNT (sizeof(loaders) / sizeof(loaders[0]))

void load_failed(const struct load *load, const char *format, ...)
{
    char *out = load->result->error;
    int used = snprintf(out, LOAD_TEXT_SIZE, "%s: ", load->name);
    va_list args;
    va_start(args, format);
    vsnprintf(out + used, LOAD_TEXT_SIZE - (unsigned)used, format, args);
    va_end(args);
}

void load_note(const struct load *load, const char *format, ...)
{
    char *out = load->result->note;
    int used = snprintf(out, LOAD_TEXT_SIZE, "%s: ", load->name);
    va_list args;
    va_start(args, format);
    vsnprintf(out + used, LOAD_TEXT_SIZE - (unsigned)used, format, args);
    va_end(args);
}

uint16_t load_u16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

uint32_t load_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static enum status place_error(const struct load *load, enum status status, uint64_t base, uint64_t size,
                               const char *what)
{
    unsigned long long from = base, to = base + size;
    if (status == ERR_EXISTS) {
        const struct place *other = memmap_overlap(&load->map, base, size);
        return load_error(load, ERR_FORMAT, "%s [%#llx, %#llx) overlaps %s [%#llx, %#llx)", what, from, to, other->name,
                          (unsigned long long)other->base, (unsigned long long)(other->base + other->size));
    }
    if (status == ERR_MEMORY) {
        return load_error(load, ERR_FORMAT, "more than %u parts to load", MEMMAP_MAX_PLACES);
    }
    return load_error(load, ERR_MEMORY,
                      "%s needs guest memory [%#llx, %#llx), which is not all RAM (the guest has %llu MiB)", what, from,
                      to, (unsigned long long)(load->machine->start->memory >> 20));
}

enum status load_place(struct load *load, uint64_t base, uint64_t size, const char *what, void *at)
{
    void *pointer = memory_at(&load->machine->memory, base, size);
    enum status status = pointer != NULL ? memmap_place(&load->map, base, size, what) : ERR_DENIED;
    if (status != OK) {
        return place_error(load, status, base, size, what);
    }
    *(void **)at = pointer;
    return OK;
}

enum status load_take(struct load *load, const struct wish *wish, const char *what, uint64_t *gpa, void *at)
{
    if (memmap_find(&load->map, wish, gpa) != OK) {
        return load_error(load, ERR_MEMORY,
                          "%s needs %llu bytes between %#llx and %#llx; the largest free piece there has %llu "
                          "(the guest has %llu MiB of memory)",
                          what, (unsigned long long)wish->size, (unsigned long long)wish->from,
                          (unsigned long long)wish->to, (unsigned long long)memmap_largest(&load->map, wish),
                          (unsigned long long)(load->machine->start->memory >> 20));
    }
    return load_place(load, *gpa, wish->size, what, at);
}

enum status load_take_tables(struct load *load, uint64_t size, const char *what, uint64_t *gpa, void *at)
{
    const struct wish wish = {.size = size, .align = PAGE_SIZE, .from = LOAD_TABLES_FROM, .to = LOAD_4G};
    void *pointer;
    enum status status = load_take(load, &wish, what, gpa, &pointer);
    if (status == OK) {
        memset(pointer, 0, size);
        *(void **)at = pointer;
    }
    return status;
}

enum status load_modules(struct load *load, uint64_t from, struct placed_module *placed, unsigned *count)
{
    const struct start *start = load->machine->start;
    *count = 0;
    for (unsigned i = 1; i < start->module_count; i++) {
        const struct start_module *module = &start->modules[i];
        const struct wish wish = {
            .size = module->size > 0 ? module->size : 1, .align = PAGE_SIZE, .from = from, .to = LOAD_4G};
        struct placed_module *out = &placed[(*count)++];
        void *to;
        out->module = module;
        out->size = module->size;
        enum status status = load_take(load, &wish, module->name, &out->gpa, &to);
        if (status != OK) {
            return status;
        }
        memcpy(to, (const void *)module->address, module->size);
    }
    return OK;
}

unsigned load_command_text(char *out, unsigned size, const char *name, const char *arguments)
{
    int length = snprintf(out, size, "%s%s%s", name, arguments[0] != 0 ? " " : "", arguments);
    return (unsigned)length < size ? (unsigned)length : size - 1;
}

uint32_t load_lower_kib(const struct memmap *map)
{
    if (map->ram_count == 0 || map->ram[0].base != 0) {
        return 0;
    }
    uint64_t kib = map->ram[0].size >> 10;
    return kib < 640 ? (uint32_t)kib : 640;
}

uint32_t load_upper_kib(const struct memmap *map)
{
    const uint64_t upper = 0x100000;
    for (unsigned i = 0; i < map->ram_count; i++) {
        uint64_t base = map->ram[i].base, end = base + map->ram[i].size;
        if (base <= upper && upper < end) {
            uint64_t kib = (end - upper) >> 10;
            return kib < UINT32_MAX ? (uint32_t)kib : UINT32_MAX;
        }
    }
    return 0;
}

/* Nothing of ours: say what was seen. */
static enum status unknown_format(const struct load *load)
{
    if (load->size >= 4 && memcmp(load->image, "\177ELF", 4) == 0) {
        return load_error(load, ERR_FORMAT, "this ELF file has neither a Multiboot 1 or 2 header nor a PVH entry note");
    }
    if (load->size >= 2 && load->image[0] == 0x1f && load->image[1] == 0x8b) {
        return load_error(load, ERR_FORMAT, "this is a gzip file; unpack it first");
    }
    return load_error(load, ERR_FORMAT,
                      "not a kernel (%llu bytes): allowed are a Linux bzImage, a Multiboot 1 or 2 kernel and "
                      "an ELF file with a PVH note",
                      (unsigned long long)load->size);
}

enum status load_guest(struct machine *machine, struct load_result *result)
{
    static struct load load; /* large; one guest is loaded per monitor, by vcpu 0 */
    memset(&load, 0, sizeof(load));
    memset(result, 0, sizeof(*result));
    load.machine = machine;
    load.result = result;
    load.name = machine->start->modules[0].name;
    load.image = (const uint8_t *)machine->start->modules[0].address;
    load.size = machine->start->modules[0].size;
    if (machine->start->module_count == 0) {
        load.name = machine->start->name;
        return load_error(&load, ERR_FORMAT, "no kernel was given");
    }
    memmap_init(&load.map, machine);
    for (unsigned i = 0; i < LOADER_COUNT; i++) {
        if (loaders[i]->probe(&load)) {
            result->format = loaders[i]->format;
            return loaders[i]->load(&load);
        }
    }
    return unknown_format(&load);
}
