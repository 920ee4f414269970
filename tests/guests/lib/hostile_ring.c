/* SPDX-License-Identifier: MIT
 * Ways to break a split ring. */
#include "hostile_ring.h"

/* Devices that fill buffers of any size write behind them, too: there must be nothing else. */
static struct {
    struct vring_desc table[64];
    uint8_t buffer[0x14000] __attribute__((aligned(4096)));
} prey __attribute__((aligned(4096)));
#define table  prey.table
#define buffer prey.buffer
static uint64_t seed = 0x2545f4914f6cdd1dull;

static uint64_t random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

uint64_t hostile_value(void)
{
    static const uint64_t values[] = {
        0,
        1,
        2,
        3,
        15,
        16,
        17,
        255,
        256,
        0x7fff,
        0x8000,
        0xffff,
        0x10000,
        0x7fffffff,
        0x80000000,
        0xfffffff0,
        0xffffffff,
        0x100000000,
        1ul << 39,
        1ul << 52,
        ~0ul,
        ~0ul - 15,
        1ul << 63,
        0xa0000,
        0xf0000,
        0xfec00000,
        0xfee00000,
        0xfed00000,
        RAM_END,
        RAM_END - 1,
        RAM_END - 4096,
    };
    uint64_t r = random();
    return r % 8 == 0 ? random() : r % 8 < 3 ? (uint64_t)buffer + random() % 64 : values[random() % COUNT(values)];
}

void ring_offer(struct virtio_queue *queue, uint16_t head)
{
    queue->avail.ring[queue->next_avail % queue->size] = head;
    __atomic_store_n(&queue->avail.idx, ++queue->next_avail, __ATOMIC_RELEASE);
}

