/* SPDX-License-Identifier: MIT
 * A virtqueue against any ring: chains lie in the guest's memory, their sums are right, heads are never out twice, and
 * what is broken stays so. */
#include "fuzz_ring.h"
#include "queue.h"

static struct queue queue;
static struct queue_chain chain;
static uint8_t out[CHANNEL_MAX_QUEUE_SIZE];

static void check_chain(void)
{
    uint64_t sums[2] = {0, 0};
    if (out[chain.head]++ != 0 || chain.head >= queue.size || chain.count > QUEUE_MAX_SEGMENTS ||
        chain.writable_from > chain.count) {
        abort();
    }
    for (unsigned i = 0; i < chain.count; i++) {
        if (chain.segments[i].size == 0 || !fuzz_inside(chain.segments[i].address, chain.segments[i].size)) {
            abort();
        }
        sums[i >= chain.writable_from] += chain.segments[i].size;
    }
    if (sums[0] != chain.readable || sums[1] != chain.writable) {
        abort();
    }
}

static void pop(void)
{
    if (queue_pop(&queue, &chain) == QUEUE_CHAIN) {
        check_chain();
    } else if (queue.broken && queue.error[0] == 0) {
        abort();
    }
}

static void give_back(void)
{
    unsigned first = fuzz_byte();
    for (unsigned i = 0; i < queue.size; i++) {
        uint16_t head = (uint16_t)((first + i) % queue.size);
        if (out[head] != 0) {
            if (fuzz_byte() % 4 == 0) {
                queue_unpop(&queue, head);
                out[head] = 0;
            } else {
                queue_push(&queue, head, fuzz_word());
                out[head] = 2; /* not to be taken before it is published */
            }
            return;
        }
    }
}

static void publish(void)
{
    (void)!queue_publish(&queue);
    for (unsigned i = 0; i < CHANNEL_MAX_QUEUE_SIZE; i++) {
        out[i] = out[i] == 2 ? 0 : out[i];
    }
}

static bool start(const struct extent_map *map, bool resume)
{
    memset(out, 0, sizeof(out));
    uint64_t features = 1ull << VIRTIO_RING_F_INDIRECT_DESC | (uint64_t)(fuzz_byte() & 1) << VIRTIO_RING_F_EVENT_IDX;
    return queue_start(&queue, fuzz_guest.channel, 0, &fuzz_guest.channel->front.queues[0], map, features, resume) ==
           OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct extent_map map;
    fuzz_at = data;
    fuzz_end = data + size;
    fuzz_guest_begin(CHANNEL_BLOCK, 1);
    bool good = extent_init(&map, fuzz_guest.entry.extents, 2) == OK && start(&map, false);
    while (good && fuzz_at < fuzz_end) {
        switch (fuzz_byte() % 12) {
        case 0: fuzz_descriptor(); break;
        case 1: *(uint8_t *)ring_at(&fuzz_guest, fuzz_place()) = fuzz_byte(); break;
        case 2: ring_put(&fuzz_rings[0], fuzz_byte() % (queue.size + 1u)); break;
        case 3: case 4: fuzz_chain(); break;
        case 5: case 6: case 7: pop(); break;
        case 8: give_back(); break;
        case 9: publish(); break;
        case 10: (void)!queue_idle(&queue); break;
        default: good = start(&map, fuzz_byte() % 2 == 0); break;
        }
    }
    return 0;
}
