/* SPDX-License-Identifier: MIT
 * kernel/svm/ on a VMCB that no CPU runs: register groups, legal states, exits, injection, windows and steps, and
 * a monitor that writes anything into its state page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define read_breakpoints x86_read_breakpoints
#define write_breakpoints x86_write_breakpoints
#include "x86.h"
#undef read_breakpoints
#undef write_breakpoints
static uint64_t hardware_dr[4];
static void read_breakpoints(uint64_t to[4]) { memcpy(to, hardware_dr, sizeof(hardware_dr)); }
static void write_breakpoints(const uint64_t from[4]) { memcpy(hardware_dr, from, sizeof(hardware_dr)); }

#include "kernel/svm/state.c"
#include "kernel/svm/window.c"
#include "kernel/svm/exit.c"
#include "kernel/reset.c"

uint32_t svm_features, svm_clean;
static struct vmcb vmcb;
static struct svm_vcpu svm;
static struct vcpu_state state;
static uint8_t vapic[4096];
static unsigned kicks;
static struct cpu cpu = { .apic_id = 5 };
static struct vcpu vcpu = { .state = &state, .vapic = vapic, .cpu = &cpu, .vendor = &vmcb, .vendor_state = &svm };
static unsigned flushes;

void lapic_command(uint32_t apic_id, uint32_t command)
{
    assert_int_equal(apic_id, 5);
    assert_int_equal(command, VECTOR_KICK);
    kicks++;
}
void svm_flush_guest_tlb(struct vcpu *v) { (void)v, flushes++; }
void svm_tlb_flushed(struct vcpu *v) { (void)v, vmcb.control.tlb_control = TLB_CONTROL_NONE; }

#define AT(field) offsetof(struct vcpu_state, field)

static uint64_t random64(void)
{
    static uint64_t seed = 88172645463325252u;
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int setup(void **unused)
{
    (void)unused;
    memset(&vmcb, 0, sizeof(vmcb));
    memset(&svm, 0, sizeof(svm));
    memset(&state, 0, sizeof(state));
    memset(vapic, 0, sizeof(vapic));
    memset(hardware_dr, 0, sizeof(hardware_dr));
    svm_features = svm_clean = kicks = 0;
    vcpu_state_reset(&state);
    return 0;
}

/* Entry, an exit with this code, and what follows. */
static enum run_result run(uint64_t code)
{
    if (!svm_entry(&vcpu))
        return RUN_EXIT;
    vmcb.control.exitcode = code;
    vmcb.control.eventinj = 0;
    return svm_exit(&vcpu);
}

static void enter(void)
{
    assert_non_null(svm_entry(&vcpu));
}

static enum run_result leave(uint64_t code, uint64_t info1, uint64_t info2)
{
    vmcb.control.exitcode = code;
    vmcb.control.exitinfo1 = info1;
    vmcb.control.exitinfo2 = info2;
    enum run_result result = svm_exit(&vcpu);
    vmcb.control.exitintinfo = 0;
    return result;
}

static void long_mode(void)
{
    state.cr0 = CR0_PG | CR0_PE | CR0_NE | CR0_ET;
    state.cr4 = CR4_PAE;
    state.cr3 = 0x1000;
    state.efer = EFER_LME | EFER_LMA;
    state.seg[SEG_CS].attr = 0xa09b;
    state.dirty = GROUP_ALL;
}

static void test_reset_state_runs(void **unused)
{
    (void)unused;
    assert_int_equal(run(VMEXIT_CPUID), RUN_EXIT);
    assert_int_equal(state.exit.reason, EXIT_CPUID);
    assert_int_equal(state.dirty, 0);
    assert_int_equal(vmcb.save.rip, 0xfff0);
    assert_int_equal(vmcb.save.cs.base, 0xffff0000);
    assert_int_equal(vmcb.save.cs.attr, 0x9b);
    assert_int_equal(vmcb.save.efer, EFER_SVME);
    assert_int_equal(vmcb.save.rflags, 2);
    assert_int_equal(vmcb.save.g_pat, 0x0007040600070406);
}

static void test_groups_make_the_round_trip(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 1000; i++) {
        setup(NULL);
        long_mode();
        struct vcpu_state before = state;
        for (unsigned s = 0; s < SEG_COUNT; s++)
            before.seg[s] = (struct segment){ .base = random64(), .limit = (uint32_t)random64(),
                                              .attr = 0x93 | SEG_ATTR_G, .selector = (uint16_t)random64() };
        before.seg[SEG_CS].attr = 0x9b | SEG_ATTR_L | SEG_ATTR_G;
        before.seg[SEG_SS].attr |= (i & 3) << SEG_ATTR_DPL_SHIFT;
        before.seg[SEG_TR].attr = 0x8b;
        before.seg[SEG_LDTR].attr = SEG_ATTR_UNUSABLE;
        before.gdtr.base = random64();
        before.idtr.limit = random64() & 0xffff;
        before.star = random64();
        before.dr[2] = random64();
        before.dr6 = (uint32_t)random64();
        before.cr2 = random64();
        state = before;
        assert_int_equal(run(VMEXIT_HLT), RUN_EXIT);
        memset(&state, 0, AT(blocking));
        svm_state_store(&vcpu, GROUP_ALL, RUN_EXIT);
        assert_memory_equal(&state.cr0, &before.cr0, AT(pdpte) - AT(cr0));
        assert_memory_equal(&state.seg, &before.seg, AT(blocking) - AT(seg));
        assert_int_equal(vmcb.save.cpl, i & 3);
    }
}

