/* SPDX-License-Identifier: MIT
 * The loader of paravirtual guests: page tables (read back by a walk of the test's own), start information, what is refused. */
#include "elf_fixture.h"
#include "abi/hypercall.h"

#define IDENTITY 0x48000000ull
#define RAM (8 * MIB)
#define NOTE_AT 0x200u
#define IMAGE_SIZE 0x6000u
#define TEXT 0x400000ull
#define RODATA 0x402000ull
#define DATA 0x405010ull
#define ENTRY (TEXT + 0x40)

#define P (1ull << 0)
#define W (1ull << 1)
#define U (1ull << 2)
#define PS (1ull << 7)
#define NX (1ull << 63)

static uint8_t image[IMAGE_SIZE], *ram;

static void flags(unsigned segment, uint32_t value)
{
    memcpy(image + sizeof(Elf64_Ehdr) + segment * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_flags), &value, 4);
}

static void build_image(uint64_t entry, const struct test_segment *data)
{
    memset(image, 0, sizeof(image));
    for (unsigned i = 0x1000; i < IMAGE_SIZE; i++) {
        image[i] = (uint8_t)(i * 7 + 3);
    }
    unsigned notes = elf_note_write(image + NOTE_AT, "Bulkhead", 1, "\1\0\0", 4);
    const struct test_segment segments[] = {
        {PT_LOAD, 0x1000, TEXT, TEXT, 0x1800, 0x1800},
        {PT_LOAD, 0x3000, RODATA, RODATA, 0x1000, 0x1000},
        *data,
        {PT_NOTE, NOTE_AT, RODATA, RODATA, notes, notes},
    };
    elf_headers(image, true, entry, segments, 4);
    flags(0, PF_R | PF_X);
    flags(1, PF_R);
    flags(2, PF_R | PF_W);
}

static const struct test_segment data_segment = {PT_LOAD, 0x4010, DATA, DATA, 0x800, 0x3000};

static int setup_at(uint64_t identity)
{
    new_machine(PAGE_SIZE);
    munmap(machine.memory.base, PAGE_SIZE);
    ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    machine.memory = (struct memory){.base = (uint8_t *)((uint64_t)ram - identity), .high = RAM, .high_base = identity};
    if (identity == 0) {
        machine.memory = (struct memory){.base = ram, .low = RAM, .high_base = MEMORY_HIGH_BASE};
    }
    start.memory = RAM;
    start.paravirtual = 1;
    start.identity = identity;
    start.pv_page = 0x12340000;
    start.control = 0x56780000;
    start.tsc_hz = 2000000000;
    build_image(ENTRY, &data_segment);
    return 0;
}

static int setup_identity(void **state)
{
    (void)state;
    return setup_at(IDENTITY);
}

static int setup_low(void **state)
{
    (void)state;
    return setup_at(0);
}

static int teardown(void **state)
{
    (void)state;
    munmap(ram, RAM);
    machine.memory.base = NULL;
    return 0;
}

/* The leaf entry of a linear address and what it maps it to; 0: not mapped. */
static uint64_t leaf(uint64_t linear, uint64_t *gpa)
{
    uint64_t table = boot_state.cr3, entry = 0;
    for (unsigned shift = 39; shift >= 12; shift -= 9) {
        uint64_t *at = memory_at(&machine.memory, table + (linear >> shift & 511) * 8, 8);
        assert_non_null(at);
        entry = *at;
        assert_false(entry & U);
        if (!(entry & P)) {
            return 0;
        }
        if (shift == 12 || (entry & PS)) {
            *gpa = (entry & 0x000ffffffffff000ull & ~((1ull << shift) - 1)) | (linear & ((1ull << shift) - 1));
            break;
        }
        table = entry & 0x000ffffffffff000ull;
    }
    return entry;
}

static const uint8_t *mapped(uint64_t linear, uint64_t rights)
{
    uint64_t gpa = 0, entry = leaf(linear, &gpa);
    assert_true(entry & P);
    assert_true((entry & (W | NX)) == rights);
    const uint8_t *at = memory_at(&machine.memory, gpa, 1);
    assert_non_null(at);
    return at;
}

