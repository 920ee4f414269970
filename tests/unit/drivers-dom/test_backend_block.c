/* SPDX-License-Identifier: MIT
 * virtio-blk as a guest's driver sees it, before a device of the tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <linux/virtio_blk.h>
#include "backend.h"
#include "disk_fixture.h"

#define SIZE 64
#define F(name) (1ull << VIRTIO_BLK_F_##name)
#define ALL                                                                                                            \
    (F(SEG_MAX) | F(BLK_SIZE) | F(FLUSH) | F(DISCARD) | F(WRITE_ZEROES) | 1ull << VIRTIO_RING_F_INDIRECT_DESC |        \
     1ull << VIRTIO_RING_F_EVENT_IDX)

static struct ring_guest guest;
static struct ring ring;
static void *backend;
static uint64_t headers, statuses, data; /* guest-physical */
static unsigned requests;

static int setup(void **state)
{
    (void)state;
    ring_forget();
    memset(ring_signals, 0, sizeof(ring_signals));
    for (unsigned i = 0; i < sizeof(disk_image); i++) {
        disk_image[i] = (uint8_t)(i / 512 + i);
    }
    ring_guest_init(&guest, CHANNEL_BLOCK);
    strcpy(guest.entry.source, "dev:fake0");
    ring_init(&ring, &guest, 0, SIZE, true);
    headers = ring_alloc(&guest, SIZE * 16, 16);
    statuses = ring_alloc(&guest, SIZE, 1);
    data = ring_alloc(&guest, 1 << 20, 4096);
    requests = 0;
    disk_register();
    backend = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (backend != NULL) {
        disk_settle();
        block_backend.detach(backend);
        assert_int_equal(guest.channel->back.state, BACK_ABSENT);
    }
    if (blk_find("fake0") != NULL) {
        blk_unregister(&disk_device);
    }
    ring_guest_free(&guest);
    return 0;
}

static void attach(uint64_t features)
{
    backend = block_backend.attach(&guest.entry, 0);
    assert_non_null(backend);
    block_backend.front_changed(backend);
    ring_front_run(&guest, features);
    block_backend.front_changed(backend);
    assert_int_equal(guest.channel->back.state, BACK_CONNECTED);
    ring_settle();
}

static struct virtio_blk_config config(void)
{
    struct virtio_blk_config copy;
    memcpy(&copy, guest.channel->back.config, sizeof(copy));
    return copy;
}

/* Puts a request into the ring; its number. The ring is never full in these tests. */
static unsigned ask(uint32_t type, uint64_t sector, const struct ring_buffer *buffers, unsigned count)
{
    struct ring_buffer all[SIZE];
    unsigned number = requests++ % SIZE;
    *(struct virtio_blk_outhdr *)ring_at(&guest, headers + number * 16) = (struct virtio_blk_outhdr){type, 0, sector};
    *(uint8_t *)ring_at(&guest, statuses + number) = 0xee;
    all[0] = (struct ring_buffer){headers + number * 16, 16, false};
    for (unsigned i = 0; i < count; i++) {
        all[i + 1] = buffers[i];
    }
    all[count + 1] = (struct ring_buffer){statuses + number, 1, true};
    ring_add(&ring, all, count + 2);
    return number;
}

static uint8_t status_of(unsigned number) { return *(uint8_t *)ring_at(&guest, statuses + number); }

/* Rings the doorbell, lets everything happen; what the request was answered. */
static uint8_t answer(unsigned number, uint32_t expected_written)
{
    uint32_t head, written;
    block_backend.kick(backend, 0);
    disk_settle();
    assert_true(ring_take(&ring, &head, &written));
    assert_int_equal(written, expected_written);
    return status_of(number);
}

static uint8_t transfer(uint32_t type, uint64_t sector, uint32_t size, uint32_t written)
{
    const struct ring_buffer buffer = {data, size, type == VIRTIO_BLK_T_IN};
    return answer(ask(type, sector, &buffer, size > 0), written);
}

/* --- configuration --- */