static void test_only_dirty_groups_are_loaded(void **unused)
{
    (void)unused;
    run(VMEXIT_HLT);
    state.cr2 = 0x1234;
    state.star = 0x5678;
    state.dirty = GROUP_MSR;
    run(VMEXIT_HLT);
    assert_int_equal(vmcb.save.cr2, 0);
    assert_int_equal(vmcb.save.star, 0x5678);
}

static void test_wanted_groups_are_stored(void **unused)
{
    (void)unused;
    run(VMEXIT_HLT);
    vmcb.save.cr2 = 0x77;
    vmcb.save.star = 0x88;
    state.wanted[EXIT_CPUID] = GROUP_CR;
    run(VMEXIT_CPUID);
    assert_int_equal(state.cr2, 0x77);
    assert_int_equal(state.star, 0);
    assert_int_equal(state.valid, GROUP_CR | GROUP_RIP | GROUP_BLOCKING);
    run(VMEXIT_HLT);
    assert_int_equal(state.valid, GROUP_RIP | GROUP_BLOCKING);
}

static void test_tlb_is_flushed_when_paging_changes(void **unused)
{
    (void)unused;
    run(VMEXIT_HLT);
    flushes = 0;
    state.cr2 = 5;
    state.dirty = GROUP_CR;
    run(VMEXIT_HLT);
    assert_int_equal(flushes, 0);
    state.cr4 = CR4_PGE;
    state.dirty = GROUP_CR;
    run(VMEXIT_HLT);
    assert_int_equal(flushes, 1);
}

static void test_clean_bits(void **unused)
{
    (void)unused;
    svm_clean = CLEAN_CRX | CLEAN_SEG | CLEAN_NP | CLEAN_DT | CLEAN_DRX | CLEAN_I | CLEAN_CR2;
    run(VMEXIT_HLT);
    assert_int_equal(vmcb.control.clean, svm_clean);
    state.dirty = GROUP_RIP;
    enter();
    assert_int_equal(vmcb.control.clean, svm_clean);
    leave(VMEXIT_HLT, 0, 0);
    state.dirty = GROUP_CR | GROUP_TABLE;
    enter();
    assert_int_equal(vmcb.control.clean & (CLEAN_CRX | CLEAN_CR2 | CLEAN_DT | CLEAN_SEG | CLEAN_NP | CLEAN_DRX),
                     CLEAN_SEG | CLEAN_NP | CLEAN_DRX);
}

struct spoil { const char *what; size_t offset; uint64_t set, clear; };
#define SPOIL(field, set, clear) { #field, AT(field), set, clear }
static const struct spoil spoils[] = {
    SPOIL(cr0, 0, CR0_PE), SPOIL(cr0, 1ull << 32, 0), SPOIL(cr0, CR0_NW, 0), SPOIL(cr4, 0, CR4_PAE),
    SPOIL(cr4, CR4_VMXE, 0), SPOIL(cr4, CR4_LA57, 0), SPOIL(cr4, CR4_PKE, 0), SPOIL(cr4, CR4_CET, 0),
    SPOIL(cr4, 1ull << 40, 0), SPOIL(efer, 2, 0), SPOIL(efer, 0, EFER_LMA), SPOIL(efer, 0, EFER_LME),
    SPOIL(efer, 1ull << 63, 0), SPOIL(cr3, 1ull << 63, 0), SPOIL(dr6, 1ull << 32, 0), SPOIL(dr7, 1ull << 63, 0),
    SPOIL(rflags, RFLAGS_VM, 0), SPOIL(lstar, 1ull << 63, 0), SPOIL(cstar, 1ull << 47, 0),
    SPOIL(kernel_gs_base, 1ull << 50, 0), SPOIL(sysenter_esp, 1ull << 48, 0), SPOIL(sysenter_eip, 1ull << 47, 0),
    SPOIL(inject, INJECT_VALID | 1 << 8, 0), SPOIL(inject, INJECT_VALID | 7 << 8, 0),
    SPOIL(inject, INJECT_VALID | 3 << 8 | 2, 0), SPOIL(inject, INJECT_VALID | 3 << 8 | 32, 0),
    SPOIL(inject, INJECT_VALID | INJECT_ERROR_CODE | 3 << 8 | 6, 0),
    SPOIL(inject, INJECT_VALID | INJECT_ERROR_CODE | 0x30, 0), SPOIL(seg[SEG_CS].attr, SEG_ATTR_DB, 0),
    SPOIL(seg[SEG_TR].attr, SEG_ATTR_UNUSABLE, 0), SPOIL(seg[SEG_TR].attr, 4, 0),
    SPOIL(seg[SEG_TR].attr, SEG_ATTR_S, 0), SPOIL(seg[SEG_TR].attr, 0, SEG_ATTR_P), SPOIL(seg[SEG_TR].attr, 0, 9),
};

