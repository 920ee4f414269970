/* SPDX-License-Identifier: MIT
 * The loop: events, timers, bottoms; waits when there is nothing to do. */
#include "service.h"
#include <stdlib.h>
#include <string.h>
#include "bulkhead/libc.h"
#include "cpu.h"
#include "hypercall.h"

#define NS_PER_S 1000000000ull
#define RATE_SHIFT 30
#define DIRECT_END (1ull << 39) /* of the PV_DIRECT map */
#define HEAP_SHARE 8 /* of the free memory for malloc; the rest is for dma_alloc */
#define HEAP_MAX 0x400000ul

struct callback {
    void (*call)(void *context);
    void *context;
};

static struct {
    const struct pv_start *start;
    uint64_t *events; /* of struct pv_page; shared with the kernel */
    uint64_t start_tsc, ns_per_tick, ticks_per_ns; /* << RATE_SHIFT */
    struct callback handlers[PV_EVENTS];
    struct service_timer *timers; /* by deadline */
    uint64_t fired;               /* when timers were looked at last */
    struct service_bottom *bottoms, **last_bottom; /* armed, in order */
    uint64_t signal;              /* the last event that was signalled, + 1: goes out with the wait; 0: none */
} service;

/* Guest-physical ranges that the direct map must reach. */
static bool reachable(uint64_t address, uint64_t size) 
{
    return address < DIRECT_END && size <= DIRECT_END - address;
}

void service_init(const struct pv_start *start)
{
    if (start->magic != PV_START_MAGIC || start->module_count > PV_MAX_MODULES || start->tsc_hz == 0) {
        service_end("the start information is malformed");
    }
    if (!reachable(start->free_base, start->free_size) || !reachable(start->pv_page, sizeof(struct pv_page))) {
        service_end("memory at 0x%lx is out of reach", start->free_base);
    }
    service.start = start;
    service.events = ((struct pv_page *)machine(start->pv_page))->events;
    service.start_tsc = cpu_tsc();
    service.ns_per_tick = (NS_PER_S << RATE_SHIFT) / start->tsc_hz;
    service.ticks_per_ns = (uint64_t)((unsigned __int128)start->tsc_hz * (1u << RATE_SHIFT) / NS_PER_S);
    dma_init(machine(start->free_base), start->free_size);
    log_init();
    size_t heap_size = start->free_size / HEAP_SHARE;
    heap_size = heap_size < HEAP_MAX ? heap_size & ~0xffful : HEAP_MAX;
    void *heap = dma_alloc(heap_size, 4096);
    if (heap == NULL) {
        service_end("%lu KiB of free memory are too few", start->free_size >> 10);
    }
    heap_init(heap, heap_size);
}

const struct pv_start *service_start(void) { return service.start; }

const struct pv_module *service_module(const char *name)
{
    for (uint32_t i = 0; i < service.start->module_count; i++) {
        const struct pv_module *module = &service.start->modules[i];
        if (strncmp(module->name, name, sizeof(module->name)) == 0 && reachable(module->address, module->size)) {
            return module;
        }
    }
    return NULL;
}

/* --- events --- */

void service_on_event(unsigned bit, void (*handler)(void *context), void *context)
{
    if (bit < PV_EVENTS) {
        service.handlers[bit] = (struct callback){handler, context};
    }
}

/* The other domain may be gone, and its handle with it: nothing to do about it here. */
static void send_signal(void)
{
    if (service.signal != 0) {
        (void)hypercall(HYPERCALL_EVENT_SIGNAL, service.signal - 1, 0);
        service.signal = 0;
    }
}

/* Most rounds signal one event, and wait behind it: one hypercall for both. */
void service_signal(uint32_t handle)
{
    if (service.signal != handle + 1ull) {
        send_signal();
        service.signal = handle + 1ull;
    }
}

static bool events_pending(void)
{
    uint64_t any = 0;
    for (unsigned word = 0; word < PV_EVENT_WORDS; word++) {
        any |= __atomic_load_n(&service.events[word], __ATOMIC_RELAXED);
    }
    return any != 0;
}

