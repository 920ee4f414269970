/* SPDX-License-Identifier: MIT
 * Local APIC: priorities and EOI, interprocessor interrupts and destinations, modes, registers, paravirtual EOI, hardware mode.
 * Its timer: test_lapic_timer.c. */
#include "irq_fixture.h"

#define X2(offset) (MSR_X2APIC_FIRST + ((offset) >> 4))

static struct vcpu *const cpu = machine.vcpus;

static uint32_t reg(struct vcpu *vcpu, uint32_t offset) { return (uint32_t)lapic_mmio_read(vcpu, offset, 4); }
static void set(struct vcpu *vcpu, uint32_t offset, uint32_t value) { lapic_mmio_write(vcpu, offset, 4, value); }
static void fixed(unsigned vector) { assert_true(lapic_deliver(&machine, 0, false, DELIVER_FIXED, (uint8_t)vector, false)); }
static void x2apic(struct vcpu *vcpu) { assert_true(lapic_msr_write(vcpu, MSR_APIC_BASE, LAPIC_BASE | APIC_BASE_ENABLE | APIC_BASE_X2APIC)); }

static int one(void **state)
{
    (void)state;
    machine_create(1);
    return 0;
}

static int four(void **state)
{
    (void)state;
    machine_create(4);
    return 0;
}

static void interrupts_nest_by_priority(void **state)
{
    (void)state;
    fixed(0x31);
    assert_true(requested(&cpu[0], REQUEST_IRQ));
    assert_int_equal(take(&cpu[0]), 0x31);
    fixed(0x3f); /* same class: waits */
    assert_int_equal(take(&cpu[0]), -1);
    fixed(0x52);
    assert_int_equal(take(&cpu[0]), 0x52);
    assert_int_equal(reg(&cpu[0], APIC_PPR), 0x50);
    assert_int_equal(reg(&cpu[0], APIC_ISR + 0x10), 1u << 0x11);
    assert_int_equal(reg(&cpu[0], APIC_ISR + 0x20), 1u << 0x12);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(take(&cpu[0]), -1);
    atomic_store(&cpu[0].requests, 0);
    set(&cpu[0], APIC_EOI, 0);
    assert_true(requested(&cpu[0], REQUEST_IRQ)); /* the waiting one is to be looked at */
    assert_int_equal(take(&cpu[0]), 0x3f);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(reg(&cpu[0], APIC_PPR), 0);
    assert_int_equal(platform.lapics[0].s.irr_words, 0);
    assert_int_equal(platform.lapics[0].s.isr_words, 0);
    set(&cpu[0], APIC_EOI, 0); /* nothing in service */
}

static void the_tpr_holds_back(void **state)
{
    (void)state;
    set(&cpu[0], APIC_TPR, 0x45);
    fixed(0x41);
    assert_int_equal(lapic_pending(&cpu[0]), -1);
    assert_int_equal(lapic_tpr_threshold(&cpu[0]), 4);
    assert_int_equal(reg(&cpu[0], APIC_PPR), 0x45);
    assert_int_equal(lapic_cr8_read(&cpu[0]), 4);
    lapic_cr8_write(&cpu[0], 3);
    assert_int_equal(lapic_tpr_threshold(&cpu[0]), 0);
    assert_int_equal(take(&cpu[0]), 0x41);
    fixed(0x42); /* behind one in service: lowering the TPR would not help */
    assert_int_equal(lapic_tpr_threshold(&cpu[0]), 0);
}

static void the_same_vector_merges(void **state)
{
    (void)state;
    fixed(0x61);
    fixed(0x61);
    assert_int_equal(take(&cpu[0]), 0x61);
    fixed(0x61); /* one more behind the one in service */
    assert_int_equal(take(&cpu[0]), -1);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(take(&cpu[0]), 0x61);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(take(&cpu[0]), -1);
}

