/* SPDX-License-Identifier: MIT
 * Linux kernels by the boot protocol of Documentation/arch/x86/boot.rst: the 64-bit entry where the kernel has one
 * (XLF_KERNEL_64), else the 32-bit one; older kernels in real mode (bzimage_real.c). Other programs use the same
 * protocol (memtest86+ for one). */
#include "bzimage.h"

#include <string.h>
#include "pc.h"

#define SETUP_AT 0x1f1          /* struct setup_header in the file */
#define SETUP_MAGIC 0x53726448u /* "HdrS" */
#define SETUP_MAGIC_AT 0x202
#define BOOT_FLAG_AT 0x1fe
#define SECTOR 512u
#define ENTRY64_OFFSET 0x200u
#define LOADER_UNDEFINED 0xffu
#define VIDEO_NORMAL 0xffffu
#define ONE_MIB 0x100000ull

/* Selectors that the protocol prescribes. */
#define BOOT_CS 0x10
#define BOOT_DS 0x18

/* Page tables: 4 GiB mapped one to one by 2 MiB pages. */
#define IDENTITY_DIRECTORIES 4
#define IDENTITY_PAGES (2 + IDENTITY_DIRECTORIES)
#define PTE_PRESENT_WRITE 3u
#define PTE_LARGE 0x80u

static bool probe(const struct load *load)
{
    return load->size >= SETUP_AT + sizeof(struct setup_header) && load_u16(load->image + BOOT_FLAG_AT) == 0xaa55 &&
           load_u32(load->image + SETUP_MAGIC_AT) == SETUP_MAGIC;
}

/* The header ends where the jump at its start leads to; what an older protocol does not have must not be read from
 * code. */
static void read_header(const struct load *load, struct setup_header *header)
{
    uint64_t size = SETUP_MAGIC_AT + load->image[SETUP_MAGIC_AT - 1] - SETUP_AT;
    memset(header, 0, sizeof(*header));
    memcpy(header, load->image + SETUP_AT, size < sizeof(*header) ? size : sizeof(*header));
    if (header->version < 0x203) {
        header->initrd_addr_max = 0x37ffffff;
    }
    if (header->version < 0x206) {
        header->cmdline_size = 255;
    }
    if (header->version < 0x205) {
        header->relocatable_kernel = 0;
    }
    if (header->version < 0x20a) {
        header->pref_address = ONE_MIB;
        header->init_size = 0;
    }
    if (header->version < 0x20c) {
        header->xloadflags = 0;
    }
}

static enum status check_header(const struct load *load, struct bz_image *bz)
{
    const struct setup_header *header = &bz->header;
    if (header->version < 0x200) {
        return load_error(load, ERR_FORMAT, "Linux boot protocol %u.%02u: at least 2.00 is needed",
                          header->version >> 8, header->version & 0xff);
    }
    if (header->version >= BZIMAGE_REAL_BEFORE && !(header->loadflags & LOADED_HIGH)) {
        return load_error(load, ERR_FORMAT, "loadflags %#x without LOADED_HIGH in protocol %u.%02u", header->loadflags,
                          header->version >> 8, header->version & 0xff);
    }
    uint64_t setup = ((header->setup_sects != 0 ? header->setup_sects : 4) + 1u) * SECTOR;
    if (load->size <= setup) {
        return load_error(load, ERR_FORMAT, "truncated bzImage: the setup part takes %llu bytes, the file has %llu",
                          (unsigned long long)setup, (unsigned long long)load->size);
    }
    bz->kernel = load->image + setup;
    bz->kernel_size = load->size - setup;
    uint64_t paragraphs = header->version >= 0x204 ? header->syssize : header->syssize & 0xffff;
    if ((bz->kernel_size + 15) / 16 < paragraphs) {
        return load_error(load, ERR_FORMAT,
                          "truncated bzImage: the header promises %llu bytes behind the setup part, the file has %llu",
                          (unsigned long long)(paragraphs * 16), (unsigned long long)bz->kernel_size);
    }
    if ((header->xloadflags & XLF_KERNEL_64) && bz->kernel_size <= ENTRY64_OFFSET) {
        return load_error(load, ERR_FORMAT,
                          "truncated bzImage: %llu bytes of kernel do not reach the 64-bit entry at %#x",
                          (unsigned long long)bz->kernel_size, ENTRY64_OFFSET);
    }
    if (header->relocatable_kernel &&
        (header->kernel_alignment == 0 || (header->kernel_alignment & (header->kernel_alignment - 1)) != 0)) {
        return load_error(load, ERR_FORMAT, "kernel_alignment is %#x: a power of two is allowed",
                          header->kernel_alignment);
    }
    bz->memory_size = header->init_size > bz->kernel_size ? header->init_size : bz->kernel_size;
    return OK;
}

