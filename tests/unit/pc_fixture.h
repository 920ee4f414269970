/* SPDX-License-Identifier: MIT
 * A whole PC, with all its real devices (fake_pc.h: one device among fakes), and a clock that the test turns. Include it in
 * exactly one file of a test. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "abi/syscall.h"
#include "machine.h"
#include "pc.h"
#include "platform.h"

static struct machine *pc;
static uint64_t tsc;
static struct start start;
static unsigned ends, end_code; /* calls of machine_end() */

static uint64_t read_tsc(void) { return tsc; }
void machine_lock(struct machine *machine) { (void)machine; }
void machine_unlock(struct machine *machine) { (void)machine; }
void vcpu_request(struct vcpu *vcpu, uint32_t requests) { atomic_fetch_or(&vcpu->requests, requests); }

void machine_end(struct machine *machine, unsigned code, const char *format, ...)
{
    (void)machine, (void)format;
    end_code = code;
    ends++;
}

/* With `ram` bytes and `count` vcpus whose pages are given, at this time. Of `start` the rest is as the caller has set it. */
static void pc_make(uint64_t ram, uint64_t epoch, unsigned count, struct vcpu_state *states, uint8_t (*vapics)[4096])
{
    pc = calloc(1, sizeof(*pc));
    tsc = 1000;
    ends = 0;
    memset(states, 0, count * sizeof(*states));
    memset(vapics, 0, count * sizeof(*vapics));
    start.magic = START_MAGIC;
    start.vcpu_count = count;
    start.memory = start.low_memory = ram;
    start.tsc_hz = 1000000000;
    start.epoch = epoch;
    start.boot_tsc = tsc;
    pc->start = &start;
    pc->memory = (struct memory){ .base = calloc(1, ram), .low = ram, .high_base = MEMORY_HIGH_BASE };
    pc->clock = (struct clock){ .tsc_hz = start.tsc_hz, .tsc_start = tsc, .read_tsc = read_tsc };
    pc->timers.clock = &pc->clock;
    pc->vcpu_count = count;
    for (uint32_t i = 0; i < count; i++)
        pc->vcpus[i] = (struct vcpu){ .index = i, .machine = pc, .state = &states[i], .vapic = vapics[i] };
    assert_int_equal(platform_create(pc), OK);
}

static int teardown(void **context)
{
    (void)context;
    free(pc->memory.base);
    free(pc->platform);
    free(pc);
    return 0;
}
