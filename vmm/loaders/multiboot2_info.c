/* SPDX-License-Identifier: MIT
 * The Multiboot2 boot information (specification 2.0, 3.6) and the state in which a kernel is entered (3.3). */
#include "multiboot2.h"

#include <string.h>
#include "pc.h"

#define ENTRY_MAGIC 0x36d76289u
#define LOADER_NAME "Bulkhead"

enum info_tag {
    INFO_END = 0,
    INFO_CMDLINE = 1,
    INFO_LOADER_NAME = 2,
    INFO_MODULE = 3,
    INFO_MEMORY = 4,
    INFO_MMAP = 6,
    INFO_ELF_SECTIONS = 9,
    INFO_RSDP_OLD = 14,
    INFO_RSDP_NEW = 15,
    INFO_LOAD_BASE = 21,
};

#define SECTION_NOBITS 8u
#define RSDP_OLD_SIZE 20u
#define RSDP_NEW_SIZE 36u
#define MMAP_ENTRY_SIZE 24u

/* Sections without an address are loaded if they are among the first of the table; all are described. */
#define MAX_SECTIONS 64

/* Builds the information twice: once to know its size, once in guest memory (at is null the first time). */
struct writer {
    uint8_t *at;
    uint64_t size;
};

static void put(struct writer *writer, const void *bytes, uint64_t size)
{
    if (writer->at != NULL) {
        memcpy(writer->at + writer->size, bytes, size);
    }
    writer->size += size;
}

static void put_u32(struct writer *writer, uint32_t value) { put(writer, &value, sizeof(value)); }

/* Tags begin at multiples of 8; guest memory was cleared. */
static void begin_tag(struct writer *writer, enum info_tag type, uint64_t contents)
{
    writer->size = (writer->size + 7) & ~7ull;
    put_u32(writer, type);
    put_u32(writer, (uint32_t)(8 + contents));
}

static void put_text(struct writer *writer, enum info_tag type, const char *text)
{
    uint64_t size = strlen(text) + 1;
    begin_tag(writer, type, size);
    put(writer, text, size);
}

static void put_modules(struct writer *writer, const struct multiboot2 *image)
{
    for (unsigned i = 0; i < image->module_count; i++) {
        const struct placed_module *module = &image->modules[i];
        char text[LOAD_COMMAND_SIZE];
        uint64_t size = load_command_text(text, sizeof(text), module->module->name, module->module->cmdline) + 1u;
        begin_tag(writer, INFO_MODULE, 8 + size);
        put_u32(writer, (uint32_t)module->gpa);
        put_u32(writer, (uint32_t)(module->gpa + module->size));
        put(writer, text, size);
    }
}

static void put_memory(struct writer *writer, const struct memmap *map)
{
    begin_tag(writer, INFO_MEMORY, 8);
    put_u32(writer, load_lower_kib(map));
    put_u32(writer, load_upper_kib(map));
    begin_tag(writer, INFO_MMAP, 8 + (uint64_t)map->e820_count * MMAP_ENTRY_SIZE);
    put_u32(writer, MMAP_ENTRY_SIZE);
    put_u32(writer, 0); /* version */
    for (unsigned i = 0; i < map->e820_count; i++) {
        put(writer, &map->e820[i].base, 8);
        put(writer, &map->e820[i].size, 8);
        put_u32(writer, map->e820[i].type);
        put_u32(writer, 0);
    }
}

/* Copies of the RSDP as ACPI 1.0 and as ACPI 2.0 have it. */
static void put_rsdp(struct writer *writer, const struct load *load)
{
    const uint8_t *rsdp = memory_at(&load->machine->memory, PC_RSDP, RSDP_NEW_SIZE);
    if (rsdp == NULL || memcmp(rsdp, "RSD PTR ", 8) != 0) {
        return;
    }
    begin_tag(writer, INFO_RSDP_OLD, RSDP_OLD_SIZE);
    put(writer, rsdp, RSDP_OLD_SIZE);
    if (rsdp[15] >= 2) {
        begin_tag(writer, INFO_RSDP_NEW, RSDP_NEW_SIZE);
        put(writer, rsdp, RSDP_NEW_SIZE);
    }
}

/* The section table, with the sections that are not part of a segment (symbols, strings) loaded and addressed, too. */
static void put_sections(struct writer *writer, const struct multiboot2 *image, const uint64_t *addresses)
{
    const struct elf *elf = &image->elf;
    uint64_t size = (uint64_t)elf->section_count * elf->section_size;
    if (!image->is_elf || size == 0) {
        return;
    }
    begin_tag(writer, INFO_ELF_SECTIONS, 12 + size);
    put_u32(writer, elf->section_count);
    put_u32(writer, elf->section_size);
    put_u32(writer, elf->section_names);
    uint8_t *table = writer->at != NULL ? writer->at + writer->size : NULL;
    put(writer, elf->load->image + elf->sections_at, size);
    for (unsigned i = 0; table != NULL && i < elf->section_count; i++) {
        struct elf_section section;
        elf_section(elf, i, &section);
        if (section.address != 0) {
            elf_section_set_address(elf, table, i, section.address + image->offset);
        } else if (i < MAX_SECTIONS && addresses[i] != 0) {
            elf_section_set_address(elf, table, i, addresses[i]);
        }
    }
}

