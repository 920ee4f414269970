/* SPDX-License-Identifier: MIT
 * The device's side of a virtqueue: chains, the rules that break it, notifications both ways, and going on from the
 * record after being killed at each step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "queue.h"
#include "ring_fixture.h"

#define SIZE 8
#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT (1ull << VIRTIO_RING_F_INDIRECT_DESC)

static struct ring_guest guest;
static struct ring ring;
static struct queue queue;
static struct queue_chain chain;
static struct extent_map memory;
static uint64_t data; /* guest-physical scratch */

static enum status start(uint64_t features, bool resume)
{
    ring.event_idx = (features & EVENT_IDX) != 0;
    return queue_start(&queue, guest.channel, 0, &guest.channel->front.queues[0], &memory, features, resume);
}

static int setup(void **state)
{
    (void)state;
    ring_guest_init(&guest, CHANNEL_BLOCK);
    ring_init(&ring, &guest, 0, SIZE, false);
    data = ring_alloc(&guest, 0x10000, 0x1000);
    assert_int_equal(extent_init(&memory, guest.entry.extents, guest.entry.extent_count), OK);
    memset(&queue, 0, sizeof(queue));
    return start(0, false) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ring_guest_free(&guest);
    return 0;
}

static void breaks(const char *rule)
{
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_BROKEN);
    if (strstr(queue.error, rule) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", queue.error, rule);
    }
    /* It stays broken, and touches the ring no more. */
    uint16_t used = ring_used(&ring)->idx;
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_BROKEN);
    queue_push(&queue, 0, 0);
    assert_false(queue_publish(&queue));
    assert_false(queue_idle(&queue));
    assert_int_equal(ring_used(&ring)->idx, used);
}

static void one_buffer(void) { ring_add(&ring, &(struct ring_buffer){data, 64, true}, 1); }

/* --- chains --- */

static void a_chain_there_and_back(void **state)
{
    (void)state;
    const struct ring_buffer buffers[] = {{data, 16, false}, {data + 0x1000, 512, true}, {data + 0x3000, 1, true}};
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_EMPTY);
    uint16_t head = ring_add(&ring, buffers, 3);
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    assert_int_equal(chain.head, head);
    assert_int_equal(chain.count, 3);
    assert_int_equal(chain.writable_from, 1);
    assert_int_equal(chain.readable, 16);
    assert_int_equal(chain.writable, 513);
    assert_ptr_equal(machine(chain.segments[1].address), ring_at(&guest, data + 0x1000));
    assert_int_equal(guest.channel->in_flight[0][head], IN_FLIGHT_TAKEN);
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_EMPTY);
    queue_push(&queue, head, 513);
    uint32_t got, written;
    assert_false(ring_take(&ring, &got, &written)); /* not published yet */
    assert_true(queue_publish(&queue));
    assert_true(ring_take(&ring, &got, &written));
    assert_int_equal(got, head);
    assert_int_equal(written, 513);
    assert_int_equal(guest.channel->in_flight[0][head], IN_FLIGHT_NONE);
    assert_false(queue_publish(&queue)); /* nothing new */
}

static void indices_wrap(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 70000; i++) {
        ring_add(&ring, &(struct ring_buffer){data, 64, true}, 1);
        assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
        queue_push(&queue, chain.head, i);
        assert_true(queue_publish(&queue));
        uint32_t head, written;
        assert_true(ring_take(&ring, &head, &written));
        assert_int_equal(written, i);
    }
}

static void reads_and_writes_across_segments(void **state)
{
    (void)state;
    const struct ring_buffer buffers[] = {
        { data, 3, false }, { data + 0x1000, 5, false }, { data + 0x2000, 2, true }, { data + 0x3000, 9, true }
    };
    memcpy(ring_at(&guest, data), "abc", 3);
    memcpy(ring_at(&guest, data + 0x1000), "defgh", 5);
    ring_add(&ring, buffers, 4);
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    char text[8] = {0};
    assert_true(queue_chain_read(&chain, 2, text, 4));
    assert_string_equal(text, "cdef");
    assert_false(queue_chain_read(&chain, 5, text, 4));
    assert_true(queue_chain_write(&chain, 1, "XYZ", 3));
    assert_memory_equal(ring_at(&guest, data + 0x2000), "\0X", 2);
    assert_memory_equal(ring_at(&guest, data + 0x3000), "YZ\0", 3);
    assert_false(queue_chain_write(&chain, 9, "XYZ", 3));
}

