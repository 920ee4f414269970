/* SPDX-License-Identifier: MIT
 * The page-table walker against a model: a plain list of mapped intervals. Random maps and unmaps of 4 KiB to some GiB around
 * the borders of large pages, in all three formats, with a pool that refuses at every possible point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "pagetable.h"
#include "pagetable_format.h"

/* --- a pool --- */

#define POOL_PAGES 8192
#define POOL_BASE 0x40000000ull
static uint8_t *pool;
static uint8_t in_use[POOL_PAGES];
static long budget;            /* allocations until the pool refuses; negative: never */
static bool may_free;          /* pages that were linked are freed only after the flush */
static uint32_t flushes;

void *pool_alloc(struct quota *quota)
{
    if (quota->used >= quota->limit || budget == 0)
        return NULL;
    for (uint32_t i = 0; i < POOL_PAGES; i++)
        if (!in_use[i]) {
            budget -= budget > 0;
            in_use[i] = 1;
            quota->used++;
            for (int n = 0; n < 4096; n++)
                assert_int_equal(pool[i * 4096ul + (uint64_t)n], 0);
            return pool + i * 4096ul;
        }
    return NULL;
}

void pool_free(struct quota *quota, void *page)
{
    uint64_t i = (uint64_t)((uint8_t *)page - pool) / 4096;
    assert_true(i < POOL_PAGES && in_use[i] && quota->used > 0);
    assert_true(may_free);
    memset(page, 0, 4096);
    in_use[i] = 0;
    quota->used--;
}

hpa_t pool_hpa(const void *page) { return HPA(POOL_BASE + (uint64_t)((const uint8_t *)page - pool)); }
void *pool_at(hpa_t hpa)
{
    assert_true(hpa.v >= POOL_BASE && hpa.v < POOL_BASE + POOL_PAGES * 4096ull && !(hpa.v & PAGE_MASK));
    return pool + (hpa.v - POOL_BASE);
}
_Noreturn void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

static void flush(void *context)
{
    assert_ptr_equal(context, &flushes);
    flushes++;
    may_free = true;
}

/* --- the model --- */

#define MAX_INTERVALS 512
struct interval {
    uint64_t va, end, pa;
    unsigned rights;
};
static struct interval model[MAX_INTERVALS];
static int model_count;

static bool model_overlaps(uint64_t va, uint64_t end)
{
    for (int i = 0; i < model_count; i++)
        if (va < model[i].end && model[i].va < end)
            return true;
    return false;
}

static bool model_unmap(uint64_t va, uint64_t end)
{
    bool changed = false;
    for (int i = model_count - 1; i >= 0; i--) {
        struct interval old = model[i];
        if (va >= old.end || old.va >= end)
            continue;
        changed = true;
        model[i] = model[--model_count];
        if (old.va < va)
            model[model_count++] = (struct interval){ old.va, va, old.pa, old.rights };
        if (old.end > end)
            model[model_count++] = (struct interval){ end, old.end, old.pa + (end - old.va), old.rights };
    }
    return changed;
}

static void check_at(const struct page_table *table, uint64_t va)
{
    uint64_t pa = 0;
    unsigned rights = 0;
    bool mapped = pt_lookup(table, va, &pa, &rights);
    for (int i = 0; i < model_count; i++)
        if (va >= model[i].va && va < model[i].end) {
            assert_true(mapped);
            assert_int_equal(pa, model[i].pa + (va - model[i].va));
            assert_int_equal(rights, model[i].rights);
            return;
        }
    assert_false(mapped);
}

