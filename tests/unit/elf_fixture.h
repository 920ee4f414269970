/* SPDX-License-Identifier: MIT
 * ELF images for tests, of both classes. */
#pragma once

#include <elf.h>
#include "load_fixture.h"

struct test_segment {
    uint32_t type;
    uint64_t offset, vaddr, paddr, file_size, memory_size;
};

/* Writes file header and program headers for `segments`; contents are whatever lies behind in `image`. */
static inline void elf_headers(uint8_t *image, bool wide, uint64_t entry, const struct test_segment *segments,
                               unsigned count)
{
    if (wide) {
        Elf64_Ehdr h = {.e_type = ET_EXEC,
                        .e_machine = EM_X86_64,
                        .e_version = 1,
                        .e_entry = entry,
                        .e_phoff = sizeof(h),
                        .e_ehsize = sizeof(h),
                        .e_phentsize = sizeof(Elf64_Phdr),
                        .e_phnum = (uint16_t)count};
        memcpy(h.e_ident, "\177ELF\2\1\1", 7);
        memcpy(image, &h, sizeof(h));
        for (unsigned i = 0; i < count; i++) {
            const struct test_segment *s = &segments[i];
            Elf64_Phdr p = {.p_type = s->type,
                            .p_flags = 7,
                            .p_offset = s->offset,
                            .p_vaddr = s->vaddr,
                            .p_paddr = s->paddr,
                            .p_filesz = s->file_size,
                            .p_memsz = s->memory_size,
                            .p_align = 4};
            memcpy(image + sizeof(h) + i * sizeof(p), &p, sizeof(p));
        }
        return;
    }
    Elf32_Ehdr h = {.e_type = ET_EXEC,
                    .e_machine = EM_386,
                    .e_version = 1,
                    .e_entry = (uint32_t)entry,
                    .e_phoff = sizeof(h),
                    .e_ehsize = sizeof(h),
                    .e_phentsize = sizeof(Elf32_Phdr),
                    .e_phnum = (uint16_t)count};
    memcpy(h.e_ident, "\177ELF\1\1\1", 7);
    memcpy(image, &h, sizeof(h));
    for (unsigned i = 0; i < count; i++) {
        const struct test_segment *s = &segments[i];
        Elf32_Phdr p = {.p_type = s->type,
                        .p_flags = 7,
                        .p_offset = (uint32_t)s->offset,
                        .p_vaddr = (uint32_t)s->vaddr,
                        .p_paddr = (uint32_t)s->paddr,
                        .p_filesz = (uint32_t)s->file_size,
                        .p_memsz = (uint32_t)s->memory_size,
                        .p_align = 4};
        memcpy(image + sizeof(h) + i * sizeof(p), &p, sizeof(p));
    }
}

/* A note at `at`: returns its size. */
static inline unsigned elf_note_write(uint8_t *at, const char *name, uint32_t type, const void *contents, uint32_t size)
{
    uint32_t header[3] = {(uint32_t)strlen(name) + 1, size, type};
    unsigned text = (header[0] + 3) & ~3u;
    memcpy(at, header, 12);
    memcpy(at + 12, name, header[0]);
    memcpy(at + 12 + text, contents, size);
    return 12 + text + ((size + 3) & ~3u);
}
