/* SPDX-License-Identifier: MIT
 * What a vcpu does before it enters the guest: NMIs, INIT and start-up, interrupts and their windows. */
#include <pthread.h>
#include <sched.h>
#include "irq_fixture.h"
#include "console.h"
#include "cr.h"
#include "interrupts.h"

#define NMI_ICR 0x4400u
#define INIT_ICR 0x4500u
#define STARTUP_ICR 0x4600u

void console_input(struct machine *m) { (void)m; }
void console_power(struct machine *m) { (void)m; }

static int setup(void **context)
{
    (void)context;
    machine_create(2);
    for (unsigned i = 0; i < 2; i++)
        machine.vcpus[i].requests = 0;
    return 0;
}

static void send(unsigned from, unsigned to, uint32_t icr)
{
    lapic_mmio_write(&machine.vcpus[from], APIC_ICR_HIGH, 4, to << 24);
    lapic_mmio_write(&machine.vcpus[from], APIC_ICR, 4, icr);
}

/* What the kernel does: the event is delivered. */
static bool delivered(struct vcpu *vcpu, enum inject_type type, unsigned vector)
{
    uint32_t inject = vcpu->state->inject;
    vcpu->state->inject = 0;
    if (type == INJECT_NMI)
        vcpu->state->blocking |= BLOCKING_NMI;
    return inject == (INJECT_VALID | (uint32_t)type << INJECT_TYPE_SHIFT | vector);
}

/* IRET, and the exit because NMIs may come again. */
static void nmi_returns(struct vcpu *vcpu)
{
    vcpu->state->blocking &= ~BLOCKING_NMI;
    atomic_fetch_or(&vcpu->requests, REQUEST_IRQ);
    requests_serve(vcpu);
}

static void two_nmis_at_once_are_two(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    send(0, 0, NMI_ICR);
    send(1, 0, NMI_ICR);
    requests_serve(vcpu);
    assert_true(delivered(vcpu, INJECT_NMI, 2));
    assert_true(vcpu->state->want & WANT_NMI_WINDOW);
    nmi_returns(vcpu);
    assert_true(delivered(vcpu, INJECT_NMI, 2));
    assert_false(vcpu->state->want & WANT_NMI_WINDOW);
    nmi_returns(vcpu);
    assert_int_equal(vcpu->state->inject, 0);
}

static void one_nmi_waits_behind_the_one_in_service(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    send(0, 0, NMI_ICR);
    requests_serve(vcpu);
    assert_true(delivered(vcpu, INJECT_NMI, 2));
    for (unsigned i = 0; i < 10; i++) {
        send(0, 0, NMI_ICR);
        requests_serve(vcpu);
        assert_int_equal(vcpu->state->inject, 0);
    }
    nmi_returns(vcpu);
    assert_true(delivered(vcpu, INJECT_NMI, 2));
    nmi_returns(vcpu);
    assert_int_equal(vcpu->state->inject, 0);
}

static void no_nmi_behind_sti(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    vcpu->state->blocking = BLOCKING_SHADOW;
    send(1, 0, NMI_ICR);
    requests_serve(vcpu);
    assert_int_equal(vcpu->state->inject, 0);
    assert_true(vcpu->state->want & WANT_NMI_WINDOW);
}

static void a_blocked_nmi_does_not_end_hlt(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    vcpu->state->blocking = BLOCKING_NMI;
    vcpu->activity = VCPU_HALTED;
    send(1, 0, NMI_ICR);
    requests_serve(vcpu);
    assert_int_equal(vcpu->activity, VCPU_HALTED);
    vcpu->state->blocking = 0;
    atomic_fetch_or(&vcpu->requests, REQUEST_IRQ);
    requests_serve(vcpu);
    assert_int_equal(vcpu->activity, VCPU_RUNNING);
}

static void startup_directly_behind_init(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[1];
    vcpu->state->rip = 0x1234;
    send(0, 1, INIT_ICR);
    send(0, 1, STARTUP_ICR | 0x9a);
    requests_serve(vcpu);
    assert_int_equal(vcpu->activity, VCPU_RUNNING);
    assert_int_equal(vcpu->state->seg[SEG_CS].base, 0x9a000);
    assert_int_equal(vcpu->state->rip, 0);
}

#define ROUNDS 20000u
static _Atomic uint32_t rounds_done;

/* The application processor's thread. */
static void *serve(void *argument)
{
    struct vcpu *vcpu = argument;
    for (uint32_t round = 0; round < ROUNDS;) {
        if (atomic_load(&vcpu->requests))
            requests_serve(vcpu);
        if (vcpu->activity == VCPU_RUNNING && vcpu->state->seg[SEG_CS].base == (round + 1) % 0x100 << 12)
            atomic_store(&rounds_done, ++round);
    }
    return NULL;
}

/* The start-up IPI may come at any moment while INIT is being served; it is sent once only. */
static void startup_while_init_is_served(void **context)
{
    (void)context;
    pthread_t thread;
    machine.vcpus[1].activity = VCPU_WAIT_STARTUP;
    assert_int_equal(pthread_create(&thread, NULL, serve, &machine.vcpus[1]), 0);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        send(0, 1, INIT_ICR);
        send(0, 1, STARTUP_ICR | round % 0x100);
        for (uint64_t spins = 0; atomic_load(&rounds_done) < round; spins++) {
            if (spins > 1u << 28)
                fail_msg("the start-up IPI of round %u was lost", round);
            if (spins % 64 == 63)
                sched_yield();
        }
    }
    pthread_join(thread, NULL);
}

static void interrupt_waits_for_its_window(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    send(1, 0, 0x4000 | 0x51);
    requests_serve(vcpu);
    assert_int_equal(vcpu->state->inject, 0);
    assert_true(vcpu->state->want & WANT_IRQ_WINDOW);
    vcpu->state->rflags |= RFLAGS_IF;
    atomic_fetch_or(&vcpu->requests, REQUEST_IRQ);
    requests_serve(vcpu);
    assert_true(delivered(vcpu, INJECT_IRQ, 0x51));
    assert_false(vcpu->state->want & WANT_IRQ_WINDOW);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        T(two_nmis_at_once_are_two),
        T(one_nmi_waits_behind_the_one_in_service),
        T(no_nmi_behind_sti),
        T(a_blocked_nmi_does_not_end_hlt),
        T(startup_directly_behind_init),
        T(startup_while_init_is_served),
        T(interrupt_waits_for_its_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
