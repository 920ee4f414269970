/* SPDX-License-Identifier: MIT
 * Each rule is broken alone, and named. */
#include "cpu_fixture.h"
#include <string.h>
#include "entry_rules.h"

static struct vcpu_state good64(void)
{
    struct vcpu_state s = { .cr0 = CR0_PG | CR0_PE | CR0_NE | CR0_WP,
                            .cr4 = CR4_PAE,
                            .efer = EFER_LME | EFER_LMA,
                            .rflags = 2,
                            .pat = 0x0007040600070406ull,
                            .dr6 = 0xffff0ff0,
                            .dr7 = 0x400 };
    for (unsigned i = 0; i < 6; i++) {
        s.seg[i] = (struct segment){ .limit = 0xffffffff, .attr = CPU_ATTR_DATA32 };
    }
    s.seg[SEG_CS].attr = CPU_ATTR_CODE64;
    s.seg[SEG_TR] = (struct segment){ .limit = 0x67, .attr = 0x8b };
    s.seg[SEG_LDTR] = (struct segment){ .attr = SEG_ATTR_UNUSABLE };
    return s;
}

static struct vcpu_state good_v86(void)
{
    struct vcpu_state s = good64();
    s.efer = 0;
    s.rflags |= RFLAGS_VM;
    for (unsigned i = 0; i < 6; i++) {
        s.seg[i] = (struct segment){ .base = 0x1000, .selector = 0x100, .limit = 0xffff, .attr = 0xf3 };
    }
    return s;
}

static struct vcpu_state good_real(void)
{
    struct vcpu_state s = good64();
    s.efer = s.cr4 = s.cr0 = 0;
    for (unsigned i = 0; i < 6; i++) {
        s.seg[i] = (struct segment){ .limit = 0xffff, .attr = 0x93 };
    }
    return s;
}

static void expect(const struct vcpu_state *s, const char *start)
{
    const char *text = entry_rule_broken(s);
    if (strncmp(text, start, strlen(start)) != 0) {
        fail_msg("expected \"%s...\", got \"%s\"", start, text);
    }
}

static void test_good(void **unused)
{
    (void)unused;
    struct vcpu_state states[] = { good64(), good_v86(), good_real() };
    for (unsigned i = 0; i < 3; i++) {
        expect(&states[i], "no rule");
    }
}

#define BREAK(make, change, text) do { struct vcpu_state s = make(); change; expect(&s, text); } while (0)

static void test_registers(void **unused)
{
    (void)unused;
    BREAK(good64, s.cr0 &= ~CR0_PE, "CR0.PG set with CR0.PE clear (SDM 3C 27.3.1.1");
    BREAK(good64, s.cr0 |= 1ull << 32, "CR0 has bits 63:32");
    BREAK(good64, s.cr0 |= CR0_NW, "CR0.NW set");
    BREAK(good64, s.cr4 |= 1ull << 15, "CR4 has a reserved");
    BREAK(good64, (s.cr4 |= CR4_CET, s.cr0 &= ~CR0_WP), "CR4.CET");
    BREAK(good64, s.cr0 &= ~CR0_PG, "EFER.LMA set with CR0.PG");
    BREAK(good64, s.cr4 = 0, "EFER.LMA set with CR4.PAE");
    BREAK(good_real, s.cr4 = CR4_PCIDE, "CR4.PCIDE");
    BREAK(good64, s.cr3 = 1ull << 63, "CR3 has bits");
    BREAK(good64, s.efer |= 2, "EFER has a reserved");
    BREAK(good64, s.efer &= ~EFER_LME, "EFER.LMA differs");
    BREAK(good64, s.dr7 |= 1ull << 32, "DR7");
    BREAK(good64, s.dr6 |= 1ull << 32, "DR6");
    BREAK(good64, s.sysenter_esp = 1ull << 47, "SYSENTER_ESP");
    BREAK(good64, s.sysenter_eip = 1ull << 63, "SYSENTER_EIP");
    BREAK(good64, s.pat = 2, "PAT has a byte");
    BREAK(good64, s.rflags |= RFLAGS_VM, "RFLAGS.VM set in long mode");
    BREAK(good_real, s.rflags |= RFLAGS_VM, "RFLAGS.VM set with CR0.PE");
    BREAK(good64, s.gdtr.base = 1ull << 60, "GDTR base");
    BREAK(good64, s.idtr.base = 1ull << 60, "IDTR base");
    BREAK(good64, s.gdtr.limit = 0x10000, "GDTR limit");
    BREAK(good64, s.idtr.limit = 0x10000, "IDTR limit");
    BREAK(good_real, s.rip = 1ull << 32, "RIP has bits 63:32");
    BREAK(good64, s.rip = 1ull << 47, "RIP is not a canonical");
    BREAK(good64, s.rflags |= 8, "RFLAGS has a reserved");
    BREAK(good64, s.rflags = 0, "RFLAGS bit 1");
    BREAK(good_v86, s.pdpte[2] = 3, "PDPTE 2");
}