static void neighbours_are_joined_and_extents_split(void **state)
{
    (void)state;
    const struct ring_buffer joined[] = {
        { data, 16, false }, { data + 16, 16, false }, { data + 32, 16, true }, { data + 48, 0, true }
    };
    ring_add(&ring, joined, 4);
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    assert_int_equal(chain.count, 2);
    assert_int_equal(chain.segments[0].size, 32);
    assert_int_equal(chain.writable_from, 1);
    /* Three extents, contiguous for the guest, scattered in the machine. */
    memory = (struct extent_map){2, {{0, dma_of(guest.memory), data + 0x1000},
                                     {data + 0x1000, dma_of(ring_at(&guest, data + 0x8000)), 0x1000}}};
    ring_add(&ring, &(struct ring_buffer){data + 0xff0, 0x20, true}, 1);
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    assert_int_equal(chain.count, 2);
    assert_int_equal(chain.segments[0].size, 0x10);
    assert_ptr_equal(machine(chain.segments[1].address), ring_at(&guest, data + 0x8000));
}

static void a_ring_may_cross_extents(void **state)
{
    (void)state;
    /* The descriptor table begins 64 bytes before a page border, behind which the machine goes on elsewhere. */
    uint64_t table = data + 0x1000 - 64;
    guest.channel->front.queues[0].desc = table;
    memory = (struct extent_map){2, {{0, dma_of(guest.memory), data + 0x1000},
                                     {data + 0x1000, dma_of(ring_at(&guest, data + 0x8000)), 0x1000}}};
    assert_int_equal(start(0, false), OK);
    struct vring_desc *seventh = (struct vring_desc *)ring_at(&guest, data + 0x8000) + 3;
    *seventh = (struct vring_desc){data, 64, 0, 0};
    ring_put(&ring, 7);
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    assert_int_equal(chain.readable, 64);
}

static void indirect_tables(void **state)
{
    (void)state;
    assert_int_equal(start(INDIRECT, false), OK);
    struct ring_buffer buffers[SIZE];
    for (unsigned i = 0; i < SIZE; i++) {
        buffers[i] = (struct ring_buffer){data + i * 0x1000, 100, i >= 4};
    }
    ring_add_table(&ring, data + 0xf000, buffers, SIZE);
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    assert_int_equal(chain.count, SIZE);
    assert_int_equal(chain.writable_from, 4);
    /* Normal descriptors in front of a table (virtio 1.2 section 2.7.5.3.2). */
    *ring_desc(&ring, 6) = (struct vring_desc){data, 8, VRING_DESC_F_NEXT, 7};
    *ring_desc(&ring, 7) = (struct vring_desc){data + 0xf000, 16 * 5, VRING_DESC_F_INDIRECT, 0};
    ((struct vring_desc *)ring_at(&guest, data + 0xf000))[4].flags = VRING_DESC_F_WRITE;
    ring_put(&ring, 6);
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    assert_int_equal(chain.readable, 408);
    assert_int_equal(chain.writable, 100);
}

/* --- broken rules --- */

static void an_index_that_jumps(void **state)
{
    (void)state;
    ring_avail(&ring)->idx = SIZE + 1;
    breaks("avail.idx is 9");
}

static void a_head_outside(void **state)
{
    (void)state;
    ring_put(&ring, SIZE);
    breaks("head 8 is outside");
}

static void a_head_twice(void **state)
{
    (void)state;
    one_buffer();
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    ring_put(&ring, chain.head);
    breaks("still has it");
}

static void a_head_twice_before_it_is_shown(void **state)
{
    (void)state;
    one_buffer();
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    queue_push(&queue, chain.head, 0);
    ring_put(&ring, chain.head);
    breaks("still has it");
}

