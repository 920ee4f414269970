/* SPDX-License-Identifier: MIT
 * What the loaders share: the image at hand, its errors, guest memory, modules, the entry state. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "loader.h"
#include "machine.h"
#include "memmap.h"

struct load {
    struct machine *machine;
    struct load_result *result;
    struct memmap map;
    const char *name; /* of the kernel's file, for messages */
    const uint8_t *image;
    uint64_t size;
};

/* Where the loaders put their own tables: above what kernels use for the trampolines of application processors, and not
 * at the end of conventional memory, which Linux's decompressor clears for its mode-switch trampoline. */
#define LOAD_TABLES_FROM 0x10000ull
#define LOAD_4G 0x100000000ull

/* One kernel format. probe() looks at the contents only; load() places the guest and sets its registers. */
struct loader {
    enum guest_format format;
    const char *name;
    bool (*probe)(const struct load *load);
    enum status (*load)(struct load *load);
};
extern const struct loader bzimage_loader, multiboot1_loader, multiboot2_loader, pvh_loader, paravirtual_loader, firmware_loader;

/* Writes "FILE: message" to result->error; its value is `status` (a macro, so that it is seen in the caller that this is an error). */
#define load_error(load, status, ...) (load_failed(load, __VA_ARGS__), (status))
void load_failed(const struct load *load, const char *format, ...) __attribute__((format(printf, 2, 3)));
void load_note(const struct load *load, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Little-endian fields of the image; the caller has checked that they are inside. */
uint16_t load_u16(const uint8_t *at);
uint32_t load_u32(const uint8_t *at);
uint64_t load_u64(const uint8_t *at);

/* Marks [base, base + size) as used by `what` and stores its host pointer in *at (a pointer variable of any type). An
 * error names what is in the way. size is not 0. */
must_use enum status load_place(struct load *load, uint64_t base, uint64_t size, const char *what, void *at);
/* Finds room, marks it, sets *gpa and the host pointer *at. */
must_use enum status load_take(struct load *load, const struct wish *wish, const char *what, uint64_t *gpa, void *at);
/* Tables of the loader itself: zeroed, page-aligned, as low as possible from LOAD_TABLES_FROM on, below 4 GiB. */
must_use enum status load_take_tables(struct load *load, uint64_t size, const char *what, uint64_t *gpa, void *at);

/* A module in guest memory: page-aligned, below 4 GiB, lowest address from `from` on. text_gpa: its string "NAME
 * ARGUMENTS" (the loader places it). */
struct placed_module {
    uint64_t gpa, size;
    const struct start_module *module;
};
/* Copies all modules but the kernel. */
must_use enum status load_modules(struct load *load, uint64_t from, struct placed_module *placed, unsigned *count);
/* "NAME ARGUMENTS" (or NAME alone) as Multiboot loaders hand it on. Returns its length without the final zero. */
unsigned load_command_text(char *out, unsigned size, const char *name, const char *arguments);
#define LOAD_COMMAND_SIZE (START_CMDLINE + 128)

/* KiB of RAM from 0 on (at most 640) and from 1 MiB up to the first hole, as Multiboot's basic memory information has
 * it. */
uint32_t load_lower_kib(const struct memmap *map);
uint32_t load_upper_kib(const struct memmap *map);

/* The registers of the boot processor at entry: flat segments, paging off, or 64-bit mode with CR3 = page_table.
 * General registers are 0 except where the caller sets them afterwards. */
struct entry_state {
    uint64_t rip, rsp;
    uint64_t gdt;        /* guest-physical address of entry_gdt_write()'s table */
    uint64_t page_table; /* 0: 32-bit protected mode */
    uint16_t code, data; /* selectors */
};
#define ENTRY_GDT_SIZE 32
void entry_gdt_write(uint64_t gdt[4], const struct entry_state *entry);
void entry_set(struct vcpu_state *state, const struct entry_state *entry);
/* Real mode as firmware leaves it: CS = code, IP = 0, all other segments = data, interrupts off, vectors at 0. */
void entry_set_real(struct vcpu_state *state, uint16_t code, uint16_t data, uint16_t stack);
