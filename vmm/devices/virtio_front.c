/* SPDX-License-Identifier: MIT
 * The device status of a virtio device (virtio 1.2, 2.1, 3.1) and the front side of its channel. docs/channel.md has the table of
 * states, events and duties of both sides. */
#include <stdio.h>
#include <string.h>
#include "devices/virtio_parts.h"
#include "machine.h"

#define NS_PER_MS 1000000ull
#define CONFIG_TRIES 4
#define MAX_MESSAGES 16

#define S_ACKNOWLEDGE VIRTIO_CONFIG_S_ACKNOWLEDGE
#define S_DRIVER VIRTIO_CONFIG_S_DRIVER
#define S_DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define S_FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define S_NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define S_FAILED VIRTIO_CONFIG_S_FAILED
#define S_DRIVERS (S_ACKNOWLEDGE | S_DRIVER | S_DRIVER_OK | S_FEATURES_OK | S_FAILED) /* bits that are the driver's to set */

#define VERSION_1 (1ull << VIRTIO_F_VERSION_1)
/* What a back end may offer: device types' bits (0 to 23, 50 to 63; virtio 1.2, 2.2), indirect descriptors and event index (28, 29), packed
 * rings, in-order use, platform ordering (34 to 36). The others are the transport's own affair or legacy. */
#define OFFER_ALLOWED (0xfffc000000ffffffull | 3ull << 28 | VERSION_1 | 7ull << 34)
/* Bits that let the driver write the device's configuration, which a channel does not carry back, by type. */
static const uint64_t no_config_writes[] = {
    [CHANNEL_BLOCK] = 1ull << 11, /* VIRTIO_BLK_F_CONFIG_WCE */
    [CHANNEL_CONSOLE] = 1ull << 2, /* VIRTIO_CONSOLE_F_EMERG_WRITE */
    [CHANNEL_RNG] = 0,
};

static uint32_t back_state(const struct virtio_pci *device)
{
    return __atomic_load_n(&device->channel->back.state, __ATOMIC_ACQUIRE);
}

static void message(struct virtio_pci *device, const char *text)
{
    if (device->s.messages == MAX_MESSAGES)
        return;
    device->s.messages++;
    printf("%s: %s \"%s\": %s\n", device->machine->start->name, virtio_pci_kind(device), device->start->name, text);
}

/* --- what the back end offers --- */

static const char *take_offer(struct virtio_pci *device)
{
    const volatile struct channel_back *back = &device->channel->back;
    struct virtio_offer *offer = &device->s.offer;
    uint32_t count = back->queue_count, size = back->queue_size;
    uint64_t features = back->features & OFFER_ALLOWED & ~no_config_writes[device->start->type];
    if (count == 0 || count > CHANNEL_MAX_QUEUES)
        return "the back end offers no queue, or more than a channel has";
    if (size == 0 || size > CHANNEL_MAX_QUEUE_SIZE || (size & (size - 1)))
        return "the back end offers queues whose size is not a power of two up to 256";
    offer->features = features | VERSION_1;
    offer->queue_count = count < device->start->queue_count ? count : device->start->queue_count;
    for (unsigned i = 0; i < CHANNEL_MAX_QUEUES && offer->queue_size != size; i++)
        device->s.queues[i].size = (uint16_t)size;
    offer->queue_size = size;
    return NULL;
}

/* The device's configuration. True: it differs from what the driver could have read before. */
static bool take_config(struct virtio_pci *device)
{
    const struct channel_back *back = &device->channel->back;
    struct virtio_offer *offer = &device->s.offer;
    uint8_t copy[CHANNEL_CONFIG_SIZE];
    uint32_t size = 0, generation = 0;
    for (unsigned i = 0; i < CONFIG_TRIES; i++) { /* until no change came between */
        generation = __atomic_load_n(&back->config_generation, __ATOMIC_ACQUIRE);
        size = *(const volatile uint32_t *)&back->config_size;
        memcpy(copy, back->config, sizeof(copy));
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&back->config_generation, __ATOMIC_RELAXED) == generation)
            break;
    }
    if (size > sizeof(copy))
        size = sizeof(copy);
    memset(copy + size, 0, sizeof(copy) - size);
    offer->config_seen = generation;
    if (memcmp(copy, offer->config, sizeof(copy)) == 0)
        return false;
    memcpy(offer->config, copy, sizeof(copy));
    device->s.config_generation++;
    return true;
}

bool virtio_pci_offered(const struct virtio_pci *device)
{
    return device->s.offer.queue_size != 0;
}

/* --- the way down --- */

/* The device cannot go on; only the driver's reset helps (virtio 1.2, 2.1.2). */
static void needs_reset(struct virtio_pci *device)
{
    bool told = virtio_running(device) && !(device->s.status & S_NEEDS_RESET);
    device->s.status |= S_NEEDS_RESET;
    if (told)
        virtio_config_changed(device);
}

static void back_failed(struct virtio_pci *device)
{
    char text[sizeof(device->channel->back.error)];
    for (unsigned i = 0; i < sizeof(text); i++) {
        char c = ((const volatile char *)device->channel->back.error)[i];
        text[i] = c == 0 || (c >= ' ' && c < 0x7f) ? c : '?';
    }
    text[sizeof(text) - 1] = 0;
    message(device, text);
    needs_reset(device);
}

