/* SPDX-License-Identifier: MIT
 * Kernels by the Multiboot2 specification, version 2.0: the header and where the image goes. What the kernel is told is
 * in multiboot2_info.c. */
#include "multiboot2.h"

#include <string.h>

#define HEADER_MAGIC 0xe85250d6u
#define HEADER_SEARCH 32768u /* the header lies in the first 32768 bytes, at a multiple of 8 */
#define HEADER_ALIGN 8u
#define HEADER_FIXED 16u
#define ARCHITECTURE_I386 0u

enum header_tag {
    TAG_END,
    TAG_INFORMATION,
    TAG_ADDRESS,
    TAG_ENTRY,
    TAG_CONSOLE,
    TAG_FRAMEBUFFER,
    TAG_MODULE_ALIGN,
    TAG_EFI_SERVICES,
    TAG_EFI32_ENTRY,
    TAG_EFI64_ENTRY,
    TAG_RELOCATABLE,
};
#define TAG_OPTIONAL 1u       /* bit of the tag's flags */
#define TAG_FIXED 8u          /* type, flags, size */
#define CONSOLE_REQUIRED 1u   /* at least one of the consoles that the kernel supports must be there */
#define INFORMATION_TYPES 22u /* 0 to 21 are known; what is not available is left out */

enum preference { PREFER_NONE, PREFER_LOWEST, PREFER_HIGHEST };

/* What the header asks for. */
struct request {
    bool has_addresses, has_entry, relocatable;
    uint64_t header_at; /* offset of the header in the file */
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
    uint32_t min_addr, max_addr, align, preference;
};

static uint64_t find_header(const struct load *load)
{
    for (uint64_t at = 0; at + HEADER_FIXED <= load->size && at + HEADER_FIXED <= HEADER_SEARCH; at += HEADER_ALIGN) {
        const uint8_t *p = load->image + at;
        if (load_u32(p) == HEADER_MAGIC && load_u32(p) + load_u32(p + 4) + load_u32(p + 8) + load_u32(p + 12) == 0) {
            return at;
        }
    }
    return UINT64_MAX;
}

static bool probe(const struct load *load) { return find_header(load) != UINT64_MAX; }

static enum status take_information(const struct load *load, const uint8_t *tag, uint32_t size, struct request *request)
{
    (void)request;
    for (uint32_t i = TAG_FIXED; i + 4 <= size; i += 4) {
        uint32_t type = load_u32(tag + i);
        if (type >= INFORMATION_TYPES && !(load_u16(tag + 2) & TAG_OPTIONAL)) {
            return load_error(load, ERR_SUPPORT,
                              "the Multiboot2 header requires information of type %u; known are 0 to %u", type,
                              INFORMATION_TYPES - 1);
        }
    }
    return OK;
}

static enum status take_address(const struct load *load, const uint8_t *tag, uint32_t size, struct request *request)
{
    (void)load;
    (void)size;
    request->has_addresses = true;
    request->header_addr = load_u32(tag + 8);
    request->load_addr = load_u32(tag + 12);
    request->load_end_addr = load_u32(tag + 16);
    request->bss_end_addr = load_u32(tag + 20);
    return OK;
}

static enum status take_entry(const struct load *load, const uint8_t *tag, uint32_t size, struct request *request)
{
    (void)load;
    (void)size;
    request->has_entry = true;
    request->entry_addr = load_u32(tag + 8);
    return OK;
}

static enum status take_console(const struct load *load, const uint8_t *tag, uint32_t size, struct request *request)
{
    (void)size;
    (void)request;
    if ((load_u32(tag + 8) & CONSOLE_REQUIRED) && !(load_u16(tag + 2) & TAG_OPTIONAL)) {
        return load_error(
            load, ERR_SUPPORT,
            "the Multiboot2 header requires a text console or a framebuffer; this machine has no display");
    }
    return OK;
}

/* The mode in the tag is a recommendation: the kernel learns from the missing framebuffer information that there is
 * none. */
static enum status take_framebuffer(const struct load *load, const uint8_t *tag, uint32_t size, struct request *request)
{
    (void)tag;
    (void)size;
    (void)request;
    load_note(load, "the kernel asks for a framebuffer; this machine has no display");
    return OK;
}

static enum status take_relocatable(const struct load *load, const uint8_t *tag, uint32_t size, struct request *request)
{
    (void)size;
    request->relocatable = true;
    request->min_addr = load_u32(tag + 8);
    request->max_addr = load_u32(tag + 12);
    request->align = load_u32(tag + 16);
    request->preference = load_u32(tag + 20);
    if (request->align == 0 || (request->align & (request->align - 1)) != 0) {
        return load_error(load, ERR_FORMAT, "Multiboot2 relocatable tag: alignment %#x; a power of two is allowed",
                          request->align);
    }
    if (request->preference > PREFER_HIGHEST) {
        return load_error(load, ERR_FORMAT, "Multiboot2 relocatable tag: preference %u; allowed are 0, 1 and 2",
                          request->preference);
    }
    return OK;
}

