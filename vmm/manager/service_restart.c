/* SPDX-License-Identifier: MIT
 * The ends of drivers-dom: noticed, made (fault injection, one that hangs), restarted after, and counted.
 *
 * Memory of an ended instance that had given it to devices is kept until a new one is ready, that is, has reset them
 * all: bus mastering off does not end what a device has begun. Many restarts are allowed, a loop of them is not. */
#include "service_parts.h"

#include <stdio.h>
#include <string.h>
#include "abi/state.h"
#include "terminal.h"

#define POLL_US       200u /* while a new instance is on its way */
#define READY_SECONDS 30u  /* it hangs if it is not ready after that... */
#define BEAT_SECONDS  10u  /* ...or if its loop stands still for so long */
#define LOOK_SECONDS  2u
#define SERVE_SECONDS 5u  /* guests that do nothing need not be waited for */
#define QUICK_SECONDS 1u  /* an end is quick if it had not served for this long */
#define SETTLED       10u /* restarts after which memory is compared: guests that start take some, too */
#define QUICK_MAX     10u

static uint64_t now(void) { return __builtin_ia32_rdtsc(); }

static uint64_t ticks_of(const struct manager *manager, uint64_t us)
{
    return us / 1000000 * manager->info->tsc_hz + us % 1000000 * manager->info->tsc_hz / 1000000;
}

void service_kill(struct service *service, const char *reason)
{
    if (service->restarts.ended == 0) {
        service->restarts.ended = now();
    }
    (void)sys_domain_stop(service->domain.handle, END_STOPPED, reason);
}

/* Counts completions, of all queues. */
static uint16_t completed(const struct channel *channel)
{
    uint32_t sum = 0;
    for (unsigned q = 0; q < CHANNEL_MAX_QUEUES; q++) {
        sum += *(const volatile uint16_t *)&channel->back.next_used[q];
    }
    return (uint16_t)sum;
}

void service_launched(struct service *service)
{
    service->restarts.launched = service->restarts.beat_seen = now();
    service->restarts.ready = service->restarts.served = 0;
    service->restarts.shot = false;
    for (unsigned slot = 0; slot < CONTROL_MAX_CHANNELS; slot++) {
        if (service->channels[slot] != NULL) {
            service->restarts.marks[slot] = completed(service->channels[slot]);
        }
    }
}

bool service_renewed(const struct service *service, unsigned restarts)
{
    return service->restarts.count != restarts && service->restarts.ready != 0;
}

/* --- fault injection --- */

/* Has every disk in use completed something with this instance? */
static bool all_served(const struct service *service)
{
    for (unsigned slot = 0; slot < CONTROL_MAX_CHANNELS; slot++) {
        const struct channel *channel = service->channels[slot];
        if (channel != NULL && channel->type == CHANNEL_BLOCK && channel->front.state == FRONT_RUNNING &&
            completed(channel) == service->restarts.marks[slot]) {
            return false;
        }
    }
    return true;
}

static void note_served(struct service *service)
{
    if (service->restarts.served == 0 && service->restarts.ready != 0 && all_served(service)) {
        service->restarts.served = now();
    }
}

/* When the key drivers-restart kills this instance; 0: not, or not yet known. One whose predecessor did not get so far
 * that all disks went on must get there, and is killed as long after that: so the sweep reaches all of the start, and
 * guests get on in between. */
static uint64_t kill_moment(const struct manager *manager)
{
    const struct service_restarts *restarts = &manager->service->restarts;
    const struct config_kills *kills = &manager->config.drivers_restart;
    if (!kills->enabled || restarts->shot || (kills->count != 0 && restarts->killed >= kills->count)) {
        return 0;
    }
    uint64_t since = restarts->former_served ? restarts->launched : restarts->served;
    if (since == 0 && restarts->ready != 0) {
        since = restarts->ready + SERVE_SECONDS * manager->info->tsc_hz;
    }
    return since == 0 ? 0 : since + ticks_of(manager, kills->first + restarts->killed * kills->step);
}

/* Has a device, or the back end, requests that no guest has seen completed? */
static bool in_flight(const struct service *service)
{
    for (unsigned slot = 0; slot < CONTROL_MAX_CHANNELS; slot++) {
        const struct channel *channel = service->channels[slot];
        for (unsigned q = 0;
             channel != NULL && channel->type == CHANNEL_BLOCK && q < service->control->channels[slot].queue_count;
             q++) {
            for (unsigned head = 0; q < CHANNEL_MAX_QUEUES && head < CHANNEL_MAX_QUEUE_SIZE; head++) {
                if (channel->in_flight[q][head] != IN_FLIGHT_NONE) {
                    return true;
                }
            }
        }
    }
    return false;
}