static const struct pv_start *info(void) { return memory_at(&machine.memory, boot_state.gpr[RDI], sizeof(struct pv_start)); }

static void test_image(void **state)
{
    uint64_t gpa;
    (void)state;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(result.format, GUEST_PARAVIRTUAL);
    assert_string_equal(result.error, "");
    assert_memory_equal(mapped(TEXT, 0), image + 0x1000, 0x1000);
    assert_memory_equal(mapped(TEXT + 0x1000, 0), image + 0x2000, 0x800);
    assert_int_equal(*mapped(TEXT + 0x1800, 0), 0);
    assert_memory_equal(mapped(RODATA, NX), image + 0x3000, 0x1000);
    assert_memory_equal(mapped(DATA, W | NX), image + 0x4010, 0x800);
    assert_int_equal(*mapped(DATA - 1, W | NX), 0);
    assert_int_equal(*mapped(DATA + 0x800, W | NX), 0);
    assert_int_equal(*mapped(DATA + 0x2fff, W | NX), 0);
    assert_int_equal(leaf(0, &gpa), 0);
    assert_int_equal(leaf(TEXT - 1, &gpa), 0);
    assert_int_equal(leaf(RODATA + 0x1000, &gpa), 0);
    assert_int_equal(leaf(DATA + 0x4000, &gpa), 0);
}

/* Every GiB below 512 GiB, writable, never executable, never for ring 3. */
static void test_direct(void **state)
{
    (void)state;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    for (uint64_t gib = 0; gib < 512; gib++) {
        uint64_t gpa = 0, entry = leaf(PV_DIRECT + (gib << 30) + 0x123456, &gpa);
        assert_true((entry & (P | W | PS | NX)) == (P | W | PS | NX));
        assert_true(gpa == (gib << 30) + 0x123456);
    }
    uint64_t gpa;
    assert_int_equal(leaf(PV_DIRECT + (512ull << 30), &gpa), 0);
}

static void test_entry(void **state)
{
    uint64_t gpa = 0;
    (void)state;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(boot_state.rip, ENTRY);
    assert_int_equal(boot_state.rflags, 2);
    assert_true(boot_state.cr0 == 0x80010031);
    assert_int_equal(boot_state.cr4, 0x20);
    assert_int_equal(boot_state.efer, 0xd00);
    assert_int_equal(boot_state.seg[SEG_CS].attr, 0xa09b);
    assert_int_equal(boot_state.seg[SEG_SS].attr, 0xc093);
    assert_int_equal(boot_state.gpr[RSP] & 15, 0);
    assert_true(leaf(boot_state.gpr[RSP] - 8, &gpa) & W);
    assert_non_null(memory_at(&machine.memory, gpa - 0x3ff8, 0x4000));
    assert_true(leaf(boot_state.gdtr.base, &gpa) & P);
    const uint64_t *gdt = memory_at(&machine.memory, gpa, 32);
    assert_true(gdt[boot_state.seg[SEG_CS].selector / 8] == 0x00af9b000000ffff);
    uint32_t groups = GROUP_RIP | GROUP_CR | GROUP_CODE | GROUP_SEG | GROUP_TABLE | GROUP_MSR | GROUP_DEBUG;
    assert_int_equal(boot_state.dirty & groups, groups);
}

static void test_start(void **state)
{
    (void)state;
    set_module(1, "disk.img", "ignored", "contents", 8);
    set_module(2, "empty", "", "", 0);
    assert_int_equal(load_image(image, sizeof(image)), OK);
    const struct pv_start *s = info();
    assert_int_equal(s->magic, PV_START_MAGIC);
    assert_true(s->memory_base == start.identity);
    assert_true(s->memory_size == RAM);
    assert_true(s->pv_page == start.pv_page && s->control == start.control && s->tsc_hz == start.tsc_hz);
    assert_string_equal(s->cmdline, start.cmdline);
    assert_int_equal(s->module_count, 2);
    assert_string_equal(s->modules[0].name, "disk.img");
    assert_int_equal(s->modules[0].size, 8);
    assert_memory_equal(memory_at(&machine.memory, s->modules[0].address, 8), "contents", 8);
    assert_int_equal(s->modules[1].size, 0);
    /* What is free ends with the memory and holds nothing that is mapped or told. */
    assert_true(s->free_base % PAGE_SIZE == 0);
    assert_true(s->free_base + s->free_size == s->memory_base + s->memory_size);
    assert_true(s->free_size > RAM - 32 * PAGE_SIZE);
    assert_true(s->modules[0].address + 8 <= s->free_base && boot_state.cr3 < s->free_base && boot_state.gpr[RDI] < s->free_base);
}

