/* SPDX-License-Identifier: MIT
 * A machine for tests of devices: memory, a bus, a clock that the test turns, and fakes that record what a device asks
 * of its surroundings. Include it in exactly one file of a test. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "machine.h"
#include "pc.h"

#define MIB 0x100000ull
#define MS 1000000ull
#define SECOND_NS 1000000000ull

static struct {
    uint64_t tsc;
    uint64_t step; /* by which each reading of the clock moves it */
    bool level[PC_GSI_COUNT];
    unsigned edges[PC_GSI_COUNT]; /* rising */
    unsigned route[PC_GSI_COUNT]; /* by irq_route_pci */
    unsigned ends;                /* calls of machine_end */
    unsigned end_code;
    char end_reason[256];
    struct start start;
} fake;

static uint64_t fake_read_tsc(void)
{
    return fake.tsc += fake.step;
}

void irq_set(struct machine *machine, unsigned line, bool level)
{
    (void)machine;
    assert_true(line < PC_GSI_COUNT);
    if (level && !fake.level[line])
        fake.edges[line]++;
    fake.level[line] = level;
}

void irq_route_pci(struct machine *machine, unsigned line, unsigned isa_line)
{
    (void)machine;
    assert_in_range(line, 16, 23);
    fake.route[line] = isa_line;
}

void machine_end(struct machine *machine, unsigned code, const char *format, ...)
{
    (void)machine;
    va_list args;
    va_start(args, format);
    vsnprintf(fake.end_reason, sizeof(fake.end_reason), format, args);
    va_end(args);
    fake.end_code = code;
    fake.ends++;
}

void machine_lock(struct machine *machine) { (void)machine; }
void machine_unlock(struct machine *machine) { (void)machine; }
void vcpu_request(struct vcpu *vcpu, uint32_t requests) { (void)vcpu, (void)requests; }

/* A machine with this much RAM below and above 4 GiB (the latter is not backed) whose TSC runs at hz, from `tsc` on. */
static inline struct machine *fake_machine(uint64_t low, uint64_t high, uint64_t hz, uint64_t tsc)
{
    struct machine *machine = calloc(1, sizeof(*machine));
    assert_non_null(machine);
    memset(&fake, 0, sizeof(fake));
    fake.tsc = tsc;
    fake.start.magic = START_MAGIC;
    fake.start.vcpu_count = 2;
    fake.start.memory = low + high;
    fake.start.low_memory = low;
    fake.start.tsc_hz = hz;
    fake.start.boot_tsc = tsc;
    machine->memory = (struct memory){ .base = low ? calloc(1, low) : NULL, .low = low, .high = high, .high_base = MEMORY_HIGH_BASE };
    machine->clock = (struct clock){ .tsc_hz = hz, .tsc_start = tsc, .read_tsc = fake_read_tsc };
    machine->timers.clock = &machine->clock;
    machine->start = &fake.start;
    machine->vcpu_count = 2;
    return machine;
}

static inline void fake_free(struct machine *machine)
{
    free(machine->memory.base);
    free(machine);
}

/* Lets time pass, with every timer firing at its own time. */
static inline void advance(struct machine *machine, uint64_t ns)
{
    uint64_t end = clock_now(&machine->clock) + ns, next;
    while ((next = timer_next(&machine->timers)) != 0 && next <= end) {
        fake.tsc = clock_tsc_at(&machine->clock, next);
        timer_expire(&machine->timers, clock_now(&machine->clock));
    }
    fake.tsc = clock_tsc_at(&machine->clock, end);
}

static inline uint8_t inb(struct machine *machine, uint16_t port)
{
    return (uint8_t)bus_port_read(&machine->bus, port, 1);
}

static inline void outb(struct machine *machine, uint16_t port, uint8_t value)
{
    bus_port_write(&machine->bus, port, 1, value);
}
