/* SPDX-License-Identifier: MIT
 * The ELF reader against wild headers; the map of placed things. */
#include "elf_fixture.h"
#include "loaders/elf.h"

#define IMAGE_SIZE 0x3000u
static uint8_t image[IMAGE_SIZE];
static struct load load;

static int setup_load(void **state)
{
    setup(state);
    memset(image, 0, sizeof(image));
    memset(&load, 0, sizeof(load));
    load = (struct load){
        .machine = &machine, .result = &result, .name = "kernel.bin", .image = image, .size = sizeof(image)};
    memmap_init(&load.map, &machine);
    return 0;
}

/* Opens and loads; an error must hold `word`. */
static void assert_elf(enum status status, const char *word)
{
    struct elf elf;
    uint64_t low, high;
    result.error[0] = 0;
    load.map.place_count = 0;
    enum status got = elf_open(&elf, &load);
    got = got == OK ? elf_extent(&elf, &low, &high) : got;
    got = got == OK ? elf_load(&elf, &load, 0) : got;
    if (got != status || strstr(result.error, word) == NULL) {
        fail_msg("status %d (expected %d), message \"%s\" (expected \"%s\")", got, status, result.error, word);
    }
}

static void one(bool wide, struct test_segment segment) { elf_headers(image, wide, 0x100000, &segment, 1); }