/* At its preferred address, or, if it can be moved, at the lowest aligned one where it fits. */
static enum status place_kernel(struct load *load, struct bz_image *bz)
{
    const struct setup_header *header = &bz->header;
    bz->address = header->pref_address;
    if (!memmap_is_ram(&load->map, bz->address, bz->memory_size) || bz->address >= LOAD_4G) {
        if (!header->relocatable_kernel) {
            return load_error(
                load, ERR_MEMORY,
                "the kernel cannot be moved and needs %llu bytes of memory at %#llx: the guest has %llu MiB",
                (unsigned long long)bz->memory_size, (unsigned long long)bz->address,
                (unsigned long long)(load->machine->start->memory >> 20));
        }
        const struct wish wish = {
            .size = bz->memory_size, .align = header->kernel_alignment, .from = ONE_MIB, .to = LOAD_4G};
        uint64_t address;
        if (memmap_find(&load->map, &wish, &address) != OK) {
            return load_error(load, ERR_MEMORY,
                              "the kernel needs %llu MiB of memory while it starts: the guest has %llu MiB",
                              (unsigned long long)((bz->memory_size + ONE_MIB - 1) >> 20),
                              (unsigned long long)(load->machine->start->memory >> 20));
        }
        bz->address = address;
    }
    void *to;
    enum status status = load_place(load, bz->address, bz->memory_size, "the kernel", &to);
    if (status == OK) {
        memcpy(to, bz->kernel, bz->kernel_size);
    }
    return status;
}

/* As high as the kernel can reach. */
enum status bzimage_place_initrd(struct load *load, struct bz_image *bz)
{
    const struct start *start = load->machine->start;
    unsigned used = start->has_initrd ? 2 : 1;
    if (start->module_count > used) {
        return load_error(load, ERR_SUPPORT, "a Linux kernel takes one initrd and no modules: \"%s\" is one too many",
                          start->modules[used].name);
    }
    if (!start->has_initrd || start->module_count < 2 || start->modules[1].size == 0) {
        return OK;
    }
    const struct start_module *initrd = &start->modules[1];
    uint64_t limit = (uint64_t)bz->header.initrd_addr_max + 1;
    const struct wish wish = {.size = initrd->size, .align = PAGE_SIZE, .from = ONE_MIB, .to = limit, .highest = true};
    uint64_t gpa;
    void *to;
    enum status status = load_take(load, &wish, initrd->name, &gpa, &to);
    if (status != OK) {
        return status;
    }
    memcpy(to, (const void *)initrd->address, initrd->size);
    bz->header.ramdisk_image = (uint32_t)gpa;
    bz->header.ramdisk_size = (uint32_t)initrd->size;
    return OK;
}

static enum status place_cmdline(struct load *load, struct bz_image *bz)
{
    const char *text = load->machine->start->cmdline;
    uint64_t length = strnlen(text, START_CMDLINE);
    if (length > bz->header.cmdline_size) {
        return load_error(load, ERR_FORMAT, "the command line has %llu characters: this kernel takes %u",
                          (unsigned long long)length, bz->header.cmdline_size);
    }
    uint64_t gpa;
    char *to;
    enum status status = load_take_tables(load, length + 1, "the command line", &gpa, &to);
    if (status == OK) {
        memcpy(to, text, length);
        bz->header.cmd_line_ptr = (uint32_t)gpa;
    }
    return status;
}

