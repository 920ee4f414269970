/* SPDX-License-Identifier: MIT
 * The monitor of one domain: its threads begin here, one per vcpu. Thread 0 builds the machine. */
#include <stdio.h>
#include <stdlib.h>
#include "abi/console.h"
#include "bulkhead/libc.h"
#include "bulkhead/syscall.h"
#include "channels.h"
#include "console.h"
#include "cpuid.h"
#include "devices/lapic.h"
#include "exits.h"
#include "loader.h"
#include "pc.h"
#include "platform.h"
#include "vcpu_reset.h"
#include "vcpu_loop.h"

static struct machine *machine;
static _Atomic bool ready;

static uint64_t read_tsc(void)
{
    return __builtin_ia32_rdtsc();
}

static void fail(const char *what)
{
    sys_domain_exit(END_CONFIG, what);
}

/* A device has armed an earlier timer: vcpu 0 has to wake sooner. */
static void timers_changed(void *context)
{
    vcpu_request(&((struct machine *)context)->vcpus[0], REQUEST_TIMER);
}

static void machine_init(const struct start *start)
{
    machine->start = start;
    machine->memory = (struct memory){
        .base = (uint8_t *)LAYOUT_GUEST,
        .low = start->identity ? 0 : start->low_memory,
        .high = start->identity ? start->memory : start->memory - start->low_memory,
        .high_base = start->identity ? start->identity : MEMORY_HIGH_BASE,
    };
    machine->clock = (struct clock){ .tsc_hz = start->tsc_hz, .tsc_start = read_tsc(), .read_tsc = read_tsc };
    machine->timers = (struct timer_queue){ .clock = &machine->clock, .changed = timers_changed, .context = machine };
    machine->vcpu_count = start->vcpu_count;
    for (uint32_t i = 0; i < start->vcpu_count; i++) {
        struct vcpu *vcpu = &machine->vcpus[i];
        vcpu->index = i;
        vcpu->machine = machine;
        vcpu->state = thread_state_of(i);
        vcpu->vapic = (uint8_t *)vcpu->state + PAGE_SIZE;
        vcpu->exits = ((struct account *)(LAYOUT_CONSOLE + sizeof(struct console)))->exits[i];
        vcpu->phys_bits = MODEL_PHYS_BITS;
        vcpu->state->tsc_offset = 0 - machine->clock.tsc_start; /* the guest's TSC begins at 0 */
    }
}

/* The machine after power-on: devices, then every vcpu in its reset state; all but the first wait for a start-up IPI. */
static void build(const struct start *start)
{
    if (start->magic != START_MAGIC)
        fail("the manager's start page has another format than this monitor expects");
    heap_init((void *)LAYOUT_HEAP, start->heap_size);
    machine = calloc(1, sizeof(*machine));
    if (!machine)
        fail("the monitor's heap is too small for the machine");
    machine_init(start);
    const char *lacking = cpuid_init();
    if (lacking)
        fail(lacking);
    channels_connect(machine);
    if (start->debug_exit && !start->identity)
        machine->test_memory = machine->memory.base + PC_TEST_MEMORY;
    enum status status = platform_create(machine);
    if (status != OK)
        fail(status == ERR_MEMORY ? "the monitor's heap is too small for the devices" :
                                    "the manager's channels to drivers-dom have another format than this monitor expects");
    console_connect(machine);
    for (uint32_t i = 0; i < machine->vcpu_count; i++) {
        reset_vcpu(&machine->vcpus[i], false);
        machine->vcpus[i].activity = i ? VCPU_WAIT_STARTUP : VCPU_RUNNING;
        exits_init(machine->vcpus[i].state);
    }
    lapic_virtual_wire(&machine->vcpus[0]);
    struct load_result result = { 0 };
    if (load_guest(machine, &result) != OK)
        fail(result.error);
    if (result.note[0])
        printf("%s: %s\n", start->name, result.note);
    channels_wait(machine);
}

void thread_main(uint64_t argument, uint64_t index)
{
    if (index == 0) {
        build((const struct start *)argument);
        atomic_store(&ready, true);
        for (uint32_t i = 1; i < machine->vcpu_count; i++)
            (void)sys_vcpu_poke(i);
    }
    while (!atomic_load(&ready)) {
        (void)sys_event_wait();
        thread_state()->events = 0;
    }
    vcpu_loop(&machine->vcpus[index]);
}
