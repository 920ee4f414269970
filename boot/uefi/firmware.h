/* SPDX-License-Identifier: MIT
 * The parts of the UEFI loader that talk to the firmware (UEFI specification 2.10). */
#pragma once

#include <efi.h>
#include "loader.h"

extern EFI_SYSTEM_TABLE *firmware;
extern EFI_HANDLE loader_handle;

/* --- console.c --- */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The reason, then a wait for somebody to read it, then back to the firmware. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What a status means, in words. */
const char *status_text(EFI_STATUS status);

/* --- file.c: of the volume that the loader was started from, in \bulkhead --- */
/* All of the file, in pages of its own below 4 GiB, or the end with a sentence that names it. */
void *file_read(const char *name, size_t *size);

/* --- platform.c --- */
#define BELOW_4G 0xffffffffull
#define PAGE_COUNT(bytes) (((size_t)(bytes) + EFI_PAGE_SIZE - 1) / EFI_PAGE_SIZE)
/* Pages below 4 GiB, or the end with a sentence that says for what. */
void *take_pages(size_t bytes, EFI_MEMORY_TYPE type, const char *what);
void firmware_report(void);           /* one line */
const void *rsdp_find(void);          /* null: there is none */
void screen_find(struct screen *out); /* as it is now */
/* Makes sure that [start, end) is the kernel's when the boot services have ended, or the end with a sentence. */
void reserve_kernel(const struct image *image);

/* --- memory.c --- */
struct memory_map {
    uint8_t *descriptors;
    UINTN size, room, key, stride; /* bytes, bytes, -, bytes */
    struct memory *list;           /* room for as many entries as descriptors */
};
/* Room for the map of the moment and more. */
void memory_map_prepare(struct memory_map *map);
EFI_STATUS memory_map_read(struct memory_map *map);
/* Fills map->list; returns the number of entries. Calls no firmware. */
size_t memory_map_convert(struct memory_map *map);

/* --- enter.S --- */
struct enter_parameters {
    uint32_t from, to, size; /* the kernel's image is copied when nobody else needs the memory any more */
    uint32_t entry, information;
};
extern const uint8_t enter_code[], enter_code_end[];
extern const uint8_t enter_parameters[]; /* struct enter_parameters, in the code */