static void a_level_interrupt_comes_again_after_eoi(void **state)
{
    (void)state;
    ioapic_program(9, 0x8000 | 0x71);
    irq_set(&machine, 9, true);
    assert_int_equal(take(&cpu[0]), 0x71);
    assert_int_equal(reg(&cpu[0], APIC_TMR + 0x30), 1u << 0x11);
    assert_int_equal(ioapic_read(0x10 + 18), 0x8000 | 0x71 | 1 << 14);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(take(&cpu[0]), 0x71);
    irq_set(&machine, 9, false);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(take(&cpu[0]), -1);
    assert_int_equal(ioapic_read(0x10 + 18), 0x8000 | 0x71);
    ioapic_program(9, 0x71); /* now edge-triggered: the TMR follows */
    irq_set(&machine, 9, true);
    assert_int_equal(take(&cpu[0]), 0x71);
    assert_int_equal(reg(&cpu[0], APIC_TMR + 0x30), 0);
}

static void init_startup_startup(void **state)
{
    (void)state;
    set(&cpu[0], APIC_ICR_HIGH, 2 << 24);
    set(&cpu[0], APIC_ICR, 0xc500); /* INIT, level, assert */
    assert_true(requested(&cpu[2], REQUEST_INIT));
    set(&cpu[0], APIC_ICR, 0x8500); /* de-assert: nothing */
    assert_false(requested(&cpu[2], REQUEST_INIT));
    lapic_reset(&cpu[2], true);
    assert_int_equal(reg(&cpu[2], APIC_SVR), 0xff);
    assert_int_equal(reg(&cpu[2], APIC_ID), 2 << 24);
    for (int i = 0; i < 2; i++) {
        set(&cpu[0], APIC_ICR, 0x600 | 0x9a);
        assert_true(requested(&cpu[2], REQUEST_STARTUP));
        assert_int_equal(cpu[2].startup_vector, 0x9a);
    }
    assert_int_equal(reg(&cpu[0], APIC_ICR), 0x69a); /* delivered: status bit 0 */
    assert_int_equal(cpu[1].requests | cpu[3].requests, 0);
}

static void shorthands(void **state)
{
    (void)state;
    set(&cpu[1], APIC_ICR, 0x40000 | 0x30);
    assert_int_equal(take(&cpu[1]), 0x30);
    set(&cpu[1], APIC_ICR, 0x80000 | 0x41);
    for (int i = 0; i < 4; i++)
        assert_int_equal(take(&cpu[i]), 0x41);
    set(&cpu[1], APIC_ICR, 0xc0000 | 0x52);
    for (int i = 0; i < 4; i++)
        assert_int_equal(take(&cpu[i]), i == 1 ? -1 : 0x52);
    for (int i = 0; i < 4; i++)
        requested(&cpu[i], REQUEST_IRQ);
    set(&cpu[1], APIC_ICR, 0xc0000 | 0x400); /* NMI to the others */
    for (int i = 0; i < 4; i++)
        assert_int_equal(requested(&cpu[i], REQUEST_NMI), i != 1);
}

static unsigned receivers(uint32_t dest, bool logical)
{
    unsigned got = 0;
    lapic_deliver(&machine, dest, logical, DELIVER_FIXED, 0x33, false);
    for (unsigned i = 0; i < 4; i++) {
        if (take(&cpu[i]) == 0x33) {
            got |= 1u << i;
            lapic_eoi(&cpu[i]);
        }
    }
    return got;
}

static void xapic_destinations(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        set(&cpu[i], APIC_LDR, 1u << (24 + i));
    assert_int_equal(receivers(3, false), 8);
    assert_int_equal(receivers(0xff, false), 15);
    assert_int_equal(receivers(77, false), 0);
    assert_int_equal(receivers(5, true), 5);
    assert_int_equal(receivers(0xff, true), 15);
    assert_int_equal(receivers(0xf0, true), 0);
    for (unsigned i = 0; i < 4; i++) { /* two clusters of two */
        set(&cpu[i], APIC_DFR, 0);
        set(&cpu[i], APIC_LDR, ((i / 2) << 4 | 1u << (i & 1)) << 24);
    }
    assert_int_equal(reg(&cpu[0], APIC_DFR), 0x0fffffff);
    assert_int_equal(receivers(0x03, true), 3);
    assert_int_equal(receivers(0x12, true), 8);
    assert_int_equal(receivers(0xff, true), 15);
}

