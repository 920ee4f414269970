/* SPDX-License-Identifier: MIT
 * Kernels by the Multiboot specification, version 0.6.96: with address fields in the header, or as ELF of either class.
 */
#include "load.h"

#include <string.h>
#include "elf.h"

#define HEADER_MAGIC 0x1badb002u
#define HEADER_SEARCH 8192u /* the header lies in the first 8192 bytes... */
#define HEADER_ALIGN 4u     /* ...at a multiple of 4 */
#define HEADER_PAGE_ALIGN (1u << 0)
#define HEADER_MEMORY_INFO (1u << 1)
#define HEADER_VIDEO (1u << 2)
#define HEADER_KNOWN_REQUIRED 0x0007u /* a loader must refuse what it does not know of bits 0 to 15 */
#define HEADER_ADDRESSES (1u << 16)

#define ENTRY_MAGIC 0x2badb002u
#define LOADER_NAME "Bulkhead"

struct header {
    uint32_t magic, flags, checksum;
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr; /* with HEADER_ADDRESSES */
};
#define HEADER_SHORT 12u

#define INFO_MEMORY (1u << 0)
#define INFO_BOOT_DEVICE (1u << 1)
#define INFO_CMDLINE (1u << 2)
#define INFO_MODULES (1u << 3)
#define INFO_MMAP (1u << 6)
#define INFO_LOADER_NAME (1u << 9)
#define BOOT_DEVICE_NONE 0x8000ffffu

struct info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
    uint32_t mods_count, mods_addr;
    uint32_t syms[4];
    uint32_t mmap_length, mmap_addr;
    uint32_t drives_length, drives_addr, config_table, boot_loader_name, apm_table;
    uint32_t vbe[4];
    uint32_t framebuffer[6];
};
_Static_assert(sizeof(struct info) == 112, "Multiboot information");

struct module_entry {
    uint32_t start, end, string, reserved;
};

