/* SPDX-License-Identifier: MIT
 * The map of machine memory against an array with a kind per page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/ranges.c"

#define PAGES 600
static struct ranges map;
static uint8_t model[PAGES];

static void check(void)
{
    uint64_t last = 0;
    uint32_t last_kind = 0;
    uint8_t seen[PAGES] = { 0 };
    for (uint32_t i = 0; i < map.count; i++) {
        const struct boot_range *r = &map.list[i];
        assert_true(r->size && r->base >= last);
        assert_false(i && r->base == last && r->kind == last_kind); /* merged */
        last = r->base + r->size;
        last_kind = r->kind;
        for (uint64_t p = r->base / PAGE_SIZE; p < last / PAGE_SIZE; p++)
            seen[p] = (uint8_t)r->kind;
    }
    assert_memory_equal(seen, model, PAGES);
}

static void test_random(void **state)
{
    (void)state;
    srand(7);
    for (int round = 0; round < 40; round++) {
        memset(&map, 0, sizeof(map));
        memset(model, 0, sizeof(model));
        for (int step = 0; step < 300; step++) {
            uint64_t from = (uint64_t)rand() % PAGES, to = from + 1 + (uint64_t)rand() % (step % 7 ? 6 : 100);
            uint32_t kind = (uint32_t)rand() % 7;
            to = to < PAGES ? to : PAGES;
            if (ranges_set(&map, from * PAGE_SIZE, to * PAGE_SIZE, kind))
                memset(model + from, (int)kind, to - from);
            check();
        }
    }
}

/* Full: refused, nothing changed; afterwards what fits still works. */
static void test_full(void **state)
{
    (void)state;
    memset(&map, 0, sizeof(map));
    uint32_t n = 0;
    while (ranges_set(&map, n * 2 * PAGE_SIZE, (n * 2 + 1) * PAGE_SIZE, RANGE_FREE))
        n++;
    struct ranges before = map;
    assert_true(map.count <= BOOT_MAX_RANGES && map.count >= BOOT_MAX_RANGES - 2);
    assert_false(ranges_set(&map, n * 2 * PAGE_SIZE, (n * 2 + 1) * PAGE_SIZE, RANGE_FREE));
    assert_memory_equal(&before, &map, sizeof(map));
}

static void test_find(void **state)
{
    (void)state;
    memset(&map, 0, sizeof(map));
    assert_true(ranges_set(&map, 0x100000, 0x8000000, RANGE_FREE));
    assert_true(ranges_set(&map, 0x9000000, 0x9401000, RANGE_FREE));
    assert_true(ranges_set(&map, 0xa001000, 0xa400000, RANGE_FREE));
    assert_int_equal(ranges_find(&map, 0x1000, 0x1000, ~0ull), 0xa001000); /* the smallest that has it */
    assert_int_equal(ranges_find(&map, 0x400000, 0x200000, ~0ull), 0x9000000);
    assert_int_equal(ranges_find(&map, 0x400000, 0x200000, 0x9200000), 0x200000);
    assert_int_equal(ranges_find(&map, 0x10000000, 0x1000, ~0ull), 0);
    assert_int_equal(ranges_find(&map, 0x1000, 0x1000, 0x100000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
