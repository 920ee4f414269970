/* SPDX-License-Identifier: MIT
 * The state machine of a channel's back side. The table in docs/channel.md has a row for each function step_*() here. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "channel.h"
#include "service.h"

#define RING_FEATURES                                                                                                  \
    (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define QUIET_AFTER 64 /* failures; then only every power of two is logged */

static void set_state(struct back *back, enum back_state state)
{
    /* seen_generation before state: who sees the state sees what it is about. */
    __atomic_store_n(&back->shared->back.seen_generation, back->generation, __ATOMIC_RELEASE);
    __atomic_store_n(&back->shared->back.state, state, __ATOMIC_RELEASE);
    service_signal(back->control_handle);
}

static uint32_t front_state(const struct back *back)
{
    return __atomic_load_n(&back->shared->front.state, __ATOMIC_ACQUIRE);
}

static uint32_t front_generation(const struct back *back)
{
    return __atomic_load_n(&back->shared->front.generation, __ATOMIC_ACQUIRE);
}

/* --- failure --- */

static void fail(struct back *back, const char *text)
{
    if (back->phase == PHASE_RUNNING) {
        back->user->stop(back->context);
    }
    back->phase = PHASE_FAILED;
    memset(back->shared->back.error, 0, sizeof(back->shared->back.error));
    memcpy(back->shared->back.error, text, strnlen(text, sizeof(back->shared->back.error) - 1));
    back->failures++;
    if (back->failures <= QUIET_AFTER || (back->failures & (back->failures - 1)) == 0) {
        service_log("guest %s, %s %s: %s", back->domain, back->user->kind, back->name, text);
    }
    set_state(back, BACK_FAILED);
}

