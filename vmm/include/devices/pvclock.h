/* SPDX-License-Identifier: MIT
 * KVM's paravirtual clock (Linux Documentation/virt/kvm/x86/msr.rst and cpuid.rst): the guest names a place in its memory,
 * the monitor writes there how to get from the TSC to nanoseconds since the machine was created.
 * One reference point (machine time 0) and one factor hold for all vcpus, so the clock is monotonic across them.
 *
 * Threads: every function runs in the thread of the vcpu it is about, without the device lock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/layout.h"
#include "abi/status.h"

struct machine;
struct vcpu;

#define MSR_KVM_WALL_CLOCK 0x11u
#define MSR_KVM_SYSTEM_TIME 0x12u
#define MSR_KVM_WALL_CLOCK_NEW 0x4b564d00u
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01u

/* Bits of CPUID leaf 0x40000001 EAX that this file implements. */
#define PVCLOCK_CPUID_FEATURES (1u << 0 | 1u << 3 | 1u << 24) /* CLOCKSOURCE, CLOCKSOURCE2, CLOCKSOURCE_STABLE_BIT */

struct pvclock_scale {
    uint32_t multiplier; /* of 2^-32 */
    int8_t shift;        /* left, before the multiplication; right if negative */
};

struct pvclock {
    struct machine *machine;
    struct pvclock_scale scale;          /* TSC ticks to ns */
    uint64_t system_time[MAX_VCPUS];     /* the MSRs */
    _Atomic uint64_t wall_clock;
};

must_use enum status pvclock_init(struct pvclock *pvclock, struct machine *machine);
void pvclock_reset(struct pvclock *pvclock);
/* The four MSRs above. False: #GP(0), because the address is not in RAM or not aligned. */
bool pvclock_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool pvclock_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);
/* vcpu_state.tsc_offset of this vcpu changed: its clock is written anew. */
void pvclock_tsc_changed(struct vcpu *vcpu);