static void test_segments(void **unused)
{
    (void)unused;
    BREAK(good_v86, s.seg[SEG_DS].base++, "DS base is not its selector");
    BREAK(good_v86, s.seg[SEG_GS].limit--, "GS limit is not 0xffff");
    BREAK(good_v86, s.seg[SEG_SS].attr = 0x93, "SS attributes");
    BREAK(good64, s.seg[SEG_CS].attr |= SEG_ATTR_UNUSABLE, "CS is unusable");
    BREAK(good64, s.seg[SEG_TR].attr |= SEG_ATTR_UNUSABLE, "TR is unusable");
    BREAK(good64, s.seg[SEG_TR].selector = 4, "TR's selector");
    BREAK(good64, s.seg[SEG_LDTR] = ((struct segment){ .selector = 4, .attr = 0x82 }), "LDTR's selector");
    BREAK(good64, s.seg[SEG_CS].attr |= SEG_ATTR_DB, "CS.L and CS.D");
    BREAK(good64, s.seg[SEG_CS].attr &= ~1u, "CS is neither");
    BREAK(good64, s.seg[SEG_CS].attr = 0xc0f3, "CS is data");
    BREAK(good64, s.seg[SEG_CS].attr |= 3 << 5, "CS is non-conforming");
    BREAK(good64, s.seg[SEG_CS].attr |= 3 << 5 | 4, "CS is conforming");
    BREAK(good64, s.seg[SEG_SS].attr &= ~2u, "SS is not accessed");
    BREAK(good_real, s.seg[SEG_SS].attr = 0xf3, "SS.DPL is not 0");
    BREAK(good64, s.seg[SEG_DS].attr &= ~0x10u, "DS is a system");
    BREAK(good64, s.seg[SEG_ES].attr &= ~0x80u, "ES is usable but");
    BREAK(good64, s.seg[SEG_FS].attr |= 0x200, "FS has a reserved");
    BREAK(good64, s.seg[SEG_GS].limit = 0x1000, "GS has G set");
    BREAK(good64, s.seg[SEG_GS].attr &= ~SEG_ATTR_G, "GS has G clear");
    BREAK(good64, s.seg[SEG_DS].attr &= ~1u, "DS is neither");
    BREAK(good64, s.seg[SEG_ES].base = 1ull << 32, "ES base has");
    BREAK(good64, s.seg[SEG_FS].base = 1ull << 47, "FS base is not");
    BREAK(good64, s.seg[SEG_TR].base = 1ull << 47, "TR base is not");
    BREAK(good64, s.seg[SEG_TR].attr = 0x89, "TR is not a busy");
    BREAK(good64, s.seg[SEG_LDTR].attr = 0x83, "LDTR is not an LDT");
}

#define EVENT(type, vector) (INJECT_VALID | (uint32_t)(type) << INJECT_TYPE_SHIFT | (vector))
static void test_events(void **unused)
{
    (void)unused;
    BREAK(good64, s.inject = EVENT(1, 0), "the event to inject is of a reserved");
    BREAK(good64, s.inject = EVENT(INJECT_IRQ, 32), "an interrupt is injected with RFLAGS.IF");
    BREAK(good64, (s.inject = EVENT(INJECT_IRQ, 32), s.rflags |= RFLAGS_IF, s.blocking = BLOCKING_SHADOW),
          "an interrupt is injected in");
    BREAK(good64, s.inject = EVENT(INJECT_NMI, 3), "an NMI");
    BREAK(good64, s.inject = EVENT(INJECT_EXCEPTION, 32), "an exception is injected");
    BREAK(good64, s.inject = EVENT(INJECT_EXCEPTION, 13), "an error code");
    BREAK(good64, s.inject = EVENT(INJECT_EXCEPTION, 6) | INJECT_ERROR_CODE, "an error code");
    BREAK(good_real, s.inject = EVENT(INJECT_EXCEPTION, 13) | INJECT_ERROR_CODE, "an error code");
    BREAK(good64, (s.inject = EVENT(INJECT_EXCEPTION, 13) | INJECT_ERROR_CODE, s.inject_error = 0x10000),
          "the error code");
    BREAK(good64, (s.inject = EVENT(INJECT_SOFT_INT, 3), s.inject_length = 16), "a software");
    BREAK(good64, s.inject = EVENT(INJECT_EXCEPTION, 14) | INJECT_ERROR_CODE, "no rule");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_good), cmocka_unit_test(test_registers),
                                        cmocka_unit_test(test_segments), cmocka_unit_test(test_events) };
    return cmocka_run_group_tests_name("entry rules", tests, NULL, NULL);
}