static void test_illegal_states_are_refused(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ARRAY_COUNT(spoils); i++) {
        setup(NULL);
        long_mode();
        run(VMEXIT_HLT);
        vmcb.save.star = 0x1234; /* not in the page: it must be there after the refusal */
        state.dirty = GROUP_ALL & ~GROUP_MSR;
        if (spoils[i].offset >= AT(star) && spoils[i].offset <= AT(pat))
            state.dirty |= GROUP_MSR;
        uint32_t dirty = state.dirty;
        unsigned size = strstr(spoils[i].what, "attr") || strstr(spoils[i].what, "inject") ? 4 : 8;
        uint64_t value = 0;
        char *at = (char *)&state + spoils[i].offset;
        memcpy(&value, at, size);
        value = (value & ~spoils[i].clear) | spoils[i].set;
        memcpy(at, &value, size);
        if (svm_entry(&vcpu))
            fail_msg("%s set %lx clear %lx was accepted", spoils[i].what, spoils[i].set, spoils[i].clear);
        assert_int_equal(state.exit.reason, EXIT_ENTRY_FAILED);
        assert_true(state.exit.raw >= ENTRY_FAILED_STATE);
        assert_int_equal(state.valid, GROUP_ALL);
        assert_int_equal(state.dirty, GROUP_ALL);
        assert_memory_equal(at, &value, size);
        if (!(dirty & GROUP_MSR))
            assert_int_equal(state.star, 0x1234);
    }
}

static void test_refused_by_the_hardware(void **unused)
{
    (void)unused;
    long_mode();
    struct vcpu_state before = state;
    enter();
    memset(&vmcb.save, 0xaa, sizeof(vmcb.save)); /* some CPUs leave the host's state there */
    assert_int_equal(leave(0xffffffff, 0, 0), RUN_EXIT);
    assert_int_equal(state.exit.reason, EXIT_ENTRY_FAILED);
    assert_memory_equal(&state, &before, AT(blocking));
    assert_int_equal(run(VMEXIT_HLT), RUN_EXIT);
    assert_int_equal(state.exit.reason, EXIT_HLT);
    assert_int_equal(run(~0ull), RUN_EXIT);
    assert_int_equal(state.exit.reason, EXIT_ENTRY_FAILED);
}

static void test_every_exit_code_has_an_answer(void **unused)
{
    (void)unused;
    for (uint64_t code = 0; code < 0x500; code++) {
        if (code == VMEXIT_EXCEPTION + VECTOR_MC)
            continue; /* raises #MC */
        enum run_result result = run(code);
        assert_in_range(state.exit.reason, EXIT_EVENT, EXIT_COUNT - 1);
        assert_int_equal(result == RUN_EXIT, state.exit.reason != EXIT_EVENT && result != RUN_AGAIN);
        assert_int_equal(state.exit.raw, code);
        svm.step_next = STEP_NONE;
    }
    run(0x8000000000000000);
    assert_int_equal(state.exit.reason, EXIT_UNKNOWN);
}

static void test_reasons(void **unused)
{
    (void)unused;
    static const struct { uint32_t code; enum exit_reason reason; } expected[] = {
        { 0x72, EXIT_CPUID }, { 0x78, EXIT_HLT }, { 0x7b, EXIT_IO }, { 0x76, EXIT_INVD }, { 0x89, EXIT_WBINVD },
        { 0x6f, EXIT_RDPMC }, { 0x7f, EXIT_SHUTDOWN }, { 0x80, EXIT_VIRT }, { 0x81, EXIT_HYPERCALL },
        { 0x82, EXIT_VIRT }, { 0x83, EXIT_VIRT }, { 0x84, EXIT_VIRT }, { 0x85, EXIT_VIRT }, { 0x86, EXIT_VIRT },
        { 0x7a, EXIT_VIRT }, { 0x8a, EXIT_MONITOR }, { 0x8b, EXIT_MWAIT }, { 0x8d, EXIT_XSETBV },
        { 0x77, EXIT_PAUSE }, { 0x400, EXIT_PAGE }, { 0x14, EXIT_CR }, { 0x41, EXIT_EXCEPTION },
        { 0x51, EXIT_EXCEPTION }, { 0x60, EXIT_EVENT }, { 0x61, EXIT_EVENT }, { 0x79, EXIT_UNKNOWN },
    };
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        run(expected[i].code);
        assert_int_equal(state.exit.reason, expected[i].reason);
    }
}

