/* SPDX-License-Identifier: MIT
 * Linux kernels entered in real mode, at the beginning of their setup code (Documentation/arch/x86/boot.rst, "Loading
 * the rest of the kernel" and "Running the kernel"). The services that it calls are in vmm/bios*.c. */
#include "bzimage.h"

#include <stddef.h>
#include <string.h>

#define SECTOR 512u
#define REAL_HIGH 0x10000u    /* setup code, heap and stack of a kernel whose rest lies above 1 MiB: one segment */
#define REAL_LOW 0x90000u     /* ... of older ones */
#define REAL_LOW_END 0x9a000u /* their command line ends here, at the latest */
#define SEGMENT_SIZE 0x10000u
#define SETUP_MAX 0x8000u
#define KERNEL_HIGH 0x100000u
#define KERNEL_LOW 0x10000u
#define ENTRY_PARAGRAPHS 0x20u
#define STACK_GAP 16u
#define HEAP_GAP 0x200u /* heap_end_ptr is relative to the setup code's second sector */
#define VERSION_CMDLINE_POINTER 0x202
#define OLD_CMDLINE_MAGIC_AT 0x20u
#define OLD_CMDLINE_MAGIC 0xa33fu
#define LOADER_UNDEFINED 0xffu

struct places {
    uint64_t setup, setup_size, cmdline;
};

static struct places choose(const struct bz_image *bz)
{
    const struct setup_header *header = &bz->header;
    struct places at = { .setup_size = ((header->setup_sects != 0 ? header->setup_sects : 4) + 1u) * SECTOR };
    if (header->version >= VERSION_CMDLINE_POINTER && (header->loadflags & LOADED_HIGH)) {
        at.setup = REAL_HIGH;
        at.cmdline = REAL_HIGH + SEGMENT_SIZE;
    } else {
        at.setup = REAL_LOW;
        at.cmdline = REAL_LOW_END - ((header->cmdline_size + 16u) & ~15u);
    }
    return at;
}

static enum status place_kernel(struct load *load, struct bz_image *bz)
{
    bool high = bz->header.loadflags & LOADED_HIGH;
    void *to;
    bz->address = high ? KERNEL_HIGH : KERNEL_LOW;
    if (!high && bz->kernel_size > REAL_LOW - KERNEL_LOW) {
        return load_error(load, ERR_FORMAT, "a zImage with a kernel of %llu bytes: at most %u fit below its setup code",
                          (unsigned long long)bz->kernel_size, REAL_LOW - KERNEL_LOW);
    }
    enum status status = load_place(load, bz->address, bz->kernel_size, "the kernel", &to);
    if (status == OK) {
        memcpy(to, bz->kernel, bz->kernel_size);
    }
    return status;
}

static enum status place_cmdline(struct load *load, const struct bz_image *bz, const struct places *at)
{
    const char *text = load->machine->start->cmdline;
    uint64_t length = strnlen(text, START_CMDLINE);
    if (length > bz->header.cmdline_size) {
        return load_error(load, ERR_FORMAT, "the command line has %llu characters: this kernel takes %u",
                          (unsigned long long)length, bz->header.cmdline_size);
    }
    char *to;
    enum status status = load_place(load, at->cmdline, length + 1, "the command line", &to);
    if (status == OK) {
        memcpy(to, text, length);
        to[length] = 0;
    }
    return status;
}

static void put16(uint8_t *at, uint64_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

/* The setup code with the fields that a boot loader fills in. */
static enum status place_setup(struct load *load, const struct bz_image *bz, const struct places *at)
{
    if (at->setup_size > SETUP_MAX) {
        return load_error(load, ERR_FORMAT, "setup code of %llu bytes: at most %u are allowed",
                          (unsigned long long)at->setup_size, SETUP_MAX);
    }
    uint8_t *to;
    enum status status = load_place(load, at->setup, (at->cmdline - at->setup), "the setup code", &to);
    if (status != OK) {
        return status;
    }
    memset(to, 0, at->cmdline - at->setup);
    memcpy(to, load->image, at->setup_size);
    struct setup_header *header = (struct setup_header *)(to + 0x1f1);
    header->type_of_loader = LOADER_UNDEFINED;
    header->ramdisk_image = bz->header.ramdisk_image;
    header->ramdisk_size = bz->header.ramdisk_size;
    if (bz->header.version >= 0x201) {
        header->loadflags |= CAN_USE_HEAP;
        header->heap_end_ptr = (uint16_t)(at->cmdline - at->setup - HEAP_GAP);
    }
    if (bz->header.version >= VERSION_CMDLINE_POINTER) {
        header->cmd_line_ptr = (uint32_t)at->cmdline;
    } else {
        put16(to + OLD_CMDLINE_MAGIC_AT, OLD_CMDLINE_MAGIC);
        put16(to + OLD_CMDLINE_MAGIC_AT + 2, at->cmdline - at->setup);
    }
    return OK;
}

enum status bzimage_load_real(struct load *load, struct bz_image *bz)
{
    const struct places at = choose(bz);
    enum status status = place_kernel(load, bz);
    if (status == OK) {
        status = bzimage_place_initrd(load, bz);
    }
    if (status == OK) {
        status = place_cmdline(load, bz, &at);
    }
    if (status == OK) {
        status = place_setup(load, bz, &at);
    }
    if (status != OK) {
        return status;
    }
    uint16_t segment = (uint16_t)(at.setup >> 4);
    entry_set_real(load->machine->vcpus[0].state, segment + ENTRY_PARAGRAPHS, segment, (uint16_t)(at.cmdline - at.setup - STACK_GAP));
    load->result->entry = at.setup + ENTRY_PARAGRAPHS * 16;
    return OK;
}
