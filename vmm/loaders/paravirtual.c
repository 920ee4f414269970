/* SPDX-License-Identifier: MIT
 * Paravirtual guests (abi/hypercall.h): ELF64 files with the note ("Bulkhead", 1), entered in long mode on page tables made here. */
#include <elf.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "abi/hypercall.h"
#include "cr.h"
#include "elf.h"
#include "load.h"

#define NOTE_NAME "Bulkhead"
#define NOTE_TYPE 1

#define MAX_SEGMENTS 16
#define IMAGE_FROM PAGE_SIZE             /* page 0 stays unmapped: null pointers fault */
#define IMAGE_TO 0x0000800000000000ull   /* the upper half is PV_DIRECT's */
#define DIRECT_SIZE (1ull << 39)
#define STACK_SIZE 0x4000u

/* Entries of paging structures (SDM 3A table 5-20). Accessed and dirty are set: nobody asks for them. */
#define ENTRY_P (1ull << 0)
#define ENTRY_W (1ull << 1)
#define ENTRY_A (1ull << 5)
#define ENTRY_D (1ull << 6)
#define ENTRY_PS (1ull << 7)
#define ENTRY_NX (1ull << 63)
#define ENTRY_ADDRESS 0x000ffffffffff000ull
#define ENTRY_COUNT 512u

/* What the guest gets besides its image: one block, page-aligned. */
struct block {
    struct pv_start start;
    uint64_t gdt[4];
    uint8_t stack[STACK_SIZE] __attribute__((aligned(16)));
};

struct pv {
    struct load *load;
    struct elf elf;
    struct elf_segment segments[MAX_SEGMENTS];
    unsigned segment_count;
    uint64_t next, end; /* RAM that nobody uses yet */
    uint64_t root;      /* PML4 */
};

/* Without `paravirtual` in the domain's start page it has no pv page; then the file is refused as one of no known format. */
static bool probe(const struct load *load) { return load->machine->start->paravirtual != 0; }

static uint64_t page_up(uint64_t value) { return (value + PAGE_MASK) & ~PAGE_MASK; }

/* The next piece of RAM, whole pages, zeroed. */
static enum status take(struct pv *pv, uint64_t size, const char *what, uint64_t *gpa, void *at)
{
    uint64_t left = pv->end - pv->next;
    if (size > left || page_up(size) > left) {
        return load_error(pv->load, ERR_MEMORY, "%s needs %llu bytes; %llu are left of the guest's %llu MiB of memory", what,
                          (unsigned long long)size, (unsigned long long)left,
                          (unsigned long long)(pv->load->machine->start->memory >> 20));
    }
    void *pointer = memory_at(&pv->load->machine->memory, pv->next, page_up(size));
    *gpa = pv->next;
    pv->next += page_up(size);
    memset(pointer, 0, page_up(size));
    *(void **)at = pointer;
    return OK;
}

/* --- the image's segments: checked before anything is placed --- */

static enum status check_segment(const struct pv *pv, const struct elf_segment *segment)
{
    const struct load *load = pv->load;
    unsigned long long from = segment->vaddr, size = segment->memory_size;
    if (from < IMAGE_FROM || from >= IMAGE_TO || size > IMAGE_TO - from) {
        return load_error(load, ERR_FORMAT, "the ELF segment at %#llx (%llu bytes) is not linked inside [%#llx, %#llx)", from, size,
                          (unsigned long long)IMAGE_FROM, (unsigned long long)IMAGE_TO);
    }
    if ((segment->flags & PF_W) && (segment->flags & PF_X)) {
        return load_error(load, ERR_FORMAT, "the ELF segment at %#llx is writable and executable; allowed is one of the two", from);
    }
    for (unsigned i = 0; i < pv->segment_count; i++) {
        const struct elf_segment *other = &pv->segments[i];
        if ((from & ~PAGE_MASK) < page_up(other->vaddr + other->memory_size) &&
            (other->vaddr & ~PAGE_MASK) < page_up(from + size)) {
            return load_error(load, ERR_FORMAT, "the ELF segments at %#llx and %#llx share a page", (unsigned long long)other->vaddr, from);
        }
    }
    return OK;
}

static enum status read_segments(struct pv *pv)
{
    for (unsigned i = 0; i < pv->elf.segment_count; i++) {
        struct elf_segment segment;
        enum status status = elf_segment(&pv->elf, i, &segment);
        if (status == OK && (segment.type != PT_LOAD || segment.memory_size == 0)) {
            continue;
        }
        if (status == OK && pv->segment_count == MAX_SEGMENTS) {
            return load_error(pv->load, ERR_FORMAT, "more than %u loadable ELF segments (PT_LOAD)", MAX_SEGMENTS);
        }
        if (status == OK) {
            status = check_segment(pv, &segment);
        }
        if (status != OK) {
            return status;
        }
        pv->segments[pv->segment_count++] = segment;
    }
    return OK;
}