static void offers_what_the_device_can(void **state)
{
    (void)state;
    guest.entry.queue_count = 4;
    attach(ALL);
    uint64_t features = guest.channel->back.features;
    assert_int_equal(features & (ALL | F(MQ)), ALL | F(MQ));
    assert_false(features & F(RO));
    struct virtio_blk_config c = config();
    assert_int_equal(c.capacity, DISK_SECTORS);
    assert_int_equal(c.seg_max, 16);
    assert_int_equal(c.blk_size, 512);
    assert_int_equal(c.num_queues, 4);
    assert_int_equal(guest.channel->back.queue_count, 4);
    assert_int_equal(c.max_discard_seg, 16);
}

static void read_only(void **state)
{
    (void)state;
    guest.entry.read_only = 1;
    attach(0);
    assert_true(guest.channel->back.features & F(RO));
    assert_false(guest.channel->back.features & (F(DISCARD) | F(WRITE_ZEROES)));
    assert_int_equal(transfer(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(disk_ops[BLK_WRITE], 0);
    assert_int_equal(transfer(VIRTIO_BLK_T_IN, 0, 512, 513), VIRTIO_BLK_S_OK);
}

static void waits_for_its_device(void **state)
{
    (void)state;
    blk_unregister(&disk_device);
    backend = block_backend.attach(&guest.entry, 0);
    assert_non_null(backend);
    block_backend.front_changed(backend);
    assert_int_equal(guest.channel->back.state, BACK_ABSENT);
    assert_non_null(strstr(ring_log, "guest web, disk root: waits for dev:fake0: no such device"));
    disk_register();
    assert_int_equal(guest.channel->back.state, BACK_OFFERED);
}

static void a_device_that_vanishes(void **state)
{
    (void)state;
    attach(ALL);
    blk_unregister(&disk_device);
    assert_int_equal(transfer(VIRTIO_BLK_T_IN, 0, 512, 1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(guest.channel->back.state, BACK_CONNECTED);
    disk_register();
    assert_int_equal(transfer(VIRTIO_BLK_T_IN, 0, 512, 513), VIRTIO_BLK_S_OK);
}

/* --- reading and writing --- */

static void reads_and_writes(void **state)
{
    (void)state;
    attach(ALL);
    assert_int_equal(transfer(VIRTIO_BLK_T_IN, 5, 1024, 1025), VIRTIO_BLK_S_OK);
    assert_memory_equal(ring_at(&guest, data), disk_image + 5 * 512, 1024);
    memset(ring_at(&guest, data), 0x5a, 4096);
    assert_int_equal(transfer(VIRTIO_BLK_T_OUT, 2040, 4096, 1), VIRTIO_BLK_S_OK);
    assert_memory_equal(disk_image + 2040 * 512, ring_at(&guest, data), 4096);
    assert_int_equal(disk_ops[BLK_FLUSH], 0);
}

static void large_requests_are_cut(void **state)
{
    (void)state;
    attach(ALL);
    assert_int_equal(transfer(VIRTIO_BLK_T_IN, 0, 1 << 20, (1 << 20) + 1), VIRTIO_BLK_S_OK);
    assert_memory_equal(ring_at(&guest, data), disk_image, 1 << 20);
    assert_int_equal(disk_largest, 64);
    assert_int_equal(disk_ops[BLK_READ], 32);
}

static void many_and_odd_segments(void **state)
{
    (void)state;
    attach(ALL);
    /* 40 segments of sizes that are no sectors, at odd addresses, 16 to a request of the device. */
    struct ring_buffer buffers[40];
    for (unsigned i = 0; i < 40; i++) {
        buffers[i] = (struct ring_buffer){data + i * 0x1001, i % 2 == 0 ? 500 : 524, true};
    }
    unsigned number = ask(VIRTIO_BLK_T_IN, 7, buffers, 40);
    assert_int_equal(answer(number, 40 * 512 + 1), VIRTIO_BLK_S_OK);
    const uint8_t *expected = disk_image + 7 * 512;
    for (unsigned i = 0; i < 40; i++) {
        assert_memory_equal(ring_at(&guest, buffers[i].address), expected, buffers[i].size);
        expected += buffers[i].size;
    }
}

static void one_sector_in_more_segments_than_the_device_takes(void **state)
{
    (void)state;
    attach(ALL);
    struct ring_buffer buffers[32];
    for (unsigned i = 0; i < 32; i++) {
        buffers[i] = (struct ring_buffer){data + i * 0x1000, 16, true};
    }
    unsigned number = ask(VIRTIO_BLK_T_IN, 7, buffers, 32);
    assert_int_equal(answer(number, 1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(transfer(VIRTIO_BLK_T_IN, 0, 512, 513), VIRTIO_BLK_S_OK);
}

static void segment_borders_mean_nothing(void **state)
{
    (void)state;
    attach(ALL);
    /* Header in three pieces, the last of them with the first data; status byte in one piece with the data. */
    struct virtio_blk_outhdr header = {VIRTIO_BLK_T_OUT, 0, 9};
    memcpy(ring_at(&guest, data), &header, 5);
    memcpy(ring_at(&guest, data + 0x100), (uint8_t *)&header + 5, 5);
    memcpy(ring_at(&guest, data + 0x200), (uint8_t *)&header + 10, 6);
    memset(ring_at(&guest, data + 0x206), 0x77, 512);
    const struct ring_buffer write[] = {
        { data, 5, false }, { data + 0x100, 5, false }, { data + 0x200, 6 + 512, false }, { data + 0x600, 1, true }
    };
    ring_add(&ring, write, 4);
    block_backend.kick(backend, 0);
    disk_settle();
    assert_int_equal(*(uint8_t *)ring_at(&guest, data + 0x600), VIRTIO_BLK_S_OK);
    assert_int_equal(disk_image[9 * 512], 0x77);
    assert_int_equal(disk_image[10 * 512 - 1], 0x77);
    header.type = VIRTIO_BLK_T_IN;
    memcpy(ring_at(&guest, data), &header, 16);
    const struct ring_buffer read[] = {{data, 16, false}, {data + 0x1000, 513, true}};
    ring_add(&ring, read, 2);
    block_backend.kick(backend, 0);
    disk_settle();
    assert_memory_equal(ring_at(&guest, data + 0x1000), disk_image + 9 * 512, 512);
    assert_int_equal(*(uint8_t *)ring_at(&guest, data + 0x1200), VIRTIO_BLK_S_OK);
}

static void beyond_the_end_and_odd_sizes(void **state)
{
    (void)state;
    attach(ALL);
    static const struct { uint64_t sector; uint32_t size;
    } bad[] = {
        { DISK_SECTORS, 512 },
        { DISK_SECTORS - 1, 1024 },
        { UINT64_MAX, 512 },
        { UINT64_MAX / 512, 512 },
        { 0, 100 },
        { 0, 513 },
        { 0, 0 },
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(transfer(VIRTIO_BLK_T_IN, bad[i].sector, bad[i].size, 1), VIRTIO_BLK_S_IOERR);
        assert_int_equal(transfer(VIRTIO_BLK_T_OUT, bad[i].sector, bad[i].size, 1), VIRTIO_BLK_S_IOERR);
    }
    assert_int_equal(disk_ops[BLK_READ] + disk_ops[BLK_WRITE], 0);
    assert_int_equal(guest.channel->back.state, BACK_CONNECTED);
}

static void large_blocks(void **state)
{
    (void)state;
    disk_device.block_size = 4096;
    attach(ALL);
    assert_int_equal(config().blk_size, 4096);
    assert_int_equal(transfer(VIRTIO_BLK_T_IN, 0, 512, 1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(transfer(VIRTIO_BLK_T_IN, 4, 4096, 1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(transfer(VIRTIO_BLK_T_IN, 8, 8192, 8193), VIRTIO_BLK_S_OK);
}

static void errors_of_the_device(void **state)
{
    (void)state;
    attach(ALL);
    disk_status = ERR_TIMEOUT;
    assert_int_equal(transfer(VIRTIO_BLK_T_IN, 0, 1 << 20, 1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(transfer(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_IOERR);
    disk_status = OK;
    assert_int_equal(transfer(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_OK);
}

/* --- the other requests --- */

static void flushes(void **state)
{
    (void)state;
    attach(ALL);
    assert_int_equal(answer(ask(VIRTIO_BLK_T_FLUSH, 0, NULL, 0), 1), VIRTIO_BLK_S_OK);
    assert_int_equal(disk_ops[BLK_FLUSH], 1);
}

static void writes_through_for_a_driver_without_flush(void **state)
{
    (void)state;
    attach(ALL & ~F(FLUSH));
    assert_int_equal(transfer(VIRTIO_BLK_T_OUT, 0, 1 << 17, 1), VIRTIO_BLK_S_OK);
    assert_int_equal(disk_ops[BLK_WRITE], 4);
    assert_int_equal(disk_ops[BLK_FLUSH], 1);
    assert_int_equal(answer(ask(VIRTIO_BLK_T_FLUSH, 0, NULL, 0), 1), VIRTIO_BLK_S_UNSUPP);
}

static void tells_its_name(void **state)
{
    (void)state;
    attach(ALL);
    const struct ring_buffer buffer = {data, 20, true};
    memset(ring_at(&guest, data), 0xff, 32);
    assert_int_equal(answer(ask(VIRTIO_BLK_T_GET_ID, 0, &buffer, 1), 21), VIRTIO_BLK_S_OK);
    assert_memory_equal(ring_at(&guest, data), "root\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff", 21);
}

static void unknown_requests(void **state)
{
    (void)state;
    attach(ALL);
    static const uint32_t types[] = {2, 3, 5, 9, 14, 0x80000000, 0x80000001, 0xffffffff};
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        assert_int_equal(transfer(types[i], 0, 512, 1), VIRTIO_BLK_S_UNSUPP);
    }
}

static uint8_t ranges(uint32_t type, const struct virtio_blk_discard_write_zeroes *list, unsigned count)
{
    memcpy(ring_at(&guest, data), list, count * sizeof(*list));
    const struct ring_buffer buffer = {data, count * (uint32_t)sizeof(*list), false};
    return answer(ask(type, 0, &buffer, count > 0), 1);
}

static void discards_and_zeroes(void **state)
{
    (void)state;
    attach(ALL);
    const struct virtio_blk_discard_write_zeroes two[] = {{10, 100, 0}, {200, 1, 0}};
    assert_int_equal(ranges(VIRTIO_BLK_T_DISCARD, two, 2), VIRTIO_BLK_S_OK);
    assert_int_equal(disk_image[109 * 512], 0xdd);
    assert_int_equal(disk_image[200 * 512], 0xdd);
    assert_int_not_equal(disk_image[201 * 512 + 1], 0xdd);
    assert_int_equal(disk_ops[BLK_DISCARD], 3);
    const struct virtio_blk_discard_write_zeroes one[] = {{10, 100, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP}};
    assert_int_equal(ranges(VIRTIO_BLK_T_WRITE_ZEROES, one, 1), VIRTIO_BLK_S_OK);
    assert_int_equal(disk_image[109 * 512 + 511], 0);
}

static void wrong_ranges(void **state)
{
    (void)state;
    attach(ALL);
    const struct virtio_blk_discard_write_zeroes beyond[] = {{10, 1, 0}, {DISK_SECTORS - 1, 2, 0}};
    assert_int_equal(ranges(VIRTIO_BLK_T_DISCARD, beyond, 2), VIRTIO_BLK_S_IOERR);
    assert_int_equal(disk_ops[BLK_DISCARD], 0); /* nor the first of them */
    const struct virtio_blk_discard_write_zeroes wrap[] = {{UINT64_MAX, 2, 0}}, none[] = {{0, 0, 0}};
    const struct virtio_blk_discard_write_zeroes unmap[] = {{0, 1, 1}}, flags[] = {{0, 1, 2}};
    assert_int_equal(ranges(VIRTIO_BLK_T_WRITE_ZEROES, wrap, 1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(ranges(VIRTIO_BLK_T_WRITE_ZEROES, none, 1), VIRTIO_BLK_S_IOERR);
    assert_int_equal(ranges(VIRTIO_BLK_T_DISCARD, none, 0), VIRTIO_BLK_S_IOERR);
    assert_int_equal(ranges(VIRTIO_BLK_T_DISCARD, unmap, 1), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(ranges(VIRTIO_BLK_T_WRITE_ZEROES, flags, 1), VIRTIO_BLK_S_UNSUPP);
    struct virtio_blk_discard_write_zeroes many[17];
    for (unsigned i = 0; i < 17; i++) {
        many[i] = (struct virtio_blk_discard_write_zeroes){i, 1, 0};
    }
    assert_int_equal(ranges(VIRTIO_BLK_T_DISCARD, many, 17), VIRTIO_BLK_S_IOERR);
}

static void ranges_not_negotiated(void **state)
{
    (void)state;
    attach(0);
    const struct virtio_blk_discard_write_zeroes one[] = {{10, 1, 0}};
    assert_int_equal(ranges(VIRTIO_BLK_T_DISCARD, one, 1), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(ranges(VIRTIO_BLK_T_WRITE_ZEROES, one, 1), VIRTIO_BLK_S_UNSUPP);
}

/* --- broken requests --- */

static void no_status_byte(void **state)
{
    (void)state;
    attach(ALL);
    ring_add(&ring, &(struct ring_buffer){headers, 16, false}, 1);
    block_backend.kick(backend, 0);
    assert_int_equal(guest.channel->back.state, BACK_FAILED);
    assert_string_equal(guest.channel->back.error,
                        "queue 0: a request of 16 + 0 bytes has no header or no status byte");
    assert_non_null(strstr(ring_log, "guest web, disk root: queue 0: a request"));
}

static void no_header(void **state)
{
    (void)state;
    attach(ALL);
    const struct ring_buffer buffers[] = {{headers, 15, false}, {statuses, 1, true}};
    ring_add(&ring, buffers, 2);
    block_backend.kick(backend, 0);
    assert_int_equal(guest.channel->back.state, BACK_FAILED);
}

static void a_broken_ring_and_a_reset(void **state)
{
    (void)state;
    attach(ALL);
    const struct ring_buffer buffer = {data, 4096, true};
    ask(VIRTIO_BLK_T_IN, 0, &buffer, 1);
    block_backend.kick(backend, 0);
    assert_int_equal(disk_count, 1);
    ring_avail(&ring)->idx += 1000;
    block_backend.kick(backend, 0);
    assert_int_equal(guest.channel->back.state, BACK_FAILED);
    ring_front_idle(&guest);
    block_backend.front_changed(backend);
    assert_int_equal(guest.channel->back.state, BACK_FAILED); /* the device has the guest's memory */
    disk_settle();
    assert_int_equal(guest.channel->back.state, BACK_OFFERED);
    assert_int_equal(ring_used(&ring)->idx, 0);
    ring_init(&ring, &guest, 0, SIZE, true);
    ring_front_run(&guest, ALL);
    block_backend.front_changed(backend);
    assert_int_equal(transfer(VIRTIO_BLK_T_IN, 0, 512, 513), VIRTIO_BLK_S_OK);
}

/* --- the device's limits, the guest's reset --- */

static void a_full_device(void **state)
{
    (void)state;
    disk_depth = 3;
    attach(ALL);
    for (unsigned i = 0; i < 16; i++) {
        const struct ring_buffer buffer = {data + i * 0x1000, 4096, true};
        ask(VIRTIO_BLK_T_IN, i * 8, &buffer, 1);
    }
    block_backend.kick(backend, 0);
    ring_settle();
    assert_int_equal(disk_count, 3);
    disk_settle();
    assert_int_equal(ring_used(&ring)->idx, 16);
    assert_memory_equal(ring_at(&guest, data), disk_image, 16 * 4096);
}

static void a_device_full_of_others(void **state)
{
    (void)state;
    disk_depth = 0;
    attach(ALL);
    const struct ring_buffer buffer = {data, 4096, true};
    ask(VIRTIO_BLK_T_IN, 0, &buffer, 1);
    block_backend.kick(backend, 0);
    ring_settle();
    disk_depth = 1;
    ring_settle();
    assert_int_equal(disk_count, 0);
    ring_now += 2000000;
    disk_settle();
    assert_int_equal(ring_used(&ring)->idx, 1);
}

static void a_reset_waits_for_the_device(void **state)
{
    (void)state;
    disk_depth = 2;
    attach(ALL);
    const struct ring_buffer buffer = {data, 1 << 20, true};
    ask(VIRTIO_BLK_T_IN, 0, &buffer, 1);
    block_backend.kick(backend, 0);
    ring_settle();
    assert_int_equal(disk_count, 2);
    ring_front_idle(&guest);
    block_backend.front_changed(backend);
    ring_settle();
    assert_int_equal(guest.channel->back.state, BACK_CONNECTED);
    disk_complete(0);
    assert_int_equal(guest.channel->back.state, BACK_CONNECTED);
    disk_complete(0);
    assert_int_equal(guest.channel->back.state, BACK_OFFERED);
    ring_settle();
    assert_int_equal(disk_count, 0); /* what was waiting is dropped */
    assert_int_equal(ring_used(&ring)->idx, 0);
    ring_init(&ring, &guest, 0, SIZE, true);
    ring_front_run(&guest, ALL);
    block_backend.front_changed(backend);
    disk_depth = 64;
    assert_int_equal(transfer(VIRTIO_BLK_T_IN, 0, 1 << 20, (1 << 20) + 1), VIRTIO_BLK_S_OK);
}

static void detached_with_requests(void **state)
{
    (void)state;
    attach(ALL);
    const struct ring_buffer buffer = {data, 4096, true};
    ask(VIRTIO_BLK_T_IN, 0, &buffer, 1);
    block_backend.kick(backend, 0);
    block_backend.detach(backend);
    backend = NULL;
    assert_int_equal(guest.channel->back.state, BACK_CONNECTED);
    disk_complete(0);
    assert_int_equal(guest.channel->back.state, BACK_ABSENT); /* and freed: the sanitizer knows */
    ring_settle();
}

/* --- economy --- */

static void one_signal_for_a_round(void **state)
{
    (void)state;
    attach(ALL);
    ring_want_signal(&ring);
    for (unsigned i = 0; i < 16; i++) {
        const struct ring_buffer buffer = {data + i * 0x1000, 4096, true};
        uint16_t before = ring.next_avail;
        ask(VIRTIO_BLK_T_IN, i * 8, &buffer, 1);
        assert_int_equal(ring_would_kick(&ring, before), i == 0); /* one doorbell */
    }
    block_backend.kick(backend, 0);
    ring_settle();
    assert_int_equal(disk_count, 16);
    assert_int_equal(disk_kicks, 1);
    ring_signals[2] = 0;
    while (disk_count > 0) {
        disk_complete(0);
    }
    ring_settle();
    assert_int_equal(ring_signals[2], 1);
    assert_int_equal(ring_used(&ring)->idx, 16);
}

static void no_doorbells_while_the_device_is_busy(void **state)
{
    (void)state;
    attach(ALL);
    for (unsigned i = 0; i < 16; i++) {
        const struct ring_buffer buffer = {data + i * 0x1000, 4096, true};
        ask(VIRTIO_BLK_T_IN, i * 8, &buffer, 1);
    }
    block_backend.kick(backend, 0);
    ring_settle();
    uint16_t before = ring.next_avail;
    const struct ring_buffer buffer = {data + 16 * 0x1000, 4096, true};
    ask(VIRTIO_BLK_T_IN, 0, &buffer, 1);
    assert_false(ring_would_kick(&ring, before));
    disk_complete(0); /* it is seen with the next completion */
    ring_settle();
    assert_int_equal(disk_count, 16);
    while (disk_count > 2) {
        disk_complete(0);
    }
    ring_settle();
    before = ring.next_avail;
    ask(VIRTIO_BLK_T_IN, 0, &buffer, 1);
    assert_true(ring_would_kick(&ring, before));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(offers_what_the_device_can),
        T(read_only),
        T(waits_for_its_device),
        T(a_device_that_vanishes),
        T(reads_and_writes),
        T(large_requests_are_cut),
        T(many_and_odd_segments),
        T(one_sector_in_more_segments_than_the_device_takes),
        T(segment_borders_mean_nothing),
        T(beyond_the_end_and_odd_sizes),
        T(large_blocks),
        T(errors_of_the_device),
        T(flushes),
        T(writes_through_for_a_driver_without_flush),
        T(tells_its_name),
        T(unknown_requests),
        T(discards_and_zeroes),
        T(wrong_ranges),
        T(ranges_not_negotiated),
        T(no_status_byte),
        T(no_header),
        T(a_broken_ring_and_a_reset),
        T(a_full_device),
        T(a_device_full_of_others),
        T(a_reset_waits_for_the_device),
        T(detached_with_requests),
        T(one_signal_for_a_round),
        T(no_doorbells_while_the_device_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