static void fill_memory(const struct load *load, struct boot_params *params)
{
    uint32_t upper = load_upper_kib(&load->map);
    params->screen_info.ext_mem_k = upper < 0xfc00 ? (uint16_t)upper : 0xfc00;
    params->alt_mem_k = upper;
    for (unsigned i = 0; i < load->map.e820_count && i < E820_MAX_ENTRIES_ZEROPAGE; i++) {
        const struct e820_entry *entry = &load->map.e820[i];
        params->e820_table[i] = (struct boot_e820_entry){.addr = entry->base, .size = entry->size, .type = entry->type};
        params->e820_entries++;
    }
}

static enum status place_zero_page(struct load *load, struct bz_image *bz, uint64_t *gpa)
{
    struct boot_params *params;
    enum status status = load_take_tables(load, sizeof(*params), "the boot parameters", gpa, &params);
    if (status != OK) {
        return status;
    }
    params->hdr = bz->header;
    params->hdr.type_of_loader = LOADER_UNDEFINED;
    params->hdr.vid_mode = VIDEO_NORMAL;
    params->hdr.code32_start = (uint32_t)bz->address;
    params->hdr.setup_data = 0;
    params->acpi_rsdp_addr = PC_RSDP;
    fill_memory(load, params);
    return OK;
}

static enum status place_page_tables(struct load *load, uint64_t *gpa)
{
    uint64_t *table;
    enum status status = load_take_tables(load, IDENTITY_PAGES * PAGE_SIZE, "the page tables", gpa, &table);
    if (status != OK) {
        return status;
    }
    const unsigned entries = PAGE_SIZE / sizeof(*table);
    table[0] = (*gpa + PAGE_SIZE) | PTE_PRESENT_WRITE;
    for (uint64_t i = 0; i < IDENTITY_DIRECTORIES; i++) {
        table[entries + i] = (*gpa + (2 + i) * PAGE_SIZE) | PTE_PRESENT_WRITE;
    }
    for (uint64_t i = 0; i < IDENTITY_DIRECTORIES * entries; i++) {
        table[2 * entries + i] = i << 21 | PTE_LARGE | PTE_PRESENT_WRITE;
    }
    return OK;
}

static enum status enter(struct load *load, struct bz_image *bz, uint64_t zero_page)
{
    bool wide = (bz->header.xloadflags & XLF_KERNEL_64) != 0;
    struct entry_state entry = {.code = BOOT_CS, .data = BOOT_DS, .rip = bz->address + (wide ? ENTRY64_OFFSET : 0)};
    uint64_t *gdt;
    enum status status = load_take_tables(load, ENTRY_GDT_SIZE, "the descriptor table", &entry.gdt, &gdt);
    if (status == OK && wide) {
        status = place_page_tables(load, &entry.page_table);
    }
    if (status != OK) {
        return status;
    }
    entry_gdt_write(gdt, &entry);
    entry_set(load->machine->vcpus[0].state, &entry);
    load->machine->vcpus[0].state->gpr[RSI] = zero_page;
    load->result->entry = entry.rip;
    return OK;
}

static enum status load_linux(struct load *load)
{
    struct bz_image bz;
    read_header(load, &bz.header);
    enum status status = check_header(load, &bz);
    if (status == OK && bz.header.version < BZIMAGE_REAL_BEFORE) {
        return bzimage_load_real(load, &bz);
    }
    if (status == OK) {
        status = place_kernel(load, &bz);
    }
    if (status == OK) {
        status = bzimage_place_initrd(load, &bz);
    }
    if (status == OK) {
        status = place_cmdline(load, &bz);
    }
    uint64_t zero_page;
    if (status == OK) {
        status = place_zero_page(load, &bz, &zero_page);
    }
    return status == OK ? enter(load, &bz, zero_page) : status;
}

const struct loader bzimage_loader = {GUEST_LINUX, "Linux bzImage", probe, load_linux};
