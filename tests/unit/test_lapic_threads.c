/* SPDX-License-Identifier: MIT
 * Local APIC: other threads deliver while the vcpu's own thread accepts and ends interrupts. Nothing is lost, hints are exact. */
#include <pthread.h>
#include <sched.h>
#include "irq_fixture.h"

#define SENDERS 3
#define ROUNDS 20000u

static _Atomic unsigned sent[SENDERS], seen[SENDERS];

/* Each sender owns a vector and sends the next interrupt when the last one was seen: a lost one would hang. */
static void *sender(void *argument)
{
    unsigned i = (unsigned)(uintptr_t)argument;

    for (unsigned n = 1; n <= ROUNDS; n++) {
        atomic_store(&sent[i], n);
        if (!lapic_deliver(&machine, 0, false, DELIVER_FIXED, (uint8_t)(0x40 + i * 3), false))
            return argument;
        while (atomic_load(&seen[i]) != n)
            sched_yield();
    }
    return NULL;
}

static void nothing_is_lost(void **state)
{
    pthread_t threads[SENDERS];
    struct vcpu *cpu = &machine.vcpus[0];
    unsigned total = 0;
    void *failed;

    (void)state;
    machine_create(1);
    for (uintptr_t i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sender, (void *)i), 0);
    while (total < SENDERS * ROUNDS) {
        if (!requested(cpu, REQUEST_IRQ)) {
            sched_yield();
            continue;
        }
        for (int vector = take(cpu); vector >= 0; vector = take(cpu)) {
            unsigned i = (unsigned)(vector - 0x40) / 3;
            unsigned n = atomic_load(&sent[i]);

            assert_int_equal(n, atomic_load(&seen[i]) + 1);
            lapic_eoi(cpu);
            total++;
            atomic_store(&seen[i], n);
        }
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(platform.lapics[0].s.irr_words, 0);
    assert_int_equal(platform.lapics[0].s.isr_words, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_lost) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
