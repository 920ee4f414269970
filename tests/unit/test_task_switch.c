/* SPDX-License-Identifier: MIT
 * Task switches: JMP, CALL, IRET, task gate, both TSS formats, and each check with the state that it leaves. */
#include "cpu_fixture.h"
#include <string.h>
#include "task_switch.h"
#include "vcpu_loop.h"

#define GDT 0x5000u
#define TSS_A 0x6000u
#define TSS_B 0x7000u
#define TSS_C 0x8000u /* 16-bit */
#define LDT 0x9000u
enum { CODE0 = 0x08, DATA0 = 0x10, TASK_A = 0x18, TASK_B = 0x20, THE_LDT = 0x28, CODE3 = 0x30, DATA3 = 0x38,
    TASK_C = 0x40,
       ABSENT_TSS = 0x48, SHORT_TSS = 0x50, ABSENT_CODE = 0x58, ABSENT_DATA = 0x60 };

static struct cpu *cpu;
static struct fault fault;

void vcpu_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
    vcpu->state->inject = INJECT_VALID | INJECT_EXCEPTION << INJECT_TYPE_SHIFT | vector |
        (has_error ? INJECT_ERROR_CODE : 0);
    vcpu->state->inject_error = error;
}

static void put32(uint32_t gpa, uint32_t value)
{
    memcpy(cpu->ram + gpa, &value, 4);
}

static uint32_t get32(uint32_t gpa)
{
    uint32_t value;
    memcpy(&value, cpu->ram + gpa, 4);
    return value;
}

static uint16_t get16(uint32_t gpa)
{
    return (uint16_t)get32(gpa);
}

static void put_descriptor(uint16_t selector, uint32_t base, uint32_t limit, uint8_t access, uint8_t flags)
{
    put32(GDT + selector, (base & 0xffff) << 16 | (limit & 0xffff));
    put32(GDT + selector + 4, (base & 0xff000000) | (uint32_t)flags << 20 | (limit & 0xf0000) | (uint32_t)access << 8
        | (base >> 16 & 0xff));
}

static unsigned tss_type(uint16_t selector)
{
    return cpu->ram[GDT + selector + 5] & 15;
}

/* A 32-bit TSS for ring 0. */
static void put_task(uint32_t tss)
{
    put32(tss + 0x1c, 0xa000);
    put32(tss + 0x20, 0x1234);
    put32(tss + 0x24, 2 | (uint32_t)RFLAGS_CF);
    for (unsigned i = 0; i < 8; i++) {
        put32(tss + 0x28 + 4 * i, 0x100000 + i);
    }
    const uint16_t segs[6] = { DATA0, CODE0, DATA0, DATA0, 0, DATA3 };
    for (unsigned i = 0; i < 6; i++) {
        put32(tss + 0x48 + 4 * i, segs[i]);
    }
    put32(tss + 0x60, 0);
    put32(tss + 0x64, 0);
}

static void prepare(unsigned source, uint16_t selector)
{
    struct vcpu_state *s = &cpu->state;
    cpu_mode32(cpu);
    memset(cpu->ram, 0, 0x20000);
    put_descriptor(CODE0, 0, 0xfffff, 0x9a, 0xc);
    put_descriptor(DATA0, 0, 0xfffff, 0x92, 0xc);
    put_descriptor(CODE3, 0, 0xfffff, 0xfa, 0xc);
    put_descriptor(DATA3, 0, 0xfffff, 0xf2, 0xc);
    put_descriptor(TASK_A, TSS_A, 0x67, 0x8b, 0);
    put_descriptor(TASK_B, TSS_B, 0x67, source == 1 ? 0x8b : 0x89, 0);
    put_descriptor(TASK_C, TSS_C, 0x2b, 0x81, 0);
    put_descriptor(ABSENT_TSS, TSS_B, 0x67, 0x09, 0);
    put_descriptor(SHORT_TSS, TSS_B, 0x66, 0x89, 0);
    put_descriptor(ABSENT_CODE, 0, 0xfffff, 0x1a, 0xc);
    put_descriptor(ABSENT_DATA, 0, 0xfffff, 0x12, 0xc);
    put_descriptor(THE_LDT, LDT, 0xff, 0x82, 0);
    put_task(TSS_B);
    s->gdtr = (struct table_register){ .base = GDT, .limit = 0xff };
    s->seg[SEG_TR] = (struct segment){ .base = TSS_A, .limit = 0x67, .attr = 0x8b, .selector = TASK_A };
    s->seg[SEG_LDTR] = (struct segment){ .attr = SEG_ATTR_UNUSABLE };
    for (unsigned i = 0; i < 6; i++) {
        s->seg[i].selector = i == SEG_CS ? CODE0 : DATA0;
    }
    for (unsigned i = 0; i < 16; i++) {
        s->gpr[i] = 0xaaaa0000 + i;
    }
    s->rip = 0x500;
    s->rflags = 2 | RFLAGS_NT;
    s->dr7 = 0x7ff;
    s->exit.reason = EXIT_TASK_SWITCH;
    s->exit.length = 7;
    s->exit.task = (struct exit_task){ .selector = selector, .source = (uint8_t)source };
}

