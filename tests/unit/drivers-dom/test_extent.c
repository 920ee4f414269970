/* SPDX-License-Identifier: MIT
 * Guest-physical addresses: what is inside, what is outside, and what crosses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "extent.h"
#include "service.h"

static const struct control_extent pair[] = {
    {0x0, 0x10000000, 0x200000},
    {0x200000, 0x50000000, 0x1000}, /* guest-contiguous with the first, elsewhere in the machine */
    {0x100000000, 0x20000000, 0x100000},
};

static struct extent_map map_of(const struct control_extent *extents, unsigned count, enum status expected)
{
    struct extent_map map;
    assert_int_equal(extent_init(&map, extents, count), expected);
    return map;
}

static void translates_inside(void **state)
{
    (void)state;
    struct extent_map map = map_of(pair, 3, OK);
    uint64_t address = 0;
    assert_int_equal(extent_translate(&map, 0x1234, 0x100, &address), 0x100);
    assert_int_equal(address, 0x10001234);
    assert_int_equal(extent_translate(&map, 0x1000fffff, 1, &address), 1);
    assert_int_equal(address, 0x200fffff);
}

static void splits_at_an_extents_end(void **state)
{
    (void)state;
    struct extent_map map = map_of(pair, 3, OK);
    uint64_t address = 0;
    assert_int_equal(extent_translate(&map, 0x1ffff0, 0x100, &address), 0x10);
    assert_int_equal(extent_translate(&map, 0x200000, 0xf0, &address), 0xf0);
    assert_int_equal(address, 0x50000000);
    assert_int_equal(extent_translate(&map, 0x200ff8, 0x100, &address), 8);
}

static void nothing_outside(void **state)
{
    (void)state;
    struct extent_map map = map_of(pair, 3, OK);
    uint64_t address = 0;
    assert_int_equal(extent_translate(&map, 0x201000, 1, &address), 0);
    assert_int_equal(extent_translate(&map, 0xffffffff, 1, &address), 0);
    assert_int_equal(extent_translate(&map, 0x100100000, 1, &address), 0);
    assert_int_equal(extent_translate(&map, UINT64_MAX, UINT64_MAX, &address), 0);
    assert_int_equal(extent_translate(&map, 0x1000, 0, &address), 0);
}

static void refuses_bad_extents(void **state)
{
    (void)state;
    const struct control_extent overlap[] = {{0, 0, 0x2000}, {0x1000, 0x8000, 0x1000}};
    const struct control_extent wrap[] = {{0xfffffffffffff000, 0, 0x2000}};
    const struct control_extent machine_wrap[] = {{0, 0xfffffffffffff000, 0x2000}};
    const struct control_extent odd[] = {{0x10, 0, 0x1000}};
    const struct control_extent empty[] = {{0, 0, 0}};
    map_of(overlap, 2, ERR_PARAM);
    map_of(wrap, 1, ERR_PARAM);
    map_of(machine_wrap, 1, ERR_PARAM);
    map_of(odd, 1, ERR_PARAM);
    map_of(empty, 1, ERR_PARAM);
    map_of(pair, CONTROL_MAX_EXTENTS + 1, ERR_PARAM);
    struct extent_map none = map_of(pair, 0, OK);
    uint64_t address;
    assert_int_equal(extent_translate(&none, 0, 1, &address), 0);
}

static void reads_across_extents(void **state)
{
    (void)state;
    uint8_t *memory = aligned_alloc(4096, 4 * 4096);
    memset(memory, 1, 4 * 4096);
    memset(memory + 2 * 4096, 2, 4096);
    const struct control_extent extents[] = { { 0x1000, dma_of(memory), 0x1000 },
                                              { 0x2000, dma_of(memory + 2 * 4096), 0x1000 } };
    struct extent_map map = map_of(extents, 2, OK);
    uint8_t out[16];
    assert_true(extent_read(&map, 0x1ff8, out, 16));
    assert_int_equal(out[7], 1);
    assert_int_equal(out[8], 2);
    assert_false(extent_read(&map, 0x2ff8, out, 16));
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(translates_inside),    cmocka_unit_test(splits_at_an_extents_end),
        cmocka_unit_test(nothing_outside),      cmocka_unit_test(refuses_bad_extents),
        cmocka_unit_test(reads_across_extents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
