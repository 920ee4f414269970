/* SPDX-License-Identifier: MIT
 * I/O APIC: registers, edges and levels, masks, remote IRR, the wiring of lines. */
#include "irq_fixture.h"

#define MASKED 0x10000u
#define LEVEL 0x8000u
#define REMOTE_IRR 0x4000u

static struct vcpu *const cpu = machine.vcpus;

static int two(void **state)
{
    (void)state;
    machine_create(2);
    return 0;
}

static int take_eoi(struct vcpu *vcpu)
{
    int vector = take(vcpu);
    if (vector >= 0)
        lapic_eoi(vcpu);
    return vector;
}

static void registers(void **state)
{
    (void)state;
    assert_int_equal(ioapic_read(1), 0x170020);
    ioapic_write(0, 0xffffffff);
    assert_int_equal(ioapic_read(0), 0x0f000000);
    assert_int_equal(ioapic_read(2), 0x0f000000);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        assert_int_equal(ioapic_read(0x10 + pin * 2), MASKED);
    ioapic_write(0x10, 0xffffffff);
    ioapic_write(0x11, 0xffffffff);
    assert_int_equal(ioapic_read(0x10), 0x1afff);
    assert_int_equal(ioapic_read(0x11), 0xff000000);
    assert_int_equal(ioapic_read(0x40), 0); /* behind the last pin */
    ioapic_write(0x40, 1);
    assert_int_equal(bus_mmio_read(&machine.bus, IOAPIC_BASE, 4), 0x40);
    for (uint32_t offset = 0; offset < 0x1000; offset += 3)
        bus_mmio_write(&machine.bus, IOAPIC_BASE + offset, 1u << (offset & 3), UINT64_MAX);
}

static void an_edge_interrupts_once(void **state)
{
    (void)state;
    ioapic_program(4, 1ull << 56 | 0x34);
    irq_set(&machine, 4, true);
    irq_set(&machine, 4, true);
    assert_int_equal(take_eoi(&cpu[1]), 0x34);
    assert_int_equal(take_eoi(&cpu[1]), -1);
    irq_pulse(&machine, 4); /* was high: no edge before it falls */
    assert_int_equal(take_eoi(&cpu[1]), -1);
    irq_pulse(&machine, 4);
    assert_int_equal(take_eoi(&cpu[1]), 0x34);
}

static void an_edge_on_a_masked_pin_is_lost(void **state)
{
    (void)state;
    ioapic_program(4, MASKED | 0x34);
    irq_set(&machine, 4, true);
    ioapic_program(4, 0x34);
    assert_int_equal(take_eoi(&cpu[0]), -1);
}

static void a_level_on_a_masked_pin_waits(void **state)
{
    (void)state;
    ioapic_program(11, MASKED | LEVEL | 0x35);
    irq_set(&machine, 11, true);
    assert_int_equal(take_eoi(&cpu[0]), -1);
    ioapic_program(11, LEVEL | 0x35);
    assert_int_equal(take(&cpu[0]), 0x35);
    assert_int_equal(ioapic_read(0x10 + 22), LEVEL | REMOTE_IRR | 0x35);
    ioapic_program(11, MASKED | LEVEL | 0x35);
    lapic_eoi(&cpu[0]);
    assert_int_equal(ioapic_read(0x10 + 22), MASKED | LEVEL | 0x35);
    assert_int_equal(take_eoi(&cpu[0]), -1);
}