static void a_loop(void **state)
{
    (void)state;
    *ring_desc(&ring, 0) = (struct vring_desc){data, 8, VRING_DESC_F_NEXT, 1};
    *ring_desc(&ring, 1) = (struct vring_desc){data, 8, VRING_DESC_F_NEXT, 0};
    ring_put(&ring, 0);
    breaks("longer than the queue size 8");
}

static void a_next_outside(void **state)
{
    (void)state;
    *ring_desc(&ring, 0) = (struct vring_desc){data, 8, VRING_DESC_F_NEXT, SIZE};
    ring_put(&ring, 0);
    breaks("next 8 is outside");
}

static void a_wild_address(void **state)
{
    (void)state;
    ring_add(&ring, &(struct ring_buffer){0xfee00000, 64, true}, 1);
    breaks("0xfee00000 is not guest memory");
}

static void a_buffer_that_runs_out_of_memory(void **state)
{
    (void)state;
    ring_add(&ring, &(struct ring_buffer){RING_MEMORY / 2 - 8, 64, true}, 1);
    breaks("0x200000 is not guest memory");
}

static void an_address_that_wraps(void **state)
{
    (void)state;
    ring_add(&ring, &(struct ring_buffer){UINT64_MAX - 7, 64, true}, 1);
    breaks("is not guest memory");
}

static void four_gigabytes(void **state)
{
    (void)state;
    struct ring_buffer buffers[SIZE];
    for (unsigned i = 0; i < SIZE; i++) {
        buffers[i] = (struct ring_buffer){0, 0xffffffff, true};
    }
    guest.entry.extents[0].size = 8ull << 30; /* never touched */
    assert_int_equal(extent_init(&memory, guest.entry.extents, 1), OK);
    ring_add(&ring, buffers, SIZE);
    breaks("4 GiB or more");
}

static void readable_behind_writable(void **state)
{
    (void)state;
    const struct ring_buffer buffers[] = {{data, 8, true}, {data, 8, false}};
    ring_add(&ring, buffers, 2);
    breaks("readable descriptor behind a writable one");
}

static void tables(uint64_t address, uint32_t size, uint16_t flags, const char *rule)
{
    *ring_desc(&ring, 0) = (struct vring_desc){address, size, flags, 0};
    ring_put(&ring, 0);
    breaks(rule);
}

static void a_table_not_negotiated(void **state)
{
    (void)state;
    tables(data, 16, VRING_DESC_F_INDIRECT, "without VIRTIO_F_INDIRECT_DESC");
}

static void a_table_of_odd_size(void **state)
{
    (void)state;
    assert_int_equal(start(INDIRECT, false), OK);
    tables(data, 24, VRING_DESC_F_INDIRECT, "24 bytes");
}

static void an_empty_table(void **state)
{
    (void)state;
    assert_int_equal(start(INDIRECT, false), OK);
    tables(data, 0, VRING_DESC_F_INDIRECT, "0 bytes");
}

static void a_table_with_next(void **state)
{
    (void)state;
    assert_int_equal(start(INDIRECT, false), OK);
    tables(data, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, "flags 0x5");
}

static void a_table_outside(void **state)
{
    (void)state;
    assert_int_equal(start(INDIRECT, false), OK);
    tables(0x80000000, 16, VRING_DESC_F_INDIRECT, "0x80000000 is not in guest memory");
}

static void a_table_in_a_table(void **state)
{
    (void)state;
    assert_int_equal(start(INDIRECT, false), OK);
    *(struct vring_desc *)ring_at(&guest, data) = (struct vring_desc){data, 16, VRING_DESC_F_INDIRECT, 0};
    tables(data, 16, VRING_DESC_F_INDIRECT, "table in an indirect table");
}

static void a_loop_in_a_table(void **state)
{
    (void)state;
    assert_int_equal(start(INDIRECT, false), OK);
    *(struct vring_desc *)ring_at(&guest, data) = (struct vring_desc){data, 16, VRING_DESC_F_NEXT, 0};
    tables(data, 16, VRING_DESC_F_INDIRECT, "longer than the queue size");
}

static void a_next_outside_of_the_table(void **state)
{
    (void)state;
    assert_int_equal(start(INDIRECT, false), OK);
    *(struct vring_desc *)ring_at(&guest, data) = (struct vring_desc){data, 16, VRING_DESC_F_NEXT, 1};
    tables(data, 16, VRING_DESC_F_INDIRECT, "next 1 in an indirect table of 1");
}