static void test_io(void **unused)
{
    (void)unused;
    enter();
    leave(VMEXIT_IOIO, 0x3f80000 | 1 << 6 | IOIO_IN | IOIO_STRING | IOIO_REP, 0xfff0 + 3);
    assert_int_equal(state.exit.io.port, 0x3f8);
    assert_int_equal(state.exit.io.size, 4);
    assert_int_equal(state.exit.io.in, 1);
    assert_int_equal(state.exit.io.string, 1);
    assert_int_equal(state.exit.io.rep, 1);
    assert_int_equal(state.exit.length, 3);
    enter();
    leave(VMEXIT_IOIO, 0x800000 | 1 << 4, 0xfff0 + 2);
    assert_int_equal(state.exit.io.size, 1);
    assert_int_equal(state.exit.io.in | state.exit.io.string | state.exit.io.rep, 0);
}

static void test_page_msr_cr(void **unused)
{
    (void)unused;
    enter();
    leave(VMEXIT_NPF, NPF_WRITE | 1ull << 32, 0xfee00000);
    assert_int_equal(state.exit.gpa, 0xfee00000);
    assert_int_equal(state.exit.access, ACCESS_WRITE);
    enter();
    leave(VMEXIT_NPF, NPF_FETCH, 0);
    assert_int_equal(state.exit.access, ACCESS_EXEC);
    enter();
    leave(VMEXIT_MSR, 1, 0);
    assert_int_equal(state.exit.reason, EXIT_MSR_WRITE);
    enter();
    leave(VMEXIT_CR_WRITE + 4, CR_MOV | 9, 0);
    assert_int_equal(state.exit.cr.known, 0);
    svm_features = SVM_DECODE_ASSISTS;
    enter();
    leave(VMEXIT_CR_WRITE + 4, CR_MOV | 9, 0);
    assert_int_equal(state.exit.cr.known, 1);
    assert_int_equal(state.exit.cr.gpr, 9);
    assert_int_equal(state.exit.cr.number, 4);
}

static void test_length_only_with_nrip(void **unused)
{
    (void)unused;
    enter();
    vmcb.control.nrip = 0xfff2;
    leave(VMEXIT_CPUID, 0, 0);
    assert_int_equal(state.exit.length, 0);
    svm_features = SVM_NRIPS;
    enter();
    leave(VMEXIT_CPUID, 0, 0);
    assert_int_equal(state.exit.length, 2);
    enter();
    leave(VMEXIT_SHUTDOWN, 0, 0);
    assert_int_equal(state.exit.length, 0);
}

static void test_tpr(void **unused)
{
    (void)unused;
    vapic[0x80] = 0x57;
    enter();
    assert_int_equal(vmcb.control.v_tpr, 5);
    leave(VMEXIT_HLT, 0, 0);
    assert_int_equal(vapic[0x80], 0x57);
    enter();
    vmcb.control.v_tpr = 9;
    leave(VMEXIT_HLT, 0, 0);
    assert_int_equal(vapic[0x80], 0x90);
}

static void test_injection(void **unused)
{
    (void)unused;
    state.inject = INJECT_VALID | INJECT_ERROR_CODE | INJECT_EXCEPTION << 8 | 14;
    state.inject_error = 7;
    enter();
    assert_int_equal(vmcb.control.eventinj, 0x80000b0e);
    assert_int_equal(vmcb.control.eventinj_error, 7);
    leave(VMEXIT_HLT, 0, 0);
    assert_int_equal(state.inject, 0);

    /* Interrupted: it comes back. */
    state.inject = INJECT_VALID | 0x31;
    enter();
    vmcb.control.exitintinfo = EVENTINJ_VALID | 0x31;
    leave(VMEXIT_NPF, 0, 0xb000);
    assert_int_equal(state.inject, INJECT_VALID | 0x31);
    state.inject = 0;

    /* So does an exception of the guest itself; its INT n is executed again. */
    enter();
    vmcb.control.exitintinfo = EVENTINJ_VALID | EVENTINJ_ERROR_CODE | 3 << 8 | 13;
    vmcb.control.exitintinfo_error = 0x18;
    leave(VMEXIT_NPF, 0, 0xb000);
    assert_int_equal(state.inject, INJECT_VALID | INJECT_ERROR_CODE | 3 << 8 | 13);
    assert_int_equal(state.inject_error, 0x18);
    state.inject = 0;
    enter();
    vmcb.control.exitintinfo = EVENTINJ_VALID | 4 << 8 | 0x80;
    leave(VMEXIT_NPF, 0, 0xb000);
    assert_int_equal(state.inject, 0);
}

