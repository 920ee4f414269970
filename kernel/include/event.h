/* SPDX-License-Identifier: MIT
 * Event channels: one bit of one vcpu, and whoever holds a handle may set it. */
#pragma once

#include "vcpu.h"

#define MAX_EVENTS 512
#define MAX_EVENTS_PER_DOMAIN 64

struct event {
    struct vcpu *target; /* null: free, or its target is gone */
    uint64_t bits;
    uint32_t references; /* handles */
};

/* Manage lock held. ERR_PARAM (bit), ERR_MEMORY (limit of the target's domain or of the kernel). */
must_use enum status event_create(struct vcpu *target, uint64_t bit, struct event **out);
void event_release(struct event *event); /* a handle was closed */
void event_orphan(struct vcpu *target);  /* the target goes away; sync_cpus must follow before its memory is freed */
/* Sets the bit, wakes or interrupts the target. Any CPU, no lock. ERR_NONE if the target is gone. */
must_use enum status event_signal(struct event *event);