static void inject(const struct manager *manager, struct service *service)
{
    uint64_t moment = kill_moment(manager);
    if (moment == 0 || now() < moment) {
        return;
    }
    service_kill(service, "killed, as the key drivers-restart says");
    service->restarts.shot = true;
    service->restarts.killed++;
    service->restarts.starved += !service->restarts.former_served && service->restarts.served == 0;
    service->restarts.in_flight += in_flight(service);
    service->restarts.quick = 0;
}

/* --- one that hangs --- */

static void check_life(const struct manager *manager, struct service *service)
{
    struct service_restarts *restarts = &service->restarts;
    uint32_t beat = __atomic_load_n(&service->control->heartbeat, __ATOMIC_RELAXED);
    if (beat != restarts->beat) {
        restarts->beat = beat;
        restarts->beat_seen = now();
    }
    if (restarts->ready == 0 && now() - restarts->launched > READY_SECONDS * manager->info->tsc_hz) {
        service_kill(service, "it did not get ready in time");
    } else if (restarts->ready != 0 && now() - restarts->beat_seen > BEAT_SECONDS * manager->info->tsc_hz) {
        service_kill(service, "its heartbeat stands still");
    }
}

/* --- a new one is ready --- */

static void free_former(struct service *service)
{
    for (unsigned i = 0; i < service->former_count; i++) {
        memory_give(service->former[i].base, service->former[i].size);
    }
    service->former_count = 0;
}

/* Handles: the manager's and drivers-dom's. */
static void count_memory(struct service *service)
{
    struct domain_counters counters;
    struct service_restarts *restarts = &service->restarts;
    restarts->last = (struct service_memory){ .free = memory_available() };
    if (sys_domain_count(HANDLE_SELF, &counters) == OK) {
        restarts->last.handles = counters.handles;
    }
    if (sys_domain_count(service->domain.handle, &counters) == OK) {
        restarts->last.pool_pages = counters.pool_pages;
        restarts->last.handles += counters.handles;
    }
    if (restarts->pauses <= SETTLED) {
        restarts->first = restarts->last;
    }
}

static void count_pause(struct service_restarts *restarts)
{
    uint64_t pause = restarts->ready - restarts->ended;
    restarts->ended = 0;
    restarts->pause_min = restarts->pauses == 0 || pause < restarts->pause_min ? pause : restarts->pause_min;
    restarts->pause_max = pause > restarts->pause_max ? pause : restarts->pause_max;
    restarts->pause_sum += pause;
    restarts->pauses++;
}

static void note_ready(struct manager *manager, struct service *service)
{
    struct service_restarts *restarts = &service->restarts;
    if (restarts->ready != 0 || !__atomic_load_n(&service->control->ready, __ATOMIC_ACQUIRE)) {
        return;
    }
    restarts->ready = now();
    free_former(service);
    if (restarts->ended == 0) {
        return; /* the first of all */
    }
    count_pause(restarts);
    count_memory(service);
    if (manager->config.drivers_restart.count != 0 && restarts->killed == manager->config.drivers_restart.count &&
        !restarts->reported) {
        service_report(manager);
    }
}

void service_report(struct manager *manager)
{
    struct service_restarts *restarts = manager->service != NULL ? &manager->service->restarts : NULL;
    if (restarts == NULL || restarts->pauses == 0 || restarts->reported) {
        return;
    }
    uint64_t us = manager->info->tsc_hz / 1000000;
    us = us != 0 ? us : 1;
    printf("bulkhead: drivers-dom: %u restarts, %u of them with disk requests in flight, %u before all disks went on; "
           "pauses in microseconds: "
           "least %llu, mean %llu, most %llu; free memory %llu -> %llu KiB, kernel pool %llu -> %llu pages, handles "
           "%llu -> %llu\n",
           restarts->count, restarts->in_flight, restarts->starved, (unsigned long long)(restarts->pause_min / us),
           (unsigned long long)(restarts->pause_sum / restarts->pauses / us),
           (unsigned long long)(restarts->pause_max / us), (unsigned long long)restarts->first.free >> 10,
           (unsigned long long)restarts->last.free >> 10, (unsigned long long)restarts->first.pool_pages,
           (unsigned long long)restarts->last.pool_pages, (unsigned long long)restarts->first.handles,
           (unsigned long long)restarts->last.handles);
    restarts->reported = true;
}