static enum status check_entry(const struct pv *pv)
{
    for (unsigned i = 0; i < pv->segment_count; i++) {
        const struct elf_segment *segment = &pv->segments[i];
        if ((segment->flags & PF_X) && pv->elf.entry - segment->vaddr < segment->memory_size) {
            return OK;
        }
    }
    return load_error(pv->load, ERR_FORMAT, "the entry %#llx lies in no executable ELF segment", (unsigned long long)pv->elf.entry);
}

static enum status open_image(struct pv *pv)
{
    uint32_t size;
    if (!elf_probe(pv->load)) {
        return load_error(pv->load, ERR_FORMAT, "a paravirtual guest is an ELF64 file; this file (%llu bytes) is no ELF file",
                          (unsigned long long)pv->load->size);
    }
    enum status status = elf_open(&pv->elf, pv->load);
    if (status != OK) {
        return status;
    }
    if (!pv->elf.wide || elf_note(&pv->elf, NOTE_NAME, NOTE_TYPE, &size) == NULL) {
        return load_error(pv->load, ERR_FORMAT, "a paravirtual guest is an ELF64 file with a note \"%s\" of type %u; %s", NOTE_NAME,
                          NOTE_TYPE, pv->elf.wide ? "this one has none" : "this is an ELF32 file");
    }
    status = read_segments(pv);
    return status == OK ? check_entry(pv) : status;
}

/* --- page tables --- */

static uint64_t *table_at(const struct pv *pv, uint64_t gpa)
{
    return memory_at(&pv->load->machine->memory, gpa, PAGE_SIZE);
}

static enum status map_page(struct pv *pv, uint64_t linear, uint64_t gpa, uint64_t rights)
{
    uint64_t *table = table_at(pv, pv->root);
    for (unsigned shift = 39; shift > PAGE_SHIFT; shift -= 9) {
        uint64_t *entry = &table[linear >> shift & (ENTRY_COUNT - 1)], next;
        if (*entry == 0) {
            enum status status = take(pv, PAGE_SIZE, "a page table", &next, &table);
            if (status != OK) {
                return status;
            }
            *entry = next | ENTRY_P | ENTRY_W | ENTRY_A;
        }
        table = table_at(pv, *entry & ENTRY_ADDRESS);
    }
    table[linear >> PAGE_SHIFT & (ENTRY_COUNT - 1)] = gpa | rights | ENTRY_P | ENTRY_A | ENTRY_D;
    return OK;
}

static enum status map_direct(struct pv *pv)
{
    uint64_t gpa, *table, *root = table_at(pv, pv->root);
    enum status status = take(pv, PAGE_SIZE, "a page table", &gpa, &table);
    if (status != OK) {
        return status;
    }
    for (uint64_t i = 0; i < ENTRY_COUNT; i++) {
        table[i] = i << 30 | ENTRY_P | ENTRY_W | ENTRY_A | ENTRY_D | ENTRY_PS | ENTRY_NX;
    }
    root[PV_DIRECT >> 39 & (ENTRY_COUNT - 1)] = gpa | ENTRY_P | ENTRY_W | ENTRY_A;
    return OK;
}

static enum status place_segment(struct pv *pv, const struct elf_segment *segment)
{
    uint64_t first = segment->vaddr & ~PAGE_MASK, skip = segment->vaddr & PAGE_MASK;
    uint64_t size = page_up(skip + segment->memory_size), gpa;
    uint64_t rights = (segment->flags & PF_W ? ENTRY_W : 0) | (segment->flags & PF_X ? 0 : ENTRY_NX);
    uint8_t *to;
    enum status status = take(pv, size, "an ELF segment", &gpa, &to);
    if (status != OK) {
        return status;
    }
    memcpy(to + skip, pv->load->image + segment->offset, segment->file_size);
    for (uint64_t done = 0; done < size && status == OK; done += PAGE_SIZE) {
        status = map_page(pv, first + done, gpa + done, rights);
    }
    return status;
}

static enum status place_image(struct pv *pv)
{
    uint64_t *table;
    enum status status = take(pv, PAGE_SIZE, "a page table", &pv->root, &table);
    if (status == OK) {
        status = map_direct(pv);
    }
    for (unsigned i = 0; i < pv->segment_count && status == OK; i++) {
        status = place_segment(pv, &pv->segments[i]);
    }
    return status;
}

