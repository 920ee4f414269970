/* SPDX-License-Identifier: MIT
 * A split virtqueue: its rings, notifications and the record in the channel. Chains are walked in queue_chain.c. */
#include <stdio.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "queue.h"
#include "queue_chain.h"

#define AVAIL_FLAGS 0u
#define AVAIL_INDEX 2u
#define AVAIL_RING 4u
#define USED_FLAGS 0u
#define USED_INDEX 2u
#define USED_RING 4u

_Static_assert(offsetof(struct vring_avail, idx) == AVAIL_INDEX && offsetof(struct vring_avail, ring) == AVAIL_RING,
               "avail");
_Static_assert(offsetof(struct vring_used, idx) == USED_INDEX && offsetof(struct vring_used, ring) == USED_RING,
               "used");

static uint16_t *at16(const struct queue_area *area, uint32_t offset)
{
    return queue_area_at(area, offset);
}

static uint16_t load16(const struct queue_area *area, uint32_t offset)
{
    return __atomic_load_n(at16(area, offset), __ATOMIC_RELAXED);
}

static void store16(const struct queue_area *area, uint32_t offset, uint16_t value)
{
    __atomic_store_n(at16(area, offset), value, __ATOMIC_RELAXED);
}

/* used_event and avail_event lie behind the rings. */
static uint32_t used_event(const struct queue *queue)
{
    return AVAIL_RING + 2u * queue->size;
}

static uint32_t avail_event(const struct queue *queue)
{
    return USED_RING + 8u * queue->size;
}

/* --- the record --- */

static void record_head(struct queue *queue, uint16_t head, uint8_t what)
{
    __atomic_store_n(&queue->channel->in_flight[queue->index][head], what, __ATOMIC_RELEASE);
}

static uint8_t recorded_head(const struct queue *queue, uint16_t head)
{
    return __atomic_load_n(&queue->channel->in_flight[queue->index][head], __ATOMIC_ACQUIRE);
}

static void record_next_avail(struct queue *queue)
{
    __atomic_store_n(&queue->channel->back.next_avail[queue->index], queue->next_avail, __ATOMIC_RELEASE);
}

static void record_next_used(struct queue *queue)
{
    __atomic_store_n(&queue->channel->back.next_used[queue->index], queue->next_used, __ATOMIC_RELEASE);
}

static void record_clear(struct queue *queue)
{
    for (unsigned head = 0; head < CHANNEL_MAX_QUEUE_SIZE; head++) {
        record_head(queue, (uint16_t)head, IN_FLIGHT_NONE);
    }
    record_next_avail(queue);
    record_next_used(queue);
}

/* --- start --- */

static bool fail(struct queue *queue, const char *rule)
{
    snprintf(queue->error, sizeof(queue->error), "%s", rule);
    queue->broken = true;
    return false;
}

static bool map_area(struct queue *queue, struct queue_area *area, uint64_t guest, uint32_t size, uint32_t align,
                     const char *name)
{
    uint64_t address;
    uint32_t first = 0, second = 0;
    if (guest % align == 0 && guest + size > guest) {
        first = (uint32_t)extent_translate(queue->memory, guest, size, &address);
    }
    if (first > 0) {
        area->part[0] = queue_memory(address);
        area->split = first;
        if (first < size) {
            second = (uint32_t)extent_translate(queue->memory, guest + first, size - first, &address);
            area->part[1] = queue_memory(address);
        }
    }
    if (first == 0 || first + second != size) {
        snprintf(queue->error, sizeof(queue->error), "the %s at 0x%llx (%u bytes) is not aligned to %u in guest memory",
                 name, (unsigned long long)guest, size, align);
        queue->broken = true;
        return false;
    }
    return true;
}

