/* SPDX-License-Identifier: MIT
 * What the kernel does for guests without their monitor: doorbells, hypercalls, and ports of devices that were given to the domain. */
#pragma once

#include "event.h"

/* After an exit for the monitor: true if the kernel has served it, and the guest can go on. May not return (a guest that waits). */
bool paravirt_exit(struct vcpu *vcpu);
/* May it be such an exit? Most are not, and need not be looked at closer. */
static inline bool paravirt_concerns(const struct vcpu *vcpu)
{
    uint32_t reason = vcpu->state->exit.reason;
    return reason == EXIT_HYPERCALL || (reason == EXIT_IO && (vcpu->domain->doorbells || vcpu->domain->port_count));
}

/* The vcpu is in HYPERCALL_EVENT_WAIT and no event is there. */
bool paravirt_waits(const struct vcpu *vcpu);
/* Sets an event bit of the domain's pv page, and wakes its vcpu 0 if that waits for one. Any CPU. */
void paravirt_set(struct domain *domain, uint32_t number);
/* Gives the domain its pv page at that guest-physical address. Manage lock held. */
must_use enum status paravirt_enable(struct domain *domain, uint64_t gpa);
/* Binds OUT to `port` to the event (null: no more). Manage lock held. ERR_PARAM, ERR_MEMORY (MAX_DOORBELLS), ERR_NONE. */
must_use enum status doorbell_set(struct domain *domain, uint64_t port, struct event *event);
/* Lets the guest use host ports [first, first + count), but for those that the kernel uses itself. Manage lock held. ERR_PARAM, ERR_MEMORY
 * (MAX_PORT_RANGES). */
must_use enum status ports_give(struct domain *domain, uint64_t first, uint64_t count);
/* The domain goes away. Manage lock held. */
void paravirt_release(struct domain *domain);
