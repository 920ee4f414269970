/* SPDX-License-Identifier: MIT
 * ELF images (System V ABI, chapters 4 and 5). */
#include "elf.h"

#include <elf.h>
#include <string.h>

bool elf_probe(const struct load *load) { return load->size >= EI_NIDENT && memcmp(load->image, ELFMAG, SELFMAG) == 0; }

static bool inside(const struct elf *elf, uint64_t offset, uint64_t size)
{
    return offset <= elf->load->size && size <= elf->load->size - offset;
}

static void read_header64(struct elf *elf, const Elf64_Ehdr *header)
{
    elf->entry = header->e_entry;
    elf->segments_at = header->e_phoff;
    elf->segment_count = header->e_phnum;
    elf->segment_size = header->e_phentsize;
    elf->sections_at = header->e_shoff;
    elf->section_count = header->e_shoff != 0 ? header->e_shnum : 0;
    elf->section_size = header->e_shentsize;
    elf->section_names = header->e_shstrndx;
}

static void read_header32(struct elf *elf, const Elf32_Ehdr *header)
{
    const Elf64_Ehdr wide = {
        .e_entry = header->e_entry,
        .e_phoff = header->e_phoff,
        .e_phnum = header->e_phnum,
        .e_phentsize = header->e_phentsize,
        .e_shoff = header->e_shoff,
        .e_shnum = header->e_shnum,
        .e_shentsize = header->e_shentsize,
        .e_shstrndx = header->e_shstrndx,
    };
    read_header64(elf, &wide);
}

/* The first fields are the same in both classes. */
static enum status check_identity(const struct load *load)
{
    const uint8_t *ident = load->image;
    if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64) {
        return load_error(load, ERR_FORMAT, "ELF class %u: allowed are 1 (32-bit) and 2 (64-bit)", ident[EI_CLASS]);
    }
    if (ident[EI_DATA] != ELFDATA2LSB) {
        return load_error(load, ERR_FORMAT, "ELF data encoding %u: allowed is 1 (little-endian)", ident[EI_DATA]);
    }
    uint64_t needed = ident[EI_CLASS] == ELFCLASS64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    if (load->size < needed) {
        return load_error(load, ERR_FORMAT, "the file ends inside the ELF header (%llu of %llu bytes)",
                          (unsigned long long)load->size, (unsigned long long)needed);
    }
    uint16_t type = load_u16(load->image + 16), machine = load_u16(load->image + 18);
    uint16_t wanted = ident[EI_CLASS] == ELFCLASS64 ? EM_X86_64 : EM_386;
    if (machine != wanted) {
        return load_error(load, ERR_FORMAT, "ELF machine %u: allowed is %u for this class", machine, wanted);
    }
    if (type != ET_EXEC && type != ET_DYN) {
        return load_error(load, ERR_FORMAT, "ELF type %u: allowed are 2 (executable) and 3 (shared)", type);
    }
    return OK;
}

static enum status check_tables(const struct elf *elf)
{
    unsigned segment = elf->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    unsigned section = elf->wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    if (elf->segment_count > 0 && elf->segment_size < segment) {
        return load_error(elf->load, ERR_FORMAT, "ELF program headers of %u bytes: at least %u are needed",
                          elf->segment_size, segment);
    }
    if (!inside(elf, elf->segments_at, (uint64_t)elf->segment_count * elf->segment_size)) {
        return load_error(
            elf->load, ERR_FORMAT, "the ELF program headers (%u at %#llx) lie outside the file of %llu bytes",
            elf->segment_count, (unsigned long long)elf->segments_at, (unsigned long long)elf->load->size);
    }
    if (elf->section_count > 0 && elf->section_size < section) {
        return load_error(elf->load, ERR_FORMAT, "ELF section headers of %u bytes: at least %u are needed",
                          elf->section_size, section);
    }
    if (!inside(elf, elf->sections_at, (uint64_t)elf->section_count * elf->section_size)) {
        return load_error(
            elf->load, ERR_FORMAT, "the ELF section headers (%u at %#llx) lie outside the file of %llu bytes",
            elf->section_count, (unsigned long long)elf->sections_at, (unsigned long long)elf->load->size);
    }
    return OK;
}