static void test_software_interrupt(void **unused)
{
    (void)unused;
    state.inject = INJECT_VALID | INJECT_SOFT_INT << 8 | 0x80;
    state.inject_length = 2;
    enter();
    assert_int_equal(vmcb.save.rip, 0xfff2);
    assert_int_equal(vmcb.control.nrip, 0xfff2);
    vmcb.control.exitintinfo = vmcb.control.eventinj;
    leave(VMEXIT_NPF, 0, 0xb000);
    assert_int_equal(state.inject, INJECT_VALID | INJECT_SOFT_INT << 8 | 0x80);
    assert_int_equal(state.rip, 0xfff0);
    enter();
    vmcb.save.rip = 0x1000;
    leave(VMEXIT_HLT, 0, 0);
    assert_int_equal(state.inject, 0);
    assert_int_equal(state.rip, 0x1000);
    state.inject = INJECT_VALID | INJECT_SOFT_INT << 8 | 0x80;
    state.inject_length = 4000;
    enter();
    assert_int_equal(vmcb.save.rip, 0x1000);
}

static void test_irq_window(void **unused)
{
    (void)unused;
    state.want = WANT_IRQ_WINDOW;
    enter();
    assert_true(vmcb.control.intercept1 & INTERCEPT1_VINTR);
    assert_int_equal(vmcb.control.v_irq, V_IRQ);
    assert_int_equal(leave(VMEXIT_VINTR, 0, 0), RUN_EXIT);
    assert_int_equal(state.exit.reason, EXIT_IRQ_WINDOW);
    state.want = 0;
    enter();
    assert_false(vmcb.control.intercept1 & INTERCEPT1_VINTR);
    assert_int_equal(vmcb.control.v_irq, 0);
}

#define OFFER(vector) (INJECT_VALID | (uint32_t)(vector) >> 4 << OFFER_PRIORITY_SHIFT | (vector))

static void test_offer_is_the_virtual_interrupt(void **unused)
{
    (void)unused;
    state.offer = OFFER(0x51);
    enter();
    assert_int_equal(vmcb.control.v_irq, V_IRQ);
    assert_int_equal(vmcb.control.v_intr_vector, 0x51);
    assert_true(vmcb.control.v_intr_prio & V_IGN_TPR);
    assert_false(vmcb.control.intercept1 & INTERCEPT1_VINTR);
    assert_true(vmcb.control.intercept_cr_write & INTERCEPT_CR8_WRITE);
    /* Not taken: it stays offered, may be replaced, and goes with an exception. */
    assert_int_equal(leave(VMEXIT_INTR, 0, 0), RUN_HOST);
    assert_int_equal(state.offer, OFFER(0x51));
    state.offer = OFFER(0x61);
    state.inject = INJECT_VALID | INJECT_EXCEPTION << 8 | 6;
    enter();
    assert_int_equal(vmcb.control.v_intr_vector, 0x61);
    assert_int_equal(vmcb.control.eventinj, 0x80000306);
    vmcb.control.v_irq = 0;
    leave(VMEXIT_HLT, 0, 0);
    assert_int_equal(state.offer, 0);
    assert_int_equal(state.inject, 0);
    enter();
    assert_int_equal(vmcb.control.v_irq, 0);
    assert_int_equal(svm.attention, 0);
    /* The intercept goes with the first write that it finds. */
    assert_int_equal(leave(VMEXIT_CR_WRITE + 8, 0, 0), RUN_AGAIN);
    enter();
    vmcb.save.rip += 4;
    vmcb.save.dr6 |= DR6_BS;
    assert_int_equal(leave(VMEXIT_EXCEPTION + VECTOR_DB, 0, 0), RUN_AGAIN);
    enter();
    assert_false(vmcb.control.intercept_cr_write & INTERCEPT_CR8_WRITE);
    assert_int_equal(kicks, 0);
}

static void test_tpr_holds_an_offer_back(void **unused)
{
    (void)unused;
    vapic[0x80] = 0x50;
    state.offer = OFFER(0x51);
    for (unsigned tpr = 5; tpr >= 4; tpr--) {
        enter();
        assert_int_equal(vmcb.control.v_irq, tpr < 5 ? V_IRQ : 0);
        assert_true(vmcb.control.intercept_cr_write & INTERCEPT_CR8_WRITE);
        assert_int_equal(leave(VMEXIT_CR_WRITE + 8, 0, 0), RUN_AGAIN);
        assert_int_equal(state.offer, OFFER(0x51));
        enter(); /* the step over the write: nothing is delivered in it */
        assert_int_equal(vmcb.control.v_irq, 0);
        vmcb.control.v_tpr = (uint8_t)(tpr - 1);
        vmcb.save.rip += 4;
        vmcb.save.dr6 |= DR6_BS;
        assert_int_equal(leave(VMEXIT_EXCEPTION + VECTOR_DB, 0, 0), RUN_AGAIN);
        assert_int_equal(state.offer, OFFER(0x51));
    }
    vapic[0x80] = 0xff;
    state.offer = INJECT_VALID | OFFER_ANY_TPR << OFFER_PRIORITY_SHIFT | 8;
    enter();
    assert_int_equal(vmcb.control.v_irq, V_IRQ);
}