/* What another drivers-dom left behind, see docs/channel.md. */
static bool resume_record(struct queue *queue)
{
    struct channel_back *back = &queue->channel->back;
    queue->next_avail = __atomic_load_n(&back->next_avail[queue->index], __ATOMIC_ACQUIRE);
    queue->next_used = load16(&queue->used, USED_INDEX);
    uint16_t settled = __atomic_load_n(&back->next_used[queue->index], __ATOMIC_ACQUIRE);
    uint16_t shown = (uint16_t)(queue->next_used - settled);
    if (shown > queue->size) {
        return fail(queue, "used.idx is not what the device wrote");
    }
    for (unsigned head = 0; head < queue->size; head++) {
        uint8_t what = recorded_head(queue, (uint16_t)head);
        if (what == IN_FLIGHT_NONE) {
            continue;
        }
        if (what == IN_FLIGHT_RETURNING && shown > 0) {
            record_head(queue, (uint16_t)head, IN_FLIGHT_NONE);
            continue;
        }
        record_head(queue, (uint16_t)head, IN_FLIGHT_TAKEN);
        queue->redo[queue->redo_count++] = (uint16_t)head;
    }
    record_next_used(queue);
    /* Killed between recording the head and the index behind it: the ring's next entry is a head in flight already. */
    uint16_t next = load16(&queue->avail, AVAIL_RING + 2u * (queue->next_avail & (queue->size - 1u)));
    if (load16(&queue->avail, AVAIL_INDEX) != queue->next_avail && next < queue->size &&
        recorded_head(queue, next) == IN_FLIGHT_TAKEN) {
        queue->next_avail++;
        record_next_avail(queue);
    }
    return true;
}

enum status queue_start(struct queue *queue, struct channel *channel, unsigned index, const struct channel_queue *set,
                        const struct extent_map *memory, uint64_t features, bool resume)
{
    memset(queue, 0, sizeof(*queue));
    queue->channel = channel;
    queue->memory = memory;
    queue->index = index;
    if (!set->enabled) {
        return OK;
    }
    uint16_t size = set->size;
    if (size == 0 || size > CHANNEL_MAX_QUEUE_SIZE || (size & (size - 1)) != 0) {
        snprintf(queue->error, sizeof(queue->error), "size %u is not a power of two up to %u", size,
                 CHANNEL_MAX_QUEUE_SIZE);
        return ERR_FORMAT;
    }
    queue->size = size;
    queue->event_idx = (features >> VIRTIO_RING_F_EVENT_IDX & 1) != 0;
    queue->indirect = (features >> VIRTIO_RING_F_INDIRECT_DESC & 1) != 0;
    if (!map_area(queue, &queue->desc, set->desc, 16u * size, 16, "descriptor table") ||
        !map_area(queue, &queue->avail, set->driver, AVAIL_RING + 2u * size + 2, 2, "available ring") ||
        !map_area(queue, &queue->used, set->device, USED_RING + 8u * size + 2, 4, "used ring")) {
        return ERR_FORMAT;
    }
    if (resume) {
        if (!resume_record(queue)) {
            return ERR_FORMAT;
        }
    } else {
        record_clear(queue);
    }
    queue->published = queue->next_used;
    queue->avail_end = queue->next_avail;
    queue->enabled = true;
    return OK;
}

/* --- the available ring --- */

static bool look(struct queue *queue)
{
    /* Acquire: ring entries and descriptors are read after the index that says they are there. */
    uint16_t end = __atomic_load_n(at16(&queue->avail, AVAIL_INDEX), __ATOMIC_ACQUIRE);
    uint16_t ahead = (uint16_t)(end - queue->next_avail);
    if (ahead > queue->size) {
        snprintf(queue->error, sizeof(queue->error), "avail.idx is %u, %u ahead: at most the queue size %u is allowed",
                 end, ahead, queue->size);
        queue->broken = true;
        return false;
    }
    queue->avail_end = end;
    return ahead > 0;
}

static bool take(struct queue *queue, uint16_t *head)
{
    if (queue->redo_count > 0) {
        *head = queue->redo[--queue->redo_count];
        queue->taken[*head] = IN_FLIGHT_TAKEN;
        return true;
    }
    if (queue->next_avail == queue->avail_end && !look(queue)) {
        return false;
    }
    uint16_t next = load16(&queue->avail, AVAIL_RING + 2u * (queue->next_avail & (queue->size - 1u)));
    if (next >= queue->size || queue->taken[next] != IN_FLIGHT_NONE) {
        snprintf(queue->error, sizeof(queue->error), next >= queue->size ? "head %u is outside of the queue" :
                 "head %u is made available, but the device still has it", next);
        queue->broken = true;
        return false;
    }
    /* Head first: if it were the index, being killed in between would lose the request. */
    queue->taken[next] = IN_FLIGHT_TAKEN;
    record_head(queue, next, IN_FLIGHT_TAKEN);
    queue->next_avail++;
    record_next_avail(queue);
    *head = next;
    return true;
}