static uint64_t random64(void)
{
    return (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
}

static void check_model(const struct page_table *table, uint64_t area)
{
    for (int i = 0; i < model_count; i++) {
        check_at(table, model[i].va);
        check_at(table, model[i].end - 1);
        check_at(table, model[i].va - 1);
        check_at(table, model[i].end);
        check_at(table, model[i].va + random64() % (model[i].end - model[i].va));
    }
    for (int i = 0; i < 16; i++)
        check_at(table, area + random64() % (8ull << 30));
}

/* No table but the root is empty; leaves lie at allowed levels; returns the number of tables. */
static uint32_t check_tables(const struct page_table *table, const uint64_t *node, int level, int count)
{
    uint32_t tables = 1;
    for (int i = 0; i < count; i++) {
        if (!(node[i] & table->format->present))
            continue;
        if (level == 1 || (node[i] & PT_LARGE)) {
            assert_true(level <= table->max_leaf);
            continue;
        }
        const uint64_t *child = pool_at(HPA(node[i] & PT_ADDRESS));
        bool empty = true;
        for (int n = 0; n < PT_ENTRIES; n++)
            empty &= !(child[n] & table->format->present);
        assert_false(empty);
        tables += check_tables(table, child, level - 1, PT_ENTRIES);
    }
    return tables;
}

/* --- random operations --- */

struct setup {
    const struct pt_format *format;
    uint8_t max_leaf;
    uint64_t area;     /* addresses come from [area, area + 8 GiB) */
    unsigned rights[4];
};

static uint64_t pick_size(void)
{
    static const uint64_t unit[] = { 4096, 4096, 2ull << 20, 1ull << 30 };
    static const uint64_t most[] = { 8, 1500, 700, 3 };
    int i = rand() % 4;
    uint64_t size = unit[i] * (1 + random64() % most[i]);
    return rand() % 3 ? size : size + 4096 * (random64() % 3);
}

static uint64_t pick_address(void)
{
    uint64_t borders[] = { 4096, 2ull << 20, 1ull << 30 };
    uint64_t border = borders[rand() % 3];
    uint64_t at = random64() % (5ull << 30) / border * border;
    return rand() % 3 ? at : at + 4096 * (random64() % 5);
}

static void try_map(struct page_table *table, const struct setup *s)
{
    uint64_t va = s->area + pick_address(), size = pick_size(), pa = pick_address() + (random64() % 4 << 36);
    unsigned rights = s->rights[rand() % 4];
    bool overlaps = model_overlaps(va, va + size);
    uint32_t used = table->quota->used;
    budget = rand() % 4 ? -1 : rand() % 6;
    may_free = true; /* what a failed call allocated was never linked */
    enum status status = pt_map(table, va, pa, size, rights);
    budget = -1;
    if (status == OK) {
        assert_false(overlaps);
        model[model_count++] = (struct interval){ va, va + size, pa, rights };
    } else {
        assert_true(status == ERR_MEMORY || (status == ERR_EXISTS && overlaps));
        assert_int_equal(table->quota->used, used);
    }
}

static void try_unmap(struct page_table *table, const struct setup *s)
{
    uint64_t va = s->area + pick_address(), size = pick_size();
    uint32_t used = table->quota->used;
    if (model_count && rand() % 2) {
        const struct interval *i = &model[rand() % model_count];
        va = i->va;
        size = rand() % 2 ? i->end - i->va : ALIGN_UP(1 + random64() % (i->end - i->va), PAGE_SIZE);
    }
    budget = rand() % 4 ? -1 : rand() % 5;
    may_free = budget >= 0; /* spare pages of a call that fails */
    flushes = 0;
    enum status status = pt_unmap(table, va, size, flush, &flushes);
    if (status == OK)
        assert_int_equal(flushes, model_unmap(va, va + size));
    else {
        assert_int_equal(status, ERR_MEMORY);
        assert_true(budget == 0);
        assert_int_equal(table->quota->used, used);
        assert_int_equal(flushes, 0);
    }
    budget = -1;
}

static void run(const struct setup *s, int steps)
{
    struct quota quota = { .limit = 6000 };
    struct page_table table;
    budget = -1;
    model_count = 0;
    assert_int_equal(pt_create(&table, s->format, &quota, s->max_leaf), OK);
    for (int step = 0; step < steps; step++) {
        if (model_count < MAX_INTERVALS - 2 && rand() % 5 < 3)
            try_map(&table, s);
        else
            try_unmap(&table, s);
        check_model(&table, s->area);
        if (step % 16 == 0)
            assert_int_equal(check_tables(&table, table.root, table.levels, PT_ENTRIES), quota.used);
    }
    may_free = true;
    if (s->area >> 63) { /* the kernel's half outlives a host table: empty it */
        for (int i = 0; i < model_count; i++)
            assert_int_equal(pt_unmap(&table, model[i].va, model[i].end - model[i].va, NULL, NULL), OK);
        assert_int_equal(quota.used, 1);
    }
    pt_destroy(&table);
    assert_int_equal(quota.used, 0);
    assert_null(table.root);
}

#define RW (PT_READ | PT_WRITE)
#define RX (PT_READ | PT_EXEC)
#define RWX (PT_READ | PT_WRITE | PT_EXEC)
#define VTD_ANY (PT_EXEC | PT_DEVICE) /* has no bits for these */

static void test_model(void **state)
{
    (void)state;
    static const struct setup setups[] = {
        { &pt_ept, 3, 0, { PT_READ, RW, RWX, RW | PT_DEVICE } },
        { &pt_ept, 1, 0x7ff000000000, { PT_READ, RX, RWX, RW } },
        { &pt_npt, 3, 0x3fe00000000, { PT_READ, RW, RWX, RW | PT_DEVICE } },
        { &pt_npt, 2, 0, { PT_READ, RW, RWX, RX } },
        { &pt_vtd4, 2, 0x7ff000000000, { PT_READ | VTD_ANY, RW | VTD_ANY, RW | VTD_ANY, PT_READ | VTD_ANY } },
        { &pt_vtd3, 3, 0, { PT_READ | VTD_ANY, RW | VTD_ANY, RW | VTD_ANY, PT_READ | VTD_ANY } },
        { &pt_host, 3, 0, { PT_READ | PT_USER, RW | PT_USER, RX | PT_USER, RW | PT_USER | PT_DEVICE } },
        { &pt_host, 2, 0x7ffc00000000, { PT_READ | PT_USER, RW | PT_USER, RX | PT_USER, RX | PT_USER } },
        { &pt_host, 2, 0xffffff8000000000, { PT_READ, RW, RX, RW | PT_DEVICE } },
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(setups); i++) {
        srand(i + 1);
        run(&setups[i], 600);
    }
}

static void test_parameters(void **state)
{
    (void)state;
    struct quota quota = { .limit = 100 };
    struct page_table host, ept;
    budget = -1;
    assert_int_equal(pt_create(&host, &pt_host, &quota, 2), OK);
    assert_int_equal(pt_create(&ept, &pt_ept, &quota, 3), OK);
    assert_int_equal(pt_map(&ept, 0, 0, 0, RWX), ERR_PARAM);
    assert_int_equal(pt_map(&ept, 1, 0, 4096, RWX), ERR_PARAM);
    assert_int_equal(pt_map(&ept, 0, 1, 4096, RWX), ERR_PARAM);
    assert_int_equal(pt_map(&ept, 0, 0, 4097, RWX), ERR_PARAM);
    assert_int_equal(pt_map(&ept, 0, 0, 4096, PT_WRITE), ERR_PARAM);
    assert_int_equal(pt_map(&ept, 1ull << 48, 0, 4096, RWX), ERR_PARAM);
    assert_int_equal(pt_map(&ept, (1ull << 48) - 4096, 0, 8192, RWX), ERR_PARAM);
    assert_int_equal(pt_map(&ept, -4096ull, 0, 8192, RWX), ERR_PARAM);
    assert_int_equal(pt_map(&ept, 0, 1ull << 52, 4096, RWX), ERR_PARAM);
    assert_int_equal(pt_map(&ept, 0, (1ull << 52) - 4096, 8192, RWX), ERR_PARAM);
    assert_int_equal(pt_map(&ept, (1ull << 48) - 4096, (1ull << 52) - 4096, 4096, RWX), OK);
    assert_int_equal(pt_map(&host, 0x400000, 0, 4096, RWX | PT_USER), ERR_PARAM);
    assert_int_equal(pt_map(&host, 0x400000, 0, 4096, RX), ERR_PARAM);
    assert_int_equal(pt_map(&host, -4096ull, 0, 4096, RX | PT_USER), ERR_PARAM);
    assert_int_equal(pt_map(&host, (1ull << 47) - 4096, 0, 8192, RX | PT_USER), ERR_PARAM);
    assert_int_equal(pt_map(&host, 1ull << 47, 0, 4096, RX), ERR_PARAM);
    assert_int_equal(pt_map(&host, 0x400000, 0, 1ull << 46, RX | PT_USER), ERR_MEMORY);
    assert_int_equal(pt_unmap(&host, 0x400001, 4096, NULL, NULL), ERR_PARAM);
    assert_int_equal(pt_unmap(&host, 0x400000, 4096, NULL, NULL), OK);
    pt_destroy(&host);
    pt_destroy(&ept);
    assert_int_equal(quota.used, 0);
}

/* Every host table shares the kernel's half, and its end does not touch it. */
static void test_kernel_half(void **state)
{
    (void)state;
    struct quota quota = { .limit = 100 };
    struct page_table kernel, process;
    uint64_t pa;
    unsigned rights;
    budget = -1;
    assert_int_equal(pt_create(&kernel, &pt_host, &quota, 2), OK);
    assert_int_equal(pt_map(&kernel, 0xffffffff80000000, 0x100000, 0x200000, RX), OK);
    pt_kernel_root = kernel.root;
    assert_int_equal(pt_create(&process, &pt_host, &quota, 2), OK);
    assert_int_equal(pt_map(&process, 0x400000, 0x200000, 0x200000, RX | PT_USER), OK);
    assert_true(pt_lookup(&process, 0xffffffff80001234, &pa, &rights));
    assert_int_equal(pa, 0x101234);
    assert_int_equal(rights, RX);
    assert_false(pt_lookup(&kernel, 0x400000, &pa, &rights));
    pt_destroy(&process);
    assert_true(pt_lookup(&kernel, 0xffffffff80001234, &pa, &rights));
    pt_kernel_root = NULL;
    assert_int_equal(pt_unmap(&kernel, 0xffffffff80000000, 0x200000, NULL, NULL), OK);
    pt_destroy(&kernel);
    assert_int_equal(quota.used, 0);
}

/* The bits as the manuals have them. */
static void test_bits(void **state)
{
    (void)state;
    struct quota quota = { .limit = 100 };
    struct page_table t;
    budget = -1;
    static const struct {
        const struct pt_format *format;
        unsigned rights;
        uint64_t leaf;
    } cases[] = {
        { &pt_ept, RWX, 0x3b7 }, { &pt_ept, PT_READ, 0x3b1 }, { &pt_ept, RW | PT_DEVICE, 0x383 },
        { &pt_npt, RWX, 0xe7 }, { &pt_npt, RW, 0x80000000000000e7 }, { &pt_npt, RW | PT_DEVICE, 0x80000000000000ff },
        { &pt_host, RX | PT_USER, 0xe5 }, { &pt_host, RW | PT_USER, 0x80000000000000e7 },
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(pt_create(&t, cases[i].format, &quota, 3), OK);
        assert_int_equal(pt_map(&t, 0, 0, 1ull << 30, cases[i].rights), OK);
        uint64_t *level3 = pool_at(HPA(t.root[0] & PT_ADDRESS));
        assert_int_equal(t.root[0] & 7, 7);
        assert_int_equal(level3[0], cases[i].leaf);
        pt_destroy(&t);
    }
    assert_int_equal(pt_create(&t, &pt_vtd3, &quota, 3), OK);
    assert_int_equal(pt_map(&t, 1ull << 39, 0, 4096, RW), ERR_PARAM);
    assert_int_equal(pt_map(&t, 0, 0, 1ull << 30, RW), OK);
    assert_int_equal(t.root[0], 0x83);
    pt_destroy(&t);
    assert_int_equal(pt_create(&t, &pt_host, &quota, 1), OK);
    assert_int_equal(pt_map(&t, 0xffffffffe0000000, 0xfee00000, 4096, RW | PT_DEVICE), OK);
    assert_int_equal(quota.used, 4);
    uint64_t *node = t.root;
    for (int level = 4; level > 1; level--)
        node = pool_at(HPA(node[(0xe0000000ull | 0xffffffff00000000) >> (12 + 9 * (level - 1)) & 511] & PT_ADDRESS));
    assert_int_equal(node[0], 0x80000000fee0017b); /* NX, G, D, A, PCD, PWT, W, P */
}

static int set_up(void **state)
{
    (void)state;
    pool = calloc(POOL_PAGES, 4096);
    may_free = true;
    return pool ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_kernel_half),
        cmocka_unit_test(test_bits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
