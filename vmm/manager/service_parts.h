/* SPDX-License-Identifier: MIT
 * drivers-dom in the manager, between its files: service.c (the domain itself), service_restart.c (its ends), service_devices.c (what
 * it gets of the machine), service_channel.c (what is between it and the other domains). */
#pragma once

#include "abi/control.h"
#include "bulkhead/syscall.h"
#include "service.h"

struct control_session;

#define SERVICE_FORMER_MAX 96 /* pieces of memory: of more instances than may end in a row before one is ready */

/* What is known of the ends of drivers-dom. Times are of the TSC, 0: not (yet). */
struct service_restarts {
    uint64_t launched, ready;       /* the present instance: when it was started, when it was seen ready */
    uint64_t ended;                 /* since when nobody serves */
    uint64_t beat_seen;             /* when the heartbeat was seen to move */
    uint32_t beat;
    unsigned count, killed;         /* restarts; kills by the key drivers-restart */
    unsigned in_flight;             /* of these, while a device had requests of a guest */
    unsigned quick;                 /* ends in a row soon after the start */
    uint64_t served;                /* when every disk in use had got on with this instance */
    bool former_served;             /* the one before got so far */
    unsigned starved;               /* kills of one that had not, though it had time */
    uint16_t marks[CONTROL_MAX_CHANNELS]; /* of each disk's queues: sum of next_used when this instance was started */
    bool shot;                      /* this one was killed by the key drivers-restart */
    bool reported, given_up;
    uint64_t pauses, pause_sum, pause_min, pause_max;
    struct service_memory { uint64_t pool_pages, free, handles; } first, last; /* after the tenth restart, when all guests are up; after the latest */
};

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
    struct extent former[SERVICE_FORMER_MAX]; /* memory of ended ones, to which a device might still write */
    unsigned former_count;
    struct service_restarts restarts;
    uint32_t next_serial;
    uint32_t detached;                    /* version of the control area in which a domain's entries were gone */
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
/* Ends drivers-dom, to be restarted. */
void service_kill(struct service *service, const char *reason);
/* It has been started. */
void service_launched(struct service *service);
/* Has an instance become ready that was started after `restarts` restarts? Devices have forgotten then what former ones told them. */
bool service_renewed(const struct service *service, unsigned restarts);