static void refuses(struct channel_queue set, const char *rule)
{
    guest.channel->front.queues[0] = set;
    assert_int_equal(start(0, false), ERR_FORMAT);
    if (strstr(queue.error, rule) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", queue.error, rule);
    }
    assert_int_not_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
}

static void rings_that_cannot_be(void **state)
{
    (void)state;
    struct channel_queue good = guest.channel->front.queues[0], bad;
    bad = good; bad.size = 0; refuses(bad, "size 0");
    bad = good; bad.size = 12; refuses(bad, "size 12");
    bad = good; bad.size = 512; refuses(bad, "size 512");
    bad = good; bad.desc += 8; refuses(bad, "descriptor table");
    bad = good; bad.driver += 1; refuses(bad, "available ring");
    bad = good; bad.device += 2; refuses(bad, "used ring");
    bad = good; bad.device = 0xfec00000; refuses(bad, "used ring at 0xfec00000");
    bad = good; bad.desc = RING_MEMORY / 2 - 16; refuses(bad, "descriptor table");
    bad = good; bad.desc = UINT64_MAX - 15; refuses(bad, "descriptor table");
    bad = good; bad.enabled = 0;
    guest.channel->front.queues[0] = bad;
    assert_int_equal(start(0, false), OK);
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_EMPTY);
}

/* --- notifications --- */

static void signals_by_flag(void **state)
{
    (void)state;
    ring_avail(&ring)->flags = VRING_AVAIL_F_NO_INTERRUPT;
    for (unsigned i = 0; i < 2; i++) {
        one_buffer();
        assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
        queue_push(&queue, chain.head, 0);
        assert_int_equal(queue_publish(&queue), i == 1);
        ring_avail(&ring)->flags = 0;
    }
    queue_busy(&queue);
    assert_false(ring_would_kick(&ring, ring.next_avail));
    assert_false(queue_idle(&queue));
    assert_true(ring_would_kick(&ring, ring.next_avail));
}

static void signals_by_event_index(void **state)
{
    (void)state;
    assert_int_equal(start(EVENT_IDX, false), OK);
    /* The driver wants to hear of the fourth. */
    ring_avail(&ring)->ring[SIZE] = 3;
    for (unsigned i = 0; i < 6; i++) {
        one_buffer();
        assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
        queue_push(&queue, chain.head, 0);
        assert_int_equal(queue_publish(&queue), i == 3);
    }
    /* And of one in a batch. */
    ring_avail(&ring)->ring[SIZE] = 7;
    for (unsigned i = 0; i < 4; i++) {
        one_buffer();
        assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
        queue_push(&queue, chain.head, 0);
    }
    assert_true(queue_publish(&queue));
}

static void doorbells_by_event_index(void **state)
{
    (void)state;
    assert_int_equal(start(EVENT_IDX, false), OK);
    assert_false(queue_idle(&queue));
    one_buffer();
    assert_true(ring_would_kick(&ring, 0));
    one_buffer();
    assert_false(ring_would_kick(&ring, 1)); /* one is enough until we have looked */
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    assert_true(queue_idle(&queue)); /* the final check finds the second */
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    assert_false(queue_idle(&queue));
    one_buffer();
    assert_true(ring_would_kick(&ring, 2));
}

/* --- the record --- */

/* What a guest and a device do, up to the step after which drivers-dom is killed: for each step, the next one must find
 * exactly what is open. */
static void unpop_keeps_the_record(void **state)
{
    (void)state;
    one_buffer();
    one_buffer();
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    uint16_t first = chain.head;
    queue_unpop(&queue, first);
    assert_true(queue_idle(&queue));
    assert_int_equal(guest.channel->in_flight[0][first], IN_FLIGHT_TAKEN);
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    assert_int_equal(chain.head, first);
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    assert_int_not_equal(chain.head, first);
}