void channel_fail(struct back *back, const char *format, ...)
{
    char text[sizeof(back->shared->back.error)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (back->phase < PHASE_FAILED) {
        fail(back, text);
    }
}

void channel_fail_queue(struct back *back, unsigned index)
{
    channel_fail(back, "queue %u: %s", index, back->queues[index].error);
}

/* --- connect --- */

static bool start_queues(struct back *back, const struct channel_front *front, bool resume)
{
    for (unsigned i = 0; i < CHANNEL_MAX_QUEUES; i++) {
        if (i >= back->queue_count) {
            if (front->queues[i].enabled) {
                channel_fail(back, "queue %u is enabled, the device has %u", i, back->queue_count);
                return false;
            }
        } else if (queue_start(&back->queues[i], back->shared, i, &front->queues[i], &back->memory, back->features,
                               resume) != OK) {
            channel_fail_queue(back, i);
            return false;
        }
    }
    return true;
}

static void connect(struct back *back, bool resume)
{
    /* A copy: the front may change while we look. What does not fit together then fails here, or breaks its own queues. */
    struct channel_front front;
    memcpy(&front, &back->shared->front, sizeof(front));
    back->generation = front.generation;
    back->features = front.features;
    if ((front.features & ~back->offer) != 0) {
        channel_fail(back, "features 0x%llx are not offered", (unsigned long long)(front.features & ~back->offer));
        return;
    }
    if ((front.features >> VIRTIO_F_VERSION_1 & 1) == 0) {
        channel_fail(back, "the driver did not accept VIRTIO_F_VERSION_1");
        return;
    }
    if (!start_queues(back, &front, resume)) {
        return;
    }
    back->phase = PHASE_RUNNING;
    set_state(back, BACK_CONNECTED);
    back->user->start(back->context, resume);
    for (unsigned i = 0; resume && i < back->queue_count && back->phase == PHASE_RUNNING; i++) {
        /* The signal of the one before may have been lost with it. */
        if (back->queues[i].enabled) {
            service_signal(back->call_handle[i]);
        }
    }
}

/* --- one row of the table each; true: the phase changed, look again --- */

static bool offer_or_absent(struct back *back)
{
    back->generation = front_generation(back);
    back->phase = back->offered ? PHASE_OFFERED : PHASE_ABSENT;
    set_state(back, back->offered ? BACK_OFFERED : BACK_ABSENT);
    return true;
}

static bool step_absent(struct back *back)
{
    uint32_t state = __atomic_load_n(&back->shared->back.state, __ATOMIC_ACQUIRE);
    bool waits =
        state == BACK_CONNECTED && front_state(back) == FRONT_RUNNING && front_generation(back) == back->generation;
    if (waits && !back->offered) {
        return false;
    }
    if (waits) {
        connect(back, true);
        return true;
    }
    if (back->offered || state != BACK_ABSENT || back->generation != front_generation(back)) {
        offer_or_absent(back);
        return back->offered;
    }
    return false;
}

static bool step_offered(struct back *back)
{
    if (front_state(back) == FRONT_RUNNING) {
        connect(back, false);
        return true;
    }
    if (back->generation != front_generation(back)) {
        offer_or_absent(back);
    }
    return false;
}

static bool left(const struct back *back)
{
    return front_state(back) != FRONT_RUNNING || front_generation(back) != back->generation;
}

static bool step_running(struct back *back)
{
    if (!left(back)) {
        return false;
    }
    back->user->stop(back->context);
    back->phase = PHASE_STOPPING;
    return true;
}

static bool step_stopping(struct back *back)
{
    return back->held == 0 && offer_or_absent(back);
}

static bool step_failed(struct back *back)
{
    return left(back) && back->held == 0 && offer_or_absent(back);
}

static bool step_closing(struct back *back)
{
    if (back->held > 0) {
        return false;
    }
    back->phase = PHASE_CLOSED;
    __atomic_store_n(&back->shared->back.seen_generation, front_generation(back), __ATOMIC_RELEASE);
    __atomic_store_n(&back->shared->back.state, BACK_ABSENT, __ATOMIC_RELEASE);
    return true;
}

static bool step_closed(struct back *back)
{
    (void)back;
    return false;
}

static bool (*const steps[PHASE_COUNT])(struct back *back) = {
    [PHASE_ABSENT] = step_absent,     [PHASE_OFFERED] = step_offered, [PHASE_RUNNING] = step_running,
    [PHASE_STOPPING] = step_stopping, [PHASE_FAILED] = step_failed,   [PHASE_CLOSING] = step_closing,
    [PHASE_CLOSED] = step_closed,
};

/* A front that changes its mind all the time gets a step for each of its signals, not the loop. */
#define MAX_STEPS 8

void channel_update(struct back *back)
{
    if (back->entered) {
        return; /* from start, stop or fail: the loop below looks again */
    }
    back->entered = true;
    for (unsigned i = 0; i < MAX_STEPS && steps[back->phase](back); i++) {
    }
    back->entered = false;
    if (back->phase == PHASE_CLOSED) {
        back->user->gone(back->context);
    }
}

/* --- events --- */

enum status channel_open(struct back *back, const struct control_channel *entry, const struct channel_user *user,
                         void *context)
{
    struct channel *shared = machine(entry->channel);
    if (shared->magic != CHANNEL_MAGIC || shared->type != entry->type) {
        service_log("guest %.31s, %s %.31s: no channel at 0x%llx (magic 0x%x, type %u)", entry->domain, user->kind,
                    entry->name, (unsigned long long)entry->channel, shared->magic, shared->type);
        return ERR_FORMAT;
    }
    memset(back, 0, sizeof(*back));
    back->user = user;
    back->context = context;
    back->shared = shared;
    back->control_handle = entry->control_handle;
    memcpy(back->call_handle, entry->call_handle, sizeof(back->call_handle));
    snprintf(back->domain, sizeof(back->domain), "%.31s", entry->domain);
    snprintf(back->name, sizeof(back->name), "%.31s", entry->name);
    back->generation = shared->back.seen_generation;
    if (extent_init(&back->memory, entry->extents, entry->extent_count) != OK) {
        service_log("guest %s, %s %s: %u extents of memory that overlap or are no pages", back->domain, user->kind,
                    back->name, entry->extent_count);
        return ERR_FORMAT;
    }
    /* Failed under the one before, for the same guest: its ring is not better now. */
    if (shared->back.state == BACK_FAILED && !left(back)) {
        back->phase = PHASE_FAILED;
    }
    return OK;
}

void channel_offer(struct back *back, uint64_t features, const void *config, uint32_t config_size, unsigned queue_count)
{
    struct channel_back *out = &back->shared->back;
    uint8_t image[CHANNEL_CONFIG_SIZE] = {0};
    uint32_t size = config_size < sizeof(image) ? config_size : (uint32_t)sizeof(image);
    memcpy(image, config, size);
    back->offer = features | RING_FEATURES;
    back->queue_count = queue_count < CHANNEL_MAX_QUEUES ? queue_count : CHANNEL_MAX_QUEUES;
    out->features = back->offer;
    out->queue_count = back->queue_count;
    out->queue_size = CHANNEL_MAX_QUEUE_SIZE;
    bool changed = out->config_size != size || memcmp(out->config, image, sizeof(image)) != 0;
    if (changed) {
        memcpy(out->config, image, sizeof(image));
        out->config_size = size;
        __atomic_store_n(&out->config_generation, out->config_generation + 1, __ATOMIC_RELEASE);
    }
    back->offered = true;
    bool told = back->phase == PHASE_ABSENT;
    channel_update(back);
    if (changed && !told && back->phase != PHASE_CLOSED) {
        service_signal(back->control_handle);
    }
}

void channel_hold(struct back *back)
{
    back->held++;
}

void channel_release(struct back *back)
{
    back->held--;
    if (back->held == 0 && back->phase > PHASE_RUNNING) {
        channel_update(back);
    }
}

void channel_publish(struct back *back, unsigned index)
{
    if (back->phase == PHASE_RUNNING && queue_publish(&back->queues[index])) {
        service_signal(back->call_handle[index]);
    }
}

void channel_close(struct back *back)
{
    if (back->phase == PHASE_RUNNING) {
        back->user->stop(back->context);
    }
    back->phase = PHASE_CLOSING;
    channel_update(back);
}
