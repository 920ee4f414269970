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

/* --- interrupts are offered --- */

#define FIXED(vector) (0x4000u | (vector))

static int offered(const struct vcpu *vcpu)
{
    return vcpu->state->offer & INJECT_VALID ? (int)INJECT_VECTOR(vcpu->state->offer) : -1;
}

/* An exit, and what the loop does before the next entry: the guest has taken what was offered, or not. */
static void leaves(struct vcpu *vcpu, bool taken)
{
    if (taken)
        vcpu->state->offer = 0;
    if (vcpu->offer)
        offer_settle(vcpu);
    assert_int_equal(vcpu->state->offer, 0);
}

static void enters(struct vcpu *vcpu)
{
    for (unsigned i = 0; atomic_load(&vcpu->requests); i++) {
        assert_in_range(i, 0, 3);
        requests_serve(vcpu);
    }
}

static bool bit(const struct vcpu *vcpu, uint32_t base, unsigned vector)
{
    return lapic_get(vcpu, base + vector / 32 * 16) >> vector % 32 & 1;
}

static void taken_interrupt_is_in_service(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    send(1, 0, FIXED(0x51));
    enters(vcpu);
    assert_int_equal(vcpu->state->offer, INJECT_VALID | 5 << OFFER_PRIORITY_SHIFT | 0x51);
    assert_false(vcpu->state->want & WANT_IRQ_WINDOW);
    leaves(vcpu, true);
    assert_true(bit(vcpu, APIC_ISR, 0x51));
    assert_false(bit(vcpu, APIC_IRR, 0x51));
    enters(vcpu);
    assert_int_equal(offered(vcpu), -1);
    lapic_eoi(vcpu);
    assert_false(bit(vcpu, APIC_ISR, 0x51));
}

/* At each exit it is pending again, so that a handler sees what a processor would show; a second edge is not lost. */
static void interrupt_that_is_not_taken_is_pending(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    send(1, 0, FIXED(0x51));
    for (unsigned i = 0; i < 3; i++) {
        enters(vcpu);
        assert_int_equal(offered(vcpu), 0x51);
        leaves(vcpu, false);
        assert_true(bit(vcpu, APIC_IRR, 0x51));
        assert_false(bit(vcpu, APIC_ISR, 0x51));
    }
    enters(vcpu);
    send(1, 0, FIXED(0x51)); /* while the guest has it in its hands */
    leaves(vcpu, true);
    enters(vcpu);
    lapic_eoi(vcpu);
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x51);
}

static void a_higher_one_replaces_it(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    send(1, 0, FIXED(0x51));
    enters(vcpu);
    send(1, 0, FIXED(0x61));
    assert_true(atomic_load(&vcpu->requests) & REQUEST_IRQ);
    leaves(vcpu, false);
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x61);
    /* also without an exit in between */
    send(1, 0, FIXED(0x71));
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x71);
    leaves(vcpu, true);
    enters(vcpu);
    assert_int_equal(offered(vcpu), -1);
    lapic_eoi(vcpu);
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x61);
}

static void tpr_withdraws_it(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    send(1, 0, FIXED(0x51));
    enters(vcpu);
    leaves(vcpu, false);
    lapic_mmio_write(vcpu, APIC_TPR, 4, 0x50);
    enters(vcpu);
    assert_int_equal(offered(vcpu), -1);
    assert_int_equal(vcpu->state->tpr_threshold, 5);
    lapic_cr8_write(vcpu, 4);
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x51);
}

/* BIOS's vectors, input 3 open. */
static void pic_setup(struct vcpu *vcpu)
{
    pic_firmware_setup(&platform.pic);
    out(0x21, 0xf7 & ~0x10);
    lapic_virtual_wire(vcpu);
    enters(vcpu);
}

static void the_8259_is_asked_again(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    pic_setup(vcpu);
    irq_set(&machine, 4, true);
    enters(vcpu);
    assert_int_equal(vcpu->state->offer, INJECT_VALID | OFFER_ANY_TPR << OFFER_PRIORITY_SHIFT | 0x0c);
    /* the guest masks it, and moves the vectors */
    leaves(vcpu, false);
    out(0x21, 0xff);
    enters(vcpu);
    assert_int_equal(offered(vcpu), -1);
    out(0x21, 0xe7);
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x0c);
    irq_set(&machine, 3, true); /* more urgent */
    assert_true(atomic_load(&vcpu->requests) & REQUEST_IRQ);
    leaves(vcpu, false);
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x0b);
    leaves(vcpu, true);
    enters(vcpu);
    assert_int_equal(offered(vcpu), -1);
    out(0x20, 0x20);
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x0c);
}

