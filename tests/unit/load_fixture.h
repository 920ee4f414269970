/* SPDX-License-Identifier: MIT
 * A machine for the loaders' tests: guest memory, a memory map of the usual shape, images built piece by piece. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "e820.h"
#include "loader.h"
#include "machine.h"
#include "pc.h"

#define MIB 0x100000ull

static struct machine machine;
static struct start start;
static struct vcpu_state boot_state;
static struct load_result result;

unsigned e820_build(const struct machine *m, struct e820_entry *out, unsigned max)
{
    const struct e820_entry map[] = {
        {0, PC_EBDA, E820_RAM},
        {PC_EBDA, PC_EBDA_SIZE, E820_RESERVED},
        {PC_BIOS_AREA, PC_BIOS_END - PC_BIOS_AREA, E820_RESERVED},
        {MIB, m->memory.low - MIB, E820_RAM},
        {MEMORY_HIGH_BASE, m->memory.high, E820_RAM},
    };
    unsigned count = m->memory.high != 0 ? 5 : 4;
    memcpy(out, map, (count < max ? count : max) * sizeof(*map));
    return count < max ? count : max;
}

/* An image of which each load gets an exact heap copy, so that the sanitizer sees every read behind its end. */
static inline void set_module(unsigned index, const char *name, const char *arguments, const void *bytes, uint64_t size)
{
    struct start_module *module = &start.modules[index];
    free((void *)module->address);
    void *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, bytes, size);
    module->address = (uint64_t)copy;
    module->size = size;
    snprintf(module->name, sizeof(module->name), "%s", name);
    snprintf(module->cmdline, sizeof(module->cmdline), "%s", arguments);
    start.module_count = index + 1 > start.module_count ? index + 1 : start.module_count;
}

static inline uint8_t *guest(uint64_t gpa) { return machine.memory.base + gpa; }
static inline uint32_t guest_u32(uint64_t gpa)
{
    uint32_t value;
    memcpy(&value, guest(gpa), sizeof(value));
    return value;
}

static int new_machine(uint64_t low)
{
    for (unsigned i = 0; i < START_MAX_MODULES; i++) {
        free((void *)start.modules[i].address);
    }
    memset(&start, 0, sizeof(start));
    memset(&boot_state, 0xa5, sizeof(boot_state)); /* every register must be set */
    if (machine.memory.base != NULL) {
        munmap(machine.memory.base, machine.memory.low);
    }
    machine.memory.base = mmap(NULL, low, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    machine.memory.low = low;
    machine.memory.high = 0;
    machine.memory.high_base = MEMORY_HIGH_BASE;
    machine.start = &start;
    machine.vcpu_count = start.vcpu_count = 1;
    machine.vcpus[0].state = &boot_state;
    machine.vcpus[0].machine = &machine;
    boot_state.dirty = 0;
    start.memory = start.low_memory = low;
    strcpy(start.name, "test");
    strcpy(start.cmdline, "console=ttyS0 quiet");
    return 0;
}

static inline int setup(void **state)
{
    (void)state;
    return new_machine(64 * MIB);
}

static inline enum status load_image(const void *bytes, uint64_t size)
{
    set_module(0, "kernel.bin", "", bytes, size);
    memset(&result, 0x5a, sizeof(result));
    return load_guest(&machine, &result);
}

/* It fails with this status, and the message names the file and holds `word`. */
static inline void assert_refused(const void *bytes, uint64_t size, enum status status, const char *word)
{
    enum status got = load_image(bytes, size);
    if (got != status || strncmp(result.error, "kernel.bin: ", 12) != 0 || strstr(result.error, word) == NULL) {
        fail_msg("status %d (expected %d), message \"%s\" (expected \"%s\")", got, status, result.error, word);
    }
}

/* Every prefix of the image loads or is refused with a message; none reads behind the end. */
static inline void assert_truncations(const uint8_t *bytes, uint64_t size, uint64_t step)
{
    for (uint64_t length = 0; length < size; length += step) {
        if (load_image(bytes, length) != OK) {
            assert_true(strlen(result.error) > 20);
        }
    }
}

/* Every field, set to wild values, loads or is refused with a message. */
static inline void assert_wild_fields(const uint8_t *bytes, uint64_t size, uint64_t from, uint64_t to)
{
    static const uint32_t values[] = {0, 1, 7, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffff000, 0x100000, 0x4000000};
    uint8_t *copy = malloc(size);
    for (uint64_t at = from; at + 4 <= to && at + 4 <= size; at++) {
        for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            memcpy(copy, bytes, size);
            memcpy(copy + at, &values[v], 4);
            if (load_image(copy, size) != OK) {
                assert_true(strlen(result.error) > 20);
            }
        }
    }
    free(copy);
}

static inline void assert_flat32(uint64_t entry)
{
    assert_int_equal(boot_state.rip, entry);
    assert_int_equal(result.entry, entry);
    assert_int_equal(boot_state.rflags, 2);
    assert_int_equal(boot_state.cr0, 0x11);
    assert_int_equal(boot_state.cr4, 0);
    assert_int_equal(boot_state.efer, 0);
    assert_int_equal(boot_state.seg[SEG_CS].attr, 0xc09b);
    assert_int_equal(boot_state.seg[SEG_CS].limit, 0xffffffff);
    assert_int_equal(boot_state.seg[SEG_CS].base, 0);
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        assert_int_equal(boot_state.seg[i].attr, i == SEG_CS ? 0xc09b : 0xc093);
    }
    assert_int_equal(boot_state.seg[SEG_TR].attr, 0x8b);
    /* The descriptors that the selectors name say the same. */
    uint64_t code, data;
    memcpy(&code, guest(boot_state.gdtr.base + boot_state.seg[SEG_CS].selector), 8);
    memcpy(&data, guest(boot_state.gdtr.base + boot_state.seg[SEG_DS].selector), 8);
    assert_true(code == 0x00cf9b000000ffff);
    assert_true(data == 0x00cf93000000ffff);
    uint32_t groups = GROUP_RIP | GROUP_CR | GROUP_CODE | GROUP_SEG | GROUP_TABLE | GROUP_MSR | GROUP_DEBUG;
    assert_int_equal(boot_state.dirty & groups, groups);
}