static void expect_in_b(void)
{
    const struct vcpu_state *s = &cpu->state;
    assert_int_equal(s->rip, 0x1234);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(s->gpr[i], 0x100000 + i);
    }
    assert_int_equal(s->seg[SEG_TR].selector, TASK_B);
    assert_int_equal(s->seg[SEG_TR].attr, 0x8b);
    assert_int_equal(s->seg[SEG_TR].base, TSS_B);
    assert_int_equal(s->seg[SEG_CS].attr, 0xc09b);
    assert_int_equal(s->seg[SEG_CS].limit, 0xffffffff);
    assert_int_equal(s->seg[SEG_SS].attr, 0xc093);
    assert_int_equal(s->seg[SEG_GS].attr, 0xc0f3);
    assert_true(s->seg[SEG_FS].attr & SEG_ATTR_UNUSABLE);
    assert_int_equal(s->dr7 & 0x155, 0);
    assert_true(s->cr0 & CR0_TS);
    assert_int_equal(cpu->ram[GDT + CODE0 + 5], 0x9b); /* accessed */
}

static void expect_a_saved(uint32_t flags)
{
    assert_int_equal(get32(TSS_A + 0x20), 0x507);
    assert_int_equal(get32(TSS_A + 0x24), flags);
    assert_int_equal(get32(TSS_A + 0x28), 0xaaaa0000);
    assert_int_equal(get32(TSS_A + 0x44), 0xaaaa0007);
    assert_int_equal(get16(TSS_A + 0x4c), CODE0);
    assert_int_equal(get16(TSS_A + 0x5c), DATA0);
}

static void test_jmp(void **unused)
{
    (void)unused;
    prepare(2, TASK_B);
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_SWITCHED);
    expect_in_b();
    expect_a_saved(2 | RFLAGS_NT);
    assert_int_equal(tss_type(TASK_A), 9);
    assert_int_equal(tss_type(TASK_B), 11);
    assert_int_equal(cpu->state.rflags, 2 | RFLAGS_CF);
    assert_int_equal(cpu->state.cr3, CPU_TABLES); /* paging is off: CR3 stays */
}

static void test_call_and_iret(void **unused)
{
    (void)unused;
    struct vcpu_state *s = &cpu->state;
    prepare(0, TASK_B);
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_SWITCHED);
    expect_in_b();
    expect_a_saved(2 | RFLAGS_NT);
    assert_int_equal(tss_type(TASK_A), 11);
    assert_int_equal(tss_type(TASK_B), 11);
    assert_int_equal(get16(TSS_B), TASK_A);
    assert_true(s->rflags & RFLAGS_NT);

    s->exit.task = (struct exit_task){ .selector = TASK_A, .source = 1 };
    s->exit.length = 1;
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_SWITCHED);
    assert_int_equal(s->rip, 0x507);
    assert_int_equal(s->gpr[RDI], 0xaaaa0007);
    assert_int_equal(s->rflags, 2 | RFLAGS_NT);
    assert_int_equal(get32(TSS_B + 0x24), 2 | RFLAGS_CF); /* NT was cleared in the image */
    assert_int_equal(tss_type(TASK_B), 9);
    assert_int_equal(tss_type(TASK_A), 11);
}

static void test_16bit(void **unused)
{
    (void)unused;
    struct vcpu_state *s = &cpu->state;
    prepare(0, TASK_C);
    const uint16_t image[22] = { [7] = 0x4321, [8] = 2, [9] = 0xa, [10] = 0xc, [13] = 0xff0, [17] = DATA0,
        [18] = CODE0, [19] = DATA0, [20] = DATA0 };
    memcpy(cpu->ram + TSS_C, image, sizeof(image));
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_SWITCHED);
    assert_int_equal(s->rip, 0x4321);
    assert_int_equal(s->gpr[RAX], 0xa);
    assert_int_equal(s->gpr[RSP], 0xff0);
    assert_int_equal(s->seg[SEG_TR].attr, 0x83);
    expect_a_saved(2 | RFLAGS_NT);
    /* and back: the old TSS has 16 bits now */
    s->exit.task = (struct exit_task){ .selector = TASK_A, .source = 1 };
    s->exit.length = 1;
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_SWITCHED);
    assert_int_equal(get16(TSS_C + 0x0e), 0x4322);
    assert_int_equal(s->rip, 0x507);
    assert_int_equal(tss_type(TASK_C), 1);
}

