/* SPDX-License-Identifier: MIT
 * Builds the first process, the manager, from its ELF image while the boot mappings still exist. */
#include <elf.h>
#include <string.h>
#include "api.h"
#include "boot.h"
#include "scheduler.h"

#define MANAGER_QUOTA 128u              /* pool pages: tables of its windows */
#define MANAGER_HEAP (2u << 20)
#define MANAGER_PRIORITY (PRIORITIES - 1)

static struct domain *manager;

/* Fresh memory at `at`; returns it through the boot mappings, or null. */
static void *fresh(uint64_t at, uint64_t size, unsigned rights)
{
    uint64_t hpa = boot_take(size);
    if (!hpa || pt_map(&manager->process, at, hpa, size, rights | PT_USER | PT_READ) != OK)
        return NULL;
    return boot_pointer(hpa);
}

static const char *load_segment(const char *image, uint64_t size, const Elf64_Phdr *segment)
{
    if (segment->p_offset > size || segment->p_filesz > size - segment->p_offset || segment->p_filesz > segment->p_memsz ||
        segment->p_vaddr < LAYOUT_IMAGE || segment->p_memsz > (64u << 20) || segment->p_vaddr > LAYOUT_GUEST)
        return "the manager's image has a segment outside its file or its place in memory";
    if ((segment->p_flags & PF_W) && (segment->p_flags & PF_X))
        return "the manager's image has a segment that is writable and executable";
    unsigned rights = (segment->p_flags & PF_W ? PT_WRITE : 0) | (segment->p_flags & PF_X ? PT_EXEC : 0);
    uint64_t start = ALIGN_DOWN(segment->p_vaddr, PAGE_SIZE), end = ALIGN_UP(segment->p_vaddr + segment->p_memsz, PAGE_SIZE);
    char *memory = fresh(start, end - start, rights);
    if (!memory)
        return "there is no memory for the manager's image, or its segments overlap";
    memcpy(memory + (segment->p_vaddr - start), image + segment->p_offset, segment->p_filesz);
    return NULL;
}

static const char *load_image(const char *image, uint64_t size, uint64_t *entry)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
    if (size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) || header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_machine != EM_X86_64 || header->e_type != ET_EXEC || header->e_phentsize != sizeof(Elf64_Phdr))
        return "the boot module \"manager\" is not a static x86-64 ELF program";
    if (header->e_phoff > size || (uint64_t)header->e_phnum * sizeof(Elf64_Phdr) > size - header->e_phoff)
        return "the program headers of the boot module \"manager\" lie outside the file";
    const Elf64_Phdr *segments = (const Elf64_Phdr *)(image + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type != PT_LOAD || !segments[i].p_memsz)
            continue;
        const char *error = load_segment(image, size, &segments[i]);
        if (error)
            return error;
    }
    *entry = header->e_entry;
    return NULL;
}

const char *manager_create(const void *image, uint64_t size, struct boot_info *info)
{
    if (domain_create("manager", MANAGER_QUOTA, &manager) != OK)
        return "the kernel pool is too small for the manager";
    manager->manager = true;
    manager->state = DOMAIN_RUNNING;
    uint64_t entry = 0;
    const char *error = load_image(image, size, &entry);
    if (error)
        return error;
    struct vcpu *vcpu;
    struct vcpu_spec spec = { .cpu = 0, .priority = MANAGER_PRIORITY, .entry = entry, .argument = LAYOUT_START };
    if (vcpu_create(manager, &spec, &vcpu) != OK)
        return "the manager's vcpu could not be created";
    uint64_t stack_top = LAYOUT_STACK + LAYOUT_STACK_STRIDE;
    if (!fresh(stack_top - LAYOUT_STACK_SIZE, LAYOUT_STACK_SIZE, PT_WRITE) || !fresh(LAYOUT_HEAP, MANAGER_HEAP, PT_WRITE))
        return "there is no memory for the manager's stack and heap";
    struct boot_info *copy = fresh(LAYOUT_START, BOOT_INFO_PAGES * PAGE_SIZE, 0);
    if (!copy)
        return "there is no memory for the boot information";
    info->heap_base = LAYOUT_HEAP;
    info->heap_size = MANAGER_HEAP;
    *copy = *info;
    vcpu_ready(vcpu);
    return NULL;
}
