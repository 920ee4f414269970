/* SPDX-License-Identifier: MIT
 * The virtual machine: everything a monitor knows about its domain. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "abi/layout.h"
#include "abi/state.h"
#include "abi/status.h"
#include "bus.h"
#include "devices/pic.h"
#include "irq.h"
#include "start.h"
#include "timer.h"
#include "translation.h"

struct lapic;
struct platform;
struct virtio_ops;

/* What other threads ask of a vcpu; atomic bits of vcpu.requests. The vcpu looks at them before it runs the guest. */
enum vcpu_request {
    REQUEST_IRQ = 1u << 0,     /* the interrupt situation changed: look at the local APIC and the 8259 again */
    REQUEST_NMI = 1u << 1,
    REQUEST_INIT = 1u << 2,
    REQUEST_STARTUP = 1u << 3, /* vector in vcpu.startup_vector */
    REQUEST_TIMER = 1u << 4,   /* the device timer queue changed (vcpu 0), or the APIC timer */
};

enum vcpu_activity { VCPU_RUNNING, VCPU_HALTED, VCPU_WAIT_STARTUP };

/* Whose interrupt vcpu_state.offer is: it is in service there, until an exit shows that the guest has not taken it. */
enum vcpu_offer { OFFER_NONE, OFFER_LAPIC, OFFER_PIC };

/* MSRs that are no more than storage. */
struct msr_state {
    uint64_t tsc_adjust, pv_eoi, misc_enable, debugctl;
    uint64_t mtrr_default, mtrr_variable[16], mtrr_fixed[11];
};

struct vcpu {
    struct vcpu_state *state; /* the state page */
    uint8_t *vapic;           /* the virtual-APIC page: registers in the layout of SDM 3A 11.4.1 */
    struct machine *machine;
    struct lapic *lapic;
    uint32_t index;           /* = APIC ID */
    enum vcpu_activity activity;
    _Atomic uint32_t requests;
    _Atomic uint32_t startup_vector;
    _Atomic uint32_t nmi_arrived; /* NMI messages since the vcpu looked; REQUEST_NMI with 0 counts as one */
    uint32_t nmi_waiting;     /* NMIs that could not be delivered yet: 0 to 2 */
    enum vcpu_offer offer;
    struct pic_taken pic_taken; /* OFFER_PIC */
    struct msr_state msr;
    uint64_t *exits;            /* by reason: a row of struct account */
    struct walk_cache walk_cache; /* of walk.h and fetch.h; this vcpu's thread only */
    uint32_t phys_bits;       /* the guest's physical-address width (MAXPHYADDR) for reserved-bit checks; 0 counts as 52 */
};

/* A flat view of guest memory: RAM is [0, low) and [high_base, high_base + high). base is where GPA 0 is mapped in this process.
 * Two shapes: a PC has high_base MEMORY_HIGH_BASE; a domain with `identity` memory (start.h) has low 0 and high_base = identity. */
struct memory {
    uint8_t *base;
    uint64_t low, high;
    uint64_t high_base;
};
#define MEMORY_HIGH_BASE 0x100000000ull
/* The host pointer of [gpa, gpa + size), or null if that is not all RAM. */
void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t size);

struct machine {
    struct memory memory;
    uint8_t *test_memory;       /* PC_TEST_MEMORY in this process; null: there is none */
    struct bus bus;
    struct clock clock;
    struct timer_queue timers;  /* of the devices; fires in vcpu 0's thread under the device lock */
    const struct start *start;
    struct platform *platform;  /* all devices (platform.h) */
    uint8_t *channels;          /* struct channel i of start->channels at + i * START_CHANNEL_STRIDE */
    const struct virtio_ops *virtio_ops; /* of the devices behind them */
    uint32_t vcpu_count;
    struct vcpu vcpus[MAX_VCPUS];
    _Atomic uint32_t lock;      /* the device lock */
    _Atomic uint32_t strays;    /* accesses of a paravirtual guest to what it was not given, that were told */
};

/* The guest begins in firmware of its own (start.h); else the monitor itself has left what firmware would have. */
static inline bool machine_has_firmware(const struct machine *machine)
{
    return machine->start && machine->start->firmware;
}

void machine_lock(struct machine *machine);
void machine_unlock(struct machine *machine);

/* Sets request bits of a vcpu and makes its thread look at them. Any thread, any lock. */
void vcpu_request(struct vcpu *vcpu, uint32_t requests);

/* Ends the domain with this code and reason (printf format); does not return on the target. */
void machine_end(struct machine *machine, unsigned code, const char *format, ...) __attribute__((format(printf, 3, 4)));