static void x2apic_destinations(void **state)
{
    uint64_t value;
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        x2apic(&cpu[i]);
    assert_true(lapic_msr_read(&cpu[3], X2(APIC_LDR), &value));
    assert_int_equal(value, 8);
    assert_true(lapic_msr_read(&cpu[3], X2(APIC_ID), &value));
    assert_int_equal(value, 3);
    assert_int_equal(receivers(2, false), 4);
    assert_int_equal(receivers(0xffffffff, false), 15);
    assert_int_equal(receivers(0xffffffff, true), 15);
    assert_int_equal(receivers(0x0000000a, true), 10);
    assert_int_equal(receivers(0x0001000a, true), 0);
    assert_int_equal(receivers(0x100, false), 0);
}

static void lowest_priority_picks_the_idle_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        set(&cpu[i], APIC_LDR, 1u << (24 + i));
        set(&cpu[i], APIC_TPR, i == 2 ? 0x10 : 0x20);
    }
    irq_message(&machine, 0xfee0f00c, 0x100 | 0x99); /* logical, lowest priority */
    assert_int_equal(take(&cpu[2]), 0x99);
    irq_message(&machine, 0xfee0f00c, 0x100 | 0x9a); /* it is busy now */
    assert_int_equal(take(&cpu[0]), 0x9a);
    set(&cpu[1], APIC_SVR, 0xff); /* disabled by software: takes none */
    set(&cpu[1], APIC_TPR, 0);
    irq_message(&machine, 0xfee0f00c, 0x100 | 0x9b);
    assert_int_equal(take(&cpu[1]), -1);
    irq_message(&machine, 0xfed00000, 0x9c); /* not a local APIC's address */
    irq_message(&machine, 0x1fee00000, 0x9c);
    assert_int_equal(take(&cpu[3]), 0x9b);
}

static void illegal_vectors_are_errors(void **state)
{
    (void)state;
    set(&cpu[0], APIC_LVT_ERROR, 0xee);
    set(&cpu[0], APIC_ICR, 0x40000 | 5);
    assert_int_equal(take(&cpu[0]), 0xee);
    assert_int_equal(reg(&cpu[0], APIC_ESR), 0); /* not before it is written */
    set(&cpu[0], APIC_ESR, 0);
    assert_int_equal(reg(&cpu[0], APIC_ESR), APIC_ESR_SEND_ILLEGAL);
    set(&cpu[0], APIC_ESR, 0);
    assert_int_equal(reg(&cpu[0], APIC_ESR), 0);
    irq_message(&machine, LAPIC_BASE, 5);
    reg(&cpu[0], 0x3a0);
    set(&cpu[0], 0x010, 1);
    set(&cpu[0], APIC_ESR, 0);
    assert_int_equal(reg(&cpu[0], APIC_ESR), APIC_ESR_RECEIVE_ILLEGAL | APIC_ESR_REGISTER);
}

static void software_disable_masks(void **state)
{
    (void)state;
    fixed(0x44);
    set(&cpu[0], APIC_LVT_LINT0, 0x700);
    set(&cpu[0], APIC_SVR, 0xff);
    assert_int_equal(reg(&cpu[0], APIC_LVT_LINT0), 0x10700);
    set(&cpu[0], APIC_LVT_LINT0, 0x700);
    assert_int_equal(reg(&cpu[0], APIC_LVT_LINT0), 0x10700);
    assert_false(lapic_deliver(&machine, 0, false, DELIVER_FIXED, 0x45, false));
    assert_int_equal(take(&cpu[0]), 0x44); /* what was pending stays */
    assert_true(lapic_deliver(&machine, 0, false, DELIVER_NMI, 0, false));
}

