/* SPDX-License-Identifier: MIT
 * The local APIC's timer: one-shot, periodic, TSC deadline, and what an OS may do in between. */
#include "irq_fixture.h"

static struct vcpu *const cpu = machine.vcpus;

static uint32_t reg(uint32_t offset) { return (uint32_t)lapic_mmio_read(cpu, offset, 4); }
static void set(uint32_t offset, uint32_t value) { lapic_mmio_write(cpu, offset, 4, value); }
static uint64_t now(void) { return clock_now(&machine.clock); }

/* What the vcpu loop does when its deadline has passed. */
static void wait_ns(uint64_t ns)
{
    pass_ns(ns);
    lapic_timer_expire(cpu, now());
}

static int one(void **state)
{
    (void)state;
    machine_create(1);
    set(APIC_TDCR, 0xb); /* divide by 1: a count is 1 ns */
    return 0;
}

static void one_shot(void **state)
{
    (void)state;
    set(APIC_LVT_TIMER, 0xef);
    atomic_store(&cpu->requests, 0);
    set(APIC_TMICT, 1000);
    assert_true(requested(cpu, REQUEST_TIMER));
    assert_int_equal(lapic_timer_deadline(cpu), now() + 1000);
    wait_ns(400);
    assert_int_equal(reg(APIC_TMCCT), 600);
    assert_int_equal(take(cpu), -1);
    wait_ns(600);
    assert_int_equal(take(cpu), 0xef);
    assert_int_equal(reg(APIC_TMCCT), 0);
    assert_int_equal(reg(APIC_TMICT), 1000);
    assert_int_equal(lapic_timer_deadline(cpu), 0);
}

static void periodic_keeps_its_phase(void **state)
{
    uint64_t start = now();
    (void)state;
    set(APIC_LVT_TIMER, 0x200ef);
    set(APIC_TMICT, 1000000);
    for (unsigned i = 1; i <= 5; i++) {
        wait_ns(1000100); /* always a little late */
        assert_int_equal(take(cpu), 0xef);
        lapic_eoi(cpu);
        assert_int_equal(lapic_timer_deadline(cpu), start + (i + 1) * 1000000);
    }
    wait_ns(10000000); /* ten lost ticks are one interrupt */
    assert_int_equal(take(cpu), 0xef);
    lapic_eoi(cpu);
    assert_true(lapic_timer_deadline(cpu) > now());
    assert_int_equal((lapic_timer_deadline(cpu) - start) % 1000000, 0);
    set(APIC_TMICT, 0);
    assert_int_equal(lapic_timer_deadline(cpu), 0);
}

static void a_tiny_period_does_not_storm(void **state)
{
    (void)state;
    set(APIC_LVT_TIMER, 0x200ef);
    set(APIC_TMICT, 1);
    wait_ns(1);
    assert_int_equal(take(cpu), 0xef);
    assert_true(lapic_timer_deadline(cpu) >= now() + 10000);
    assert_true(reg(APIC_TMCCT) <= 1);
}

/* The divider is changed while the counter runs: it goes on from where it is. */
static void dividers(void **state)
{
    static const struct { uint32_t tdcr, divisor; } table[] = { { 0, 2 }, { 1, 4 }, { 2, 8 }, { 3, 16 }, { 8, 32 }, { 9, 64 }, { 10, 128 }, { 11, 1 } };
    (void)state;
    set(APIC_LVT_TIMER, 0xef);
    for (unsigned i = 0; i < 8; i++) {
        set(APIC_TDCR, table[i].tdcr);
        set(APIC_TMICT, 1000);
        assert_int_equal(lapic_timer_deadline(cpu), now() + 1000 * table[i].divisor);
    }
    set(APIC_TMICT, 1000);
    pass_ns(500);
    set(APIC_TDCR, 0xa);
    assert_int_equal(reg(APIC_TMCCT), 500);
    assert_int_equal(lapic_timer_deadline(cpu), now() + 500 * 128);
}

/* The counter survives changes between one-shot and periodic; a counter at zero stays there. */
static void mode_changes_on_the_fly(void **state)
{
    (void)state;
    set(APIC_LVT_TIMER, 0x100ef);
    set(APIC_TMICT, 100000);
    pass_ns(60000);
    set(APIC_LVT_TIMER, 0x300ef); /* periodic, masked */
    assert_int_equal(reg(APIC_TMCCT), 40000);
    pass_ns(50000);
    assert_int_equal(reg(APIC_TMCCT), 90000);
    set(APIC_LVT_TIMER, 0x100ef);
    assert_int_equal(reg(APIC_TMCCT), 90000);
    pass_ns(90000);
    assert_int_equal(reg(APIC_TMCCT), 0);
    assert_int_equal(reg(APIC_TMICT), 100000);
    set(APIC_LVT_TIMER, 0x200ef);
    assert_int_equal(reg(APIC_TMCCT), 0);
    assert_int_equal(take(cpu), -1); /* all of it was masked */
}

