/* SPDX-License-Identifier: MIT
 * drivers-dom is killed at any moment while a guest writes; another one goes on each time. Each request must be
 * completed exactly once, the data of each block must be that of its last completed write, and the guest must need
 * nothing but its own doorbells and the back end's signals.
 *
 * What another drivers-dom can see of a moment is the memory outside of the one that died. So it is enough to kill
 * before each store to it and after: queue.c and channel.c are compiled here with such a point at each atomic access. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static jmp_buf killed;
static long steps_left;

static inline void kill_point(void)
{
    if (steps_left > 0 && --steps_left == 0) {
        longjmp(killed, 1);
    }
}
#define RING_KILL_POINT() kill_point()

#include <cmocka.h>
#include <linux/virtio_blk.h>
#include "backend.h"
#include "block.h"
#include "disk_fixture.h"

#undef fail /* cmocka's */
#define fail fail_queue
#define __atomic_store_n(to, value, order)             \
    do {                                               \
        __typeof__(*(to)) stored_ = (__typeof__(*(to)))(value); \
        kill_point();                                  \
        __atomic_store(to, &stored_, order);           \
        kill_point();                                  \
    } while (0)
#include "drivers-dom/backends/queue.c"
#undef fail
#define fail fail_channel
#include "drivers-dom/backends/channel.c"
#undef fail

#define SIZE 64
#define DEPTH 16
#define BLOCKS 128
#define WRITES 500

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(random_state >> 33) % limit;
}

/* --- the guest --- */

static struct ring_guest guest;
static struct ring ring;
static void *backend;
static uint64_t headers, statuses, data;
static unsigned seen_signals;
static struct slot {
    bool busy;
    unsigned block, sequence;
    uint16_t head;
} slots[DEPTH];
static unsigned sequences[BLOCKS], stable[BLOCKS], submitted, completed;

static bool block_busy(unsigned block)
{
    for (unsigned i = 0; i < DEPTH; i++) {
        if (slots[i].busy && slots[i].block == block) {
            return true;
        }
    }
    return false;
}

static void guest_write(unsigned index)
{
    struct slot *slot = &slots[index];
    do {
        slot->block = random_below(BLOCKS);
    } while (block_busy(slot->block));
    slot->sequence = ++sequences[slot->block];
    slot->busy = true;
    uint32_t *words = ring_at(&guest, data + index * 0x1000);
    for (unsigned i = 0; i < 1024; i++) {
        words[i] = slot->block << 16 | slot->sequence;
    }
    *(struct virtio_blk_outhdr *)ring_at(&guest, headers + index * 16) =
        (struct virtio_blk_outhdr){ VIRTIO_BLK_T_OUT, 0, slot->block * 8ull };
    *(uint8_t *)ring_at(&guest, statuses + index) = 0xee;
    /* A descriptor triple of its own for each slot: the ring's allocator must not reuse what is in flight. */
    ring.next_free = (uint16_t)(index * 3);
    const struct ring_buffer buffers[] = { { headers + index * 16, 16, false },
                                           { data + index * 0x1000, 4096, false },
                                           { statuses + index, 1, true } };
    slot->head = ring_add(&ring, buffers, 3);
    submitted++;
}

static void guest_complete(void)
{
    uint32_t head, written;
    while (ring_take(&ring, &head, &written)) {
        unsigned index = head / 3;
        assert_true(index < DEPTH && head % 3 == 0 && slots[index].busy);
        assert_int_equal(*(uint8_t *)ring_at(&guest, statuses + index), VIRTIO_BLK_S_OK);
        const uint32_t *block = (const uint32_t *)(disk_image + slots[index].block * 4096);
        assert_int_equal(block[0], slots[index].block << 16 | slots[index].sequence);
        assert_int_equal(block[1023], block[0]);
        stable[slots[index].block] = slots[index].sequence;
        slots[index].busy = false;
        completed++;
    }
    ring_want_signal(&ring);
}