static bool take_events(void)
{
    bool any = false;
    for (unsigned word = 0; word < PV_EVENT_WORDS; word++) {
        if (__builtin_expect(__atomic_load_n(&service.events[word], __ATOMIC_RELAXED) == 0, 1)) {
            continue;
        }
        uint64_t bits = __atomic_exchange_n(&service.events[word], 0, __ATOMIC_ACQ_REL);
        any = true;
        while (bits != 0) {
            struct callback *handler = &service.handlers[word * 64 + (unsigned)__builtin_ctzll(bits)];
            bits &= bits - 1;
            if (handler->call != NULL) {
                handler->call(handler->context);
            }
        }
    }
    return any;
}

/* --- time --- */

uint64_t service_now(void)
{
    return (uint64_t)((unsigned __int128)(cpu_tsc() - service.start_tsc) * service.ns_per_tick >> RATE_SHIFT);
}

static uint64_t tsc_of(uint64_t ns)
{
    return service.start_tsc + (uint64_t)((unsigned __int128)ns * service.ticks_per_ns >> RATE_SHIFT);
}

void service_timer_cancel(struct service_timer *timer)
{
    timer->deadline = 0;
    for (struct service_timer **link = &service.timers; *link != NULL; link = &(*link)->next) {
        if (*link == timer) {
            *link = timer->next;
            return;
        }
    }
}

void service_timer_arm(struct service_timer *timer, uint64_t deadline)
{
    if (timer->deadline != 0) {
        service_timer_cancel(timer);
    }
    timer->deadline = deadline > service.fired ? deadline : service.fired + 1;
    struct service_timer **link = &service.timers;
    while (*link != NULL && (*link)->deadline <= timer->deadline) {
        link = &(*link)->next;
    }
    timer->next = *link;
    *link = timer;
}

static bool fire_timers(void)
{
    if (service.timers == NULL) {
        return false;
    }
    /* Only what is due now: service_timer_arm puts a timer that arms itself for the past behind this moment. */
    service.fired = service_now();
    bool any = false;
    while (service.timers != NULL && service.timers->deadline <= service.fired) {
        struct service_timer *timer = service.timers;
        service.timers = timer->next;
        timer->deadline = 0;
        any = true;
        timer->fire(timer->context);
    }
    return any;
}

void service_delay(uint64_t ns)
{
    uint64_t end = service_now() + ns;
    while (service_now() < end) {
        cpu_pause();
    }
}

/* --- rounds --- */

void service_bottom_arm(struct service_bottom *bottom)
{
    if (bottom->armed) {
        return;
    }
    bottom->armed = true;
    bottom->next = NULL;
    if (service.bottoms == NULL) {
        service.last_bottom = &service.bottoms;
    }
    *service.last_bottom = bottom;
    service.last_bottom = &bottom->next;
}

void service_bottom_cancel(struct service_bottom *bottom)
{
    for (struct service_bottom **link = &service.bottoms; *link != NULL; link = &(*link)->next) {
        if (*link == bottom) {
            *link = bottom->next;
            service.last_bottom = *link == NULL ? link : service.last_bottom;
            break;
        }
    }
    bottom->armed = false;
}

/* Those that are armed now: what they arm themselves comes behind the mark, in the next round. */
static bool run_bottoms(void)
{
    if (service.bottoms == NULL) {
        return false;
    }
    struct service_bottom mark = {.armed = false};
    service_bottom_arm(&mark);
    while (service.bottoms != &mark) {
        struct service_bottom *bottom = service.bottoms;
        service.bottoms = bottom->next;
        bottom->armed = false;
        bottom->run(bottom->context);
    }
    service.bottoms = mark.next;
    return true;
}

static bool one_round(void)
{
    bool any = take_events();
    any |= fire_timers();
    any |= run_bottoms();
    return any;
}

bool service_round(void)
{
    bool any = one_round();
    send_signal();
    return any;
}

_Noreturn void service_run(void)
{
    for (;;) {
        (void)one_round();
        if (service.bottoms != NULL || events_pending()) {
            send_signal();
            continue;
        }
        uint64_t deadline = service.timers != NULL ? tsc_of(service.timers->deadline) : 0, signal = service.signal;
        service.signal = 0;
        (void)hypercall(HYPERCALL_EVENT_WAIT, deadline, signal);
    }
}
