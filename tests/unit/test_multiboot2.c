/* SPDX-License-Identifier: MIT
 * The Multiboot 2 loader: header tags, relocation, the information tags, what is refused. */
#include "elf_fixture.h"

#define MAGIC 0xe85250d6u
#define HEADER_AT 0x1000u
#define PAYLOAD 0x1000u
#define IMAGE_SIZE 0x4000u

static uint8_t image[IMAGE_SIZE];
static uint32_t header_size;

static void begin_header(void)
{
    memset(image + HEADER_AT, 0, 0x200);
    header_size = 16;
}

static void add_tag(uint16_t type, uint16_t flags, const uint32_t *words, uint32_t count)
{
    uint32_t size = 8 + count * 4;
    memcpy(image + HEADER_AT + header_size, &type, 2);
    memcpy(image + HEADER_AT + header_size + 2, &flags, 2);
    memcpy(image + HEADER_AT + header_size + 4, &size, 4);
    memcpy(image + HEADER_AT + header_size + 8, words, count * 4);
    header_size += (size + 7) & ~7u;
}

static void end_header(void)
{
    add_tag(0, 0, &header_size, 0);
    const uint32_t words[4] = {MAGIC, 0, header_size, 0 - MAGIC - header_size};
    memcpy(image + HEADER_AT, words, sizeof(words));
}

static void header_with(uint16_t type, uint16_t flags, const uint32_t *words, uint32_t count)
{
    begin_header();
    add_tag(type, flags, words, count);
    end_header();
}

static int setup_elf(void **state, bool wide)
{
    setup(state);
    memset(image, 0, sizeof(image));
    for (unsigned i = PAYLOAD; i < IMAGE_SIZE; i++) {
        image[i] = (uint8_t)(i * 7 + 3);
    }
    const struct test_segment segments[] = {{PT_LOAD, PAYLOAD, 0x400000, 0x400000, 0x1000, 0x2000}};
    elf_headers(image, wide, 0x400800, segments, 1);
    begin_header();
    end_header();
    return 0;
}

static int setup_elf32(void **state) { return setup_elf(state, false); }
static int setup_elf64(void **state) { return setup_elf(state, true); }

/* The information tag of this type, or null. */
static const uint32_t *find_tag(uint32_t type)
{
    uint64_t at = boot_state.gpr[RBX], end = at + guest_u32(at);
    assert_int_equal(at % 8, 0);
    for (at += 8; at < end; at += (guest_u32(at + 4) + 7) & ~7u) {
        assert_true(guest_u32(at + 4) >= 8);
        if (guest_u32(at) == type) {
            return (const uint32_t *)guest(at);
        }
        if (guest_u32(at) == 0) {
            assert_int_equal(at + 8, end);
            return NULL;
        }
    }
    fail_msg("no end tag");
    return NULL;
}

static void test_elf(void **state)
{
    (void)state;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(result.format, GUEST_MULTIBOOT2);
    assert_flat32(0x400800);
    assert_int_equal(boot_state.gpr[RAX], 0x36d76289);
    assert_memory_equal(guest(0x400000), image + PAYLOAD, 0x1000);
}

static void test_information(void **state)
{
    (void)state;
    memcpy(guest(PC_RSDP), "RSD PTR 1234567\2", 16);
    set_module(1, "mod", "with arguments", "module", 6);
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_string_equal((const char *)(find_tag(1) + 2), "console=ttyS0 quiet");
    assert_string_equal((const char *)(find_tag(2) + 2), "Bulkhead");
    const uint32_t *module = find_tag(3);
    assert_memory_equal(guest(module[2]), "module", 6);
    assert_int_equal(module[3] - module[2], 6);
    assert_string_equal((const char *)(module + 4), "mod with arguments");
    assert_int_equal(find_tag(4)[2], 639);
    assert_int_equal(find_tag(4)[3], 63 * 1024);
    assert_int_equal(find_tag(6)[1], 16 + 4 * 24);
    assert_int_equal(find_tag(6)[2], 24);
    assert_int_equal(find_tag(14)[1], 28);
    assert_int_equal(find_tag(15)[1], 44);
    assert_memory_equal(find_tag(15) + 2, "RSD PTR ", 8);
    assert_null(find_tag(21));
    assert_null(find_tag(9));
}