static void test_gate_with_error(void **unused)
{
    (void)unused;
    struct vcpu_state *s = &cpu->state;
    prepare(3, TASK_B);
    s->exit.task.has_error = 1;
    s->exit.task.error = 0xfeed;
    s->inject = INJECT_VALID | INJECT_EXCEPTION << INJECT_TYPE_SHIFT | EXCEPTION_PF | INJECT_ERROR_CODE;
    put32(TSS_B + 0x38, 0x2ffe); /* ESP: the push crosses a page */
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_SWITCHED);
    assert_int_equal(s->gpr[RSP], 0x2ffa);
    assert_int_equal(get32(0x2ffa), 0xfeed);
    assert_int_equal(get32(TSS_A + 0x20), 0x500); /* a fault: the instruction is executed again */
    assert_int_equal(get32(TSS_A + 0x24), 2 | RFLAGS_NT | RFLAGS_RF);
    assert_int_equal(s->inject, 0);
    assert_true(s->rflags & RFLAGS_NT);

    prepare(3, TASK_B); /* INT n */
    s->inject = INJECT_VALID | INJECT_SOFT_INT << INJECT_TYPE_SHIFT | 0x40;
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_SWITCHED);
    assert_int_equal(get32(TSS_A + 0x20), 0x507);
}

/* A fault before the commit: nothing has changed. */
static void expect_refused(unsigned source, uint16_t selector, uint8_t vector, uint32_t error)
{
    struct vcpu_state before = cpu->state;
    static uint8_t ram[0x20000];
    memcpy(ram, cpu->ram, sizeof(ram));
    cpu->state.exit.task.source = before.exit.task.source = (uint8_t)source;
    cpu->state.exit.task.selector = before.exit.task.selector = selector;
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_FAULT);
    assert_int_equal(fault.vector, vector);
    assert_int_equal(fault.error, error);
    assert_memory_equal(&cpu->state, &before, sizeof(before));
    assert_memory_equal(cpu->ram, ram, sizeof(ram));
}

static void test_refused(void **unused)
{
    (void)unused;
    prepare(2, 0);
    expect_refused(2, 0, EXCEPTION_GP, 0);
    expect_refused(2, TASK_B | 4, EXCEPTION_GP, TASK_B | 4);
    expect_refused(2, 0x100, EXCEPTION_GP, 0x100);
    expect_refused(2, CODE0, EXCEPTION_GP, CODE0);
    expect_refused(2, TASK_A, EXCEPTION_GP, TASK_A); /* busy */
    expect_refused(1, TASK_B, EXCEPTION_TS, TASK_B); /* not busy */
    expect_refused(0, ABSENT_TSS, EXCEPTION_NP, ABSENT_TSS);
    expect_refused(0, SHORT_TSS, EXCEPTION_TS, SHORT_TSS);
    expect_refused(3, SHORT_TSS, EXCEPTION_TS, SHORT_TSS | 1); /* EXT */
    cpu->state.seg[SEG_TR].limit = 0x50;
    expect_refused(0, TASK_B, EXCEPTION_TS, TASK_A);
    cpu->state.efer = EFER_LMA | EFER_LME;
    expect_refused(0, TASK_B, EXCEPTION_GP, TASK_B);
}

/* A fault behind the commit belongs to the new task. */
static void expect_late(uint32_t offset, uint32_t value, uint8_t vector, uint32_t error)
{
    prepare(2, TASK_B);
    put32(TSS_B + offset, value);
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_FAULT);
    assert_int_equal(fault.vector, vector);
    assert_int_equal(fault.error, error);
    assert_int_equal(cpu->state.seg[SEG_TR].selector, TASK_B);
    assert_int_equal(cpu->state.rip, offset == 0x20 ? value : 0x1234);
    expect_a_saved(2 | RFLAGS_NT);
}

