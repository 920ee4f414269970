/* SPDX-License-Identifier: MIT
 * Reads the monitor's ELF file. */
#include "program.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include "abi/layout.h"
#include "abi/syscall.h"
#include "window.h"

static bool is_program(const Elf64_Ehdr *header, uint64_t size)
{
    return size >= sizeof(*header) && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_machine == EM_X86_64 && header->e_type == ET_EXEC &&
           header->e_phentsize == sizeof(Elf64_Phdr) && header->e_phoff % 8 == 0 && header->e_phoff <= size &&
           header->e_phnum * sizeof(Elf64_Phdr) <= size - header->e_phoff;
}

static bool segment_inside(const Elf64_Phdr *header, uint64_t size)
{
    return header->p_offset <= size && header->p_filesz <= size - header->p_offset &&
           header->p_filesz <= header->p_memsz && header->p_vaddr >= LAYOUT_IMAGE && header->p_vaddr < LAYOUT_GUEST &&
           header->p_memsz <= LAYOUT_GUEST - header->p_vaddr;
}

static const char *take_segment(struct program *program, const Elf64_Phdr *header, const struct boot_module *file,
                                const char *image)
{
    if (!segment_inside(header, file->size)) {
        return "a segment lies outside the file or outside the image's place in memory";
    }
    bool writable = (header->p_flags & PF_W) != 0;
    if (writable && (header->p_flags & PF_X)) {
        return "a segment is writable and executable";
    }
    if (!writable &&
        (header->p_offset % PAGE_SIZE != header->p_vaddr % PAGE_SIZE || header->p_filesz != header->p_memsz)) {
        return "a read-only segment cannot be mapped from the file";
    }
    if (program->segment_count == PROGRAM_SEGMENTS) {
        return "it has too many segments";
    }
    uint64_t skip = header->p_vaddr % PAGE_SIZE;
    struct program_segment *segment = &program->segments[program->segment_count++];
    *segment = (struct program_segment){
        .address = header->p_vaddr - skip,
        .size = (skip + header->p_memsz + PAGE_MASK) & ~PAGE_MASK,
        .hpa = file->base + header->p_offset - skip,
        .contents = image + header->p_offset,
        .skip = skip,
        .contents_size = header->p_filesz,
        .rights = MAP_READ | (writable ? MAP_WRITE : 0) | (header->p_flags & PF_X ? MAP_EXEC : 0),
    };
    program->private_size += writable ? segment->size : 0;
    return NULL;
}

#define PV_NOTE_NAME "Bulkhead"
#define PV_NOTE_TYPE 1u

/* Notes: sizes of name and contents, type, then both, padded to 4 bytes (ELF gABI, "Note Section"). */
static bool has_note(const char *at, uint64_t left)
{
    while (left >= sizeof(Elf64_Nhdr)) {
        const Elf64_Nhdr *note = (const Elf64_Nhdr *)at;
        uint64_t name = (note->n_namesz + 3ull) & ~3ull, size = sizeof(*note) + name + ((note->n_descsz + 3ull) & ~3ull);
        if (size > left) {
            return false;
        }
        if (note->n_type == PV_NOTE_TYPE && note->n_namesz == sizeof(PV_NOTE_NAME) &&
            memcmp(note + 1, PV_NOTE_NAME, sizeof(PV_NOTE_NAME)) == 0) {
            return true;
        }
        at += size;
        left -= size;
    }
    return false;
}

bool program_is_paravirtual(const struct boot_module *file)
{
    const char *image = file->size > 0 ? file_map(file) : NULL;
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
    if (image == NULL || !is_program(header, file->size)) {
        return false;
    }
    const Elf64_Phdr *headers = (const Elf64_Phdr *)(image + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (headers[i].p_type == PT_NOTE && headers[i].p_offset % 4 == 0 && headers[i].p_offset <= file->size &&
            headers[i].p_filesz <= file->size - headers[i].p_offset && has_note(image + headers[i].p_offset, headers[i].p_filesz)) {
            return true;
        }
    }
    return false;
}

enum status program_open(struct program *program, const struct boot_module *file, const char **why)
{
    const char *image = file_map(file);
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
    memset(program, 0, sizeof(*program));
    *why = "it is not a static x86-64 ELF program";
    if (image == NULL || !is_program(header, file->size)) {
        return ERR_FORMAT;
    }
    const Elf64_Phdr *headers = (const Elf64_Phdr *)(image + header->e_phoff);
    *why = NULL;
    for (unsigned i = 0; i < header->e_phnum && *why == NULL; i++) {
        if (headers[i].p_type == PT_LOAD && headers[i].p_memsz > 0) {
            *why = take_segment(program, &headers[i], file, image);
        }
    }
    program->entry = header->e_entry;
    return *why == NULL ? OK : ERR_FORMAT;
}
