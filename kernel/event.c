/* SPDX-License-Identifier: MIT
 * Event channels. */
#include "event.h"
#include "scheduler.h"

static struct event events[MAX_EVENTS];

enum status event_create(struct vcpu *target, uint64_t bit, struct event **out)
{
    if (bit < EVENT_FIRST || bit > 63)
        return ERR_PARAM;
    struct event *free = NULL;
    uint32_t owned = 0;
    for (uint32_t i = 0; i < MAX_EVENTS; i++) {
        if (!events[i].references)
            free = &events[i];
        else if (events[i].target && events[i].target->domain == target->domain)
            owned++;
    }
    if (!free || owned >= MAX_EVENTS_PER_DOMAIN)
        return ERR_MEMORY;
    free->bits = 1ull << bit;
    __atomic_store_n(&free->target, target, __ATOMIC_RELEASE);
    *out = free;
    return OK;
}

void event_release(struct event *event)
{
    if (--event->references == 0)
        __atomic_store_n(&event->target, NULL, __ATOMIC_RELEASE);
}

void event_orphan(struct vcpu *target)
{
    for (uint32_t i = 0; i < MAX_EVENTS; i++)
        if (events[i].target == target)
            __atomic_store_n(&events[i].target, NULL, __ATOMIC_RELEASE);
}

enum status event_signal(struct event *event)
{
    struct vcpu *target = __atomic_load_n(&event->target, __ATOMIC_ACQUIRE);
    if (!target)
        return ERR_NONE;
    vcpu_notify(target, event->bits);
    return OK;
}
