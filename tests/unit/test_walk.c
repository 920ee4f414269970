/* SPDX-License-Identifier: MIT
 * The page walk: named cases of each mode, then random tables against a second walker written from the manual's tables
 * in another way. */
#include "cpu_fixture.h"
#include <stdio.h>
#include <string.h>

static struct cpu *cpu;
static struct fault fault;
static struct walk result;

#define TABLE(n) (0x100000u + 0x1000u * (n)) /* level n's table */
#define P 1ull
#define W 2ull
#define U 4ull
#define A 0x20ull
#define D 0x40ull
#define PS 0x80ull
#define NX (1ull << 63)

static void put64(uint64_t gpa, uint64_t value)
{
    memcpy(cpu->ram + gpa, &value, 8);
}

static uint64_t get64(uint64_t gpa)
{
    uint64_t value = ~0ull;
    if (gpa < CPU_RAM_SIZE) {
        memcpy(&value, cpu->ram + gpa, 8);
    }
    return value;
}

static void put32(uint64_t gpa, uint32_t value)
{
    memcpy(cpu->ram + gpa, &value, 4);
}

static uint32_t get32(uint64_t gpa)
{
    return (uint32_t)get64(gpa);
}

static void user(bool is_user)
{
    cpu->state.seg[SEG_SS].attr = (cpu->state.seg[SEG_SS].attr & ~0x60u) | (is_user ? 0x60 : 0);
}

static void expect_gpa(uint64_t linear, unsigned access, uint64_t gpa)
{
    assert_true(walk(cpu->vcpu, linear, access, &result, &fault));
    assert_int_equal(result.gpa, gpa);
    assert_ptr_equal(result.host, gpa < CPU_RAM_SIZE ? cpu->ram + gpa : NULL);
}

static void expect_fault(uint64_t linear, unsigned access, uint32_t error)
{
    assert_false(walk(cpu->vcpu, linear, access, &result, &fault));
    assert_int_equal(fault.vector, EXCEPTION_PF);
    assert_int_equal(fault.error, error);
    assert_int_equal(fault.address, linear);
}

static void test_no_paging(void **unused)
{
    (void)unused;
    cpu_mode32(cpu);
    expect_gpa(0x1234567, WALK_WRITE, 0x234567 + 0x1000000);
    expect_gpa(0xfee00010, WALK_READ, 0xfee00010);
    expect_gpa(0x100000005, WALK_READ, 5);
}

static void test_4level(void **unused)
{
    (void)unused;
    cpu_mode64(cpu);
    uint64_t linear = 0xffff888012345678ull;
    uint64_t *leaf = cpu_map(cpu, linear, 0x5000, P);
    expect_gpa(linear, WALK_READ, 0x5678);
    assert_int_equal(*leaf, 0x5000 | P | A);
    expect_fault(linear, WALK_WRITE, PF_PRESENT | PF_WRITE);
    cpu->state.cr0 &= ~CR0_WP;
    expect_gpa(linear, WALK_WRITE, 0x5678);
    assert_int_equal(*leaf, 0x5000 | P | A | D);
    user(true);
    expect_fault(linear, WALK_READ, PF_PRESENT | PF_USER);
    expect_gpa(linear, WALK_READ | WALK_IMPLICIT, 0x5678);
    *leaf |= U;
    expect_gpa(linear, WALK_READ, 0x5678);
    *leaf |= NX;
    expect_fault(linear, WALK_EXEC, PF_PRESENT | PF_USER | PF_FETCH);
    cpu->state.efer &= ~EFER_NXE;
    expect_fault(linear, WALK_READ, PF_PRESENT | PF_USER | PF_RESERVED);
    cpu->state.efer |= EFER_NXE;
    *leaf |= 1ull << 41; /* beyond 40 bits */
    expect_fault(linear, WALK_READ, PF_PRESENT | PF_USER | PF_RESERVED);
    *leaf = 0;
    expect_fault(linear, WALK_WRITE, PF_USER | PF_WRITE);
}