/* --- what the guest is told --- */

static enum status place_modules(struct pv *pv, struct pv_start *out)
{
    const struct start *start = pv->load->machine->start;
    for (unsigned i = 1; i < start->module_count; i++) {
        const struct start_module *module = &start->modules[i];
        struct pv_module *to = &out->modules[out->module_count++];
        void *copy;
        enum status status = take(pv, module->size, module->name, &to->address, &copy);
        if (status != OK) {
            return status;
        }
        memcpy(copy, (const void *)module->address, module->size);
        to->size = module->size;
        snprintf(to->name, sizeof(to->name), "%s", module->name);
    }
    return OK;
}
_Static_assert(START_MAX_MODULES - 1 <= PV_MAX_MODULES, "modules");

static enum status fill_start(struct pv *pv, struct pv_start *out)
{
    const struct start *start = pv->load->machine->start;
    if (strnlen(start->cmdline, START_CMDLINE) >= sizeof(out->cmdline)) {
        return load_error(pv->load, ERR_FORMAT, "the command line has %u bytes; a paravirtual guest takes at most %u",
                          (unsigned)strnlen(start->cmdline, START_CMDLINE), (unsigned)sizeof(out->cmdline) - 1);
    }
    out->magic = PV_START_MAGIC;
    out->memory_base = start->identity;
    out->memory_size = pv->end - start->identity;
    out->pv_page = start->pv_page;
    out->control = start->control;
    out->peers = start->peers;
    out->tsc_hz = start->tsc_hz;
    memcpy(out->cmdline, start->cmdline, strnlen(start->cmdline, sizeof(out->cmdline) - 1));
    enum status status = place_modules(pv, out);
    out->free_base = pv->next;
    out->free_size = pv->end - pv->next;
    return status;
}

static void enter(const struct pv *pv, uint64_t block)
{
    struct vcpu_state *state = pv->load->machine->vcpus[0].state;
    struct block *at = memory_at(&pv->load->machine->memory, block, sizeof(*at));
    const struct entry_state entry = {
        .rip = pv->elf.entry,
        .rsp = PV_DIRECT + block + offsetof(struct block, stack) + STACK_SIZE,
        .gdt = PV_DIRECT + block + offsetof(struct block, gdt),
        .page_table = pv->root,
        .code = 0x08,
        .data = 0x10,
    };
    entry_gdt_write(at->gdt, &entry);
    entry_set(state, &entry);
    state->cr0 |= CR0_WP | CR0_NE;
    state->efer |= EFER_NXE;
    state->gpr[RDI] = block + offsetof(struct block, start);
    pv->load->result->entry = pv->elf.entry;
}

/* The first RAM: all of it, but for a PC-like layout the part below its hole. Address 0 is nobody's. */
static enum status find_memory(struct pv *pv)
{
    const struct memory *memory = &pv->load->machine->memory;
    const struct start *start = pv->load->machine->start;
    pv->next = start->identity ? start->identity : PAGE_SIZE;
    pv->end = start->identity ? start->identity + memory->high : memory->low;
    if ((start->identity & PAGE_MASK) || pv->end <= pv->next || pv->end > DIRECT_SIZE) {
        return load_error(pv->load, ERR_SUPPORT, "memory [%#llx, %#llx) of a paravirtual guest is not inside [0, %#llx)",
                          (unsigned long long)pv->next, (unsigned long long)pv->end, (unsigned long long)DIRECT_SIZE);
    }
    if (!start->identity && memory->high != 0) {
        load_note(pv->load, "the %llu MiB of memory above 4 GiB are mapped, but pv_start does not name them",
                  (unsigned long long)(memory->high >> 20));
    }
    return OK;
}

static enum status load_paravirtual(struct load *load)
{
    struct pv pv = {.load = load};
    uint64_t gpa;
    struct block *block;
    enum status status = find_memory(&pv);
    if (status == OK) {
        status = open_image(&pv);
    }
    if (status == OK) {
        status = take(&pv, sizeof(*block), "the start information", &gpa, &block);
    }
    if (status == OK) {
        status = place_image(&pv);
    }
    if (status == OK) {
        status = fill_start(&pv, &block->start);
    }
    if (status == OK) {
        enter(&pv, gpa);
    }
    return status;
}

const struct loader paravirtual_loader = {GUEST_PARAVIRTUAL, "Bulkhead paravirtual", probe, load_paravirtual};
