/* SPDX-License-Identifier: MIT
 * Split rings (virtio 1.2, 2.7), the driver's end. */
#include "virtio.h"

static bool event_index(const struct virtio_queue *queue)
{
    return queue->device->features >> VIRTIO_RING_F_EVENT_IDX & 1;
}

/* The event indices lie right behind the ring's entries, so their place depends on the size. */
static volatile uint16_t *used_event(struct virtio_queue *queue) { return &queue->avail.ring[queue->size]; }

static const volatile uint16_t *avail_event(const struct virtio_queue *queue)
{
    return (const volatile uint16_t *)&queue->used.ring[queue->size];
}

bool virtio_add(struct virtio_queue *queue, const struct virtio_piece *pieces, unsigned readable, unsigned writable,
                void *token)
{
    unsigned count = readable + writable;
    uint16_t head = queue->free_head, at = head;
    if (count == 0 || count > queue->free_count)
        return false;
    for (unsigned i = 0; i < count; i++) {
        uint16_t next = queue->next[at];
        queue->desc[at] = (struct vring_desc){ .addr = (uint64_t)pieces[i].at,
                                               .len = pieces[i].bytes,
                                               .next = next,
                                               .flags = (uint16_t)((i + 1 < count ? VRING_DESC_F_NEXT : 0) |
                                                                   (i >= readable ? VRING_DESC_F_WRITE : 0)) };
        at = next;
    }
    queue->free_head = at;
    queue->free_count = (uint16_t)(queue->free_count - count);
    queue->tokens[head] = token;
    queue->avail.ring[queue->next_avail % queue->size] = head;
    __atomic_store_n(&queue->avail.idx, ++queue->next_avail, __ATOMIC_RELEASE);
    return true;
}

void virtio_kick_always(struct virtio_queue *queue)
{
    uint64_t begin = rdtsc();
    queue->kicks++;
    outw(queue->notify_port, (uint16_t)queue->index);
    queue->kick_ticks += rdtsc() - begin;
}

/* A doorbell if the entry at which the device wants to be told is among those added since this was asked last (2.7.10).
 */
void virtio_kick(struct virtio_queue *queue)
{
    uint16_t since = queue->offered;
    queue->offered = queue->next_avail;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    bool wanted = event_index(queue)
                      ? (uint16_t)(queue->next_avail - *avail_event(queue) - 1) < (uint16_t)(queue->next_avail - since)
                      : !(*(volatile uint16_t *)&queue->used.flags & VRING_USED_F_NO_NOTIFY);
    if (wanted)
        virtio_kick_always(queue);
}

static void free_chain(struct virtio_queue *queue, uint16_t head)
{
    uint16_t at = head;
    queue->free_count++;
    while (queue->desc[at].flags & VRING_DESC_F_NEXT) {
        at = queue->next[at];
        queue->free_count++;
    }
    queue->next[at] = queue->free_head;
    queue->free_head = head;
}

void *virtio_take(struct virtio_queue *queue, uint32_t *length)
{
    while (__atomic_load_n(&queue->used.idx, __ATOMIC_ACQUIRE) != queue->next_used) {
        struct vring_used_elem entry = queue->used.ring[queue->next_used++ % queue->size];
        if (entry.id >= queue->size || !queue->tokens[entry.id]) {
            queue->spurious++; /* completed twice, or never asked for */
            continue;
        }
        void *token = queue->tokens[entry.id];
        queue->tokens[entry.id] = NULL;
        free_chain(queue, (uint16_t)entry.id);
        if (length)
            *length = entry.len;
        return token;
    }
    return NULL;
}

bool virtio_may_sleep_for(struct virtio_queue *queue, unsigned count)
{
    *used_event(queue) = (uint16_t)(queue->next_used + count - 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return (uint16_t)(*(volatile uint16_t *)&queue->used.idx - queue->next_used) < count;
}

bool virtio_may_sleep(struct virtio_queue *queue)
{
    return virtio_may_sleep_for(queue, 1);
}
