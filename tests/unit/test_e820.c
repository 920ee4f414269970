/* SPDX-License-Identifier: MIT
 * The memory map: ascending, without overlaps, and all RAM that is not the PC's own is in it. */
#include "fake_pc.h"
#include "e820.h"

static struct e820_entry map[E820_MAX_ENTRIES];
static unsigned count;

static void build(uint64_t low, uint64_t high)
{
    struct machine machine = { .memory = { .low = low, .high = high, .high_base = MEMORY_HIGH_BASE } };
    count = e820_build(&machine, map, E820_MAX_ENTRIES);
    assert_in_range(count, 3, E820_MAX_ENTRIES);
    for (unsigned i = 0; i < count; i++) {
        assert_true(map[i].size > 0);
        if (i)
            assert_true(map[i - 1].base + map[i - 1].size <= map[i].base);
    }
}

static uint32_t type_at(uint64_t address)
{
    for (unsigned i = 0; i < count; i++) {
        if (address - map[i].base < map[i].size)
            return map[i].type;
    }
    return 0;
}

static void a_small_machine(void **state)
{
    (void)state;
    build(256 * MIB, 0);
    assert_int_equal(type_at(0), E820_RAM);
    assert_int_equal(type_at(PC_EBDA - 1), E820_RAM);
    assert_int_equal(type_at(PC_EBDA), E820_RESERVED);
    assert_int_equal(type_at(0xa0000), 0);
    assert_int_equal(type_at(PC_RSDP), E820_RESERVED);
    assert_int_equal(type_at(MIB), E820_RAM);
    assert_int_equal(type_at(256 * MIB - 1), E820_RAM);
    assert_int_equal(type_at(256 * MIB), 0);
    assert_int_equal(type_at(PC_ECAM), E820_RESERVED);
    assert_int_equal(type_at(PC_ECAM + PC_ECAM_SIZE - 1), E820_RESERVED);
    assert_int_equal(type_at(1ull << 32), 0);
}

static void a_large_machine(void **state)
{
    (void)state;
    build(PC_LOW_MEMORY_MAX, 5ull << 30);
    assert_int_equal(type_at(PC_LOW_MEMORY_MAX - 1), E820_RAM);
    assert_int_equal(type_at(PC_LOW_MEMORY_MAX), 0);
    assert_int_equal(type_at(1ull << 32), E820_RAM);
    assert_int_equal(type_at((9ull << 30) - 1), E820_RAM);
    assert_int_equal(type_at(9ull << 30), 0);
}

static void the_smallest_machine_and_a_short_table(void **state)
{
    (void)state;
    build(MIB, 0);
    assert_int_equal(type_at(0x1000), E820_RAM);
    assert_int_equal(type_at(MIB), 0);
    struct machine machine = { .memory = { .low = 2 * MIB, .high = MIB, .high_base = MEMORY_HIGH_BASE } };
    assert_int_equal(e820_build(&machine, map, 2), 2);
}

static void firmware_divides_the_first_mebibyte_itself(void **state)
{
    (void)state;
    struct start start = { .firmware = 1 };
    struct machine machine = { .memory = { .low = 64 * MIB, .high = MIB, .high_base = MEMORY_HIGH_BASE }, .start = &start };
    count = e820_build(&machine, map, E820_MAX_ENTRIES);
    assert_int_equal(count, 4);
    assert_int_equal(type_at(0), E820_RAM);
    assert_int_equal(type_at(0xf0000), E820_RAM);
    assert_int_equal(type_at(64 * MIB - PC_FIRMWARE_TABLES - 1), E820_RAM);
    assert_int_equal(type_at(64 * MIB - PC_FIRMWARE_TABLES), E820_RESERVED);
    assert_int_equal(type_at(64 * MIB - 1), E820_RESERVED);
    assert_int_equal(type_at(MEMORY_HIGH_BASE), E820_RAM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_machine), cmocka_unit_test(a_large_machine),
        cmocka_unit_test(the_smallest_machine_and_a_short_table),
        cmocka_unit_test(firmware_divides_the_first_mebibyte_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