static unsigned pop_all(uint8_t *seen)
{
    unsigned count = 0;
    while (queue_pop(&queue, &chain) == QUEUE_CHAIN) {
        assert_int_equal(seen[chain.head], 0);
        seen[chain.head] = 1;
        count++;
    }
    assert_false(queue.broken);
    return count;
}

static void goes_on_with_what_is_in_flight(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        one_buffer();
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    }
    queue_push(&queue, 1, 7);
    assert_true(queue_publish(&queue));
    queue_push(&queue, 2, 7); /* never shown */
    assert_int_equal(start(0, true), OK);
    uint8_t seen[SIZE] = {0};
    assert_int_equal(pop_all(seen), 4); /* 0, 2 again, then 3, 4 */
    assert_int_equal(seen[1], 0);
    for (unsigned i = 0; i < 5; i++) {
        if (i != 1) {
            queue_push(&queue, (uint16_t)i, 7);
        }
    }
    assert_true(queue_publish(&queue));
    assert_int_equal(ring_used(&ring)->idx, 5);
}

static void killed_between_head_and_index(void **state)
{
    (void)state;
    one_buffer();
    one_buffer();
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    guest.channel->back.next_avail[0] = 0; /* as it was before */
    assert_int_equal(start(0, true), OK);
    uint8_t seen[SIZE] = {0};
    assert_int_equal(pop_all(seen), 2);
}

static void killed_between_index_and_settling(void **state)
{
    (void)state;
    one_buffer();
    one_buffer();
    assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN);
    uint16_t head = chain.head;
    queue_push(&queue, head, 7);
    assert_true(queue_publish(&queue));
    /* As if used.idx were the last thing written; the driver uses the head again at once. */
    guest.channel->back.next_used[0] = 0;
    guest.channel->in_flight[0][head] = IN_FLIGHT_RETURNING;
    ring_put(&ring, head);
    assert_int_equal(start(0, true), OK);
    uint8_t seen[SIZE] = {0};
    assert_int_equal(pop_all(seen), 2); /* the other one, and this one anew, once */
    assert_int_equal(ring_used(&ring)->idx, 1);
    /* All heads settled, only next_used not. */
    guest.channel->back.next_used[0] = 0;
    assert_int_equal(start(0, true), OK);
    assert_int_equal(guest.channel->back.next_used[0], 1);
}

static void a_record_that_cannot_be(void **state)
{
    (void)state;
    guest.channel->back.next_used[0] = 100; /* used.idx is 0 */
    assert_int_equal(start(0, true), ERR_FORMAT);
    assert_non_null(strstr(queue.error, "used.idx"));
    memset(guest.channel->in_flight, 0xee, sizeof(guest.channel->in_flight));
    guest.channel->back.next_used[0] = 0;
    guest.channel->back.next_avail[0] = 0x7777;
    assert_int_equal(start(0, true), OK);
    for (unsigned i = 0; i < SIZE; i++) {
        assert_int_equal(queue_pop(&queue, &chain), QUEUE_CHAIN); /* nonsense, but inside of memory */
    }
    breaks("avail.idx");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_chain_there_and_back),
        T(indices_wrap),
        T(reads_and_writes_across_segments),
        T(neighbours_are_joined_and_extents_split),
        T(a_ring_may_cross_extents),
        T(indirect_tables),
        T(an_index_that_jumps),
        T(a_head_outside),
        T(a_head_twice),
        T(a_head_twice_before_it_is_shown),
        T(a_loop),
        T(a_next_outside),
        T(a_wild_address),
        T(a_buffer_that_runs_out_of_memory),
        T(an_address_that_wraps),
        T(four_gigabytes),
        T(readable_behind_writable),
        T(a_table_not_negotiated),
        T(a_table_of_odd_size),
        T(an_empty_table),
        T(a_table_with_next),
        T(a_table_outside),
        T(a_table_in_a_table),
        T(a_loop_in_a_table),
        T(a_next_outside_of_the_table),
        T(rings_that_cannot_be),
        T(signals_by_flag),
        T(signals_by_event_index),
        T(doorbells_by_event_index),
        T(unpop_keeps_the_record),
        T(goes_on_with_what_is_in_flight),
        T(killed_between_head_and_index),
        T(killed_between_index_and_settling),
        T(a_record_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
