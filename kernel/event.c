/* SPDX-License-Identifier: MIT
 * Event channels. */
#include "event.h"
#include <stdatomic.h>
#include "abi/hypercall.h"
#include "handle.h"
#include "paravirt.h"
#include "scheduler.h"

static struct event events[MAX_EVENTS];

static bool target_valid(const struct domain *domain, uint64_t target)
{
    uint64_t vcpu = (target >> 8) & 0xffffff, number = target >> 32;
    switch (target & 0xff) {
    case EVENT_TARGET_NONE:
        return true;
    case EVENT_TARGET_STATE:
        return vcpu < domain->vcpu_count && number >= EVENT_FIRST && number < 64;
    case EVENT_TARGET_VECTOR:
        return vcpu < domain->vcpu_count && number >= 16 && number < 256;
    case EVENT_TARGET_PV:
        return domain->pv_page && number < PV_EVENTS;
    default:
        return false;
    }
}

enum status event_create(struct domain *domain, uint64_t target, struct event **out)
{
    struct event *free = NULL;
    uint32_t owned = 0;
    if (!target_valid(domain, target))
        return ERR_PARAM;
    for (uint32_t i = 0; i < MAX_EVENTS; i++) {
        if (!events[i].references)
            free = &events[i];
        else if (events[i].domain == domain)
            owned++;
    }
    if (!free || owned >= MAX_EVENTS_PER_DOMAIN)
        return ERR_MEMORY;
    free->target = target;
    free->latched = false;
    __atomic_store_n(&free->domain, domain, __ATOMIC_RELEASE);
    *out = free;
    return OK;
}

void event_release(struct event *event)
{
    if (--event->references == 0)
        __atomic_store_n(&event->domain, NULL, __ATOMIC_RELEASE);
}

void event_inherit(struct domain *from, struct domain *to)
{
    for (uint32_t i = 0; i < MAX_EVENTS; i++)
        if (events[i].domain == from && (events[i].target & 0xff) == EVENT_TARGET_PV)
            __atomic_store_n(&events[i].domain, to, __ATOMIC_RELEASE);
}

void event_orphan(struct domain *domain)
{
    for (uint32_t i = 0; i < MAX_EVENTS; i++)
        if (events[i].domain == domain) {
            __atomic_store_n(&events[i].domain, NULL, __ATOMIC_RELEASE);
            handle_purge(&events[i]); /* nothing will ever hear it: others need no handle to it */
        }
}

static void deliver(struct event *event, struct domain *domain)
{
    uint64_t target = event->target, number = target >> 32;
    struct vcpu *vcpu = domain->vcpus[(target >> 8) & 0xffffff];
    switch (target & 0xff) {
    case EVENT_TARGET_STATE:
        vcpu_notify(vcpu, 1ull << number);
        break;
    case EVENT_TARGET_VECTOR:
        vcpu_post(vcpu, (uint8_t)number);
        break;
    case EVENT_TARGET_PV:
        paravirt_set(domain, (uint32_t)number);
        break;
    default:
        event->latched = true;
    }
}

enum status event_bind(struct event *event, uint64_t target)
{
    struct domain *domain = event->domain;
    if (!domain || !target_valid(domain, target))
        return ERR_PARAM;
    event->target = target;
    if ((target & 0xff) != EVENT_TARGET_NONE && atomic_exchange(&event->latched, false))
        deliver(event, domain);
    return OK;
}

enum status event_signal(struct event *event)
{
    struct domain *domain = __atomic_load_n(&event->domain, __ATOMIC_ACQUIRE);
    if (!domain)
        return ERR_NONE;
    deliver(event, domain);
    /* Bound between the look at the target and the latch: then the binder may have missed it. */
    if (event->latched && (event->target & 0xff) != EVENT_TARGET_NONE && atomic_exchange(&event->latched, false))
        deliver(event, domain);
    return OK;
}

uint32_t event_count(const struct domain *domain)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < MAX_EVENTS; i++)
        count += events[i].references && events[i].domain == domain;
    return count;
}