enum status elf_open(struct elf *elf, const struct load *load)
{
    *elf = (struct elf){.load = load};
    enum status status = check_identity(load);
    if (status != OK) {
        return status;
    }
    elf->wide = load->image[EI_CLASS] == ELFCLASS64;
    if (elf->wide) {
        Elf64_Ehdr header;
        memcpy(&header, load->image, sizeof(header));
        read_header64(elf, &header);
    } else {
        Elf32_Ehdr header;
        memcpy(&header, load->image, sizeof(header));
        read_header32(elf, &header);
    }
    return check_tables(elf);
}

static void read_segment(const struct elf *elf, unsigned index, struct elf_segment *segment)
{
    const uint8_t *at = elf->load->image + elf->segments_at + (uint64_t)index * elf->segment_size;
    if (elf->wide) {
        Elf64_Phdr h;
        memcpy(&h, at, sizeof(h));
        *segment = (struct elf_segment){h.p_type,  h.p_flags,  h.p_offset, h.p_vaddr,
                                        h.p_paddr, h.p_filesz, h.p_memsz,  h.p_align};
    } else {
        Elf32_Phdr h;
        memcpy(&h, at, sizeof(h));
        *segment = (struct elf_segment){h.p_type,  h.p_flags,  h.p_offset, h.p_vaddr,
                                        h.p_paddr, h.p_filesz, h.p_memsz,  h.p_align};
    }
}

enum status elf_segment(const struct elf *elf, unsigned index, struct elf_segment *segment)
{
    read_segment(elf, index, segment);
    if (segment->type != PT_LOAD && segment->type != PT_NOTE) {
        return OK;
    }
    if (!inside(elf, segment->offset, segment->file_size)) {
        return load_error(elf->load, ERR_FORMAT,
                          "ELF segment %u (offset %#llx, %llu bytes) lies outside the file of %llu bytes", index,
                          (unsigned long long)segment->offset, (unsigned long long)segment->file_size,
                          (unsigned long long)elf->load->size);
    }
    if (segment->type == PT_LOAD && segment->file_size > segment->memory_size) {
        return load_error(elf->load, ERR_FORMAT, "ELF segment %u has %llu bytes in the file but only %llu in memory",
                          index, (unsigned long long)segment->file_size, (unsigned long long)segment->memory_size);
    }
    uint64_t end;
    if (segment->type == PT_LOAD && __builtin_add_overflow(segment->paddr, segment->memory_size, &end)) {
        return load_error(elf->load, ERR_FORMAT,
                          "ELF segment %u (address %#llx, %llu bytes) wraps around the address space", index,
                          (unsigned long long)segment->paddr, (unsigned long long)segment->memory_size);
    }
    return OK;
}

void elf_section(const struct elf *elf, unsigned index, struct elf_section *section)
{
    const uint8_t *at = elf->load->image + elf->sections_at + (uint64_t)index * elf->section_size;
    if (elf->wide) {
        Elf64_Shdr h;
        memcpy(&h, at, sizeof(h));
        *section = (struct elf_section){h.sh_type, h.sh_flags, h.sh_addr, h.sh_offset, h.sh_size};
    } else {
        Elf32_Shdr h;
        memcpy(&h, at, sizeof(h));
        *section = (struct elf_section){h.sh_type, h.sh_flags, h.sh_addr, h.sh_offset, h.sh_size};
    }
}

bool elf_section_inside(const struct elf *elf, const struct elf_section *section)
{
    return inside(elf, section->offset, section->size);
}

void elf_section_set_address(const struct elf *elf, uint8_t *table, unsigned index, uint64_t address)
{
    uint8_t *at = table + (uint64_t)index * elf->section_size;
    uint32_t narrow = (uint32_t)address;
    if (elf->wide) {
        memcpy(at + offsetof(Elf64_Shdr, sh_addr), &address, sizeof(address));
    } else {
        memcpy(at + offsetof(Elf32_Shdr, sh_addr), &narrow, sizeof(narrow));
    }
}