static enum status take_nothing(const struct load *load, const uint8_t *tag, uint32_t size, struct request *request)
{
    (void)load;
    (void)tag;
    (void)size;
    (void)request;
    return OK;
}

/* The EFI tags concern loaders that are EFI programs. Modules are page-aligned anyway. */
static const struct tag_rule {
    const char *name;
    uint32_t size; /* at least */
    enum status (*take)(const struct load *load, const uint8_t *tag, uint32_t size, struct request *request);
} tag_rules[] = {
    [TAG_INFORMATION] = {"information request", 8, take_information},
    [TAG_ADDRESS] = {"address", 24, take_address},
    [TAG_ENTRY] = {"entry address", 12, take_entry},
    [TAG_CONSOLE] = {"console flags", 12, take_console},
    [TAG_FRAMEBUFFER] = {"framebuffer", 20, take_framebuffer},
    [TAG_MODULE_ALIGN] = {"module alignment", 8, take_nothing},
    [TAG_EFI_SERVICES] = {"EFI boot services", 8, take_nothing},
    [TAG_EFI32_ENTRY] = {"EFI i386 entry", 12, take_nothing},
    [TAG_EFI64_ENTRY] = {"EFI amd64 entry", 12, take_nothing},
    [TAG_RELOCATABLE] = {"relocatable", 24, take_relocatable},
};
#define TAG_RULES (sizeof(tag_rules) / sizeof(tag_rules[0]))

static enum status take_tag(const struct load *load, const uint8_t *tag, uint64_t left, struct request *request)
{
    uint16_t type = load_u16(tag), flags = load_u16(tag + 2);
    uint32_t size = load_u32(tag + 4);
    if (size < TAG_FIXED || size > left) {
        return load_error(
            load, ERR_FORMAT,
            "Multiboot2 header tag of type %u has size %u; allowed are 8 to %llu (the rest of the header)", type, size,
            (unsigned long long)left);
    }
    if (type >= TAG_RULES || tag_rules[type].take == NULL) {
        return flags & TAG_OPTIONAL
                   ? OK
                   : load_error(load, ERR_SUPPORT, "the Multiboot2 header requires a feature of unknown type %u", type);
    }
    if (size < tag_rules[type].size) {
        return load_error(load, ERR_FORMAT, "Multiboot2 %s tag of %u bytes; at least %u are needed",
                          tag_rules[type].name, size, tag_rules[type].size);
    }
    return tag_rules[type].take(load, tag, size, request);
}

static enum status read_header(const struct load *load, uint64_t at, struct request *request)
{
    const uint8_t *header = load->image + at;
    uint32_t architecture = load_u32(header + 4);
    uint64_t length = load_u32(header + 8), offset = HEADER_FIXED;
    *request = (struct request){.header_at = at};
    if (architecture != ARCHITECTURE_I386) {
        return load_error(load, ERR_SUPPORT, "Multiboot2 architecture %u; allowed is 0 (i386)", architecture);
    }
    if (length < HEADER_FIXED || length > load->size - at) {
        return load_error(load, ERR_FORMAT,
                          "Multiboot2 header of %llu bytes; allowed are %u to %llu (the end of the file)",
                          (unsigned long long)length, HEADER_FIXED, (unsigned long long)(load->size - at));
    }
    while (length - offset >= TAG_FIXED) {
        const uint8_t *tag = header + offset;
        if (load_u16(tag) == TAG_END) {
            return OK;
        }
        enum status status = take_tag(load, tag, length - offset, request);
        if (status != OK) {
            return status;
        }
        offset += ((uint64_t)load_u32(tag + 4) + 7) & ~7ull;
        if (offset > length) {
            break;
        }
    }
    return load_error(load, ERR_FORMAT, "the Multiboot2 header of %llu bytes has no end tag",
                      (unsigned long long)length);
}

