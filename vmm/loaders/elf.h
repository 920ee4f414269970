/* SPDX-License-Identifier: MIT
 * ELF images of both classes, read from untrusted bytes. Every getter works on a header that elf_open() has accepted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "load.h"

struct elf {
    const struct load *load;
    bool wide;                         /* ELFCLASS64 */
    uint64_t entry;                    /* e_entry, virtual */
    uint64_t segments_at, sections_at; /* file offsets of the tables */
    unsigned segment_count, segment_size;
    unsigned section_count, section_size, section_names;
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, file_size, memory_size, align;
};

struct elf_section {
    uint32_t type;
    uint64_t flags, address, offset, size;
};

/* Is there an ELF identification at all? */
bool elf_probe(const struct load *load);
/* Checks the file header and that both tables lie inside the file. x86 executables only. */
must_use enum status elf_open(struct elf *elf, const struct load *load);
/* Checks that the segment's contents lie inside the file. index < segment_count. */
must_use enum status elf_segment(const struct elf *elf, unsigned index, struct elf_segment *segment);
void elf_section(const struct elf *elf, unsigned index, struct elf_section *section);
/* Do the section's contents lie inside the file? */
bool elf_section_inside(const struct elf *elf, const struct elf_section *section);
/* Sets the address of a section in a copy of the table. */
void elf_section_set_address(const struct elf *elf, uint8_t *table, unsigned index, uint64_t address);

/* The physical range that the PT_LOAD segments cover; ERR_FORMAT if there is none. */
must_use enum status elf_extent(const struct elf *elf, uint64_t *low, uint64_t *high);
/* Copies the PT_LOAD segments to their physical addresses + offset (modulo 2^64) and clears the rest of each. */
must_use enum status elf_load(const struct elf *elf, struct load *load, uint64_t offset);
/* The physical address of a virtual (or already physical) entry address; ERR_FORMAT if no segment holds it. */
must_use enum status elf_physical(const struct elf *elf, uint64_t address, uint64_t *physical);
/* The contents of the note (name, type) in a PT_NOTE segment: null if there is none or the segment is malformed. */
const uint8_t *elf_note(const struct elf *elf, const char *name, uint32_t type, uint32_t *size);
