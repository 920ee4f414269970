/* SPDX-License-Identifier: MIT
 * The Multiboot 1 loader: address fields, ELF of both classes, the boot information, what is refused. */
#include "elf_fixture.h"

#define MAGIC 0x1badb002u
#define PAYLOAD 0x1000u
#define IMAGE_SIZE 0x3000u

static uint8_t image[IMAGE_SIZE];

/* A header at `at`: flags and, if they are meant, the five address fields. */
static void put_header(uint32_t at, uint32_t flags, const uint32_t addresses[5])
{
    uint32_t words[8] = {MAGIC, flags, 0 - MAGIC - flags};
    if (addresses != NULL) {
        memcpy(words + 3, addresses, 20);
    }
    memcpy(image + at, words, addresses != NULL ? 32 : 12);
}

static int setup_flat(void **state)
{
    setup(state);
    for (unsigned i = 0; i < IMAGE_SIZE; i++) {
        image[i] = (uint8_t)(i * 13 + 1);
    }
    /* The header at 0x40 belongs at 0x200040; bytes from 0x10 on are loaded to 0x200010. */
    const uint32_t addresses[5] = {0x200040, 0x200010, 0x202000, 0x210000, 0x200100};
    put_header(0x40, 0x10003, addresses);
    return 0;
}

static int setup_elf(void **state, bool wide)
{
    setup(state);
    memset(image, 0, sizeof(image));
    const struct test_segment segments[] = {
        {PT_LOAD, PAYLOAD, 0xc0100000, 0x100000, 0x1000, 0x1000},
        {PT_NULL, 0x10, 0xffffffff, 0xffffffff, 0x10, 0x10},
        {PT_LOAD, PAYLOAD + 0x1000, 0xc0102000, 0x102000, 0x500, 0x3000},
    };
    elf_headers(image, wide, 0xc0100020, segments, 3);
    for (unsigned i = PAYLOAD; i < IMAGE_SIZE; i++) {
        image[i] = (uint8_t)(i * 7 + 3);
    }
    put_header(PAYLOAD, 3, NULL);
    return 0;
}

static int setup_elf32(void **state) { return setup_elf(state, false); }
static int setup_elf64(void **state) { return setup_elf(state, true); }

static uint32_t info(unsigned offset) { return guest_u32(boot_state.gpr[RBX] + offset); }

static void test_flat(void **state)
{
    (void)state;
    memset(guest(0x202000), 0xff, 0x10000);
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(result.format, GUEST_MULTIBOOT1);
    assert_flat32(0x200100);
    assert_int_equal(boot_state.gpr[RAX], 0x2badb002);
    assert_memory_equal(guest(0x200010), image + 0x10, 0x202000 - 0x200010);
    for (uint32_t at = 0x202000; at < 0x210000; at++) {
        assert_int_equal(*guest(at), 0);
    }
    assert_int_equal(*guest(0x210000), 0xff);
}

static void test_flat_whole_file(void **state)
{
    (void)state;
    const uint32_t addresses[5] = {0x200040, 0x200000, 0, 0, 0x200000};
    put_header(0x40, 0x10000, addresses);
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_memory_equal(guest(0x200000), image, sizeof(image));
}

static void check_elf(void)
{
    memset(guest(0x102500), 0xff, 0x3000);
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_flat32(0x100020);
    assert_memory_equal(guest(0x100000), image + PAYLOAD, 0x1000);
    assert_memory_equal(guest(0x102000), image + PAYLOAD + 0x1000, 0x500);
    assert_int_equal(*guest(0x102500), 0);
    assert_int_equal(*guest(0x104fff), 0);
    assert_int_equal(*guest(0x105000), 0xff);
}

static void test_elf32(void **state)
{
    (void)state;
    check_elf();
}

static void test_elf64(void **state)
{
    (void)state;
    check_elf();
}

static void test_information(void **state)
{
    (void)state;
    set_module(1, "one", "first argument", "contents one", 12);
    set_module(2, "two", "", "2", 1);
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(info(0) & 0x24f, 0x24f);
    assert_int_equal(info(4), 639);
    assert_int_equal(info(8), 63 * 1024);
    assert_string_equal((char *)guest(info(16)), "kernel.bin console=ttyS0 quiet");
    assert_string_equal((char *)guest(info(64)), "Bulkhead");
    assert_int_equal(info(20), 2);
    uint32_t modules = info(24), first = guest_u32(modules), second = guest_u32(modules + 16);
    assert_int_equal(first % PAGE_SIZE, 0);
    assert_true(first >= 0x105000);
    assert_int_equal(guest_u32(modules + 4) - first, 12);
    assert_memory_equal(guest(first), "contents one", 12);
    assert_string_equal((char *)guest(guest_u32(modules + 8)), "one first argument");
    assert_string_equal((char *)guest(guest_u32(modules + 24)), "two");
    assert_int_equal(*guest(second), '2');
    /* The memory map: entries find their successor by their size. */
    uint32_t at = info(48), end = at + info(44), count = 0;
    for (; at < end; at += guest_u32(at) + 4) {
        count++;
    }
    assert_int_equal(at, end);
    assert_int_equal(count, 4);
}