/* Does the back end's state speak of what this front does now? */
static bool seen(const struct virtio_pci *device)
{
    return __atomic_load_n(&device->channel->back.seen_generation, __ATOMIC_ACQUIRE) == device->s.generation;
}

void virtio_look(struct virtio_pci *device)
{
    struct virtio_state *s = &device->s;
    uint32_t before = s->back_state, state = back_state(device);
    s->back_state = state;
    if (state == BACK_FAILED) {
        if (virtio_running(device) && seen(device) && !(s->status & S_NEEDS_RESET))
            back_failed(device);
        return;
    }
    if (state != BACK_OFFERED && state != BACK_CONNECTED)
        return;
    if (!(s->status & S_FEATURES_OK)) { /* else the driver has chosen from the offer before: back checks that it still fits */
        const char *broken = take_offer(device);
        if (broken && before != state)
            message(device, broken);
        if (broken)
            return;
    }
    if (take_config(device) && virtio_running(device))
        virtio_config_changed(device);
}

void virtio_pci_control(struct virtio_pci *device)
{
    virtio_look(device);
}

/* --- status --- */

static void publish(struct virtio_pci *device)
{
    struct channel_front *front = &device->channel->front;
    front->features = device->s.driver_features;
    for (unsigned i = 0; i < CHANNEL_MAX_QUEUES; i++) {
        const struct virtio_queue *queue = &device->s.queues[i];
        front->queues[i] = (struct channel_queue){ .desc = queue->desc, .driver = queue->driver, .device = queue->device,
                                                   .size = queue->size, .enabled = queue->enabled };
    }
    __atomic_store_n(&front->generation, ++device->s.generation, __ATOMIC_RELEASE);
    __atomic_store_n(&front->state, FRONT_RUNNING, __ATOMIC_RELEASE);
    (void)device->ops->signal(device->start->control_handle);
}

static void run(struct virtio_pci *device)
{
    device->s.status |= S_DRIVER_OK;
    virtio_bind(device); /* before the back end may complete anything */
    publish(device);
}

/* Has the back end let go of the guest's memory? State and generation both: one that has not seen the front go may be about to connect. */
static bool let_go(const struct virtio_pci *device)
{
    uint32_t state = back_state(device);
    return (state == BACK_ABSENT || state == BACK_OFFERED) && seen(device);
}

void virtio_clear(struct virtio_pci *device)
{
    struct virtio_state *s = &device->s;
    s->status = 0;
    virtio_bind(device);
    (void)virtio_isr_take(device);
    s->driver_features = 0;
    s->device_feature_select = s->driver_feature_select = 0;
    s->queue_select = 0;
    s->config_vector = VIRTIO_NO_VECTOR;
    for (unsigned i = 0; i < CHANNEL_MAX_QUEUES; i++) {
        struct virtio_queue *queue = &s->queues[i];
        *queue = (struct virtio_queue){ .size = (uint16_t)s->offer.queue_size, .vector = VIRTIO_NO_VECTOR, .bound = queue->bound };
    }
}

static void reset(struct virtio_pci *device)
{
    struct virtio_state *s = &device->s;
    uint8_t left = s->status;
    bool ran = virtio_running(device);
    virtio_clear(device);
    if (ran) {
        __atomic_store_n(&device->channel->front.state, FRONT_IDLE, __ATOMIC_RELEASE);
        (void)device->ops->signal(device->start->control_handle);
        s->resetting = true;
        s->left_status = left;
        s->reset_deadline = clock_now(&device->machine->clock) + VIRTIO_RESET_MS * NS_PER_MS;
    }
    virtio_look(device);
}

uint8_t virtio_status_read(struct virtio_pci *device)
{
    struct virtio_state *s = &device->s;
    if (!s->resetting)
        return s->status;
    bool late = clock_now(&device->machine->clock) >= s->reset_deadline;
    if (!late && !let_go(device))
        return s->left_status;
    if (late && !let_go(device))
        message(device, "the back end has not confirmed a reset in time");
    s->resetting = false;
    virtio_look(device);
    return s->status;
}

/* FEATURES_OK stays clear if the driver wants what is not offered, or is of the time before virtio 1.0 (virtio 1.2, 6.1). */
static bool features_fit(const struct virtio_pci *device)
{
    uint64_t features = device->s.driver_features;
    return (features & ~device->s.offer.features) == 0 && (features & VERSION_1) && virtio_pci_offered(device);
}

void virtio_status_write(struct virtio_pci *device, uint8_t value)
{
    struct virtio_state *s = &device->s;
    uint8_t set = value & S_DRIVERS & (uint8_t)~s->status;
    if (value == 0) {
        if (!s->resetting || s->status)
            reset(device);
        return;
    }
    s->resetting = false; /* a driver that does not wait */
    s->status |= set & (S_ACKNOWLEDGE | S_DRIVER | S_FAILED);
    if ((set & S_FEATURES_OK) && features_fit(device))
        s->status |= S_FEATURES_OK;
    if (!(set & S_DRIVER_OK) || (s->status & (S_NEEDS_RESET | S_FAILED)))
        return;
    if (s->status & S_FEATURES_OK)
        run(device);
    else
        needs_reset(device); /* it would wait for ever */
}

void virtio_pci_reset(struct virtio_pci *device)
{
    msix_reset(&device->msix);
    reset(device);
    device->s.resetting = false; /* power-on: nobody waits for it */
}