/* --- an end --- */

/* Counts ends soon after the start; false if it goes on like that. */
static bool may_restart(const struct manager *manager, struct service *service)
{
    struct service_restarts *restarts = &service->restarts;
    bool quick = restarts->ready == 0 || now() - restarts->ready < QUICK_SECONDS * manager->info->tsc_hz;
    restarts->quick = quick ? restarts->quick + 1 : 0;
    if (restarts->quick <= QUICK_MAX) {
        return true;
    }
    printf("bulkhead: drivers-dom is not restarted: it ended %u times in a row within %u second of being ready\n",
           restarts->quick, QUICK_SECONDS);
    return false;
}

/* The kernel's part of the ended instance goes now, its memory later if devices know it. */
static void dismiss(struct manager *manager, struct service *service, bool devices_know)
{
    struct domain *old = &service->domain;
    struct extent pieces[DOMAIN_MAX_EXTENTS];
    unsigned count = old->extent_count;
    memcpy(pieces, old->extents, sizeof(pieces));
    old->extent_count = 0;
    if (domain_free(manager, old) != OK || service->former_count + count > SERVICE_FORMER_MAX) {
        printf("bulkhead: the memory of a former drivers-dom could not be reclaimed\n");
        return;
    }
    memcpy(service->former + service->former_count, pieces, count * sizeof(pieces[0]));
    service->former_count += count;
    if (!devices_know) {
        for (; count > 0; count--) {
            const struct extent *piece = &service->former[--service->former_count];
            memory_give(piece->base, piece->size);
        }
    }
}

static bool start_again(struct manager *manager, struct service *service)
{
    static struct domain next;
    next = (struct domain){ .config = &service->config, .identity = true, .console = service->domain.console };
    /* One that never let a device know its memory leaves nothing behind. */
    bool quiet = __atomic_load_n(&service->control->quiet, __ATOMIC_ACQUIRE) != 0;
    service->previous = &service->domain;
    enum status status = domain_start(manager, &next);
    service->previous = NULL;
    if (status != OK) {
        printf("bulkhead: drivers-dom is not restarted: %s\n", next.reason);
        return false;
    }
    dismiss(manager, service, quiet);
    service->domain = next;
    service->restarts.count++;
    service->restarts.former_served = service->restarts.served != 0;
    service_launched(service);
    return true;
}

static void ended(struct manager *manager, struct service *service)
{
    printf("bulkhead: drivers-dom has ended: %s; restarting it\n", thread_state()->text);
    if (service->restarts.ended == 0) {
        service->restarts.ended = now();
    }
    service->domain.phase = PHASE_PRESERVED;
    terminal_reclaim(manager);
    manager->load[service->domain.cpus[0]]--;
    service->restarts.given_up =
        (!service->restarts.shot && !may_restart(manager, service)) || !start_again(manager, service);
    if (service->restarts.given_up) {
        printf("bulkhead: disks and networks of the domains stand still\n");
    }
}

void service_look(struct manager *manager)
{
    struct service *service = manager->service;
    if (service == NULL || service->domain.phase != PHASE_RUNNING) {
        return;
    }
    note_ready(manager, service);
    note_served(service);
    check_life(manager, service);
    inject(manager, service);
    enum domain_state state = DOMAIN_ENDED;
    enum domain_end code = END_MONITOR;
    if (sys_domain_status(service->domain.handle, &state, &code) == OK && state == DOMAIN_ENDED) {
        ended(manager, service);
    }
}

uint64_t service_deadline(const struct manager *manager)
{
    const struct service *service = manager->service;
    if (service == NULL || service->domain.phase != PHASE_RUNNING) {
        return 0;
    }
    bool settled =
        service->restarts.ready != 0 && (service->restarts.served != 0 || !manager->config.drivers_restart.enabled);
    uint64_t next = now() + (settled ? LOOK_SECONDS * manager->info->tsc_hz : ticks_of(manager, POLL_US));
    uint64_t kill = kill_moment(manager);
    return kill != 0 && kill < next ? kill : next;
}