/* Where the image [low, high) goes: 0 is added to its addresses if it stays. */
static enum status choose_offset(const struct load *load, const struct request *request, struct multiboot2 *image)
{
    uint64_t size = image->high - image->low;
    image->offset = 0;
    if (!request->relocatable) {
        return OK;
    }
    bool stays = image->low >= request->min_addr && image->high - 1 <= request->max_addr &&
                 image->low % request->align == 0 && memmap_is_ram(&load->map, image->low, size);
    if (stays && request->preference == PREFER_NONE) {
        return OK;
    }
    const struct wish wish = {
        .size = size,
        .align = request->align,
        .from = request->min_addr,
        .to = (uint64_t)request->max_addr + 1,
        .highest = request->preference == PREFER_HIGHEST,
    };
    uint64_t base;
    if (memmap_find(&load->map, &wish, &base) != OK) {
        return load_error(
            load, ERR_MEMORY,
            "the relocatable kernel of %llu bytes fits nowhere "
                          "between %#x and %#x at alignment %#x (the guest has %llu MiB)",
            (unsigned long long)size, request->min_addr, request->max_addr, request->align,
            (unsigned long long)(load->machine->start->memory >> 20));
    }
    image->offset = base - image->low;
    return OK;
}

static enum status bad_addresses(const struct load *load, const struct request *r)
{
    return load_error(
        load, ERR_FORMAT,
        "Multiboot2 address tag: header %#x, load %#x to %#x, bss end %#x do not fit a header at offset %#llx "
        "of a file of %llu bytes",
        r->header_addr, r->load_addr, r->load_end_addr, r->bss_end_addr, (unsigned long long)r->header_at,
        (unsigned long long)load->size);
}

/* The address tag: the file from the byte that belongs at load_addr (all ones: from its start) on. */
static enum status load_addresses(struct load *load, const struct request *r, struct multiboot2 *image)
{
    uint64_t before = r->load_addr == UINT32_MAX ? r->header_at : (uint64_t)r->header_addr - r->load_addr;
    if (before > r->header_at || before > r->header_addr) {
        return bad_addresses(load, r);
    }
    uint64_t offset = r->header_at - before, available = load->size - offset;
    image->low = r->header_addr - before;
    uint64_t size = r->load_end_addr != 0 ? r->load_end_addr - image->low : available;
    image->high = r->bss_end_addr != 0 ? r->bss_end_addr : image->low + size;
    if (size > available || size == 0 || image->high < image->low + size) {
        return bad_addresses(load, r);
    }
    enum status status = choose_offset(load, r, image);
    uint8_t *memory;
    if (status == OK) {
        status = load_place(load, image->low + image->offset, image->high - image->low, "the kernel", &memory);
    }
    if (status == OK) {
        memcpy(memory, load->image + offset, size);
        memset(memory + size, 0, image->high - image->low - size);
    }
    return status;
}

static enum status load_elf(struct load *load, const struct request *request, struct multiboot2 *image)
{
    if (!elf_probe(load)) {
        return load_error(load, ERR_FORMAT, "the Multiboot2 header has no address tag and the file is not ELF");
    }
    enum status status = elf_open(&image->elf, load);
    if (status == OK) {
        status = elf_extent(&image->elf, &image->low, &image->high);
    }
    if (status == OK) {
        status = choose_offset(load, request, image);
    }
    if (status == OK && !request->has_entry) {
        status = elf_physical(&image->elf, image->elf.entry, &image->entry);
    }
    image->is_elf = true;
    return status == OK ? elf_load(&image->elf, load, image->offset) : status;
}

static enum status load_image(struct load *load, const struct request *request, struct multiboot2 *image)
{
    if (request->has_addresses && !request->has_entry) {
        return load_error(load, ERR_FORMAT, "the Multiboot2 header has an address tag but no entry address tag");
    }
    enum status status = request->has_addresses ? load_addresses(load, request, image) : load_elf(load, request, image);
    if (status != OK) {
        return status;
    }
    image->entry = request->has_entry ? request->entry_addr : image->entry;
    if (image->entry < image->low || image->entry >= image->high) {
        return load_error(load, ERR_FORMAT, "the entry %#llx lies outside the image [%#llx, %#llx)",
                          (unsigned long long)image->entry, (unsigned long long)image->low,
                          (unsigned long long)image->high);
    }
    image->entry += image->offset;
    if (image->entry >= LOAD_4G) {
        return load_error(load, ERR_FORMAT, "the entry %#llx lies above 4 GiB, but Multiboot2 enters in 32-bit mode",
                          (unsigned long long)image->entry);
    }
    return OK;
}

static enum status load_multiboot2(struct load *load)
{
    struct request request;
    struct multiboot2 image = {.load_base_known = false};
    enum status status = read_header(load, find_header(load), &request);
    if (status == OK) {
        status = load_image(load, &request, &image);
    }
    if (status != OK) {
        return status;
    }
    image.load_base_known = request.relocatable;
    uint64_t end = image.high + image.offset;
    status = load_modules(load, end > 0x100000 ? end : 0x100000, image.modules, &image.module_count);
    return status == OK ? multiboot2_enter(load, &image) : status;
}

const struct loader multiboot2_loader = {GUEST_MULTIBOOT2, "Multiboot 2", probe, load_multiboot2};
