/* SPDX-License-Identifier: MIT
 * drivers-dom in the manager, between its files: service.c (the domain itself and its restart), service_devices.c (what it gets of the
 * machine), service_channel.c (what is between it and the other domains). */
#pragma once

#include "abi/control.h"
#include "bulkhead/syscall.h"
#include "service.h"

struct control_session;

struct service {
    struct config_domain config;
    struct domain domain;
    struct control *control;              /* manager.control */
    struct domain *users[CONTROL_MAX_CHANNELS]; /* whose channel an entry is; null: free */
    struct channel *channels[CONTROL_MAX_CHANNELS];
    struct service_link {                 /* of a control channel: what is behind the guest's port */
        struct control_session *session;  /* null: it is none */
        uint64_t console;                 /* machine address of struct console */
    } links[CONTROL_MAX_CHANNELS];
    struct domain *previous;              /* while a new instance takes over */
    uint32_t next_serial;
    unsigned restarts;
};

/* Maps machine memory into drivers-dom's second-level space, at its machine address. */
static inline enum status service_map(const struct domain *domain, uint32_t rights, uint64_t base, uint64_t size)
{
    return sys_domain_map(domain->handle, SPACE_GUEST | rights, base, base, size);
}

/* service_link.c: a control channel's console, served by the manager, shared with drivers-dom. */
must_use enum status service_link_open(struct manager *manager, struct domain *domain, unsigned slot);
void service_link_close(struct service *service, unsigned slot);
/* drivers-dom is new: it gets the consoles of its links again. */
must_use enum status service_link_share(const struct service *service, const struct domain *domain, unsigned slot);

/* The memory, ports and interrupts that drivers-dom gets. */
must_use enum status service_give_devices(const struct manager *manager, struct service *service, const struct domain *domain);
/* A new drivers-dom takes over from service->previous: events in both directions under the same numbers, the guests' memory, the
 * channels, which say how far each queue was served and in which state the old one left them. */
must_use enum status service_take_over(struct manager *manager, struct service *service, const struct domain *domain);