static void a_masked_timer_counts_in_silence(void **state)
{
    (void)state;
    set(APIC_LVT_TIMER, 0x100ef);
    set(APIC_TMICT, 5000);
    assert_int_equal(lapic_timer_deadline(cpu), 0);
    pass_ns(6000);
    set(APIC_LVT_TIMER, 0xef);
    assert_int_equal(take(cpu), -1);
    assert_int_equal(lapic_timer_deadline(cpu), 0);
    set(APIC_LVT_TIMER, 0x100ef);
    set(APIC_TMICT, 5000);
    set(APIC_LVT_TIMER, 0xef);
    assert_int_equal(lapic_timer_deadline(cpu), now() + 5000);
}

static void tsc_deadline(void **state)
{
    uint64_t value;
    (void)state;
    states[0].tsc_offset = -(uint64_t)700; /* guest TSC = host TSC - 700 */
    set(APIC_LVT_TIMER, 0x400ef);
    set(APIC_TMICT, 1000); /* ignored in this mode */
    assert_int_equal(reg(APIC_TMICT), 0);
    assert_true(lapic_msr_write(cpu, MSR_TSC_DEADLINE, tsc - 700 + 2000));
    assert_true(lapic_msr_read(cpu, MSR_TSC_DEADLINE, &value));
    assert_int_equal(value, tsc - 700 + 2000);
    assert_int_equal(lapic_timer_deadline(cpu), now() + 1000);
    wait_ns(999);
    assert_int_equal(take(cpu), -1);
    wait_ns(1);
    assert_int_equal(take(cpu), 0xef);
    lapic_eoi(cpu);
    assert_true(lapic_msr_read(cpu, MSR_TSC_DEADLINE, &value));
    assert_int_equal(value, 0);
    assert_true(lapic_msr_write(cpu, MSR_TSC_DEADLINE, 1)); /* long past: at once */
    assert_int_equal(take(cpu), 0xef);
    lapic_eoi(cpu);
    assert_true(lapic_msr_write(cpu, MSR_TSC_DEADLINE, UINT64_MAX)); /* never, and no wrap */
    assert_int_equal(take(cpu), -1);
    assert_true(lapic_timer_deadline(cpu) > now() + 1000000000000);
    assert_true(lapic_msr_write(cpu, MSR_TSC_DEADLINE, 0));
    assert_int_equal(lapic_timer_deadline(cpu), 0);
}

static void the_tsc_is_moved_under_a_deadline(void **state)
{
    (void)state;
    set(APIC_LVT_TIMER, 0x400ef);
    assert_true(lapic_msr_write(cpu, MSR_TSC_DEADLINE, tsc + 4000));
    states[0].tsc_offset = 2000;
    lapic_timer_tsc_changed(cpu);
    assert_int_equal(lapic_timer_deadline(cpu), now() + 1000);
    states[0].tsc_offset = 5000;
    lapic_timer_tsc_changed(cpu);
    assert_int_equal(take(cpu), 0xef);
}

static void leaving_deadline_mode_disarms(void **state)
{
    uint64_t value;
    (void)state;
    set(APIC_LVT_TIMER, 0x400ef);
    assert_true(lapic_msr_write(cpu, MSR_TSC_DEADLINE, tsc + 4000));
    set(APIC_LVT_TIMER, 0xef);
    assert_int_equal(lapic_timer_deadline(cpu), 0);
    assert_true(lapic_msr_write(cpu, MSR_TSC_DEADLINE, tsc + 4000)); /* ignored */
    assert_true(lapic_msr_read(cpu, MSR_TSC_DEADLINE, &value));
    assert_int_equal(value, 0);
    set(APIC_TMICT, 4000);
    set(APIC_LVT_TIMER, 0x400ef);
    assert_int_equal(lapic_timer_deadline(cpu), 0);
    set(APIC_LVT_TIMER, 0xef);
    set(APIC_TMICT, 4000);
    lapic_reset(cpu, true);
    assert_int_equal(lapic_timer_deadline(cpu), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_shot, one),
        cmocka_unit_test_setup(periodic_keeps_its_phase, one),
        cmocka_unit_test_setup(a_tiny_period_does_not_storm, one),
        cmocka_unit_test_setup(dividers, one),
        cmocka_unit_test_setup(mode_changes_on_the_fly, one),
        cmocka_unit_test_setup(a_masked_timer_counts_in_silence, one),
        cmocka_unit_test_setup(tsc_deadline, one),
        cmocka_unit_test_setup(the_tsc_is_moved_under_a_deadline, one),
        cmocka_unit_test_setup(leaving_deadline_mode_disarms, one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