/* One more waits: the first goes in at once, or the monitor is told when it could; in any case an exit follows. */
static void test_offer_with_a_window(void **unused)
{
    (void)unused;
    state.offer = OFFER(0x51);
    state.want = WANT_IRQ_WINDOW;
    enter();
    assert_true(vmcb.control.intercept1 & INTERCEPT1_VINTR);
    assert_int_equal(leave(VMEXIT_VINTR, 0, 0), RUN_EXIT);
    assert_int_equal(state.offer, OFFER(0x51));
    state.rflags |= RFLAGS_IF;
    enter();
    assert_int_equal(vmcb.control.eventinj, EVENTINJ_VALID | 0x51);
    assert_int_equal(kicks, 1);
    assert_int_equal(state.offer, 0);
    assert_true(vmcb.control.intercept1 & INTERCEPT1_VINTR);
    assert_int_equal(leave(VMEXIT_INTR, 0, 0), RUN_HOST);
    assert_int_equal(state.inject, 0);
    enter();
    assert_int_equal(leave(VMEXIT_VINTR, 0, 0), RUN_EXIT);
    assert_int_equal(state.exit.reason, EXIT_IRQ_WINDOW);
}

static void test_shadow_is_stepped_over(void **unused)
{
    (void)unused;
    state.rflags |= RFLAGS_IF;
    state.blocking = BLOCKING_SHADOW;
    state.offer = OFFER(0x51);
    enter();
    assert_int_equal(vmcb.control.v_irq, 0);
    assert_true(vmcb.save.rflags & RFLAGS_TF);
    vmcb.control.interrupt_shadow = 0;
    vmcb.save.rip++;
    vmcb.save.dr6 |= DR6_BS;
    assert_int_equal(leave(VMEXIT_EXCEPTION + VECTOR_DB, 0, 0), RUN_AGAIN);
    assert_false(state.rflags & RFLAGS_TF);
    enter();
    assert_int_equal(vmcb.control.v_irq, V_IRQ);
    assert_false(vmcb.save.rflags & RFLAGS_TF);
}

/* An instruction that has not begun keeps its shadow, whatever the CPU says; one that jumped to itself has none. */
static void test_shadow_lasts_for_its_instruction(void **unused)
{
    (void)unused;
    state.rflags |= RFLAGS_IF;
    state.blocking = BLOCKING_SHADOW;
    state.dirty = GROUP_ALL;
    enter();
    assert_int_equal(vmcb.control.interrupt_shadow, INTERRUPT_SHADOW);
    vmcb.control.interrupt_shadow = 0;
    assert_int_equal(leave(VMEXIT_INTR, 0, 0), RUN_HOST);
    assert_int_equal(state.blocking, BLOCKING_SHADOW);
    state.offer = OFFER(0x51);
    enter();
    assert_int_equal(vmcb.control.v_irq, 0);
    assert_true(vmcb.save.rflags & RFLAGS_TF);
    vmcb.control.interrupt_shadow = 0;
    vmcb.save.dr6 |= DR6_BS;
    assert_int_equal(leave(VMEXIT_EXCEPTION + VECTOR_DB, 0, 0), RUN_AGAIN);
    assert_int_equal(state.blocking, 0);
    enter();
    assert_int_equal(vmcb.control.v_irq, V_IRQ);
}

/* With V_IRQ clear as the manual has it, and as QEMU's TCG tells it. */
static void test_interrupted_delivery_of_an_offer(void **unused)
{
    (void)unused;
    for (unsigned tcg = 0; tcg < 2; tcg++) {
        setup(NULL);
        state.offer = OFFER(0x51);
        enter();
        vmcb.control.v_irq = tcg ? V_IRQ : 0;
        vmcb.control.exitintinfo = EVENTINJ_VALID | (tcg ? EVENTINJ_EXCEPTION << EVENTINJ_TYPE_SHIFT : 0) | 0x51;
        leave(VMEXIT_NPF, 0, 0xb000);
        assert_int_equal(state.offer, 0);
        assert_int_equal(state.inject, INJECT_VALID | 0x51);
        enter();
        assert_int_equal(vmcb.control.eventinj, EVENTINJ_VALID | 0x51);
    }
}

/* The guest ran with interrupts enabled, and the CPU did not deliver: from then on it is injected. */
static void test_cpu_that_overlooks_offers(void **unused)
{
    (void)unused;
    state.rflags |= RFLAGS_IF;
    state.offer = OFFER(0x51);
    enter();
    leave(VMEXIT_INTR, 0, 0);
    enter();
    assert_int_equal(vmcb.control.v_irq, V_IRQ);
    vmcb.save.rip += 2;
    leave(VMEXIT_INTR, 0, 0);
    assert_int_equal(state.offer, OFFER(0x51));
    enter();
    assert_int_equal(vmcb.control.v_irq, 0);
    assert_int_equal(vmcb.control.eventinj, EVENTINJ_VALID | 0x51);
    assert_int_equal(kicks, 1);
    assert_int_equal(state.offer, 0);
}