static void mode_changes(void **state)
{
    const uint64_t off = LAPIC_BASE | APIC_BASE_BSP, xapic = off | APIC_BASE_ENABLE, x2 = xapic | APIC_BASE_X2APIC;
    uint64_t value;
    (void)state;
    assert_true(lapic_msr_read(&cpu[0], MSR_APIC_BASE, &value));
    assert_int_equal(value, xapic);
    assert_false(lapic_msr_read(&cpu[0], X2(APIC_ID), &value));
    assert_false(lapic_msr_write(&cpu[0], MSR_APIC_BASE, off | APIC_BASE_X2APIC));
    assert_false(lapic_msr_write(&cpu[0], MSR_APIC_BASE, xapic | 1));
    assert_false(lapic_msr_write(&cpu[0], MSR_APIC_BASE, xapic | 1ull << MODEL_PHYS_BITS));
    assert_true(lapic_owns(&cpu[0], LAPIC_BASE + 0x80));
    assert_true(lapic_msr_write(&cpu[0], MSR_APIC_BASE, x2));
    assert_false(lapic_owns(&cpu[0], LAPIC_BASE + 0x80));
    assert_true(lapic_msr_read(&cpu[0], X2(APIC_SVR), &value));
    assert_int_equal(value, 0x1ff); /* the registers are kept */
    assert_false(lapic_msr_write(&cpu[0], MSR_APIC_BASE, xapic));
    assert_true(lapic_msr_write(&cpu[0], MSR_APIC_BASE, x2));
    assert_true(lapic_msr_write(&cpu[0], MSR_APIC_BASE, off));
    assert_false(lapic_enabled(&cpu[0]));
    assert_true(lapic_accepts_extint(&cpu[0]));
    assert_false(lapic_deliver(&machine, 0, false, DELIVER_FIXED, 0x45, false));
    assert_false(lapic_msr_write(&cpu[0], MSR_APIC_BASE, x2));
    assert_true(lapic_msr_write(&cpu[0], MSR_APIC_BASE, xapic));
    assert_int_equal(reg(&cpu[0], APIC_SVR), 0xff); /* as after a reset */
    set(&cpu[0], APIC_SVR, 0x1ff);
    fixed(0x45);
    assert_int_equal(take(&cpu[0]), 0x45);
    assert_true(lapic_msr_write(&cpu[0], MSR_APIC_BASE, 0x200000 | APIC_BASE_ENABLE)); /* moved */
    assert_true(lapic_owns(&cpu[0], 0x200010));
    assert_false(lapic_owns(&cpu[0], LAPIC_BASE));
}

static void x2apic_registers_fault(void **state)
{
    static const uint32_t absent[] = { 0x800, 0x80c, 0x80e, 0x831, 0x809, 0x82f, 0x83a, 0x840, 0x8ff };
    uint64_t value;
    (void)state;
    x2apic(&cpu[0]);
    for (unsigned i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        assert_false(lapic_msr_read(&cpu[0], absent[i], &value));
        assert_false(lapic_msr_write(&cpu[0], absent[i], 0));
    }
    assert_false(lapic_msr_read(&cpu[0], X2(APIC_EOI), &value)); /* write-only */
    assert_false(lapic_msr_read(&cpu[0], X2(APIC_SELF_IPI), &value));
    assert_false(lapic_msr_write(&cpu[0], X2(APIC_ID), 0)); /* read-only */
    assert_false(lapic_msr_write(&cpu[0], X2(APIC_LDR), 0));
    assert_false(lapic_msr_write(&cpu[0], X2(APIC_TMCCT), 0));
    assert_false(lapic_msr_write(&cpu[0], X2(APIC_EOI), 1)); /* reserved bits */
    assert_false(lapic_msr_write(&cpu[0], X2(APIC_ESR), 1));
    assert_false(lapic_msr_write(&cpu[0], X2(APIC_TPR), 0x100));
    assert_false(lapic_msr_write(&cpu[0], X2(APIC_TPR), 1ull << 32));
    assert_false(lapic_msr_write(&cpu[0], X2(APIC_ICR), 1 << 13));
    assert_false(lapic_msr_write(&cpu[0], X2(APIC_LVT_TIMER), 1 << 8));
    assert_true(lapic_msr_write(&cpu[0], X2(APIC_ESR), 0));
}