static void test_identity(void **state)
{
    (void)state;
    one(true, (struct test_segment){PT_LOAD, 0, 0x100000, 0x100000, 0x1000, 0x1000});
    assert_elf(OK, "");
    static const struct {
        unsigned at;
        uint8_t value;
        const char *word;
    } cases[] = {
        {EI_CLASS, 3, "class 3"}, {EI_CLASS, 0, "class 0"}, {EI_DATA, 2, "encoding 2"}, {16, 1, "type 1"},
        {16, 4, "type 4"},        {18, 183, "machine 183"}, {18, 3, "machine 3"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t before = image[cases[i].at];
        image[cases[i].at] = cases[i].value;
        assert_elf(ERR_FORMAT, cases[i].word);
        image[cases[i].at] = before;
    }
    load.size = 40;
    assert_elf(ERR_FORMAT, "ends inside the ELF header (40 of 64 bytes)");
}

static void test_tables(void **state)
{
    (void)state;
    one(true, (struct test_segment){PT_LOAD, 0, 0x100000, 0x100000, 0x1000, 0x1000});
    Elf64_Ehdr *h = (Elf64_Ehdr *)image;
    h->e_phentsize = 8;
    assert_elf(ERR_FORMAT, "at least 56");
    h->e_phentsize = 56;
    h->e_phoff = UINT64_MAX - 8;
    assert_elf(ERR_FORMAT, "program headers");
    h->e_phoff = 64;
    h->e_phnum = 65535;
    assert_elf(ERR_FORMAT, "65535");
    h->e_phnum = 0;
    assert_elf(ERR_FORMAT, "no loadable segment");
    h->e_phnum = 1;
    h->e_shoff = 0x2fff;
    h->e_shnum = 1;
    h->e_shentsize = 64;
    assert_elf(ERR_FORMAT, "section headers");
}

static void test_segments(void **state)
{
    (void)state;
    static const struct {
        struct test_segment segment;
        enum status status;
        const char *word;
    } cases[] = {
        {{PT_LOAD, 0x2000, 0, 0x100000, 0x1001, 0x2000}, ERR_FORMAT, "outside the file"},
        {{PT_LOAD, UINT64_MAX, 0, 0x100000, 2, 2}, ERR_FORMAT, "outside the file"},
        {{PT_LOAD, 0, 0, 0x100000, UINT64_MAX, UINT64_MAX}, ERR_FORMAT, "outside the file"},
        {{PT_LOAD, 0, 0, 0x100000, 0x1000, 0xfff}, ERR_FORMAT, "only 4095 in memory"},
        {{PT_LOAD, 0, 0, UINT64_MAX - 0xfff, 0x1000, 0x2000}, ERR_FORMAT, "wraps around"},
        {{PT_LOAD, 0, 0, 0xfffffffffffff000, 0, 0xfff}, ERR_MEMORY, "not all RAM"},
        {{PT_LOAD, 0, 0, 0x100000, 0x1000, 0x4000000}, ERR_MEMORY, "64 MiB"},
        {{PT_LOAD, 0, 0, 0x9f000, 0x1000, 0x1000}, ERR_MEMORY, "not all RAM"},
        {{PT_LOAD, 0, 0, 0xf0000, 0x10, 0x10}, ERR_MEMORY, "not all RAM"},
        {{PT_LOAD, 0, 0, 0xfee00000, 0x10, 0x10}, ERR_MEMORY, "not all RAM"},
        {{PT_LOAD, 0, 0, 0x100000000, 0x10, 0x10}, ERR_MEMORY, "not all RAM"},
        {{PT_LOAD, 0, 0, 0x100000, 0, 0}, ERR_FORMAT, "no loadable"},
        {{PT_LOAD, 0, 0, 0, 0x1000, 0x9fc00}, OK, ""},
        {{PT_LOAD, 0, 0, 0x3fff000, 0x1000, 0x1000}, OK, ""},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        one(true, cases[i].segment);
        assert_elf(cases[i].status, cases[i].word);
    }
}

static void test_overlap(void **state)
{
    (void)state;
    struct test_segment two[] = {{PT_LOAD, 0, 0x100000, 0x100000, 0x1000, 0x1800},
                                 {PT_LOAD, 0, 0x101000, 0x101000, 0x10, 0x10}};
    elf_headers(image, false, 0x100000, two, 2);
    assert_elf(ERR_FORMAT, "overlaps");
    two[1].paddr = 0x101800;
    elf_headers(image, false, 0x100000, two, 2);
    assert_elf(OK, "");
}

static void test_many_segments(void **state)
{
    (void)state;
    static struct test_segment many[120];
    for (unsigned i = 0; i < 120; i++) {
        many[i] = (struct test_segment){PT_LOAD, 0, 0, 0x100000 + i * 0x1000, 1, 1};
    }
    elf_headers(image, true, 0x100000, many, 96);
    assert_elf(OK, "");
    elf_headers(image, true, 0x100000, many, 97);
    assert_elf(ERR_FORMAT, "more than 96 parts");
}

static void test_note_walk(void **state)
{
    (void)state;
    /* Sizes that would wrap, and notes that end at the last byte. */
    static const uint32_t sizes[] = {0, 1, 4, 0x7fffffff, 0xfffffff0, 0xfffffffd, 0xffffffff};
    for (unsigned n = 0; n < 7; n++) {
        for (unsigned c = 0; c < 7; c++) {
            one(true, (struct test_segment){PT_NOTE, IMAGE_SIZE - 64, 0, 0, 64, 64});
            uint32_t note[4] = {sizes[n], sizes[c], 18, 0x006e6558};
            memcpy(image + IMAGE_SIZE - 64, note, 16);
            struct elf elf;
            uint32_t size;
            assert_int_equal(elf_open(&elf, &load), OK);
            const uint8_t *found = elf_note(&elf, "Xen", 18, &size);
            assert_true((found != NULL) == (sizes[n] == 4 && sizes[c] <= 4));
        }
    }
}

static void test_memmap(void **state)
{
    (void)state;
    struct memmap *map = &load.map;
    uint64_t base;
    assert_int_equal(memmap_place(map, 0x200000, 0x1000, "a"), OK);
    assert_int_equal(memmap_place(map, 0x200fff, 1, "b"), ERR_EXISTS);
    assert_int_equal(memmap_place(map, 0x1fffff, 2, "b"), ERR_EXISTS);
    assert_int_equal(memmap_place(map, 0x1ff000, 0x1000, "b"), OK);
    assert_int_equal(memmap_place(map, UINT64_MAX, 1, "b"), ERR_DENIED);
    assert_int_equal(memmap_place(map, UINT64_MAX, 0, "b"), OK);
    struct wish wish = {.size = 0x1000, .align = 0x1000, .from = 0x1ff000, .to = UINT64_MAX};
    assert_int_equal(memmap_find(map, &wish, &base), OK);
    assert_int_equal(base, 0x201000);
    wish.highest = true;
    assert_int_equal(memmap_find(map, &wish, &base), OK);
    assert_int_equal(base, 0x3fff000);
    wish.to = 0x201000;
    assert_int_equal(memmap_find(map, &wish, &base), ERR_MEMORY);
    wish.from = 0x1000;
    assert_int_equal(memmap_find(map, &wish, &base), OK);
    assert_int_equal(base, 0x1fe000);
    wish = (struct wish){.size = 0x1000, .align = 0x100000, .from = 0, .to = 0x180000};
    assert_int_equal(memmap_place(map, 0x0, 0x10, "c"), OK);
    assert_int_equal(memmap_find(map, &wish, &base), OK);
    assert_int_equal(base, 0x100000);
    wish = (struct wish){.size = UINT64_MAX, .align = 1, .from = 0, .to = UINT64_MAX};
    assert_int_equal(memmap_find(map, &wish, &base), ERR_MEMORY);
    wish.size = 1;
    assert_int_equal(memmap_largest(map, &wish), 0x4000000 - 0x201000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_identity, setup_load),      cmocka_unit_test_setup(test_tables, setup_load),
        cmocka_unit_test_setup(test_segments, setup_load),      cmocka_unit_test_setup(test_overlap, setup_load),
        cmocka_unit_test_setup(test_many_segments, setup_load), cmocka_unit_test_setup(test_note_walk, setup_load),
        cmocka_unit_test_setup(test_memmap, setup_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