/* An NMI waits behind an exception: an exit when that is delivered, then a step. */
static void test_nmi_window_behind_an_event(void **unused)
{
    (void)unused;
    state.inject = INJECT_VALID | INJECT_EXCEPTION << 8 | 6;
    state.want = WANT_NMI_WINDOW;
    enter();
    assert_int_equal(kicks, 1);
    assert_false(vmcb.save.rflags & RFLAGS_TF);
    leave(VMEXIT_INTR, 0, 0);
    enter();
    assert_true(vmcb.save.rflags & RFLAGS_TF);
}

/* NMI, IRET of its handler, step over it, window. */
static void test_nmi_window(void **unused)
{
    (void)unused;
    state.inject = INJECT_VALID | INJECT_NMI << 8 | 2;
    state.want = WANT_NMI_WINDOW;
    enter();
    assert_true(vmcb.control.intercept1 & INTERCEPT1_IRET);
    assert_int_equal(leave(VMEXIT_IRET, 0, 0), RUN_AGAIN);
    assert_int_equal(state.blocking, BLOCKING_NMI);
    enter();
    assert_false(vmcb.control.intercept1 & INTERCEPT1_IRET);
    assert_true(vmcb.save.rflags & RFLAGS_TF);
    /* A host interrupt comes first: nothing of the step is seen, and it starts over. */
    assert_int_equal(leave(VMEXIT_INTR, 0, 0), RUN_HOST);
    assert_false(state.rflags & RFLAGS_TF);
    enter();
    assert_true(vmcb.control.intercept1 & INTERCEPT1_IRET);
    leave(VMEXIT_IRET, 0, 0);
    enter();
    vmcb.save.rip = 0x2000;
    vmcb.save.rflags = 2;
    vmcb.save.dr6 |= DR6_BS;
    assert_int_equal(leave(VMEXIT_EXCEPTION + VECTOR_DB, 0, 0), RUN_EXIT);
    assert_int_equal(state.exit.reason, EXIT_NMI_WINDOW);
    assert_int_equal(state.blocking, 0);
    assert_false(vmcb.save.dr6 & DR6_BS);
    state.want = 0;
    enter();
    assert_int_equal(vmcb.control.intercept_exception, EXCEPTIONS_FIXED);
    assert_false(vmcb.save.rflags & RFLAGS_TF);
}

static void test_iret_that_faults_under_the_step(void **unused)
{
    (void)unused;
    state.blocking = BLOCKING_NMI;
    enter();
    leave(VMEXIT_IRET, 0, 0);
    enter();
    assert_int_equal(leave(VMEXIT_EXCEPTION + VECTOR_PF, 5, 0xdead000), RUN_AGAIN);
    assert_int_equal(state.inject, INJECT_VALID | INJECT_ERROR_CODE | INJECT_EXCEPTION << 8 | VECTOR_PF);
    assert_int_equal(state.inject_error, 5);
    assert_int_equal(vmcb.save.cr2, 0xdead000);
    assert_int_equal(state.blocking, 0);
    enter();
    assert_false(vmcb.save.rflags & RFLAGS_TF);
    assert_int_equal(vmcb.control.eventinj, 0x80000b0e);
}

static void test_single_step(void **unused)
{
    (void)unused;
    state.want = WANT_SINGLE_STEP;
    enter();
    vmcb.save.rip++;
    vmcb.save.dr6 |= DR6_BS;
    leave(VMEXIT_EXCEPTION + VECTOR_DB, 0, 0);
    assert_int_equal(state.exit.reason, EXIT_STEP);
    assert_false(state.rflags & RFLAGS_TF);
    /* The guest steps itself: it is its trap. */
    state.rflags |= RFLAGS_TF;
    enter();
    vmcb.save.rip++;
    vmcb.save.dr6 |= DR6_BS;
    leave(VMEXIT_EXCEPTION + VECTOR_DB, 0, 0);
    assert_int_equal(state.exit.reason, EXIT_EXCEPTION);
    assert_int_equal(state.exit.vector, VECTOR_DB);
    assert_true(state.exit.gva & DR6_BS);
    assert_true(state.rflags & RFLAGS_TF);
}

static void test_tpr_threshold(void **unused)
{
    (void)unused;
    vapic[0x80] = 0xf0;
    state.tpr_threshold = 6;
    enter();
    assert_true(vmcb.control.intercept_cr_write & INTERCEPT_CR8_WRITE);
    for (unsigned tpr = 7; tpr >= 5; tpr--) {
        assert_int_equal(leave(VMEXIT_CR_WRITE + 8, 0, 0), RUN_AGAIN);
        enter();
        assert_false(vmcb.control.intercept_cr_write & INTERCEPT_CR8_WRITE);
        vmcb.control.v_tpr = (uint8_t)tpr;
        vmcb.save.rip += 4;
        vmcb.save.dr6 |= DR6_BS;
        assert_int_equal(leave(VMEXIT_EXCEPTION + VECTOR_DB, 0, 0), tpr < 6 ? RUN_EXIT : RUN_AGAIN);
        assert_int_equal(vapic[0x80], tpr << 4);
        enter();
    }
    assert_int_equal(state.exit.reason, EXIT_TPR);
}