struct mmap_entry {
    uint32_t size; /* of the rest */
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

/* All that the guest gets, in one block of its memory. */
struct block {
    struct info info;
    struct module_entry modules[START_MAX_MODULES];
    struct mmap_entry mmap[E820_MAX_ENTRIES];
    uint64_t gdt[4];
    char loader_name[16];
    char strings[START_MAX_MODULES][LOAD_COMMAND_SIZE]; /* 0: the kernel's command line, i: of module i - 1 */
    uint8_t stack[PAGE_SIZE]; /* the protocol promises none, but kernels exist that push before they set one */
};

/* Offset of the header in the image, or UINT64_MAX. */
static uint64_t find_header(const struct load *load)
{
    for (uint64_t at = 0; at + HEADER_SHORT <= load->size && at + HEADER_SHORT <= HEADER_SEARCH; at += HEADER_ALIGN) {
        const uint8_t *p = load->image + at;
        if (load_u32(p) == HEADER_MAGIC && load_u32(p) + load_u32(p + 4) + load_u32(p + 8) == 0) {
            return at;
        }
    }
    return UINT64_MAX;
}

static bool probe(const struct load *load) { return find_header(load) != UINT64_MAX; }

static enum status read_header(const struct load *load, uint64_t at, struct header *header)
{
    memset(header, 0, sizeof(*header));
    memcpy(header, load->image + at, HEADER_SHORT);
    uint32_t unknown = header->flags & 0xffff & ~HEADER_KNOWN_REQUIRED;
    if (unknown != 0) {
        return load_error(load, ERR_SUPPORT,
                          "Multiboot header flags %#x: the required features %#x are not known; known are %#x",
                          header->flags, unknown, HEADER_KNOWN_REQUIRED);
    }
    if (!(header->flags & HEADER_ADDRESSES)) {
        return OK;
    }
    if (load->size - at < sizeof(*header)) {
        return load_error(load, ERR_FORMAT, "the file ends inside the address fields of the Multiboot header");
    }
    memcpy(header, load->image + at, sizeof(*header));
    return OK;
}

/* The address fields: the file from the byte that belongs at load_addr on. */
static enum status load_addresses(struct load *load, uint64_t at, const struct header *h, uint64_t *entry,
                                  uint64_t *end)
{
    if (h->header_addr < h->load_addr || h->header_addr - h->load_addr > at) {
        return load_error(
            load, ERR_FORMAT,
            "Multiboot header_addr %#x and load_addr %#x: the header lies at offset %#llx of the file, so "
            "load_addr must lie in [header_addr - %#llx, header_addr]",
            h->header_addr, h->load_addr, (unsigned long long)at, (unsigned long long)at);
    }
    uint64_t offset = at - (h->header_addr - h->load_addr);
    uint64_t size = h->load_end_addr != 0 ? (uint64_t)h->load_end_addr - h->load_addr : load->size - offset;
    if (h->load_end_addr != 0 && (h->load_end_addr < h->load_addr || size > load->size - offset)) {
        return load_error(load, ERR_FORMAT,
                          "Multiboot load_end_addr %#x: allowed is %#x to %#llx (the end of the file)",
                          h->load_end_addr, h->load_addr, (unsigned long long)(h->load_addr + load->size - offset));
    }
    if (h->bss_end_addr != 0 && h->bss_end_addr < h->load_addr + size) {
        return load_error(load, ERR_FORMAT, "Multiboot bss_end_addr %#x lies before the end of the data, %#llx",
                          h->bss_end_addr, (unsigned long long)(h->load_addr + size));
    }
    uint64_t total = h->bss_end_addr != 0 ? (uint64_t)h->bss_end_addr - h->load_addr : size;
    if (h->entry_addr - (uint64_t)h->load_addr >= total) {
        return load_error(load, ERR_FORMAT, "Multiboot entry_addr %#x lies outside the image [%#x, %#llx)",
                          h->entry_addr, h->load_addr, (unsigned long long)(h->load_addr + total));
    }
    uint8_t *memory;
    enum status status = load_place(load, h->load_addr, total, "the kernel", &memory);
    if (status != OK) {
        return status;
    }
    memcpy(memory, load->image + offset, size);
    memset(memory + size, 0, total - size);
    *entry = h->entry_addr;
    *end = h->load_addr + total;
    return OK;
}

static enum status load_elf(struct load *load, uint64_t *entry, uint64_t *end)
{
    if (!elf_probe(load)) {
        return load_error(load, ERR_FORMAT, "the Multiboot header has no address fields and the file is not ELF");
    }
    struct elf elf;
    uint64_t low;
    enum status status = elf_open(&elf, load);
    if (status == OK) {
        status = elf_extent(&elf, &low, end);
    }
    if (status == OK) {
        status = elf_physical(&elf, elf.entry, entry);
    }
    if (status == OK && *entry >= LOAD_4G) {
        return load_error(load, ERR_FORMAT, "the entry %#llx lies above 4 GiB, but Multiboot enters in 32-bit mode",
                          (unsigned long long)*entry);
    }
    return status == OK ? elf_load(&elf, load, 0) : status;
}

static void fill_mmap(const struct load *load, struct block *block, uint64_t gpa)
{
    struct info *info = &block->info;
    info->flags |= INFO_MEMORY | INFO_MMAP;
    info->mem_lower = load_lower_kib(&load->map);
    info->mem_upper = load_upper_kib(&load->map);
    for (unsigned i = 0; i < load->map.e820_count; i++) {
        const struct e820_entry *e = &load->map.e820[i];
        block->mmap[i] = (struct mmap_entry){
            .size = sizeof(struct mmap_entry) - 4, .base = e->base, .length = e->size, .type = e->type};
    }
    info->mmap_length = load->map.e820_count * (uint32_t)sizeof(struct mmap_entry);
    info->mmap_addr = (uint32_t)(gpa + offsetof(struct block, mmap));
}

static uint32_t string_at(struct block *block, uint64_t gpa, unsigned index, const char *name, const char *arguments)
{
    load_command_text(block->strings[index], LOAD_COMMAND_SIZE, name, arguments);
    return (uint32_t)(gpa + offsetof(struct block, strings) + index * LOAD_COMMAND_SIZE);
}

/* What `qemu -kernel` provides, too: command line with the kernel's name in front, module strings alike, no boot
 * device. */
static void fill_info(const struct load *load, struct block *block, uint64_t gpa, const struct placed_module *modules,
                      unsigned count)
{
    struct info *info = &block->info;
    const struct start *start = load->machine->start;
    info->flags = INFO_BOOT_DEVICE | INFO_CMDLINE | INFO_MODULES | INFO_LOADER_NAME;
    info->boot_device = BOOT_DEVICE_NONE;
    info->cmdline = string_at(block, gpa, 0, load->name, start->cmdline);
    memcpy(block->loader_name, LOADER_NAME, sizeof(LOADER_NAME));
    info->boot_loader_name = (uint32_t)(gpa + offsetof(struct block, loader_name));
    for (unsigned i = 0; i < count; i++) {
        block->modules[i].start = (uint32_t)modules[i].gpa;
        block->modules[i].end = (uint32_t)(modules[i].gpa + modules[i].size);
        block->modules[i].string = string_at(block, gpa, i + 1, modules[i].module->name, modules[i].module->cmdline);
    }
    info->mods_count = count;
    info->mods_addr = (uint32_t)(gpa + offsetof(struct block, modules));
    fill_mmap(load, block, gpa);
}

static enum status enter(struct load *load, uint64_t rip, const struct placed_module *modules, unsigned count)
{
    uint64_t gpa;
    struct block *block;
    enum status status = load_take_tables(load, sizeof(*block), "the Multiboot information", &gpa, &block);
    if (status != OK) {
        return status;
    }
    fill_info(load, block, gpa, modules, count);
    const struct entry_state entry = {
        .rip = rip,
        .rsp = gpa + sizeof(*block),
        .gdt = gpa + offsetof(struct block, gdt),
        .code = 0x08,
        .data = 0x10,
    };
    struct vcpu_state *state = load->machine->vcpus[0].state;
    entry_gdt_write(block->gdt, &entry);
    entry_set(state, &entry);
    state->gpr[RAX] = ENTRY_MAGIC;
    state->gpr[RBX] = gpa + offsetof(struct block, info);
    load->result->entry = rip;
    return OK;
}

static enum status load_multiboot1(struct load *load)
{
    uint64_t at = find_header(load), entry, end;
    struct header header;
    enum status status = read_header(load, at, &header);
    if (status != OK) {
        return status;
    }
    if (header.flags & HEADER_VIDEO) {
        load_note(load, "the kernel asks for a video mode; this machine has no display");
    }
    status = header.flags & HEADER_ADDRESSES ? load_addresses(load, at, &header, &entry, &end)
                                             : load_elf(load, &entry, &end);
    struct placed_module modules[START_MAX_MODULES];
    unsigned count;
    if (status == OK) {
        status = load_modules(load, end > 0x100000 ? end : 0x100000, modules, &count);
    }
    return status == OK ? enter(load, entry, modules, count) : status;
}

const struct loader multiboot1_loader = {GUEST_MULTIBOOT1, "Multiboot 1", probe, load_multiboot1};