static void write_info(struct writer *writer, const struct load *load, const struct multiboot2 *image,
                       const uint64_t *addresses)
{
    uint32_t header[2] = {0, 0};
    put(writer, header, sizeof(header));
    put_text(writer, INFO_CMDLINE, load->machine->start->cmdline);
    put_text(writer, INFO_LOADER_NAME, LOADER_NAME);
    put_modules(writer, image);
    put_memory(writer, &load->map);
    put_sections(writer, image, addresses);
    put_rsdp(writer, load);
    if (image->load_base_known) {
        begin_tag(writer, INFO_LOAD_BASE, 4);
        put_u32(writer, (uint32_t)(image->low + image->offset));
    }
    begin_tag(writer, INFO_END, 0);
    if (writer->at != NULL) {
        header[0] = (uint32_t)writer->size;
        memcpy(writer->at, header, sizeof(header));
    }
}

/* Is it one that has contents but no place in a segment? */
static bool loose_section(const struct elf *elf, unsigned index, struct elf_section *section)
{
    elf_section(elf, index, section);
    return section->address == 0 && section->size != 0 && section->type != 0 && section->type != SECTION_NOBITS;
}

static uint64_t section_room(const struct elf_section *section) { return (section->size + 15) & ~15ull; }

static enum status loose_size(const struct load *load, const struct elf *elf, uint64_t *total)
{
    struct elf_section section;
    *total = 0;
    for (unsigned i = 0; i < elf->section_count && i < MAX_SECTIONS; i++) {
        if (!loose_section(elf, i, &section)) {
            continue;
        }
        if (!elf_section_inside(elf, &section)) {
            return load_error(
                load, ERR_FORMAT, "ELF section %u (offset %#llx, %llu bytes) lies outside the file of %llu bytes", i,
                (unsigned long long)section.offset, (unsigned long long)section.size, (unsigned long long)load->size);
        }
        *total += section_room(&section);
    }
    return OK;
}

static enum status load_sections(struct load *load, const struct multiboot2 *image, uint64_t *addresses)
{
    const struct elf *elf = &image->elf;
    struct wish wish = {.align = PAGE_SIZE, .from = image->high + image->offset, .to = LOAD_4G};
    enum status status = loose_size(load, elf, &wish.size);
    if (status != OK || wish.size == 0) {
        return status;
    }
    uint64_t gpa;
    uint8_t *to;
    status = load_take(load, &wish, "the kernel's symbols", &gpa, &to);
    for (unsigned i = 0; status == OK && i < elf->section_count && i < MAX_SECTIONS; i++) {
        struct elf_section section;
        if (loose_section(elf, i, &section)) {
            memcpy(to, load->image + section.offset, section.size);
            addresses[i] = gpa;
            to += section_room(&section);
            gpa += section_room(&section);
        }
    }
    return status;
}

enum status multiboot2_enter(struct load *load, const struct multiboot2 *image)
{
    uint64_t addresses[MAX_SECTIONS] = {0};
    enum status status = image->is_elf ? load_sections(load, image, addresses) : OK;
    if (status != OK) {
        return status;
    }
    struct writer writer = {.at = NULL};
    write_info(&writer, load, image, addresses);

    /* The information, a descriptor table, and a page of stack: the protocol promises none, but kernels exist that push
     * before they set one. */
    uint64_t info_size = (writer.size + 15) & ~15ull, gpa;
    uint8_t *block;
    status = load_take_tables(load, info_size + ENTRY_GDT_SIZE + PAGE_SIZE, "the Multiboot2 information", &gpa, &block);
    if (status != OK) {
        return status;
    }
    writer = (struct writer){.at = block};
    write_info(&writer, load, image, addresses);
    const struct entry_state entry = {
        .rip = image->entry,
        .rsp = (gpa + info_size + ENTRY_GDT_SIZE + PAGE_SIZE) & ~15ull,
        .gdt = gpa + info_size,
        .code = 0x08,
        .data = 0x10,
    };
    struct vcpu_state *state = load->machine->vcpus[0].state;
    entry_gdt_write((uint64_t *)(block + info_size), &entry);
    entry_set(state, &entry);
    state->gpr[RAX] = ENTRY_MAGIC;
    state->gpr[RBX] = gpa;
    load->result->entry = image->entry;
    return OK;
}
