/* SPDX-License-Identifier: MIT
 * A virtual machine without guest: interrupt controllers and timers on a clock that the test sets. Included once per test. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "machine.h"
#include "platform.h"

#define TEST_TSC_HZ 2000000000ull /* two ticks per ns */
#define TEST_RAM 0x10000u

static struct machine machine;
static struct platform platform;
static struct vcpu_state states[MAX_VCPUS];
static uint64_t tsc;
static unsigned lock_depth;
static uint64_t ram[TEST_RAM / 8];
static uint8_t vapics[MAX_VCPUS][4096] __attribute__((aligned(4096)));

static uint64_t test_read_tsc(void) { return tsc; }

void vcpu_request(struct vcpu *vcpu, uint32_t requests) { atomic_fetch_or(&vcpu->requests, requests); }

/* The lock does not nest: taking it twice is a deadlock on the target. */
void machine_lock(struct machine *m)
{
    (void)m;
    assert_int_equal(lock_depth, 0);
    lock_depth++;
}

void machine_unlock(struct machine *m)
{
    (void)m;
    assert_int_equal(lock_depth, 1);
    lock_depth--;
}

void machine_end(struct machine *m, unsigned code, const char *format, ...)
{
    (void)m;
    (void)code;
    fail_msg("machine_end: %s", format);
}

/* Time passes; device timers fire at their deadlines, in order. */
static inline void pass_ns(uint64_t ns)
{
    uint64_t end = clock_now(&machine.clock) + ns;

    for (uint64_t next = timer_next(&machine.timers); next != 0 && next <= end; next = timer_next(&machine.timers)) {
        tsc = clock_tsc_at(&machine.clock, next) > tsc ? clock_tsc_at(&machine.clock, next) : tsc;
        timer_expire(&machine.timers, clock_now(&machine.clock));
    }
    tsc = clock_tsc_at(&machine.clock, end);
}

static inline uint32_t in(uint16_t port) { return bus_port_read(&machine.bus, port, 1); }
static inline void out(uint16_t port, uint32_t value) { bus_port_write(&machine.bus, port, 1, value); }

static inline uint32_t ioapic_read(uint32_t index)
{
    bus_mmio_write(&machine.bus, IOAPIC_BASE, 4, index);
    return (uint32_t)bus_mmio_read(&machine.bus, IOAPIC_BASE + 0x10, 4);
}

static inline void ioapic_write(uint32_t index, uint32_t value)
{
    bus_mmio_write(&machine.bus, IOAPIC_BASE, 4, index);
    bus_mmio_write(&machine.bus, IOAPIC_BASE + 0x10, 4, value);
}

static inline void ioapic_program(unsigned pin, uint64_t rte)
{
    ioapic_write(0x11 + pin * 2, (uint32_t)(rte >> 32));
    ioapic_write(0x10 + pin * 2, (uint32_t)rte);
}

/* All devices of this half of the platform, vcpus with enabled local APICs in xAPIC mode. */
static inline void machine_create(uint32_t vcpus)
{
    memset(&machine, 0, sizeof machine);
    memset(&platform, 0, sizeof platform);
    memset(states, 0, sizeof states);
    memset(vapics, 0, sizeof vapics);
    memset(ram, 0, sizeof ram);
    lock_depth = 0;
    tsc = 1000;
    machine.platform = &platform;
    machine.vcpu_count = vcpus;
    machine.clock = (struct clock){ .tsc_hz = TEST_TSC_HZ, .tsc_start = 1000, .read_tsc = test_read_tsc };
    machine.timers.clock = &machine.clock;
    machine.memory = (struct memory){ .base = (uint8_t *)ram, .low = TEST_RAM };
    irq_reset(&machine);
    for (uint32_t i = 0; i < vcpus; i++) {
        machine.vcpus[i] = (struct vcpu){ .machine = &machine, .index = i, .state = &states[i], .vapic = vapics[i] };
        lapic_init(&platform.lapics[i], &machine.vcpus[i]);
        lapic_mmio_write(&machine.vcpus[i], APIC_SVR, 4, 0x1ff);
    }
    assert_int_equal(pic_init(&platform.pic, &machine), OK);
    assert_int_equal(ioapic_init(&platform.ioapic, &machine), OK);
    assert_int_equal(pit_init(&platform.pit, &machine), OK);
    assert_int_equal(hpet_init(&platform.hpet, &machine), OK);
}

/* What a vcpu loop does: the next vector is offered, and the guest takes it. -1: none. */
static inline int take(struct vcpu *vcpu)
{
    int vector = lapic_pending(vcpu);

    if (vector >= 0)
        lapic_accept(vcpu, (uint8_t)vector);
    return vector;
}

static inline bool requested(struct vcpu *vcpu, uint32_t bits)
{
    return (atomic_fetch_and(&vcpu->requests, ~bits) & bits) == bits;
}