static void test_sections(void **state)
{
    (void)state;
    Elf64_Shdr sections[] = {
        {.sh_type = SHT_NULL},
        {.sh_type = SHT_PROGBITS, .sh_addr = 0x400000, .sh_offset = PAYLOAD, .sh_size = 0x1000},
        {.sh_type = SHT_STRTAB, .sh_offset = 0x3000, .sh_size = 100},
        {.sh_type = SHT_NOBITS, .sh_size = 100},
    };
    Elf64_Ehdr *header = (Elf64_Ehdr *)image;
    header->e_shoff = 0x3800;
    header->e_shnum = 4;
    header->e_shentsize = sizeof(Elf64_Shdr);
    header->e_shstrndx = 2;
    memcpy(image + 0x3800, sections, sizeof(sections));
    assert_int_equal(load_image(image, sizeof(image)), OK);
    const uint32_t *tag = find_tag(9);
    assert_int_equal(tag[2], 4);
    assert_int_equal(tag[3], sizeof(Elf64_Shdr));
    assert_int_equal(tag[4], 2);
    memcpy(sections, tag + 5, sizeof(sections));
    assert_true(sections[1].sh_addr == 0x400000);
    assert_true(sections[2].sh_addr >= 0x402000);
    assert_true(sections[3].sh_addr == 0);
    assert_memory_equal(guest(sections[2].sh_addr), image + 0x3000, 100);
    sections[2].sh_addr = 0;
    sections[2].sh_offset = 0x10000;
    memcpy(image + 0x3800, sections, sizeof(sections));
    assert_refused(image, sizeof(image), ERR_FORMAT, "section 2");
}

static void test_addresses(void **state)
{
    (void)state;
    const uint32_t addresses[4] = {0x800000 + HEADER_AT, 0x800000, 0, 0x810000}, entry[1] = {0x801234};
    begin_header();
    add_tag(2, 0, addresses, 4);
    add_tag(3, 0, entry, 1);
    end_header();
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_flat32(0x801234);
    assert_memory_equal(guest(0x800000), image, sizeof(image));
    const uint32_t from_start[4] = {0x900000 + HEADER_AT, 0xffffffff, 0x902000, 0}, entry2[1] = {0x901234};
    begin_header();
    add_tag(2, 0, from_start, 4);
    add_tag(3, 0, entry2, 1);
    end_header();
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_memory_equal(guest(0x900000), image, 0x2000);
    header_with(2, 0, addresses, 4);
    assert_refused(image, sizeof(image), ERR_FORMAT, "no entry address tag");
}

static void test_relocation(void **state)
{
    (void)state;
    static const struct {
        uint32_t words[4]; /* min, max, align, preference */
        uint64_t base;
    } cases[] = {
        {{0x100000, 0xffffffff, 0x1000, 0}, 0x400000}, /* fits where it is */
        {{0x100000, 0xffffffff, 0x1000, 1}, 0x100000}, {{0x100000, 0xffffffff, 0x1000, 2}, 0x4000000 - 0x2000},
        {{0x800000, 0xffffffff, 0x1000, 0}, 0x800000}, {{0x800001, 0xffffffff, 0x200000, 0}, 0xa00000},
        {{0x100000, 0x2fffff, 0x1000, 2}, 0x2fe000},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        header_with(10, 0, cases[i].words, 4);
        assert_int_equal(load_image(image, sizeof(image)), OK);
        assert_flat32(cases[i].base + 0x800);
        assert_int_equal(find_tag(21)[2], cases[i].base);
        assert_memory_equal(guest(cases[i].base), image + PAYLOAD, 0x1000);
    }
    const uint32_t tight[4] = {0x100000, 0x100fff, 0x1000, 1}, align[4] = {0, 0xffffffff, 3, 1},
                   preference[4] = {0, 0xffffffff, 1, 3};
    header_with(10, 0, tight, 4);
    assert_refused(image, sizeof(image), ERR_MEMORY, "fits nowhere");
    header_with(10, 0, align, 4);
    assert_refused(image, sizeof(image), ERR_FORMAT, "alignment 0x3");
    header_with(10, 0, preference, 4);
    assert_refused(image, sizeof(image), ERR_FORMAT, "preference 3");
}

