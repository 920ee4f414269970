/* SPDX-License-Identifier: MIT
 * The PVH loader: entry note, start information, modules, what is refused. */
#include "elf_fixture.h"
#include <xen/arch-x86/hvm/start_info.h>

#define NOTE_AT 0x200u
#define PAYLOAD 0x1000u
#define IMAGE_SIZE 0x3000u
#define ENTRY 0x100040u

static uint8_t image[IMAGE_SIZE];

static int setup_image(void **state, bool wide, unsigned entry_size)
{
    setup(state);
    memset(image, 0, sizeof(image));
    for (unsigned i = PAYLOAD; i < IMAGE_SIZE; i++) {
        image[i] = (uint8_t)(i * 11 + 5);
    }
    /* A note of another owner, one of another type, then the right one. */
    uint64_t entry = ENTRY;
    unsigned notes = elf_note_write(image + NOTE_AT, "Linux", 18, "abc", 3);
    notes += elf_note_write(image + NOTE_AT + notes, "Xen", 6, "generic", 7);
    notes += elf_note_write(image + NOTE_AT + notes, "Xen", 18, &entry, entry_size);
    const struct test_segment segments[] = {
        {PT_LOAD, PAYLOAD, 0xffffffff81000000, 0x100000, 0x1000, 0x3000},
        {PT_NOTE, NOTE_AT, 0, 0, notes, notes},
    };
    elf_headers(image, wide, 0xffffffff81000000, segments, 2);
    return 0;
}

static int setup64(void **state) { return setup_image(state, true, 8); }
static int setup64_short(void **state) { return setup_image(state, true, 4); }
static int setup32(void **state) { return setup_image(state, false, 4); }

static const struct hvm_start_info *info(void) { return (const struct hvm_start_info *)guest(boot_state.gpr[RBX]); }

static void test_entry(void **state)
{
    (void)state;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(result.format, GUEST_PVH);
    assert_flat32(ENTRY);
    assert_memory_equal(guest(0x100000), image + PAYLOAD, 0x1000);
    assert_int_equal(info()->magic, XEN_HVM_START_MAGIC_VALUE);
    assert_int_equal(info()->version, 1);
    assert_int_equal(info()->rsdp_paddr, PC_RSDP);
    assert_int_equal(info()->nr_modules, 0);
    assert_string_equal((char *)guest(info()->cmdline_paddr), "console=ttyS0 quiet");
    assert_int_equal(info()->memmap_entries, 4);
    const struct hvm_memmap_table_entry *map = (const void *)guest(info()->memmap_paddr);
    assert_int_equal(map[3].addr, MIB);
    assert_int_equal(map[3].size, 63 * MIB);
    assert_int_equal(map[3].type, XEN_HVM_MEMMAP_TYPE_RAM);
}

static void test_modules(void **state)
{
    (void)state;
    set_module(1, "initrd", "", "first", 5);
    set_module(2, "other", "some arguments", "second", 6);
    start.has_initrd = 1;
    assert_int_equal(load_image(image, sizeof(image)), OK);
    assert_int_equal(info()->nr_modules, 2);
    const struct hvm_modlist_entry *modules = (const void *)guest(info()->modlist_paddr);
    assert_int_equal(modules[0].size, 5);
    assert_memory_equal(guest(modules[0].paddr), "first", 5);
    assert_memory_equal(guest(modules[1].paddr), "second", 6);
    assert_string_equal((char *)guest(modules[1].cmdline_paddr), "some arguments");
}

static void test_no_note(void **state)
{
    (void)state;
    memset(image + NOTE_AT, 0, 0x100);
    assert_refused(image, sizeof(image), ERR_FORMAT, "neither a Multiboot");
}

static void test_bad_entry(void **state)
{
    (void)state;
    const uint64_t entry = 0x90000;
    unsigned size = elf_note_write(image + NOTE_AT, "Xen", 18, &entry, 8);
    assert_true(size > 0);
    assert_refused(image, sizeof(image), ERR_FORMAT, "0x90000");
}

static void test_truncated(void **state)
{
    (void)state;
    assert_truncations(image, sizeof(image), 1);
}

static void test_wild(void **state)
{
    (void)state;
    assert_wild_fields(image, sizeof(image), 0, 0x300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_entry, setup64),     cmocka_unit_test_setup(test_entry, setup64_short),
        cmocka_unit_test_setup(test_entry, setup32),     cmocka_unit_test_setup(test_modules, setup64),
        cmocka_unit_test_setup(test_no_note, setup64),   cmocka_unit_test_setup(test_bad_entry, setup64),
        cmocka_unit_test_setup(test_truncated, setup64), cmocka_unit_test_setup(test_truncated, setup32),
        cmocka_unit_test_setup(test_wild, setup64),      cmocka_unit_test_setup(test_wild, setup32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