/* Neither holds the other back: there must be an exit when the second can come. */
static void two_controllers_want_a_window(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    pic_setup(vcpu);
    irq_set(&machine, 4, true);
    send(1, 0, FIXED(0x51));
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x0c);
    assert_true(vcpu->state->want & WANT_IRQ_WINDOW);
    leaves(vcpu, true);
    atomic_fetch_or(&vcpu->requests, REQUEST_IRQ); /* EXIT_IRQ_WINDOW */
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x51);
    assert_false(vcpu->state->want & WANT_IRQ_WINDOW);
}

/* With automatic EOI each acknowledgement lets the next request through at once: that is no reason to begin anew. */
static void automatic_eoi_comes_to_an_end(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    pic_setup(vcpu);
    out(0x20, 0x11); /* ICW1 to ICW4 of the master: vectors from 8, automatic EOI */
    out(0x21, 0x08);
    out(0x21, 0x04);
    out(0x21, 0x03);
    out(0x21, 0xe7);
    enters(vcpu);
    irq_set(&machine, 3, true);
    irq_set(&machine, 4, true);
    for (unsigned i = 0; i < 3; i++) {
        enters(vcpu);
        assert_int_equal(offered(vcpu), 0x0b);
        assert_true(vcpu->state->want & WANT_IRQ_WINDOW);
        leaves(vcpu, false);
    }
    enters(vcpu);
    leaves(vcpu, true);
    atomic_fetch_or(&vcpu->requests, REQUEST_IRQ); /* EXIT_IRQ_WINDOW */
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x0c);
    assert_false(vcpu->state->want & WANT_IRQ_WINDOW);
}

static void init_withdraws_it(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    pic_setup(vcpu);
    irq_set(&machine, 4, true);
    enters(vcpu);
    send(1, 0, INIT_ICR);
    enters(vcpu);
    assert_int_equal(offered(vcpu), -1);
    lapic_virtual_wire(vcpu);
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x0c);
}

static void hlt_ends_for_one_that_is_not_taken(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    send(1, 0, FIXED(0x51));
    enters(vcpu);
    leaves(vcpu, false); /* STI; HLT */
    vcpu->activity = VCPU_HALTED;
    requests_serve(vcpu);
    assert_int_equal(vcpu->activity, VCPU_HALTED);
    vcpu->state->rflags |= RFLAGS_IF;
    atomic_fetch_or(&vcpu->requests, REQUEST_IRQ);
    enters(vcpu);
    assert_int_equal(vcpu->activity, VCPU_RUNNING);
    assert_int_equal(offered(vcpu), 0x51);
}

/* The permission to skip the EOI is for the interrupt that is in service, so it goes with it. */
static void skipped_eoi_of_an_offer(void **context)
{
    (void)context;
    struct vcpu *vcpu = &machine.vcpus[0];
    uint32_t *word = (uint32_t *)&ram[2];
    assert_true(lapic_pv_eoi_set(vcpu, 16, true));
    send(1, 0, FIXED(0x51));
    enters(vcpu);
    assert_int_equal(*word, 1);
    leaves(vcpu, false);
    assert_int_equal(*word, 0);
    enters(vcpu);
    assert_int_equal(*word, 1);
    *word = 0; /* taken, handled, skipped */
    leaves(vcpu, true);
    send(1, 0, FIXED(0x41));
    enters(vcpu);
    assert_int_equal(offered(vcpu), 0x41);
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
        T(taken_interrupt_is_in_service),
        T(interrupt_that_is_not_taken_is_pending),
        T(a_higher_one_replaces_it),
        T(tpr_withdraws_it),
        T(the_8259_is_asked_again),
        T(two_controllers_want_a_window),
        T(automatic_eoi_comes_to_an_end),
        T(init_withdraws_it),
        T(hlt_ends_for_one_that_is_not_taken),
        T(skipped_eoi_of_an_offer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
