/* SPDX-License-Identifier: MIT
 * Driver side of virtqueues: rings that wrap, chains and indirect tables, suppression on both sides, and devices that
 * return nonsense. */
#include "service_fixture.h"
#include "virtio.h"

#define SIZE 8
#define INDIRECT 6

static struct pci_device pci = {.name = "00:02.0"};
static struct virtio_device device = {.pci = &pci};
static struct virtqueue queue;
static uint16_t doorbell;

static struct vring_desc desc[SIZE], tables[SIZE * INDIRECT];
static uint64_t avail_memory[(sizeof(struct vring_avail) + (SIZE + 1) * 2) / 8 + 1];
static uint64_t used_memory[(sizeof(struct vring_used) + SIZE * sizeof(struct vring_used_elem) + 2) / 8 + 1];
static struct vring_avail *const avail = (struct vring_avail *)avail_memory;
static struct vring_used *const used = (struct vring_used *)used_memory;
static void *cookies[SIZE];
static uint16_t next[SIZE], lengths[SIZE];

static void make(bool event_idx, bool indirect)
{
    queue = (struct virtqueue){.device = &device, .index = 3, .size = SIZE, .indirect_size = indirect ? INDIRECT : 0,
                               .event_idx = event_idx, .desc = desc, .avail = avail, .used = used,
                               .indirect = tables, .cookies = cookies, .next = next, .lengths = lengths,
                               .doorbell = &doorbell};
    virtqueue_empty(&queue);
    doorbell = 0xffff;
}

static int setup(void **state)
{
    (void)state;
    fixture_reset();
    make(false, false);
    return 0;
}

static void give_back(uint32_t head, uint32_t length)
{
    used->ring[used->idx % SIZE] = (struct vring_used_elem){head, length};
    used->idx++;
}

static const struct virtio_segment segments[INDIRECT] =
    {{0x1000, 16}, {0x2000, 512}, {0x3000, 512}, {0x4000, 1}, {0x5000, 1}, {0x6000, 1}};

static void test_chain(void **state)
{
    (void)state;
    int cookie;
    assert_true(virtqueue_add(&queue, segments, 2, 2, &cookie));
    assert_int_equal(queue.free_count, SIZE - 4);
    assert_int_equal(avail->idx, 0); /* not before the kick */
    virtqueue_kick(&queue);
    assert_int_equal(avail->idx, 1);
    assert_int_equal(doorbell, 3);
    uint16_t at = avail->ring[0];
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(desc[at].addr, segments[i].address);
        assert_int_equal(desc[at].len, segments[i].size);
        assert_int_equal(desc[at].flags, (i >= 2 ? VRING_DESC_F_WRITE : 0) | (i < 3 ? VRING_DESC_F_NEXT : 0));
        at = desc[at].next;
    }
    uint32_t written = 0;
    assert_null(virtqueue_take(&queue, &written));
    give_back(avail->ring[0], 513);
    assert_ptr_equal(virtqueue_take(&queue, &written), &cookie);
    assert_int_equal(written, 513);
    assert_int_equal(queue.free_count, SIZE);
    assert_null(virtqueue_take(&queue, &written));
}

static void test_indirect(void **state)
{
    (void)state;
    make(false, true);
    int cookies_here[SIZE];
    for (unsigned i = 0; i < SIZE; i++) {
        assert_true(virtqueue_add(&queue, segments, 1, INDIRECT - 1, &cookies_here[i]));
    }
    assert_false(virtqueue_add(&queue, segments, 1, 1, &queue));
    virtqueue_kick(&queue);
    for (unsigned i = 0; i < SIZE; i++) {
        uint16_t head = avail->ring[i];
        assert_int_equal(desc[head].flags, VRING_DESC_F_INDIRECT);
        assert_int_equal(desc[head].len, INDIRECT * sizeof(struct vring_desc));
        assert_int_equal(desc[head].addr, dma_of(&tables[head * INDIRECT]));
        assert_int_equal(tables[head * INDIRECT].flags, VRING_DESC_F_NEXT);
        assert_int_equal(tables[head * INDIRECT + INDIRECT - 1].flags, VRING_DESC_F_WRITE);
    }
    /* Out of order. */
    uint32_t written;
    give_back(avail->ring[5], 0);
    assert_ptr_equal(virtqueue_take(&queue, &written), &cookies_here[5]);
    assert_true(virtqueue_add(&queue, segments, 1, 1, &queue));
}

