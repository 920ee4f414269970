/* SPDX-License-Identifier: MIT
 * Event channels: something that can be signalled, and where the signal goes (abi/syscall.h, enum event_target). */
#pragma once

#include "vcpu.h"

#define MAX_EVENTS 2048
#define MAX_EVENTS_PER_DOMAIN 1024

struct event {
    struct domain *domain; /* whom it is for; null: free, or that domain is gone */
    _Atomic uint64_t target; /* kind | vcpu index << 8 | number << 32: one word, so that a signal sees one target */
    _Atomic bool latched;  /* signalled while it had no target */
    uint32_t references;   /* handles, doorbells, interrupts */
};

static inline uint64_t event_target(enum event_target kind, uint64_t vcpu, uint64_t number)
{
    return kind | vcpu << 8 | number << 32;
}

/* An event for the domain. Manage lock held. ERR_PARAM (target), ERR_MEMORY (limit of the domain or of the kernel). It is free again
 * when its last reference is released; one that never had one is free at once. */
must_use enum status event_create(struct domain *domain, uint64_t target, struct event **out);
/* Another target of the same domain; a latched signal is delivered. Manage lock held. ERR_PARAM. */
must_use enum status event_bind(struct event *event, uint64_t target);
/* All events of `from` that are bits of its pv page become events of `to`, which has one. Manage lock held. */
void event_inherit(struct domain *from, struct domain *to);
void event_release(struct event *event);  /* one reference less */
void event_orphan(struct domain *domain); /* the domain goes away; sync_cpus must follow before its memory is freed */
/* Delivers. Any CPU, no lock. ERR_NONE if the domain is gone. */
must_use enum status event_signal(struct event *event);
/* Events whose target is the domain. */
uint32_t event_count(const struct domain *domain);