/* An interrupt that was lost on its way leaves remote IRR set: an OS clears it by an excursion to edge mode, or by the EOI register. */
static void remote_irr_can_be_cleared(void **state)
{
    (void)state;
    ioapic_program(11, LEVEL | 0x35);
    irq_set(&machine, 11, true);
    irq_set(&machine, 11, false);
    assert_int_equal(ioapic_read(0x10 + 22) & REMOTE_IRR, REMOTE_IRR);
    ioapic_write(0x10 + 22, MASKED | 0x35);
    ioapic_write(0x10 + 22, LEVEL | 0x35);
    assert_int_equal(ioapic_read(0x10 + 22), LEVEL | 0x35);
    irq_set(&machine, 11, true);
    irq_set(&machine, 11, false);
    bus_mmio_write(&machine.bus, IOAPIC_BASE + 0x40, 4, 0x36);
    assert_int_equal(ioapic_read(0x10 + 22) & REMOTE_IRR, REMOTE_IRR);
    bus_mmio_write(&machine.bus, IOAPIC_BASE + 0x40, 4, 0x35);
    assert_int_equal(ioapic_read(0x10 + 22) & REMOTE_IRR, 0);
}

static void pins_may_share_a_vector(void **state)
{
    (void)state;
    ioapic_program(16, LEVEL | 0x50);
    ioapic_program(17, LEVEL | 0x50);
    irq_set(&machine, 16, true);
    irq_set(&machine, 17, true);
    assert_int_equal(take(&cpu[0]), 0x50);
    irq_set(&machine, 16, false);
    lapic_eoi(&cpu[0]);
    assert_int_equal(take(&cpu[0]), 0x50);
    irq_set(&machine, 17, false);
    lapic_eoi(&cpu[0]);
    assert_int_equal(take(&cpu[0]), -1);
}

static void nobody_takes_it_yet(void **state)
{
    (void)state;
    lapic_mmio_write(&cpu[0], APIC_SVR, 4, 0xff); /* disabled by software */
    ioapic_program(11, LEVEL | 0x35);
    irq_set(&machine, 11, true);
    assert_int_equal(ioapic_read(0x10 + 22) & REMOTE_IRR, 0);
    lapic_mmio_write(&cpu[0], APIC_SVR, 4, 0x1ff);
    ioapic_program(11, LEVEL | 0x35);
    assert_int_equal(take_eoi(&cpu[0]), 0x35);
}

static void other_delivery_modes(void **state)
{
    (void)state;
    ioapic_program(4, LEVEL | 4 << 8);
    irq_set(&machine, 4, true);
    assert_true(requested(&cpu[0], REQUEST_NMI));
    assert_int_equal(ioapic_read(0x10 + 8) & REMOTE_IRR, 0);
    ioapic_program(5, 7 << 8 | 1ull << 56);
    irq_set(&machine, 5, true);
    assert_true(lapic_accepts_extint(&cpu[1]));
    ioapic_program(6, 5 << 8 | 1ull << 56);
    irq_set(&machine, 6, true);
    assert_true(requested(&cpu[1], REQUEST_INIT));
}

static void lines_are_wired_like_a_pc(void **state)
{
    (void)state;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        ioapic_program(pin, 0x40 + pin * 4);
    irq_pulse(&machine, 0); /* the timer is on pin 2 */
    assert_int_equal(take_eoi(&cpu[0]), 0x48);
    irq_pulse(&machine, 2); /* nobody's */
    assert_int_equal(take_eoi(&cpu[0]), -1);
    irq_pulse(&machine, 23);
    assert_int_equal(take_eoi(&cpu[0]), 0x40 + 23 * 4);
    irq_pulse(&machine, 24);
    irq_pulse(&machine, 1000);
    assert_int_equal(take_eoi(&cpu[0]), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registers, two),
        cmocka_unit_test_setup(an_edge_interrupts_once, two),
        cmocka_unit_test_setup(an_edge_on_a_masked_pin_is_lost, two),
        cmocka_unit_test_setup(a_level_on_a_masked_pin_waits, two),
        cmocka_unit_test_setup(remote_irr_can_be_cleared, two),
        cmocka_unit_test_setup(pins_may_share_a_vector, two),
        cmocka_unit_test_setup(nobody_takes_it_yet, two),
        cmocka_unit_test_setup(other_delivery_modes, two),
        cmocka_unit_test_setup(lines_are_wired_like_a_pc, two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
