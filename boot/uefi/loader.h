/* SPDX-License-Identifier: MIT
 * The parts of the UEFI loader that need no firmware: they compile on the host too, for its tests.
 * A `const char *` result is null or a sentence. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- manifest.c: \bulkhead\manifest, which the image builder writes and GRUB reads too ---
 * One line each: "kernel FILE" once, "load FILE NAME" for every module; words may be quoted as a shell does
 * ('...' and \x). Files are in the manifest's folder. Lines that are empty or begin with # say nothing. */
#define MANIFEST_MODULES 48 /* BOOT_MAX_MODULES of the kernel */
#define MANIFEST_WORD 96    /* BOOT_NAME_SIZE */
struct manifest {
    char kernel[MANIFEST_WORD];
    uint32_t count;
    struct {
        char file[MANIFEST_WORD], name[MANIFEST_WORD];
    } modules[MANIFEST_MODULES];
    uint32_t line; /* where a sentence applies */
};
const char *manifest_parse(struct manifest *out, const char *text, size_t size);

/* --- image.c: the kernel's ELF file --- */
struct image {
    uint32_t start, end; /* machine addresses that it occupies, whole pages */
    uint32_t entry;      /* 32-bit protected mode, as Multiboot2 has it */
};
const char *image_check(struct image *out, const void *file, size_t size);
/* Writes the segments of a checked file to their places in `to`, which has end - start bytes, and zeroes the rest. */
void image_flatten(const struct image *image, void *to, const void *file);

/* --- information.c: what Multiboot2 (3.6) tells a kernel --- */
struct information {
    uint8_t *base;       /* aligned to 8 */
    size_t size, used;
    bool full;           /* something did not fit */
};
struct screen {
    uint64_t base;
    uint32_t width, height, pitch; /* pixels, pixels, bytes */
    uint8_t depth;                 /* bits per pixel; 0: there is no screen */
    uint8_t position[3], bits[3];  /* red, green, blue */
};
struct memory {
    uint64_t base, size;
    uint32_t type; /* enum memory_type */
};
enum memory_type { MEMORY_FREE = 1, MEMORY_RESERVED = 2, MEMORY_ACPI = 3, MEMORY_NVS = 4, MEMORY_DEFECTIVE = 5 };
#define MULTIBOOT2_LOADER_MAGIC 0x36d76289u
#define INFORMATION_MODULE_MAX (16 + MANIFEST_WORD + 8) /* bytes that a module takes at most */
#define INFORMATION_OTHERS 512 /* what is neither modules nor memory */

void information_begin(struct information *info, void *buffer, size_t size, const char *loader);
void information_module(struct information *info, uint32_t start, uint32_t end, const char *name);
void information_rsdp(struct information *info, const void *rsdp); /* of either version */
void information_screen(struct information *info, const struct screen *screen);
void information_efi(struct information *info, uint64_t system_table);
/* Sorts the list and joins neighbours of one type first. */
void information_memory(struct information *info, struct memory *list, size_t count);
/* False if not all of it fits. */
bool information_end(struct information *info);