static void test_tags(void **state)
{
    (void)state;
    const uint32_t known[3] = {6, 9, 21}, unknown[2] = {6, 99}, console[1] = {3}, framebuffer[3] = {1024, 768, 32};
    header_with(1, 0, known, 3);
    assert_int_equal(load_image(image, sizeof(image)), OK);
    header_with(1, 0, unknown, 2);
    assert_refused(image, sizeof(image), ERR_SUPPORT, "type 99");
    header_with(1, 1, unknown, 2);
    assert_int_equal(load_image(image, sizeof(image)), OK);
    header_with(4, 0, console, 1);
    assert_refused(image, sizeof(image), ERR_SUPPORT, "console");
    header_with(5, 0, framebuffer, 3);
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_non_null(strstr(result.note, "framebuffer"));
    header_with(77, 0, known, 3);
    assert_refused(image, sizeof(image), ERR_SUPPORT, "unknown type 77");
    header_with(77, 1, known, 3);
    assert_int_equal(load_image(image, sizeof(image)), OK);
    header_with(2, 0, known, 3);
    assert_refused(image, sizeof(image), ERR_FORMAT, "address tag of 20 bytes");
}

static void test_broken_header(void **state)
{
    (void)state;
    const uint32_t architecture[4] = {MAGIC, 4, 24, 0 - MAGIC - 4 - 24};
    memcpy(image + HEADER_AT, architecture, sizeof(architecture));
    assert_refused(image, sizeof(image), ERR_SUPPORT, "architecture 4");
    const uint32_t length[4] = {MAGIC, 0, 0x100000, 0 - MAGIC - 0x100000};
    memcpy(image + HEADER_AT, length, sizeof(length));
    assert_refused(image, sizeof(image), ERR_FORMAT, "1048576 bytes");
    const uint32_t no_end[4] = {MAGIC, 0, 16, 0 - MAGIC - 16};
    memcpy(image + HEADER_AT, no_end, sizeof(no_end));
    assert_refused(image, sizeof(image), ERR_FORMAT, "no end tag");
    const uint32_t size[4] = {MAGIC, 0, 40, 0 - MAGIC - 40};
    memcpy(image + HEADER_AT, size, sizeof(size));
    const uint32_t tag[2] = {1, 100};
    memcpy(image + HEADER_AT + 16, tag, sizeof(tag));
    assert_refused(image, sizeof(image), ERR_FORMAT, "size 100");
}

static void test_truncated(void **state)
{
    (void)state;
    assert_truncations(image, sizeof(image), 3);
}

static void test_wild(void **state)
{
    (void)state;
    const uint32_t relocatable[4] = {0x100000, 0xffffffff, 0x1000, 1};
    header_with(10, 0, relocatable, 4);
    assert_wild_fields(image, sizeof(image), 0, 130);
    assert_wild_fields(image, sizeof(image), HEADER_AT, HEADER_AT + 64);
    /* The same with a checksum that is right again. */
    for (uint32_t at = HEADER_AT + 16; at < HEADER_AT + 48; at++) {
        for (uint32_t value = 0; value < 256; value += 51) {
            uint8_t before = image[at];
            image[at] = (uint8_t)value;
            (void)!load_image(image, sizeof(image));
            image[at] = before;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_elf, setup_elf32),         cmocka_unit_test_setup(test_elf, setup_elf64),
        cmocka_unit_test_setup(test_information, setup_elf32), cmocka_unit_test_setup(test_sections, setup_elf64),
        cmocka_unit_test_setup(test_addresses, setup_elf32),   cmocka_unit_test_setup(test_relocation, setup_elf64),
        cmocka_unit_test_setup(test_tags, setup_elf32),        cmocka_unit_test_setup(test_broken_header, setup_elf32),
        cmocka_unit_test_setup(test_truncated, setup_elf64),   cmocka_unit_test_setup(test_wild, setup_elf64),
        cmocka_unit_test_setup(test_wild, setup_elf32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
