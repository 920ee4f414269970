/* SPDX-License-Identifier: MIT
 * The kernel's ELF file: static, x86-64, loaded by physical address, with a Multiboot2 header. */
#include "loader.h"
#include <elf.h>
#include <string.h>

#define HEADER_MAGIC 0xe85250d6u
#define HEADER_SEARCH 32768u /* Multiboot2 specification 3.1 */
#define PAGE 4096u
#define IMAGE_MAX (64u << 20)
#define LOWEST 0x100000u

static bool has_header(const uint8_t *file, size_t size)
{
    for (size_t at = 0; at + 16 <= size && at + 16 <= HEADER_SEARCH; at += 8) {
        uint32_t words[4];
        memcpy(words, file + at, sizeof(words));
        if (words[0] == HEADER_MAGIC && words[1] == 0 && words[0] + words[1] + words[2] + words[3] == 0)
            return true;
    }
    return false;
}

static const Elf64_Phdr *segments_of(const void *file)
{
    return (const Elf64_Phdr *)((const uint8_t *)file + ((const Elf64_Ehdr *)file)->e_phoff);
}

static bool is_loaded(const Elf64_Phdr *segment)
{
    return segment->p_type == PT_LOAD && segment->p_memsz;
}

static const char *check_segment(struct image *out, const Elf64_Phdr *segment, size_t size)
{
    if (segment->p_offset > size || segment->p_filesz > size - segment->p_offset ||
        segment->p_filesz > segment->p_memsz)
        return "a segment lies outside of the file: it is damaged";
    if (segment->p_paddr < LOWEST || segment->p_memsz > IMAGE_MAX || segment->p_paddr > UINT32_MAX - IMAGE_MAX - PAGE)
        return "a segment lies below 1 MiB or is too large";
    uint32_t start = (uint32_t)segment->p_paddr & ~(PAGE - 1);
    uint32_t end = (uint32_t)(segment->p_paddr + segment->p_memsz + PAGE - 1) & ~(PAGE - 1);
    out->start = out->end && out->start < start ? out->start : start;
    out->end = out->end > end ? out->end : end;
    return NULL;
}

const char *image_check(struct image *out, const void *file, size_t size)
{
    const Elf64_Ehdr *header = file;
    *out = (struct image){ 0 };
    if (size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) || header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_machine != EM_X86_64 || header->e_type != ET_EXEC || header->e_phentsize != sizeof(Elf64_Phdr))
        return "it is no static x86-64 ELF program";
    if (header->e_phoff > size || (header->e_phoff & 7) ||
        header->e_phnum * sizeof(Elf64_Phdr) > size - header->e_phoff)
        return "its program headers lie outside of the file: it is damaged";
    if (!has_header(file, size))
        return "it has no Multiboot2 header for 32-bit entry";
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const Elf64_Phdr *segment = &segments_of(file)[i];
        const char *problem = is_loaded(segment) ? check_segment(out, segment, size) : NULL;
        if (problem)
            return problem;
    }
    if (header->e_entry < out->start || header->e_entry >= out->end || out->end - out->start > IMAGE_MAX)
        return "its entry lies outside of its segments, or these too far apart";
    out->entry = (uint32_t)header->e_entry;
    return NULL;
}

void image_flatten(const struct image *image, void *to, const void *file)
{
    memset(to, 0, image->end - image->start);
    for (unsigned i = 0; i < ((const Elf64_Ehdr *)file)->e_phnum; i++) {
        const Elf64_Phdr *segment = &segments_of(file)[i];
        if (is_loaded(segment))
            memcpy((uint8_t *)to + (segment->p_paddr - image->start),
                   (const uint8_t *)file + segment->p_offset, segment->p_filesz);
    }
}