static void x2apic_ipis(void **state)
{
    uint64_t value;
    (void)state;
    x2apic(&cpu[0]);
    assert_true(lapic_msr_write(&cpu[0], X2(APIC_SELF_IPI), 0x88));
    assert_int_equal(take(&cpu[0]), 0x88);
    assert_true(lapic_msr_write(&cpu[0], X2(APIC_EOI), 0));
    assert_true(lapic_msr_write(&cpu[0], X2(APIC_ICR), 1ull << 32 | 0x4089)); /* to one in xAPIC mode */
    assert_int_equal(take(&cpu[1]), 0x89);
    lapic_eoi(&cpu[1]);
    assert_true(lapic_msr_read(&cpu[0], X2(APIC_ICR), &value));
    assert_int_equal(value, 1ull << 32 | 0x4089);
    assert_true(lapic_msr_write(&cpu[0], X2(APIC_ICR), 0xffffffffull << 32 | 0x8a));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(take(&cpu[i]), 0x8a);
        lapic_eoi(&cpu[i]);
    }
    assert_int_equal(platform.lapics[0].s.isr_words, 0);
}

static void mmio_sizes(void **state)
{
    (void)state;
    assert_int_equal(reg(&cpu[0], APIC_VERSION), 0x50014);
    assert_int_equal(lapic_mmio_read(&cpu[0], APIC_VERSION + 2, 1), 5);
    assert_int_equal(lapic_mmio_read(&cpu[0], APIC_VERSION + 2, 2), 5);
    assert_int_equal(lapic_mmio_read(&cpu[0], APIC_VERSION + 4, 4), 0);
    assert_int_equal(lapic_mmio_read(&cpu[0], APIC_VERSION, 8), 0x50014);
    lapic_mmio_write(&cpu[0], APIC_TPR, 1, 0x50);
    lapic_mmio_write(&cpu[0], APIC_TPR + 4, 4, 0x50);
    assert_int_equal(reg(&cpu[0], APIC_TPR), 0);
    for (uint32_t offset = 0; offset < 0x1010; offset++)
        for (unsigned size = 1; size <= 8; size *= 2) {
            lapic_mmio_read(&cpu[0], offset, size);
            lapic_mmio_write(&cpu[0], offset, size, UINT64_MAX);
        }
}

static void virtual_wire(void **state)
{
    (void)state;
    lapic_virtual_wire(&cpu[0]);
    assert_true(lapic_accepts_extint(&cpu[0]));
    assert_false(lapic_accepts_extint(&cpu[1]));
    pic_firmware_setup(&platform.pic);
    out(0x21, 0xfe);
    atomic_store(&cpu[0].requests, 0);
    irq_set(&machine, 0, true);
    assert_true(requested(&cpu[0], REQUEST_IRQ));
    assert_true(pic_pending(&platform.pic));
    assert_int_equal(pic_acknowledge(&platform.pic, &(struct pic_taken){ 0 }), 8);
    lapic_lint(&cpu[0], 1, true);
    assert_true(requested(&cpu[0], REQUEST_NMI));
    lapic_lint(&cpu[0], 1, true);
    assert_false(requested(&cpu[0], REQUEST_NMI));
}