static void test_smep_smap(void **unused)
{
    (void)unused;
    cpu_mode64(cpu);
    cpu_map(cpu, 0x400000, 0x5000, P | W | U);
    cpu->state.cr4 |= CR4_SMEP | CR4_SMAP;
    expect_fault(0x400000, WALK_EXEC, PF_PRESENT | PF_FETCH);
    expect_fault(0x400000, WALK_READ, PF_PRESENT);
    cpu->state.rflags |= RFLAGS_AC;
    expect_gpa(0x400000, WALK_READ, 0x5000);
    expect_fault(0x400000, WALK_READ | WALK_IMPLICIT, PF_PRESENT);
    cpu->state.rflags &= ~RFLAGS_AC;
    user(true);
    expect_gpa(0x400000, WALK_WRITE, 0x5000);
    expect_gpa(0x400000, WALK_EXEC, 0x5000);
}

static void test_large_pages(void **unused)
{
    (void)unused;
    cpu_mode64(cpu);
    put64(TABLE(0), TABLE(1) | 7);
    put64(TABLE(1) + 8, 0x40000000 | PS | P | W); /* 1 GiB */
    put64(TABLE(1), TABLE(2) | 7);
    put64(TABLE(2) + 8, 0xc00000 | PS | P | W); /* 2 MiB */
    expect_gpa(0x40000000 + 0x123456, WALK_READ, 0x40123456);
    expect_gpa(0x200000 + 0x123456, WALK_WRITE, 0xd23456);
    assert_int_equal(get64(TABLE(2) + 8), 0xc00000 | PS | P | W | A | D);
    put64(TABLE(2) + 8, 0xc02000 | PS | P | W);
    expect_fault(0x200000, WALK_READ, PF_PRESENT | PF_RESERVED);
    put64(TABLE(0), TABLE(1) | 7 | PS);
    expect_fault(0x200000, WALK_READ, PF_PRESENT | PF_RESERVED);
}

static void test_32bit(void **unused)
{
    (void)unused;
    cpu_mode32(cpu);
    cpu->state.cr0 |= CR0_PG | CR0_WP;
    cpu->state.cr3 = TABLE(0);
    put32(TABLE(0) + 4 * 0x301, TABLE(1) | 7);
    put32(TABLE(1) + 4 * 0x234, 0x6000 | 3);
    expect_gpa(0xc0634567, WALK_WRITE, 0x6567);
    assert_int_equal(get32(TABLE(1) + 4 * 0x234), 0x6000 | 3 | A | D);
    assert_int_equal(get32(TABLE(0) + 4 * 0x301), TABLE(1) | 7 | A);
    put32(TABLE(0) + 4, 0x00400000 | 3 | PS); /* without PSE: a table there, all zero */
    expect_fault(0x00400000, WALK_READ, 0);
    cpu->state.cr4 |= CR4_PSE;
    expect_gpa(0x00412345, WALK_READ, 0x412345);
    put32(TABLE(0) + 4, 0x00800000 | 3 | PS | 0x12u << 13); /* PSE-36 */
    expect_gpa(0x00412345, WALK_READ, 0x1200812345ull);
    put32(TABLE(0) + 4, 0x00800000 | 3 | PS | 1u << 21);
    expect_fault(0x00412345, WALK_READ, PF_PRESENT | PF_RESERVED);
    cpu->vcpu->phys_bits = 36;
    put32(TABLE(0) + 4, 0x00800000 | 3 | PS | 0x12u << 13);
    expect_fault(0x00412345, WALK_READ, PF_PRESENT | PF_RESERVED);
    cpu->vcpu->phys_bits = 40;
    user(true);
    expect_fault(0xc0634567, WALK_READ, PF_PRESENT | PF_USER);
}

static void test_pae(void **unused)
{
    (void)unused;
    cpu_mode32(cpu);
    cpu->state.cr0 |= CR0_PG;
    cpu->state.cr4 |= CR4_PAE;
    cpu->state.efer = EFER_NXE;
    cpu->state.pdpte[3] = TABLE(1) | P;
    put64(TABLE(1) + 8, TABLE(2) | 7);
    put64(TABLE(2) + 8 * 5, 0x7000 | 7 | NX);
    put64(TABLE(1), 0xc00000 | 7 | PS);
    expect_gpa(0xc0205678, WALK_WRITE, 0x7678);
    expect_gpa(0xc0012345, WALK_READ, 0xc12345);
    expect_fault(0xc0205678, WALK_EXEC, PF_PRESENT | PF_FETCH);
    expect_fault(0x80000000, WALK_READ, 0);
    put64(TABLE(2) + 8 * 5, 0x7000 | 7 | 1ull << 55); /* ignored in 4-level paging, reserved here */
    expect_fault(0xc0205678, WALK_READ, PF_PRESENT | PF_RESERVED);
    assert_int_equal(cpu->state.pdpte[3], TABLE(1) | P); /* no flags there */
}