enum queue_result queue_pop(struct queue *queue, struct queue_chain *chain)
{
    if (!queue->enabled || queue->broken) {
        return queue->broken ? QUEUE_BROKEN : QUEUE_EMPTY;
    }
    uint16_t head;
    if (!take(queue, &head)) {
        return queue->broken ? QUEUE_BROKEN : QUEUE_EMPTY;
    }
    if (!queue_chain_walk(queue, head, chain)) {
        queue->broken = true;
        return QUEUE_BROKEN;
    }
    return QUEUE_CHAIN;
}

void queue_unpop(struct queue *queue, uint16_t head)
{
    if (queue->broken || queue->taken[head] != IN_FLIGHT_TAKEN) {
        return;
    }
    /* The record keeps it as taken: that is what it means. */
    queue->taken[head] = IN_FLIGHT_NONE;
    queue->redo[queue->redo_count++] = head;
}

/* --- the used ring --- */

void queue_push(struct queue *queue, uint16_t head, uint32_t written)
{
    if (!queue->enabled || queue->broken || queue->taken[head] != IN_FLIGHT_TAKEN) {
        return;
    }
    queue->taken[head] = IN_FLIGHT_RETURNING; /* still not to be taken: the driver has not been told that it is back */
    record_head(queue, head, IN_FLIGHT_RETURNING);
    uint32_t offset = USED_RING + 8u * (queue->next_used & (queue->size - 1u));
    __atomic_store_n((uint32_t *)queue_area_at(&queue->used, offset), head, __ATOMIC_RELAXED);
    __atomic_store_n((uint32_t *)queue_area_at(&queue->used, offset + 4), written, __ATOMIC_RELAXED);
    queue->returning[(uint16_t)(queue->next_used - queue->published)] = head;
    queue->next_used++;
}

bool queue_publish(struct queue *queue)
{
    uint16_t old = queue->published, count = (uint16_t)(queue->next_used - old);
    if (!queue->enabled || queue->broken || count == 0) {
        return false;
    }
    /* Release: entries, data and the record (RETURNING) are there before the index shows them. */
    __atomic_store_n(at16(&queue->used, USED_INDEX), queue->next_used, __ATOMIC_RELEASE);
    queue->published = queue->next_used;
    for (uint16_t i = 0; i < count; i++) {
        record_head(queue, queue->returning[i], IN_FLIGHT_NONE);
        queue->taken[queue->returning[i]] = IN_FLIGHT_NONE;
    }
    record_next_used(queue);
    /* Full: the driver writes used_event (flags), then reads used.idx; we write used.idx, then read used_event. Without
     * the barrier both may read the old value, and nobody tells anybody. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (queue->event_idx) {
        return vring_need_event(load16(&queue->avail, used_event(queue)), queue->published, old) != 0;
    }
    return (load16(&queue->avail, AVAIL_FLAGS) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
}

/* --- notifications --- */

bool queue_idle(struct queue *queue)
{
    if (!queue->enabled || queue->broken) {
        return false;
    }
    if (queue->event_idx) {
        store16(&queue->used, avail_event(queue), queue->next_avail);
    } else {
        store16(&queue->used, USED_FLAGS, 0);
    }
    /* Full: the driver writes avail.idx, then reads avail_event (flags); we the other way round. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (queue->redo_count > 0 || load16(&queue->avail, AVAIL_INDEX) != queue->next_avail) {
        queue_busy(queue);
        return true;
    }
    return false;
}

void queue_busy(struct queue *queue)
{
    /* With EVENT_IDX an avail_event that stays behind says it. */
    if (queue->enabled && !queue->broken && !queue->event_idx) {
        store16(&queue->used, USED_FLAGS, VRING_USED_F_NO_NOTIFY);
    }
}