/* LINT0 fixed: how an OS tries the timer through the 8259 without ExtINT; level-triggered with the EOI as its end. */
static void lint0_fixed(void **state)
{
    (void)state;
    set(&cpu[0], APIC_LVT_LINT0, 0x31);
    lapic_lint(&cpu[0], 0, true);
    assert_int_equal(take(&cpu[0]), 0x31);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(take(&cpu[0]), -1);
    lapic_lint(&cpu[0], 0, false);
    set(&cpu[0], APIC_LVT_LINT0, 0x8031);
    lapic_lint(&cpu[0], 0, true);
    assert_int_equal(take(&cpu[0]), 0x31);
    assert_int_equal(reg(&cpu[0], APIC_LVT_LINT0), 0xc031);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(take(&cpu[0]), 0x31);
    lapic_lint(&cpu[0], 0, false);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(reg(&cpu[0], APIC_LVT_LINT0), 0x8031);
    assert_int_equal(take(&cpu[0]), -1);
}

static void paravirtual_eoi(void **state)
{
    uint32_t *word = (uint32_t *)ram + 4;
    (void)state;
    assert_false(lapic_pv_eoi_set(&cpu[0], 0x11, true));
    assert_false(lapic_pv_eoi_set(&cpu[0], TEST_RAM, true));
    assert_true(lapic_pv_eoi_set(&cpu[0], 16, true));
    fixed(0x51);
    assert_int_equal(take(&cpu[0]), 0x51);
    assert_int_equal(*word, 1);
    *word = 0; /* the guest's EOI */
    assert_int_equal(reg(&cpu[0], APIC_ISR + 0x20), 0);
    fixed(0x51);
    assert_int_equal(take(&cpu[0]), 0x51);
    fixed(0x52); /* one waits: the EOI must be seen */
    assert_int_equal(take(&cpu[0]), -1);
    assert_int_equal(*word, 0);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(take(&cpu[0]), 0x52);
    assert_int_equal(*word, 1);
    fixed(0x91); /* nests: 0x52 is not the highest any more */
    assert_int_equal(take(&cpu[0]), 0x91);
    assert_int_equal(*word, 0);
    set(&cpu[0], APIC_EOI, 0);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(reg(&cpu[0], APIC_PPR), 0);
    ioapic_program(9, 0x8000 | 0x71);
    irq_set(&machine, 9, true); /* level: the I/O APIC must be told */
    assert_int_equal(take(&cpu[0]), 0x71);
    assert_int_equal(*word, 0);
    set(&cpu[0], APIC_EOI, 0);
    irq_set(&machine, 9, false);
    assert_int_equal(take(&cpu[0]), 0x71);
    set(&cpu[0], APIC_EOI, 0);
    fixed(0x51);
    assert_int_equal(take(&cpu[0]), 0x51);
    assert_true(lapic_pv_eoi_set(&cpu[0], 0, false));
    assert_int_equal(*word, 0);
    set(&cpu[0], APIC_EOI, 0);
    fixed(0x51);
    assert_int_equal(take(&cpu[0]), 0x51);
    assert_int_equal(*word, 0);
}