/* A table outside RAM reads as all ones. */
static void test_tables_outside(void **unused)
{
    (void)unused;
    cpu_mode64(cpu);
    cpu->state.cr3 = 0xd0000000;
    expect_fault(0, WALK_READ, PF_PRESENT | PF_RESERVED);
    cpu_mode32(cpu);
    cpu->state.cr0 |= CR0_PG;
    cpu->state.cr3 = TABLE(0);
    put32(TABLE(0), 0xd0000000 | 7);
    expect_gpa(0x123, WALK_READ, 0xfffff123);
}

/* The cache never outlives a change of tables or mode. */
static void test_cache(void **unused)
{
    (void)unused;
    cpu_mode64(cpu);
    uint64_t *leaf = cpu_map(cpu, 0x400000, 0x5000, P | W);
    expect_gpa(0x400010, WALK_READ, 0x5010);
    *leaf = 0x6000 | P | W;
    expect_gpa(0x400010, WALK_READ, 0x6010);
    *leaf = 0;
    expect_fault(0x400010, WALK_READ, 0);
    *leaf = 0x6000 | P | W;
    expect_gpa(0x400010, WALK_READ, 0x6010);
    *leaf = 0x6000 | P | A;
    expect_fault(0x400010, WALK_WRITE, PF_PRESENT | PF_WRITE);
    user(true);
    expect_fault(0x400010, WALK_READ, PF_PRESENT | PF_USER);
    user(false);
    cpu->state.cr0 = CR0_PE;
    cpu->state.efer = 0;
    expect_gpa(0x400010, WALK_READ, 0x400010);
}

/* --- the second walker --- */
static uint64_t seed = 88172645463325252ull;
static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

struct reference {
    bool ok;
    uint32_t error;
    uint64_t gpa;
    uint64_t entry[4]; /* where each lies, and what it is afterwards */
    uint64_t after[4];
    unsigned count;
};

/* 8-byte formats only: levels 4 (long mode) or 3 (PAE, the first in the state). */
static struct reference reference_walk(uint64_t linear, unsigned access, unsigned levels)
{
    const struct vcpu_state *s = &cpu->state;
    struct reference r = { .ok = false };
    bool w = true, u = true, x = true, wants_write = access & WALK_WRITE, wants_exec = access & WALK_EXEC;
    bool is_user = walk_cpl(s) == 3 && !(access & WALK_IMPLICIT), nxe = s->efer & EFER_NXE;
    uint32_t base = (wants_write ? 2 : 0) | (is_user ? 4 : 0) | (wants_exec && (nxe || (s->cr4 & CR4_SMEP)) ? 16 : 0);
    uint64_t table = s->cr3 & ~0xfffull, address_bits = (1ull << 40) - 1;
    for (unsigned level = levels; level >= 1; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        bool in_state = levels == 3 && level == 3;
        uint64_t at = table + (linear >> shift) % 512 * 8, e = in_state ? s->pdpte[linear >> 30 & 3] : get64(at);
        r.entry[r.count] = at;
        r.after[r.count++] = e | (in_state ? 0 : A);
        r.error = base;
        if (!(e & P)) {
            return r;
        }
        bool leaf = level == 1 || (level < 4 && !in_state && (e & PS));
        uint64_t must_be_zero = 0x000fffffffffffffull & ~address_bits;
        must_be_zero |= nxe ? 0 : NX;
        must_be_zero |= level == 4 ? PS : 0;
        must_be_zero |= levels == 3 ? 0x7ff0000000000000ull : 0;
        must_be_zero |= in_state ? NX | 0x1e6 : 0;
        must_be_zero |= leaf && level == 2 ? 0x1fe000 : leaf && level == 3 ? 0x3fffe000 : 0;
        if (e & must_be_zero) {
            r.error |= 9;
            return r;
        }
        if (!in_state) {
            w &= !!(e & W);
            u &= !!(e & U);
            x &= !(e & NX);
        }
        table = e & address_bits & ~0xfffull;
        if (leaf) {
            uint64_t page = (1ull << shift) - 1;
            r.gpa = (e & address_bits & ~page & ~0xfffull) | (linear & page);
            r.after[r.count - 1] |= wants_write ? D : 0;
            break;
        }
    }
    bool allowed = !(wants_exec && !x);
    if (is_user) {
        allowed &= u && (!wants_write || w);
    } else {
        allowed &= !wants_write || w || !(s->cr0 & CR0_WP);
        allowed &= !(u && wants_exec && (s->cr4 & CR4_SMEP));
        allowed &= !(u && !wants_exec && (s->cr4 & CR4_SMAP) && (!(s->rflags & RFLAGS_AC) || (access & WALK_IMPLICIT)));
    }
    r.error |= 1;
    r.ok = allowed;
    return r;
}

