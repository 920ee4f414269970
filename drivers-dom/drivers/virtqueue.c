/* SPDX-License-Identifier: MIT
 * Split virtqueues, driver side (virtio specification 1.1, 2.6). What the device can write is checked; what we need
 * to know of a request is kept in memory that it does not see. */
#include <string.h>
#include "cpu.h"
#include "service.h"
#include "virtio.h"

#define NONE 0xffff

/* Where the other side's event index lies (2.6.7, 2.6.8). */
static volatile uint16_t *used_event(struct virtqueue *queue) { return &queue->avail->ring[queue->size]; }
static uint16_t avail_event(const struct virtqueue *queue)
{
    return *(const volatile uint16_t *)&queue->used->ring[queue->size];
}

void virtqueue_empty(struct virtqueue *queue)
{
    memset(queue->desc, 0, queue->size * sizeof(*queue->desc));
    memset(queue->avail, 0, sizeof(*queue->avail) + (queue->size + 1u) * 2);
    memset((void *)(uintptr_t)queue->used, 0, sizeof(*queue->used) + queue->size * sizeof(struct vring_used_elem) + 2);
    memset(queue->cookies, 0, queue->size * sizeof(*queue->cookies));
    for (uint16_t i = 0; i < queue->size; i++) {
        queue->next[i] = i + 1 < queue->size ? (uint16_t)(i + 1) : NONE;
    }
    queue->free_head = 0;
    queue->free_count = queue->size;
    queue->avail_index = queue->notified = queue->used_seen = 0;
    queue->broken = false;
}

static void fill(struct vring_desc *desc, const struct virtio_segment *segment, bool writable, bool more, uint16_t next)
{
    desc->addr = segment->address;
    desc->len = segment->size;
    desc->flags = (uint16_t)((writable ? VRING_DESC_F_WRITE : 0) | (more ? VRING_DESC_F_NEXT : 0));
    desc->next = more ? next : 0;
}

/* One descriptor that points to a table of its own. */
static uint16_t add_indirect(struct virtqueue *queue, const struct virtio_segment *segments, unsigned readable,
                             unsigned count)
{
    uint16_t head = queue->free_head;
    queue->free_head = queue->next[head];
    queue->free_count--;
    queue->lengths[head] = 1;
    struct vring_desc *table = queue->indirect + (size_t)head * queue->indirect_size;
    for (unsigned i = 0; i < count; i++) {
        fill(&table[i], &segments[i], i >= readable, i + 1 < count, (uint16_t)(i + 1));
    }
    queue->desc[head].addr = dma_of(table);
    queue->desc[head].len = count * (uint32_t)sizeof(*table);
    queue->desc[head].flags = VRING_DESC_F_INDIRECT;
    queue->desc[head].next = 0;
    return head;
}

static uint16_t add_chain(struct virtqueue *queue, const struct virtio_segment *segments, unsigned readable,
                          unsigned count)
{
    uint16_t head = queue->free_head, at = head;
    for (unsigned i = 0; i < count; i++) {
        uint16_t next = queue->next[at];
        fill(&queue->desc[at], &segments[i], i >= readable, i + 1 < count, next);
        at = next;
    }
    queue->free_head = at;
    queue->free_count = (uint16_t)(queue->free_count - count);
    queue->lengths[head] = (uint16_t)count;
    return head;
}

bool virtqueue_add(struct virtqueue *queue, const struct virtio_segment *segments, unsigned readable,
                   unsigned writable, void *cookie)
{
    unsigned count = readable + writable;
    bool indirect = count > 1 && count <= queue->indirect_size;
    if (count == 0 || queue->broken || queue->free_count < (indirect ? 1 : count)) {
        return false;
    }
    uint16_t head = indirect ? add_indirect(queue, segments, readable, count)
                             : add_chain(queue, segments, readable, count);
    queue->cookies[head] = cookie;
    queue->avail->ring[queue->avail_index % queue->size] = head;
    queue->avail_index++;
    return true;
}

void virtqueue_kick(struct virtqueue *queue)
{
    if (queue->avail_index == queue->notified || queue->broken) {
        return;
    }
    cpu_barrier(); /* the ring's entries before its index */
    *(volatile uint16_t *)&queue->avail->idx = queue->avail_index;
    cpu_fence(); /* the index before the look at whether the device wants to know */
    uint16_t old = queue->notified;
    queue->notified = queue->avail_index;
    bool wanted = queue->event_idx ? vring_need_event(avail_event(queue), queue->avail_index, old)
                                   : !(queue->used->flags & VRING_USED_F_NO_NOTIFY);
    if (wanted) {
        *queue->doorbell = queue->index;
    }
}

static void *broken(struct virtqueue *queue, const char *rule, uint32_t value)
{
    queue->broken = true;
    service_log("PCI %s: virtio queue %u: the device %s (%u)", queue->device->pci->name, queue->index, rule, value);
    return NULL;
}

static void give_back(struct virtqueue *queue, uint16_t head)
{
    uint16_t last = head;
    for (unsigned i = 1; i < queue->lengths[head]; i++) {
        last = queue->next[last];
    }
    queue->next[last] = queue->free_head;
    queue->free_head = head;
    queue->free_count = (uint16_t)(queue->free_count + queue->lengths[head]);
}

void *virtqueue_take(struct virtqueue *queue, uint32_t *written)
{
    uint16_t index = queue->used->idx;
    if (queue->broken || index == queue->used_seen) {
        return NULL;
    }
    if ((uint16_t)(index - queue->used_seen) > queue->size) {
        return broken(queue, "has returned more than it was given", index);
    }
    cpu_barrier(); /* the index before the entry */
    uint32_t head = queue->used->ring[queue->used_seen % queue->size].id;
    *written = queue->used->ring[queue->used_seen % queue->size].len;
    if (head >= queue->size || queue->cookies[head] == NULL) {
        return broken(queue, "has returned what it was not given", head);
    }
    void *cookie = queue->cookies[head];
    queue->cookies[head] = NULL;
    give_back(queue, (uint16_t)head);
    queue->used_seen++;
    return cookie;
}

bool virtqueue_rearm(struct virtqueue *queue)
{
    *(volatile uint16_t *)&queue->avail->flags = 0;
    *used_event(queue) = queue->used_seen;
    cpu_fence(); /* our wish before the last look */
    return !queue->broken && queue->used->idx != queue->used_seen;
}