enum status elf_extent(const struct elf *elf, uint64_t *low, uint64_t *high)
{
    *low = UINT64_MAX;
    *high = 0;
    for (unsigned i = 0; i < elf->segment_count; i++) {
        struct elf_segment segment;
        enum status status = elf_segment(elf, i, &segment);
        if (status != OK) {
            return status;
        }
        if (segment.type == PT_LOAD && segment.memory_size > 0) {
            uint64_t end = segment.paddr + segment.memory_size;
            *low = segment.paddr < *low ? segment.paddr : *low;
            *high = end > *high ? end : *high;
        }
    }
    return *high != 0 ? OK : load_error(elf->load, ERR_FORMAT, "the ELF file has no loadable segment (PT_LOAD)");
}

static enum status load_segment(const struct elf *elf, struct load *load, const struct elf_segment *segment,
                                uint64_t offset)
{
    uint64_t to = segment->paddr + offset;
    uint8_t *memory;
    enum status status = load_place(load, to, segment->memory_size, "an ELF segment", &memory);
    if (status != OK) {
        return status;
    }
    memcpy(memory, elf->load->image + segment->offset, segment->file_size);
    memset(memory + segment->file_size, 0, segment->memory_size - segment->file_size);
    return OK;
}

enum status elf_load(const struct elf *elf, struct load *load, uint64_t offset)
{
    for (unsigned i = 0; i < elf->segment_count; i++) {
        struct elf_segment segment;
        enum status status = elf_segment(elf, i, &segment);
        if (status == OK && segment.type == PT_LOAD && segment.memory_size > 0) {
            status = load_segment(elf, load, &segment, offset);
        }
        if (status != OK) {
            return status;
        }
    }
    return OK;
}

enum status elf_physical(const struct elf *elf, uint64_t address, uint64_t *physical)
{
    bool found = false;
    for (unsigned i = 0; i < elf->segment_count; i++) {
        struct elf_segment segment;
        read_segment(elf, i, &segment);
        if (segment.type != PT_LOAD) {
            continue;
        }
        if (address - segment.vaddr < segment.memory_size) {
            *physical = address - segment.vaddr + segment.paddr;
            return OK;
        }
        if (address - segment.paddr < segment.memory_size) {
            *physical = address;
            found = true; /* unless a later segment has it as a virtual address */
        }
    }
    return found ? OK
                 : load_error(elf->load, ERR_FORMAT, "the entry address %#llx lies in no loadable ELF segment",
                              (unsigned long long)address);
}

static uint64_t padded(uint64_t size, uint64_t align) { return (size + align - 1) & ~(align - 1); }

/* One PT_NOTE segment: a sequence of { name size, contents size, type, name, contents }, both padded. */
static const uint8_t *find_note(const uint8_t *at, uint64_t left, uint64_t align, const char *name, uint32_t type,
                                uint32_t *size)
{
    while (left >= sizeof(Elf64_Nhdr)) {
        uint32_t name_size = load_u32(at), found_size = load_u32(at + 4), found_type = load_u32(at + 8);
        uint64_t contents = padded(sizeof(Elf64_Nhdr) + name_size, align);
        uint64_t next = padded(contents + found_size, align);
        if (contents + found_size > left) {
            return NULL;
        }
        if (found_type == type && name_size == strlen(name) + 1 &&
            memcmp(at + sizeof(Elf64_Nhdr), name, name_size) == 0) {
            *size = found_size;
            return at + contents;
        }
        if (next > left) {
            return NULL;
        }
        at += next;
        left -= next;
    }
    return NULL;
}

const uint8_t *elf_note(const struct elf *elf, const char *name, uint32_t type, uint32_t *size)
{
    for (unsigned i = 0; i < elf->segment_count; i++) {
        struct elf_segment segment;
        read_segment(elf, i, &segment);
        if (segment.type != PT_NOTE || !inside(elf, segment.offset, segment.file_size)) {
            continue;
        }
        const uint8_t *note = find_note(elf->load->image + segment.offset, segment.file_size,
                                        segment.align == 8 ? 8 : 4, name, type, size);
        if (note != NULL) {
            return note;
        }
    }
    return NULL;
}
