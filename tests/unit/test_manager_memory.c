/* SPDX-License-Identifier: MIT
 * The manager's extents of free memory: alignment, best fit, merging, random work against a page map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "manager/memory.c"

#define MIB 0x100000ull

static int setup(void **state)
{
    (void)state;
    static struct boot_info info;
    extent_count = 0;
    info.range_count = 4;
    info.ranges[0] = (struct boot_range){0, MIB + 0x1000, RANGE_FREE, 0}; /* the first MiB is not handed out */
    info.ranges[1] = (struct boot_range){2 * MIB, MIB, RANGE_MODULE, 0};
    info.ranges[2] = (struct boot_range){3 * MIB, 29 * MIB, RANGE_FREE, 0};
    info.ranges[3] = (struct boot_range){64 * MIB, 64 * MIB, RANGE_FREE, 0};
    memory_init(&info);
    return 0;
}

static void test_init(void **state)
{
    (void)state;
    assert_int_equal(memory_total(), 93 * MIB + 0x1000);
    assert_int_equal(memory_available(), memory_total());
}

static void test_take(void **state)
{
    (void)state;
    uint64_t base;
    assert_int_equal(memory_take(0x1000, 0x1000, &base), OK);
    assert_int_equal(base, MIB); /* the smallest extent that holds it */
    assert_int_equal(memory_take(0x1000, 0x1000, &base), OK);
    assert_int_equal(base, 3 * MIB);
    assert_int_equal(memory_take(26 * MIB, 2 * MIB, &base), OK);
    assert_int_equal(base, 4 * MIB);
    assert_int_equal(memory_take(64 * MIB, 2 * MIB, &base), OK);
    assert_int_equal(base, 64 * MIB);
    assert_int_equal(memory_take(3 * MIB, 0x1000, &base), ERR_MEMORY);
    memory_give(4 * MIB, 26 * MIB);
    memory_give(64 * MIB, 64 * MIB);
    memory_give(3 * MIB, 0x1000);
    memory_give(MIB, 0x1000);
    assert_int_equal(extent_count, 3);
    assert_int_equal(memory_available(), memory_total());
}

static void test_pieces(void **state)
{
    (void)state;
    struct extent piece;
    assert_int_equal(memory_take_some(1ull << 40, 2 * MIB, &piece), OK);
    assert_true(piece.base == 64 * MIB && piece.size == 64 * MIB);
    assert_int_equal(memory_take_some(9 * MIB, 2 * MIB, &piece), OK);
    assert_true(piece.size == 8 * MIB && piece.base % (2 * MIB) == 0);
    assert_int_equal(memory_take_some(1ull << 40, 2 * MIB, &piece), OK);
    assert_true(piece.size == 20 * MIB);
    assert_int_equal(memory_take_some(1ull << 40, 2 * MIB, &piece), ERR_MEMORY);
    assert_int_equal(memory_take_some(0, 0x1000, &piece), ERR_MEMORY);
}

static void test_random(void **state)
{
    (void)state;
    enum { SLOTS = 40 };
    static uint8_t owner[128 << 8]; /* by page */
    struct extent slots[SLOTS] = {{0, 0}};
    uint32_t random = 1;
    memset(owner, 0, sizeof(owner));
    for (unsigned round = 0; round < 100000; round++) {
        random = random * 1664525u + 1013904223u;
        unsigned i = (random >> 24) % SLOTS;
        struct extent *slot = &slots[i];
        if (slot->size > 0) {
            memory_give(slot->base, slot->size);
            memset(&owner[slot->base >> 12], 0, slot->size >> 12);
            slot->size = 0;
            continue;
        }
        uint64_t size = ((random >> 12) % 900 + 1) << 12, align = 0x1000ull << (random >> 8) % 10;
        if (memory_take(size, align, &slot->base) == OK) {
            slot->size = size;
            assert_int_equal(slot->base % align, 0);
            assert_null(memchr(&owner[slot->base >> 12], 1, size >> 12));
            memset(&owner[slot->base >> 12], 1, size >> 12);
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        memory_give(slots[i].base, slots[i].size);
    }
    assert_int_equal(extent_count, 3);
    assert_int_equal(memory_available(), memory_total());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_init, setup),
        cmocka_unit_test_setup(test_take, setup),
        cmocka_unit_test_setup(test_pieces, setup),
        cmocka_unit_test_setup(test_random, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
