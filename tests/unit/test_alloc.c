/* SPDX-License-Identifier: MIT
 * The heap of ring 3: random work against a shadow, merging, exhaustion, misuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static jmp_buf aborted;
static _Noreturn void mini_abort(void) { longjmp(aborted, 1); }

#define malloc mini_malloc
#define calloc mini_calloc
#define realloc mini_realloc
#define aligned_alloc mini_aligned_alloc
#define free mini_free
#define abort mini_abort
void *mini_malloc(size_t size);
void mini_free(void *contents);
#include "../../libc-mini/alloc.c"
#undef malloc
#undef calloc
#undef realloc
#undef aligned_alloc
#undef free
#undef abort

#define REGION 65536
static _Alignas(64) unsigned char region[REGION];

void libc_relax(void) { fail_msg("the lock is never contended here"); }

static int setup(void **state)
{
    (void)state;
    memset(region, 0xee, sizeof(region));
    heap_init(region + 3, REGION - 5); /* not aligned on purpose */
    return 0;
}

static size_t all_free(void)
{
    struct heap_usage usage = heap_usage();
    assert_int_equal(usage.used, 0);
    assert_int_equal(usage.available, usage.largest); /* merged into one block again */
    return usage.available;
}

static void test_simple(void **state)
{
    (void)state;
    size_t before = all_free();
    char *a = mini_malloc(1), *b = mini_malloc(100), *c = mini_calloc(10, 10);
    assert_non_null(a);
    assert_int_equal((uintptr_t)a % 16 | (uintptr_t)b % 16 | (uintptr_t)c % 16, 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(c[i], 0);
    }
    memset(b, 1, 100);
    b = mini_realloc(b, 1000);
    assert_int_equal(b[99], 1);
    mini_free(b);
    mini_free(a);
    mini_free(c);
    mini_free(NULL);
    assert_int_equal(all_free(), before);
}

static void test_exhaustion(void **state)
{
    (void)state;
    size_t before = all_free();
    assert_null(mini_malloc(REGION));
    assert_null(mini_malloc(SIZE_MAX));
    assert_null(mini_malloc(SIZE_MAX - 20));
    assert_null(mini_calloc(SIZE_MAX / 2, 3));
    void *blocks[REGION / 32];
    unsigned count = 0;
    while ((blocks[count] = mini_malloc(16)) != NULL) {
        count++;
    }
    assert_in_range(count, REGION / 32 - 8, REGION / 32);
    for (unsigned i = 0; i < count; i += 2) {
        mini_free(blocks[i]);
    }
    assert_null(mini_malloc(64)); /* only holes */
    for (unsigned i = 1; i < count; i += 2) {
        mini_free(blocks[i]);
    }
    assert_int_equal(all_free(), before);
    void *all = mini_malloc(before - 16);
    assert_non_null(all);
    mini_free(all);
}

static void test_aligned(void **state)
{
    (void)state;
    size_t before = all_free();
    void *blocks[16];
    for (unsigned i = 0; i < 12; i++) {
        blocks[i] = mini_aligned_alloc(1ul << i, 100);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % (1ul << i), 0);
    }
    assert_null(mini_aligned_alloc(3, 8));
    assert_null(mini_aligned_alloc(0, 8));
    for (unsigned i = 0; i < 12; i++) {
        mini_free(blocks[i]);
    }
    assert_int_equal(all_free(), before);
}

static void test_random(void **state)
{
    (void)state;
    enum { SLOTS = 64 };
    struct {
        unsigned char *at;
        size_t size;
        unsigned char fill;
    } slots[SLOTS] = {0};
    size_t before = all_free();
    uint32_t random = 12345;
    for (unsigned round = 0; round < 200000; round++) {
        random = random * 1664525u + 1013904223u;
        unsigned i = random >> 26;
        if (slots[i].at != NULL) {
            for (size_t k = 0; k < slots[i].size; k++) {
                assert_int_equal(slots[i].at[k], slots[i].fill);
            }
            mini_free(slots[i].at);
            slots[i].at = NULL;
        } else {
            slots[i].size = (random >> 8) % 3000;
            slots[i].fill = (unsigned char)round;
            slots[i].at = round % 5 == 0 ? mini_aligned_alloc(256, slots[i].size) : mini_malloc(slots[i].size);
            if (slots[i].at != NULL) {
                memset(slots[i].at, slots[i].fill, slots[i].size);
            }
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        mini_free(slots[i].at);
    }
    assert_int_equal(all_free(), before);
}

static void assert_free_aborts(void *contents)
{
    volatile bool ended = true;
    if (setjmp(aborted) == 0) {
        mini_free(contents);
        ended = false;
    }
    assert_true(ended);
    unlock();
}

static void test_misuse(void **state)
{
    (void)state;
    char *a = mini_malloc(64), *b = mini_malloc(64);
    assert_free_aborts(a + 16);
    assert_free_aborts(region + REGION);
    assert_free_aborts(a + 1);
    mini_free(b);
    assert_free_aborts(b);
    memset(a, 0x55, 80); /* over the next header */
    assert_free_aborts(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_simple, setup),  cmocka_unit_test_setup(test_exhaustion, setup),
        cmocka_unit_test_setup(test_aligned, setup), cmocka_unit_test_setup(test_random, setup),
        cmocka_unit_test_setup(test_misuse, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