static void set(struct vring_desc *desc, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
    *desc = (struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

/* A chain as a disk wants it, with one piece in the middle. */
static void three(struct virtio_queue *queue, uint64_t addr, uint32_t len)
{
    memset(buffer, 0, 16);
    set(&queue->desc[0], (uint64_t)buffer, 16, VRING_DESC_F_NEXT, 1);
    set(&queue->desc[1], addr, len, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
    set(&queue->desc[2], (uint64_t)buffer + 4096, 1, VRING_DESC_F_WRITE, 0);
    ring_offer(queue, 0);
}

static void wild(struct virtio_queue *queue) { three(queue, 1ul << 40, 4096); }
static void wrap(struct virtio_queue *queue) { three(queue, ~0ul - 511, 4096); }
static void lapic(struct virtio_queue *queue) { three(queue, LAPIC_BASE, 512); }
static void hole(struct virtio_queue *queue) { three(queue, 0xfec00000, 512); }
static void ram_end(struct virtio_queue *queue) { three(queue, RAM_END - 512, 1024); }
static void four_gib(struct virtio_queue *queue) { three(queue, 0, 0xffffffff); }

static void loop_one(struct virtio_queue *queue)
{
    set(&queue->desc[0], (uint64_t)buffer, 16, VRING_DESC_F_NEXT, 0);
    ring_offer(queue, 0);
}

static void loop_two(struct virtio_queue *queue)
{
    set(&queue->desc[0], (uint64_t)buffer, 16, VRING_DESC_F_NEXT, 1);
    set(&queue->desc[1], (uint64_t)buffer, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
    ring_offer(queue, 0);
}

static void next_outside(struct virtio_queue *queue)
{
    set(&queue->desc[0], (uint64_t)buffer, 16, VRING_DESC_F_NEXT, (uint16_t)queue->size);
    ring_offer(queue, 0);
}

static void head_outside(struct virtio_queue *queue) { ring_offer(queue, 0xfff0); }

static void head_twice(struct virtio_queue *queue)
{
    three(queue, (uint64_t)buffer, 512);
    ring_offer(queue, 0);
    ring_offer(queue, 0);
}

static void index_jump(struct virtio_queue *queue)
{
    three(queue, (uint64_t)buffer, 512);
    queue->next_avail = (uint16_t)(queue->next_avail + queue->size + 7);
    __atomic_store_n(&queue->avail.idx, queue->next_avail, __ATOMIC_RELEASE);
}

static void index_back(struct virtio_queue *queue)
{
    __atomic_store_n(&queue->avail.idx, (uint16_t)(queue->next_avail - 1), __ATOMIC_RELEASE);
}

static void order(struct virtio_queue *queue)
{
    set(&queue->desc[0], (uint64_t)buffer, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
    set(&queue->desc[1], (uint64_t)buffer, 512, 0, 0);
    ring_offer(queue, 0);
}

static void sum(struct virtio_queue *queue)
{
    for (unsigned i = 0; i < queue->size; i++)
        set(&queue->desc[i], 0x100000, 0x1e00000, i + 1 < queue->size ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
    ring_offer(queue, 0);
}

static void indirect(struct virtio_queue *queue, uint64_t addr, uint32_t len, uint16_t flags)
{
    for (unsigned i = 0; i < COUNT(table); i++)
        set(&table[i], (uint64_t)buffer, 16, i + 1 < COUNT(table) ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
    set(&queue->desc[0], addr, len, VRING_DESC_F_INDIRECT | flags, 1);
    ring_offer(queue, 0);
}

static void indirect_wild(struct virtio_queue *queue) { indirect(queue, 1ul << 45, 1024, 0); }
static void indirect_odd(struct virtio_queue *queue) { indirect(queue, (uint64_t)table, 1000, 0); }
static void indirect_empty(struct virtio_queue *queue) { indirect(queue, (uint64_t)table, 0, 0); }
static void indirect_next(struct virtio_queue *queue) { indirect(queue, (uint64_t)table, 1024, VRING_DESC_F_NEXT); }
static void indirect_large(struct virtio_queue *queue) { indirect(queue, (uint64_t)table, 0xfffffff0, 0); }

static void indirect_nested(struct virtio_queue *queue)
{
    indirect(queue, (uint64_t)table, 1024, 0);
    table[1].flags = VRING_DESC_F_INDIRECT;
}

static void indirect_loop(struct virtio_queue *queue)
{
    indirect(queue, (uint64_t)table, 1024, 0);
    table[5].next = 2;
}

static void indirect_outside(struct virtio_queue *queue)
{
    indirect(queue, (uint64_t)table, 1024, 0);
    table[5].next = COUNT(table);
}

const struct ring_attack ring_attacks[] = {
    { "wild address", wild },
    { "address that wraps", wrap },
    { "local APIC as a buffer", lapic },
    { "buffer without memory", hole },
    { "buffer over the end of memory", ram_end },
    { "buffer of 4 GiB", four_gib },
    { "loop of one", loop_one },
    { "loop of two", loop_two },
    { "next outside", next_outside },
    { "head outside", head_outside },
    { "head twice", head_twice },
    { "index jump", index_jump },
    { "index back", index_back },
    { "readable behind writable", order },
    { "chain of 7 GiB", sum },
    { "indirect table nowhere", indirect_wild },
    { "indirect table of odd size", indirect_odd },
    { "indirect table empty", indirect_empty },
    { "indirect table with next", indirect_next },
    { "indirect table of 4 GiB", indirect_large },
    { "indirect table in a table", indirect_nested },
    { "loop in an indirect table", indirect_loop },
    { "next outside of an indirect table", indirect_outside },
};
const unsigned ring_attack_count = COUNT(ring_attacks);

void ring_scramble(struct virtio_queue *queue)
{
    for (unsigned n = random() % 16; n > 0; n--) {
        struct vring_desc *desc = random() % 2 ? &queue->desc[random() % 8] : &table[random() % 8];
        set(desc,
            random() % 3   ? (uint64_t)buffer + random() % 4096
            : random() % 3 ? (uint64_t)table
                           : hostile_value(),
            random() % 2 ? (uint32_t)(random() % 4096) : (uint32_t)hostile_value(), (uint16_t)(random() % 9),
            random() % 4 ? (uint16_t)(random() % 8) : (uint16_t)hostile_value());
    }
    memset(buffer, (int)(random() % 16), 16);
    for (unsigned n = random() % 6; n > 0; n--)
        ring_offer(queue, random() % 8 ? (uint16_t)(random() % 8) : (uint16_t)hostile_value());
    if (random() % 8 == 0)
        queue->avail.idx = (uint16_t)hostile_value();
    if (random() % 8 == 0)
        queue->used.idx = (uint16_t)hostile_value();
}
