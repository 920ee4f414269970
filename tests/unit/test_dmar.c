/* SPDX-License-Identifier: MIT
 * The DMAR table: a well-formed one, each rule broken once, and random damage in a buffer of exactly its size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#define print host_print
void host_print(const char *format, ...);
#include "kernel/iommu_dmar.c"

static unsigned messages;
void host_print(const char *format, ...)
{
    (void)format;
    messages++;
}

static const uint8_t good[] = {
    /* header, 38-bit addresses, interrupt remapping */
    'D', 'M', 'A', 'R', [36] = 38, [37] = 1,
    /* a unit for one device in segment 0, then one for the rest with the I/O APIC 2 at ff:00.0, and one in segment 1 */
    [48] = 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0xd9, 0xfe, 0, 0, 0, 0, 1, 8, 0, 0, 0, 0, 2, 0,
    0, 0, 24, 0, 1, 0, 0, 0, 0, 0x10, 0xd9, 0xfe, 0, 0, 0, 0, 3, 8, 0, 0, 2, 0xff, 0, 0,
    0, 0, 16, 0, 1, 0, 1, 0, 0, 0x20, 0xd9, 0xfe, 0, 0, 0, 0,
    /* memory reserved for 00:1d.0, and a structure of a later version */
    1, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0x7e, 0, 0, 0, 0, 0xff, 0xff, 0, 0x7e, 0, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0x1d, 0,
    9, 0, 4, 0,
};
enum { UNIT = 48, SCOPE = UNIT + 16, RESERVED = UNIT + 64, LAST = sizeof(good) - 4 };

static const char *attempt(struct dmar *out, size_t size, int at, uint8_t value)
{
    uint8_t *table = malloc(size);
    memcpy(table, good, size);
    if (at >= 0)
        table[at] = value;
    messages = 0;
    const char *problem = dmar_read(out, table, (uint32_t)size);
    assert_true(!problem == (out->unit_count > 0));
    free(table);
    return problem;
}

static void test_good(void **state)
{
    (void)state;
    struct dmar out;
    assert_null(attempt(&out, sizeof(good), -1, 0));
    assert_int_equal(out.unit_count, 3);
    assert_int_equal(out.units[1].address, 0xfed91000);
    assert_int_equal(out.units[2].segment, 1);
    assert_int_equal(out.ioapic_count, 1);
    assert_int_equal(out.ioapics[0].id, 2);
    assert_int_equal(out.ioapics[0].source, 0xff00);
    assert_true(out.interrupts);
    assert_int_equal(messages, 1); /* the reserved memory */
}

static void test_refused(void **state)
{
    (void)state;
    static const struct { int at; uint8_t value; } wrong[] = {
        { UNIT + 2, 0 }, { UNIT + 2, 3 }, { UNIT + 2, 15 }, { UNIT + 3, 1 }, /* length of a unit */
        { UNIT + 8, 8 }, { SCOPE + 1, 0 }, { SCOPE + 1, 5 }, { SCOPE + 1, 9 }, { RESERVED + 2, 23 }, { LAST + 2, 5 }, { LAST + 2, 0 },
    };
    struct dmar out;
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
        assert_non_null(attempt(&out, sizeof(good), wrong[i].at, wrong[i].value));
    assert_non_null(attempt(&out, 36, -1, 0));
    assert_non_null(attempt(&out, 48, -1, 0)); /* no unit */
    assert_non_null(attempt(&out, sizeof(good) - 2, -1, 0));
    uint8_t many[48 + 17 * 16] = { 0 };
    for (int i = 0; i < 17; i++) {
        many[48 + i * 16 + 2] = 16;
        many[48 + i * 16 + 9] = 0x10;
    }
    assert_non_null(dmar_read(&out, many, sizeof(many)));
    assert_null(dmar_read(&out, many, sizeof(many) - 16));
}

static void test_damaged(void **state)
{
    (void)state;
    struct dmar out;
    srand(5);
    for (int i = 0; i < 20000; i++) {
        size_t size = 40 + (size_t)rand() % (sizeof(good) - 39);
        (void)attempt(&out, size, 36 + rand() % (int)(size - 36), (uint8_t)rand());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good), cmocka_unit_test(test_refused), cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
