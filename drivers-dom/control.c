/* SPDX-License-Identifier: MIT
 * The control area: compares its channel entries with those that are served, and tells the back ends. */
#include "control.h"
#include <string.h>
#include "backend.h"
#include "report.h"
#include "service.h"
#include "terminal.h"

#define HEARTBEAT_NS 1000000000ull

/* A queue's doorbell: what the event handler needs. */
struct doorbell {
    struct served *served;
    unsigned queue;
};

static struct served {
    struct control_channel entry; /* the copy that the back end sees */
    unsigned queues;              /* doorbells bound */
    const struct backend_ops *ops; /* null: free */
    bool refused;
    void *backend;
    struct doorbell doorbells[CHANNEL_MAX_QUEUES];
    struct control_work before;   /* work of a former drivers-dom for this channel */
} served[CONTROL_MAX_CHANNELS];

static struct control *area;
static struct service_timer heartbeat;
static bool ready;

static void front_changed(void *context)
{
    struct served *channel = context;
    channel->ops->front_changed(channel->backend);
}

static void kicked(void *context)
{
    const struct doorbell *doorbell = context;
    doorbell->served->ops->kick(doorbell->served->backend, doorbell->queue);
}

/* The bits behind those of this channel are another's. */
static unsigned queue_count(const struct control_channel *entry)
{
    static const uint8_t needed[BACKEND_TYPES] = {
        [CHANNEL_NET] = 2, [CHANNEL_BLOCK] = 1, [CHANNEL_CONSOLE] = 2, [CHANNEL_RNG] = 1,
    };
    unsigned count = entry->queue_count != 0 ? entry->queue_count : needed[entry->type];
    return count < CHANNEL_MAX_QUEUES ? count : CHANNEL_MAX_QUEUES;
}

static void bind_events(struct served *channel)
{
    service_on_event(channel->entry.control_bit, front_changed, channel);
    for (unsigned i = 0; i < channel->queues; i++) {
        channel->doorbells[i] = (struct doorbell){channel, i};
        service_on_event(channel->entry.kick_bit + i, kicked, &channel->doorbells[i]);
    }
}

static void detach(struct served *channel)
{
    if (channel->ops != NULL) {
        service_on_event(channel->entry.control_bit, NULL, NULL);
        for (unsigned i = 0; i < channel->queues; i++) {
            service_on_event(channel->entry.kick_bit + i, NULL, NULL);
        }
        channel->ops->detach(channel->backend);
    }
    memset(channel, 0, sizeof(*channel));
}

/* The rule that an entry breaks, null if none. The manager is trusted; this finds its bugs, by name. */
static const char *entry_error(const struct control_channel *entry)
{
    if (entry->type >= BACKEND_TYPES || backends[entry->type] == NULL) {
        return "no back end for this type";
    }
    if (entry->channel == 0 || entry->channel % PAGE_SIZE != 0) {
        return "the channel's address is not that of a page";
    }
    if (entry->extent_count > CONTROL_MAX_EXTENTS) {
        return "too many extents";
    }
    if (entry->control_bit >= PV_EVENTS || entry->kick_bit > PV_EVENTS - queue_count(entry)) {
        return "event bits out of range";
    }
    return NULL;
}

static void attach(struct served *channel, unsigned index)
{
    struct control_channel *entry = &channel->entry;
    entry->domain[NAME_SIZE - 1] = entry->name[NAME_SIZE - 1] = entry->source[sizeof(entry->source) - 1] = 0;
    const char *error = entry_error(entry);
    if (error != NULL) {
        service_log("channel %u (%s of domain %s, type %u): %s", index, entry->name, entry->domain, entry->type, error);
        channel->refused = true;
        return;
    }
    const struct backend_ops *ops = backends[entry->type];
    channel->backend = ops->attach(entry, index);
    if (channel->backend == NULL) {
        channel->refused = true;
        return;
    }
    channel->ops = ops;
    if (area->work[index].serial == entry->serial) {
        channel->before = area->work[index];
    }
    channel->queues = queue_count(entry);
    bind_events(channel);
    /* What was signalled before the handlers were there. */
    ops->front_changed(channel->backend);
}

static void update_entry(unsigned index)
{
    struct served *channel = &served[index];
    const struct control_channel *now = &area->channels[index];
    bool had = channel->entry.used != 0;
    if (had && (now->used == 0 || now->serial != channel->entry.serial)) {
        detach(channel);
        had = false;
    }
    if (!had && now->used != 0) {
        channel->entry = *now;
        attach(channel, index);
    }
}

static void update(void *context)
{
    (void)context;
    uint32_t version, after = __atomic_load_n(&area->version, __ATOMIC_ACQUIRE);
    do {
        version = after;
        for (unsigned i = 0; ready && i < CONTROL_MAX_CHANNELS; i++) {
            update_entry(i);
        }
        terminal_update();
        __atomic_store_n(&area->seen_version, version, __ATOMIC_RELEASE);
        /* Another change while we looked? */
        after = __atomic_load_n(&area->version, __ATOMIC_ACQUIRE);
    } while (after != version);
}

static void publish_work(void)
{
    for (unsigned i = 0; i < CONTROL_MAX_CHANNELS; i++) {
        const struct served *channel = &served[i];
        struct control_work *out = &area->work[i];
        if (channel->ops == NULL) {
            continue;
        }
        const struct control_work *done = channel->ops->work(channel->backend), *before = &channel->before;
        out->serial = channel->entry.serial;
        out->requests = before->requests + done->requests;
        out->bytes_in = before->bytes_in + done->bytes_in;
        out->bytes_out = before->bytes_out + done->bytes_out;
    }
}

static void beat(void *context)
{
    (void)context;
    __atomic_fetch_add(&area->heartbeat, 1, __ATOMIC_RELAXED);
    publish_work();
    if (ready) {
        report_devices(area);
    }
    service_timer_arm(&heartbeat, service_now() + HEARTBEAT_NS);
}

void control_init(struct control *control)
{
    area = control;
    if (area == NULL) {
        return;
    }
    service_on_event(CONTROL_EVENT, update, NULL);
    heartbeat.fire = beat;
    beat(NULL);
}

void control_ready(void)
{
    ready = true;
    if (area != NULL) {
        update(NULL);
        report_devices(area);
        __atomic_store_n(&area->ready, 1, __ATOMIC_RELEASE);
        terminal_init(area);
    }
}

struct control *control_area(void) { return area; }