/* True: it rang the doorbell. */
static bool guest_step(void)
{
    if (ring_signals[2] != seen_signals) {
        seen_signals = ring_signals[2];
        guest_complete();
        guest_complete(); /* the driver's own final check */
    }
    uint16_t before = ring.next_avail;
    for (unsigned i = 0; i < DEPTH && submitted < WRITES; i++) {
        if (!slots[i].busy && random_below(4) != 0) {
            guest_write(i);
        }
    }
    return ring.next_avail != before && ring_would_kick(&ring, before);
}

/* --- drivers-dom --- */

static void begin(void)
{
    ring_forget();
    backend = block_backend.attach(&guest.entry, 0);
    assert_non_null(backend);
}

/* May be killed, too: the device is found, the record is read. */
static void find(void)
{
    disk_register();
    assert_int_equal(guest.channel->back.state, BACK_CONNECTED);
}

/* The device is made quiet: some of its requests have been done, nobody is told. */
static void end(void)
{
    while (disk_count > 0) {
        struct blk_request *request = disk_requests[--disk_count];
        if (random_below(2) == 0) {
            disk_do(request);
        }
    }
    struct disk *disk = backend;
    ring_forget();
    blk_unwatch(&disk->watch);
    blk_unregister(&disk_device); /* does nothing if it was not found yet */
    free(disk->queues);
    free(disk->tasks);
    free(disk->pieces);
    free(disk);
}

static void work(bool kicked)
{
    if (kicked) {
        block_backend.kick(backend, 0);
    }
    while (ring_round()) {
        for (unsigned i = random_below(DEPTH); i > 0 && disk_count > 0; i--) {
            disk_complete(random_below(disk_count));
        }
    }
    while (disk_count > 0) {
        disk_complete(random_below(disk_count));
    }
    while (ring_round()) {
    }
}

static void guest_begin(uint64_t seed)
{
    random_state = seed;
    ring_guest_init(&guest, CHANNEL_BLOCK);
    strcpy(guest.entry.source, "dev:fake0");
    ring_init(&ring, &guest, 0, SIZE, true);
    headers = ring_alloc(&guest, DEPTH * 16, 16);
    statuses = ring_alloc(&guest, DEPTH, 1);
    data = ring_alloc(&guest, DEPTH * 0x1000, 0x1000);
    memset(slots, 0, sizeof(slots));
    memset(sequences, 0, sizeof(sequences));
    memset(stable, 0, sizeof(stable));
    memset(disk_image, 0, sizeof(disk_image));
    submitted = completed = 0;
    seen_signals = ring_signals[2];
    ring_front_run(&guest, 1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_BLK_F_FLUSH);
}

/* One life; true: it was killed. */
static bool live(long steps, bool kicked)
{
    steps_left = steps;
    if (setjmp(killed) != 0) {
        return true;
    }
    if (blk_find("fake0") == NULL) {
        find();
    }
    work(kicked);
    steps_left = 0;
    return false;
}

static unsigned run(uint64_t seed, uint32_t longest)
{
    unsigned kills = 0;
    guest_begin(seed);
    begin();
    for (unsigned turns = 0; completed < WRITES; turns++) {
        assert_true(turns < 200000);
        bool kicked = guest_step();
        if (live(1 + (long)random_below(longest), kicked)) {
            kills++;
            end();
            begin();
        }
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        assert_int_equal(stable[i], sequences[i]);
    }
    assert_int_equal(completed, submitted);
    ring_front_idle(&guest);
    block_backend.front_changed(backend);
    block_backend.detach(backend);
    blk_unregister(&disk_device);
    ring_guest_free(&guest);
    return kills;
}

static void killed_at_any_moment(void **state)
{
    (void)state;
    unsigned kills = 0, runs = 0;
    for (uint64_t seed = 1; kills < 4000; seed++, runs++) {
        kills += run(seed * 0x9e3779b97f4a7c15ull, seed % 3 == 0 ? 900 : seed % 3 == 1 ? 1500 : 20000);
    }
    printf("%u kills in %u runs of %u writes\n", kills, runs, WRITES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_at_any_moment)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