static void the_cpu_runs_the_apic(void **state)
{
    (void)state;
    states[0].features = STATE_FEATURE_APICV;
    fixed(0x41); /* pending when the mode changes */
    states[0].dirty = 0;
    x2apic(&cpu[0]);
    assert_true((states[0].want & WANT_X2APIC) != 0);
    assert_true((states[0].dirty & GROUP_CONTROL) != 0);
    assert_int_equal(lapic_pending(&cpu[0]), -1);
    assert_true(lapic_wakes(&cpu[0]));
    lapic_put(&cpu[0], APIC_IRR + 0x20, 0); /* the CPU delivered it... */
    lapic_put(&cpu[0], APIC_ISR + 0x20, 2);
    states[0].dirty = 0;
    fixed(0x4f);
    assert_int_equal(states[0].pir[1], 1ull << 15);
    assert_false(lapic_wakes(&cpu[0]));
    lapic_put(&cpu[0], APIC_ISR + 0x20, 0); /* ...and saw its EOI */
    assert_true(lapic_wakes(&cpu[0]));
    assert_int_equal(states[0].dirty, 0);
    ioapic_program(9, 0x8000 | 0x71);
    irq_set(&machine, 9, true);
    assert_int_equal(states[0].eoi_exit[1], 1ull << 0x31);
    assert_int_equal(lapic_pending(&cpu[0]), -1);
    assert_true((states[0].dirty & GROUP_CONTROL) != 0);
    states[0].pir[1] = 0;
    lapic_eoi_exit(&cpu[0], 0x71);
    assert_int_equal(states[0].pir[1], 1ull << 0x31);
    assert_int_equal(lapic_tpr_threshold(&cpu[0]), 0);
    assert_true(lapic_msr_write(&cpu[0], MSR_APIC_BASE, LAPIC_BASE));
    assert_int_equal(states[0].want & WANT_X2APIC, 0);
    assert_int_equal(states[0].pir[1], 0);
}

static void the_kernel_posts(void **state)
{
    (void)state;
    lapic_put(&cpu[0], APIC_SVR, APIC_SVR_ENABLE | 0xff);
    states[0].pir[0] = 1ull << 0x21 | 1; /* vector 0 is none that a bus may send */
    states[0].pir[3] = 1ull << 63;
    lapic_posted(&cpu[0]);
    assert_int_equal(states[0].pir[0] | states[0].pir[3], 0);
    assert_int_equal(take(&cpu[0]), 0xff);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(take(&cpu[0]), 0x21);
    set(&cpu[0], APIC_EOI, 0);
    assert_int_equal(lapic_pending(&cpu[0]), -1);
    set(&cpu[0], APIC_SVR, 0xff); /* disabled by software: they vanish */
    states[0].pir[1] = 1;
    lapic_posted(&cpu[0]);
    assert_int_equal(states[0].pir[1], 0);
    assert_int_equal(lapic_pending(&cpu[0]), -1);
    states[0].features = STATE_FEATURE_APICV;
    x2apic(&cpu[0]);
    states[0].pir[1] = 1; /* the CPU takes them itself, but a halted vcpu has to look */
    atomic_store(&cpu[0].requests, 0);
    lapic_posted(&cpu[0]);
    assert_int_equal(states[0].pir[1], 1);
    assert_int_equal(atomic_load(&cpu[0].requests) & REQUEST_IRQ, REQUEST_IRQ);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(interrupts_nest_by_priority, one),
        cmocka_unit_test_setup(the_tpr_holds_back, one),
        cmocka_unit_test_setup(the_same_vector_merges, one),
        cmocka_unit_test_setup(a_level_interrupt_comes_again_after_eoi, one),
        cmocka_unit_test_setup(init_startup_startup, four),
        cmocka_unit_test_setup(shorthands, four),
        cmocka_unit_test_setup(xapic_destinations, four),
        cmocka_unit_test_setup(x2apic_destinations, four),
        cmocka_unit_test_setup(lowest_priority_picks_the_idle_one, four),
        cmocka_unit_test_setup(illegal_vectors_are_errors, one),
        cmocka_unit_test_setup(software_disable_masks, one),
        cmocka_unit_test_setup(mode_changes, one),
        cmocka_unit_test_setup(x2apic_registers_fault, one),
        cmocka_unit_test_setup(x2apic_ipis, four),
        cmocka_unit_test_setup(mmio_sizes, one),
        cmocka_unit_test_setup(virtual_wire, four),
        cmocka_unit_test_setup(lint0_fixed, one),
        cmocka_unit_test_setup(paravirtual_eoi, one),
        cmocka_unit_test_setup(the_cpu_runs_the_apic, one),
        cmocka_unit_test_setup(the_kernel_posts, one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