static void test_late_faults(void **unused)
{
    (void)unused;
    expect_late(0x60, 0x104, EXCEPTION_TS, 0x104);           /* LDT in the LDT */
    expect_late(0x60, DATA0, EXCEPTION_TS, DATA0);           /* LDT is none */
    expect_late(0x4c, 0, EXCEPTION_TS, 0);                   /* CS null */
    expect_late(0x4c, DATA0, EXCEPTION_TS, DATA0);           /* CS is data */
    expect_late(0x4c, CODE0 | 3, EXCEPTION_TS, CODE0);       /* CS: RPL is not DPL */
    expect_late(0x4c, ABSENT_CODE, EXCEPTION_NP, ABSENT_CODE);
    expect_late(0x50, CODE0, EXCEPTION_TS, CODE0);           /* SS is code */
    expect_late(0x50, DATA3 | 3, EXCEPTION_TS, DATA3);       /* SS of another privilege */
    expect_late(0x50, ABSENT_DATA, EXCEPTION_SS, ABSENT_DATA);
    expect_late(0x54, ABSENT_DATA, EXCEPTION_NP, ABSENT_DATA);
    expect_late(0x54, 0x1000, EXCEPTION_TS, 0x1000);
    expect_late(0x54, DATA0 | 4, EXCEPTION_TS, DATA0 | 4);   /* no LDT */
    expect_late(0x54, DATA0 | 3, EXCEPTION_TS, DATA0);       /* RPL 3 over DPL 0 */
}

static void test_ldt_ring3_v86(void **unused)
{
    (void)unused;
    struct vcpu_state *s = &cpu->state;
    prepare(2, TASK_B);
    put32(TSS_B + 0x60, THE_LDT);
    memcpy(cpu->ram + LDT + 8, cpu->ram + GDT + DATA3, 8);
    put32(TSS_B + 0x4c, CODE3 | 3);
    put32(TSS_B + 0x50, DATA3 | 3);
    put32(TSS_B + 0x54, 8 | 4 | 3);
    put32(TSS_B + 0x48, DATA3 | 3);
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_SWITCHED);
    assert_int_equal(walk_cpl(s), 3);
    assert_int_equal(s->seg[SEG_LDTR].base, LDT);
    assert_int_equal(s->seg[SEG_DS].attr, 0xc0f3);
    prepare(2, TASK_B);
    put32(TSS_B + 0x24, 2 | (uint32_t)RFLAGS_VM);
    put32(TSS_B + 0x4c, 0x1000);
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_SWITCHED);
    assert_int_equal(s->seg[SEG_CS].base, 0x10000);
    assert_int_equal(s->seg[SEG_CS].attr, 0xf3);
    assert_int_equal(s->seg[SEG_GS].limit, 0xffff);
}

static void test_debug_trap(void **unused)
{
    (void)unused;
    prepare(2, TASK_B);
    put32(TSS_B + 0x64, 1);
    struct fault fault;
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_FAULT);
    expect_in_b();
    assert_int_equal(fault.vector, EXCEPTION_DB);
    assert_true(cpu->state.dr6 & DR6_BT);
}

/* With paging: a TSS that cannot be written stops the switch before anything is. */
static void test_paging(void **unused)
{
    (void)unused;
    struct vcpu_state *s = &cpu->state;
    prepare(2, TASK_B);
    for (unsigned i = 0; i < 0x20; i++) {
        put32(0xb000 + 4 * i, i << 12 | 3);
    }
    put32(0xa000, 0xb003);
    s->cr3 = 0xa000;
    s->cr0 |= CR0_PG | CR0_WP;
    put32(0xb000 + 4 * (TSS_A >> 12), TSS_A | 1);
    struct vcpu_state before = *s;
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_FAULT);
    assert_int_equal(fault.vector, EXCEPTION_PF);
    assert_int_equal(fault.error, PF_PRESENT | PF_WRITE);
    assert_int_equal(fault.address, TSS_A + 0x20);
    assert_memory_equal(s, &before, sizeof(before));
    assert_int_equal(tss_type(TASK_B), 9);
    put32(0xb000 + 4 * (TSS_A >> 12), TSS_A | 3);
    assert_int_equal(task_switch(cpu->vcpu, &fault), TASK_SWITCHED);
    assert_int_equal(s->cr3, 0xa000);
    expect_in_b();
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
        cmocka_unit_test(test_jmp), cmocka_unit_test(test_call_and_iret), cmocka_unit_test(test_16bit),
            cmocka_unit_test(test_gate_with_error),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_late_faults), cmocka_unit_test(test_ldt_ring3_v86),
        cmocka_unit_test(test_debug_trap), cmocka_unit_test(test_paging),
    };
    return cmocka_run_group_tests_name("task switch", tests, setup, teardown);
}