/* Whatever ring 3 writes: either refused, or a VMCB that keeps the host in control. */
static void test_hostile_state_page(void **unused)
{
    (void)unused;
    unsigned refused = 0;
    for (unsigned i = 0; i < 200000; i++) {
        if (i % 8 == 0)
            long_mode();
        for (unsigned n = random64() % 4; n; n--)
            ((uint64_t *)&state)[random64() % (sizeof(state) / 8)] = n & 1 ? random64() : 1ull << random64() % 64;
        vapic[0x80] = (uint8_t)random64();
        if (!svm_entry(&vcpu)) {
            refused++;
            long_mode();
            vcpu_state_reset(&state);
            continue;
        }
        assert_true(vmcb.save.efer & EFER_SVME);
        assert_int_equal(vmcb.control.intercept1 & INTERCEPT1_FIXED, INTERCEPT1_FIXED);
        assert_int_equal(vmcb.control.intercept_exception & EXCEPTIONS_FIXED, EXCEPTIONS_FIXED);
        assert_int_equal(vmcb.control.v_intr_masking, V_INTR_MASKING);
        assert_true(vmcb.control.v_tpr < 16);
        assert_true(svm.tpr_threshold < 16);
        assert_int_equal(vmcb.save.rflags & ~RFLAGS_GUEST, 0);
        bool irq = (vmcb.control.eventinj & EVENTINJ_VALID) && EVENTINJ_TYPE(vmcb.control.eventinj) == EVENTINJ_INTR;
        assert_true(!irq || kicks);
        assert_false(svm.step && vmcb.control.v_irq);
        kicks = 0;
        if (vmcb.control.eventinj & EVENTINJ_VALID)
            assert_int_equal(vmcb.control.eventinj & ~(EVENTINJ_VALID | EVENTINJ_ERROR_CODE | 0x7ffu), 0);
        uint64_t code = random64() % 0x8f;
        vmcb.control.exitcode = code == VMEXIT_EXCEPTION + VECTOR_MC ? VMEXIT_NPF : code;
        vmcb.control.exitinfo1 = random64();
        vmcb.control.exitintinfo = random64() % 4 ? 0 : vmcb.control.eventinj;
        vmcb.control.eventinj = 0;
        svm_exit(&vcpu);
    }
    assert_in_range(refused, 1000, 199000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reset_state_runs, setup),
        cmocka_unit_test_setup(test_groups_make_the_round_trip, setup),
        cmocka_unit_test_setup(test_only_dirty_groups_are_loaded, setup),
        cmocka_unit_test_setup(test_wanted_groups_are_stored, setup),
        cmocka_unit_test_setup(test_tlb_is_flushed_when_paging_changes, setup),
        cmocka_unit_test_setup(test_clean_bits, setup),
        cmocka_unit_test_setup(test_illegal_states_are_refused, setup),
        cmocka_unit_test_setup(test_refused_by_the_hardware, setup),
        cmocka_unit_test_setup(test_every_exit_code_has_an_answer, setup),
        cmocka_unit_test_setup(test_reasons, setup),
        cmocka_unit_test_setup(test_io, setup),
        cmocka_unit_test_setup(test_page_msr_cr, setup),
        cmocka_unit_test_setup(test_length_only_with_nrip, setup),
        cmocka_unit_test_setup(test_tpr, setup),
        cmocka_unit_test_setup(test_injection, setup),
        cmocka_unit_test_setup(test_software_interrupt, setup),
        cmocka_unit_test_setup(test_irq_window, setup),
        cmocka_unit_test_setup(test_offer_is_the_virtual_interrupt, setup),
        cmocka_unit_test_setup(test_tpr_holds_an_offer_back, setup),
        cmocka_unit_test_setup(test_offer_with_a_window, setup),
        cmocka_unit_test_setup(test_shadow_is_stepped_over, setup),
        cmocka_unit_test_setup(test_shadow_lasts_for_its_instruction, setup),
        cmocka_unit_test_setup(test_interrupted_delivery_of_an_offer, setup),
        cmocka_unit_test_setup(test_cpu_that_overlooks_offers, setup),
        cmocka_unit_test_setup(test_nmi_window_behind_an_event, setup),
        cmocka_unit_test_setup(test_nmi_window, setup),
        cmocka_unit_test_setup(test_iret_that_faults_under_the_step, setup),
        cmocka_unit_test_setup(test_single_step, setup),
        cmocka_unit_test_setup(test_tpr_threshold, setup),
        cmocka_unit_test_setup(test_hostile_state_page, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