static uint64_t random_entry(uint64_t target)
{
    uint64_t r = random64(), e = target | P | W | U;
    e ^= r % 3 ? 0 : 1ull << (r >> 8) % 9;
    e ^= (r >> 16) % 3 ? 0 : 1ull << (r >> 24) % 9;
    e ^= (r >> 32) % 8 ? 0 : NX;
    e ^= (r >> 36) % 24 ? 0 : 1ull << (r >> 40) % 64;
    return e | ((r >> 48) % 2 ? A | D : 0);
}

static void random_state(unsigned levels)
{
    struct vcpu_state *s = &cpu->state;
    uint64_t r = random64();
    s->cr0 = CR0_PG | CR0_PE | (r & 1 ? CR0_WP : 0);
    s->cr4 = CR4_PAE | (r & 2 ? CR4_SMEP : 0) | (r & 4 ? CR4_SMAP : 0);
    s->efer = (levels == 4 ? EFER_LMA | EFER_LME : 0) | (r & 0x38 ? EFER_NXE : 0);
    s->rflags = 2 | (r & 0x40 ? RFLAGS_AC : 0);
    s->cr3 = TABLE(0);
    user(r & 0x80);
}

static void compare_walks(unsigned levels)
{
    static const unsigned accesses[] = { WALK_READ, WALK_WRITE, WALK_EXEC, WALK_READ | WALK_IMPLICIT,
                                         WALK_WRITE | WALK_IMPLICIT };
    uint64_t linear = 0x8080604567ull & (levels == 4 ? ~0ull : 0xffffffff);
    unsigned access = accesses[random64() % 5];
    struct reference r = reference_walk(linear, access, levels);
    bool ok = walk(cpu->vcpu, linear, access, &result, &fault);
    assert_int_equal(ok, r.ok);
    if (!ok) {
        assert_int_equal(fault.vector, EXCEPTION_PF);
        assert_int_equal(fault.error, r.error);
        return;
    }
    assert_int_equal(result.gpa, r.gpa);
    for (unsigned i = levels == 3; i < r.count; i++) {
        assert_int_equal(get64(r.entry[i]), r.after[i]);
    }
    struct reference again = reference_walk(linear, access, levels);
    assert_true(again.ok);
    assert_true(walk(cpu->vcpu, linear, access, &result, &fault)); /* from the cache */
    assert_int_equal(result.gpa, r.gpa);
}

static void test_random(void **unused)
{
    (void)unused;
    cpu_mode64(cpu);
    for (unsigned round = 0; round < 200000; round++) {
        unsigned levels = 3 + (random64() & 1);
        uint64_t linear = 0x8080604567ull;
        for (unsigned i = 0; i < 4; i++) {
            unsigned shift = 39 - 9 * i;
            if (random64() % 4 == 0 || round < 2) {
                put64(TABLE(i) + (linear >> shift) % 512 * 8, random_entry(i == 3 ? 0xabc000 : TABLE(i + 1)));
            }
        }
        cpu->state.pdpte[2] = random64() % 8 ? TABLE(2) | P : random_entry(TABLE(2));
        if (random64() % 4 == 0) {
            random_state(levels);
        }
        compare_walks(cpu->state.efer & EFER_LMA ? 4 : 3);
    }
}

static int setup(void **unused)
{
    (void)unused;
    cpu = cpu_create();
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    cpu_free(cpu);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_paging),      cmocka_unit_test(test_4level), cmocka_unit_test(test_smep_smap),
        cmocka_unit_test(test_large_pages),    cmocka_unit_test(test_32bit),  cmocka_unit_test(test_pae),
        cmocka_unit_test(test_tables_outside), cmocka_unit_test(test_cache),  cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("page walk", tests, setup, teardown);
}