static void refused(enum status status, const char *word) { assert_refused(image, sizeof(image), status, word); }

static void test_refused(void **state)
{
    (void)state;
    flags(2, PF_R | PF_W | PF_X);
    refused(ERR_FORMAT, "writable and executable");
    build_image(RODATA, &data_segment);
    refused(ERR_FORMAT, "in no executable");
    build_image(ENTRY, &(struct test_segment){PT_LOAD, 0x4000, RODATA + 0xfff, 0, 0x10, 0x10});
    refused(ERR_FORMAT, "share a page");
    build_image(ENTRY, &(struct test_segment){PT_LOAD, 0x4000, 0x7ffffffff000, 0, 0x10, 0x2000});
    refused(ERR_FORMAT, "not linked inside");
    build_image(ENTRY, &(struct test_segment){PT_LOAD, 0x4000, 0, 0, 0x10, 0x20});
    refused(ERR_FORMAT, "not linked inside");
    build_image(ENTRY, &(struct test_segment){PT_LOAD, 0x4000, 0xffffffff80000000, 0, 0x10, 0x20});
    refused(ERR_FORMAT, "not linked inside");
    build_image(ENTRY, &(struct test_segment){PT_LOAD, 0x4000, DATA, 0, 0x10, 1ull << 40});
    refused(ERR_MEMORY, "8 MiB");
    build_image(ENTRY, &data_segment);
    memset(image + NOTE_AT, 0, 16);
    refused(ERR_FORMAT, "note \"Bulkhead\"");
    assert_refused("no such thing", 13, ERR_FORMAT, "no ELF file");
}

static void test_limits(void **state)
{
    (void)state;
    memset(start.cmdline, 'x', 256);
    refused(ERR_FORMAT, "at most 255");
    start.cmdline[255] = 0;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    static uint8_t large[RAM];
    set_module(1, "large", "", large, sizeof(large));
    refused(ERR_MEMORY, "large needs");
    start.paravirtual = 0;
    refused(ERR_FORMAT, "neither a Multiboot");
}

static void test_wild_identity(void **state)
{
    (void)state;
    start.identity = IDENTITY + 1;
    refused(ERR_SUPPORT, "not inside");
    start.identity = 1ull << 39;
    refused(ERR_SUPPORT, "not inside");
    start.identity = ~PAGE_MASK;
    refused(ERR_SUPPORT, "not inside");
}

static void test_truncated(void **state)
{
    (void)state;
    assert_truncations(image, sizeof(image), 5);
}

static void test_wild(void **state)
{
    (void)state;
    assert_wild_fields(image, sizeof(image), 0, 0x300);
}

static void test_memory(void **state)
{
    (void)state;
    const struct memory *m = &machine.memory;
    assert_ptr_equal(memory_at(m, IDENTITY, RAM), ram);
    assert_ptr_equal(memory_at(m, IDENTITY + RAM - 1, 1), ram + RAM - 1);
    assert_null(memory_at(m, IDENTITY - 1, 2));
    assert_null(memory_at(m, IDENTITY, RAM + 1));
    assert_null(memory_at(m, IDENTITY + RAM, 1));
    assert_null(memory_at(m, IDENTITY, ~0ull));
    assert_null(memory_at(m, 0, 1));
    assert_null(memory_at(m, MEMORY_HIGH_BASE, 1));
}

#define AT(test, where) cmocka_unit_test_setup_teardown(test, setup_##where, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        AT(test_image, identity),   AT(test_image, low),     AT(test_direct, identity),        AT(test_entry, identity),
        AT(test_entry, low),        AT(test_start, identity), AT(test_start, low),             AT(test_refused, identity),
        AT(test_limits, identity),  AT(test_truncated, low), AT(test_wild_identity, identity), AT(test_wild, identity),
        AT(test_memory, identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