static void test_many_rounds(void **state)
{
    (void)state;
    static int tags[SIZE];
    unsigned in_device = 0;
    uint16_t heads[SIZE], taken = 0;
    void *expected[SIZE];
    srand(1);
    for (unsigned round = 0; round < 200000; round++) {
        unsigned count = 1 + (unsigned)rand() % 3;
        void *cookie = &tags[rand() % SIZE];
        if (virtqueue_add(&queue, segments, count, 0, cookie)) {
            virtqueue_kick(&queue);
            heads[in_device] = avail->ring[taken++ % SIZE];
            expected[in_device++] = cookie;
        } else {
            unsigned which = (unsigned)rand() % in_device;
            uint32_t written;
            give_back(heads[which], 0);
            assert_ptr_equal(virtqueue_take(&queue, &written), expected[which]);
            heads[which] = heads[--in_device];
            expected[which] = expected[in_device];
        }
    }
    assert_false(queue.broken);
}

static void test_suppression(void **state)
{
    (void)state;
    uint32_t written;
    used->flags = VRING_USED_F_NO_NOTIFY;
    assert_true(virtqueue_add(&queue, segments, 1, 0, &queue));
    virtqueue_kick(&queue);
    assert_int_equal(doorbell, 0xffff);
    assert_false(virtqueue_rearm(&queue));
    assert_int_equal(avail->flags, 0);
    give_back(avail->ring[0], 0);
    assert_true(virtqueue_rearm(&queue));

    make(true, false);
    volatile uint16_t *wanted = (volatile uint16_t *)&used->ring[SIZE];
    *wanted = 1; /* tell me of the second */
    assert_true(virtqueue_add(&queue, segments, 1, 0, &queue));
    virtqueue_kick(&queue);
    assert_int_equal(doorbell, 0xffff);
    assert_true(virtqueue_add(&queue, segments, 1, 0, &queue));
    virtqueue_kick(&queue);
    assert_int_equal(doorbell, 3);
    give_back(avail->ring[0], 0);
    assert_non_null(virtqueue_take(&queue, &written));
    assert_false(virtqueue_rearm(&queue));
    assert_int_equal(avail->ring[SIZE], 1);
}

static void test_nonsense(void **state)
{
    (void)state;
    uint32_t written;
    assert_true(virtqueue_add(&queue, segments, 1, 0, &queue));
    virtqueue_kick(&queue);
    give_back(0x10000, 0);
    assert_null(virtqueue_take(&queue, &written));
    assert_true(queue.broken);
    assert_logged("PCI 00:02.0: virtio queue 3: the device has returned what it was not given (65536)");
    assert_false(virtqueue_add(&queue, segments, 1, 0, &queue));
    assert_false(virtqueue_rearm(&queue));

    make(false, false);
    assert_true(virtqueue_add(&queue, segments, 1, 0, &queue));
    give_back(avail->ring[0], 0);
    give_back(avail->ring[0], 0);
    assert_non_null(virtqueue_take(&queue, &written));
    assert_null(virtqueue_take(&queue, &written)); /* twice */
    assert_true(queue.broken);

    make(false, false);
    used->idx = SIZE + 1;
    assert_null(virtqueue_take(&queue, &written));
    assert_logged("has returned more than it was given");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_chain, setup),
        cmocka_unit_test_setup(test_indirect, setup),
        cmocka_unit_test_setup(test_many_rounds, setup),
        cmocka_unit_test_setup(test_suppression, setup),
        cmocka_unit_test_setup(test_nonsense, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