static void test_video(void **state)
{
    (void)state;
    put_header(PAYLOAD, 7, NULL);
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_non_null(strstr(result.note, "no display"));
}

static void test_flags(void **state)
{
    (void)state;
    put_header(PAYLOAD, 0x13, NULL);
    assert_refused(image, sizeof(image), ERR_SUPPORT, "0x10");
    put_header(PAYLOAD, 0x8003, NULL);
    assert_refused(image, sizeof(image), ERR_SUPPORT, "0x8000");
    put_header(PAYLOAD, 0xfffe0003, NULL); /* optional features may be unknown */
    assert_int_equal(load_image(image, sizeof(image)), OK);
}

static void test_header_place(void **state)
{
    (void)state;
    memset(image + PAYLOAD, 0, 12);
    put_header(PAYLOAD + 2, 3, NULL); /* not at a multiple of 4 */
    assert_refused(image, sizeof(image), ERR_FORMAT, "neither");
    memset(image + PAYLOAD, 0, 16);
    put_header(8192 - 12, 3, NULL);
    assert_int_equal(load_image(image, sizeof(image)), OK);
    memset(image + 8192 - 12, 0, 12);
    put_header(8192 - 8, 3, NULL);
    assert_refused(image, sizeof(image), ERR_FORMAT, "neither");
}

static void test_bad_addresses(void **state)
{
    (void)state;
    static const struct {
        uint32_t fields[5];
        enum status status;
        const char *word;
    } cases[] = {
        {{0x200040, 0x200050, 0, 0, 0x200100}, ERR_FORMAT, "header_addr"},
        {{0x200040, 0x1fff00, 0, 0, 0x200100}, ERR_FORMAT, "header_addr"},
        {{0x200040, 0x200010, 0x200000, 0, 0x200100}, ERR_FORMAT, "load_end_addr"},
        {{0x200040, 0x200010, 0x300000, 0, 0x200100}, ERR_FORMAT, "load_end_addr"},
        {{0x200040, 0x200010, 0x202000, 0x201000, 0x200100}, ERR_FORMAT, "bss_end_addr"},
        {{0x200040, 0x200010, 0x202000, 0x210000, 0x100000}, ERR_FORMAT, "entry_addr"},
        {{0x200040, 0x200010, 0x202000, 0x210000, 0x210000}, ERR_FORMAT, "entry_addr"},
        {{0x200040, 0x200010, 0x202000, 0xf0000000, 0x200100}, ERR_MEMORY, "not all RAM"},
        {{0xfffff040, 0xfffff010, 0, 0, 0xfffff100}, ERR_MEMORY, "not all RAM"},
        {{0x9f040, 0x9f010, 0, 0, 0x9f100}, ERR_MEMORY, "not all RAM"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_header(0x40, 0x10003, cases[i].fields);
        assert_refused(image, sizeof(image), cases[i].status, cases[i].word);
    }
    put_header(0x40, 3, NULL);
    assert_refused(image, sizeof(image), ERR_FORMAT, "not ELF");
}

static void test_module_too_large(void **state)
{
    (void)state;
    uint64_t size = 70 * MIB;
    void *module = calloc(1, size);
    set_module(1, "big.mod", "", module, size);
    free(module);
    assert_refused(image, sizeof(image), ERR_MEMORY, "big.mod needs");
}

static void test_truncated(void **state)
{
    (void)state;
    assert_truncations(image, sizeof(image), 1);
}

static void test_wild(void **state)
{
    (void)state;
    assert_wild_fields(image, sizeof(image), 0, 200);
    assert_wild_fields(image, sizeof(image), PAYLOAD, PAYLOAD + 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_flat, setup_flat),
        cmocka_unit_test_setup(test_flat_whole_file, setup_flat),
        cmocka_unit_test_setup(test_elf32, setup_elf32),
        cmocka_unit_test_setup(test_elf64, setup_elf64),
        cmocka_unit_test_setup(test_information, setup_elf32),
        cmocka_unit_test_setup(test_video, setup_elf32),
        cmocka_unit_test_setup(test_flags, setup_elf32),
        cmocka_unit_test_setup(test_header_place, setup_elf32),
        cmocka_unit_test_setup(test_bad_addresses, setup_flat),
        cmocka_unit_test_setup(test_module_too_large, setup_elf32),
        cmocka_unit_test_setup(test_truncated, setup_flat),
        cmocka_unit_test_setup(test_truncated, setup_elf64),
        cmocka_unit_test_setup(test_wild, setup_flat),
        cmocka_unit_test_setup(test_wild, setup_elf32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
