/* SPDX-License-Identifier: MIT
 * virtio-net as two guests' drivers see it: from one to the other, to the card and back, offloads, merged buffers,
 * rates, restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <linux/virtio_net.h>
#include "backend.h"
#include "card_fixture.h"
#include "frame.h"

#define SIZE 64
#define F(name) (1ull << VIRTIO_NET_F_##name)
#define PLAIN (F(MAC) | 1ull << VIRTIO_RING_F_EVENT_IDX)
#define FULL                                                                                                           \
    (PLAIN | F(MRG_RXBUF) | F(CSUM) | F(GUEST_CSUM) | F(HOST_TSO4) | F(GUEST_TSO4) | F(HOST_TSO6) | F(GUEST_TSO6))
#define HEADER ((uint32_t)sizeof(struct virtio_net_hdr_v1))

static struct peer {
    struct ring_guest guest;
    struct ring rx, tx;
    void *backend;
    uint64_t buffers, frame; /* guest-physical */
    uint32_t buffer_size;
    unsigned posted;
} a, b;

static void begin(struct peer *peer, unsigned number, const char *on)
{
    ring_guest_init(&peer->guest, CHANNEL_NET);
    struct control_channel *entry = &peer->guest.entry;
    strcpy(entry->source, on);
    memcpy(entry->mac, (uint8_t[]){0x52, 0, 0, 0, 0, (uint8_t)number}, 6);
    entry->queue_count = 2;
    entry->control_handle = number * 10 + 1;
    entry->call_handle[0] = number * 10 + 2;
    entry->call_handle[1] = number * 10 + 3;
    ring_init(&peer->rx, &peer->guest, 0, SIZE, true);
    ring_init(&peer->tx, &peer->guest, 1, SIZE, true);
    peer->buffers = ring_alloc(&peer->guest, SIZE * 0x4000, 0x1000);
    peer->frame = ring_alloc(&peer->guest, 0x12000, 0x1000);
    peer->posted = 0;
}

static int setup(void **state)
{
    (void)state;
    ring_forget();
    memset(ring_signals, 0, sizeof(ring_signals));
    ring_log[0] = 0;
    card_begin();
    card_depth = CARD_DEPTH;
    begin(&a, 1, "uplink");
    begin(&b, 2, "uplink");
    return 0;
}

static void end(struct peer *peer)
{
    if (peer->backend != NULL) {
        net_backend.detach(peer->backend);
        peer->backend = NULL;
        assert_int_equal(peer->guest.channel->back.state, BACK_ABSENT);
    }
    ring_guest_free(&peer->guest);
}

static int teardown(void **state)
{
    (void)state;
    end(&a);
    end(&b);
    card_flush();
    return 0;
}

static void attach(struct peer *peer, uint64_t features)
{
    peer->backend = net_backend.attach(&peer->guest.entry, 0);
    assert_non_null(peer->backend);
    ring_front_run(&peer->guest, features);
    net_backend.front_changed(peer->backend);
    assert_int_equal(peer->guest.channel->back.state, BACK_CONNECTED);
    ring_settle();
}

/* Buffers for receiving. */
static void post(struct peer *peer, unsigned count, uint32_t size)
{
    peer->buffer_size = size;
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = peer->buffers + peer->posted++ % SIZE * 0x4000ull;
        ring_add(&peer->rx, &(struct ring_buffer){at, size, true}, 1);
    }
}

static void build(struct peer *peer, uint8_t to, uint32_t size)
{
    uint8_t *frame = (uint8_t *)ring_at(&peer->guest, peer->frame) + HEADER;
    memset(frame - HEADER, 0, HEADER);
    memcpy(frame, (uint8_t[]){0x52, 0, 0, 0, 0, to}, 6);
    memcpy(frame + 6, peer->guest.entry.mac, 6);
    frame[12] = 0x88;
    frame[13] = 0xb5;
    for (uint32_t i = 14; i < size; i++) {
        frame[i] = (uint8_t)(i + i / 256);
    }
}

/* Sends what is in the frame's buffer, header and frame in one descriptor or two. */
static void transmit(struct peer *peer, uint32_t size, bool apart)
{
    const struct ring_buffer buffers[] = { { peer->frame, apart ? HEADER : HEADER + size, false },
                                           { peer->frame + HEADER, size, false } };
    ring_add(&peer->tx, buffers, apart ? 2 : 1);
    net_backend.kick(peer->backend, 1);
    ring_settle();
}

static void send(struct peer *peer, uint8_t to, uint32_t size)
{
    build(peer, to, size);
    transmit(peer, size, size % 2);
}

/* Takes a received frame: `buffers` merged ones. Its bytes behind the header in `out`. */
static struct virtio_net_hdr_v1 receive(struct peer *peer, uint8_t *out, uint32_t *size)
{
    struct virtio_net_hdr_v1 header;
    uint32_t head, written, done = 0;
    *size = 0;
    memset(&header, 0, sizeof(header));
    for (unsigned i = 0; i == 0 || i < header.num_buffers; i++) {
        if (!ring_take(&peer->rx, &head, &written)) {
            assert_int_equal(i, 0);
            return header;
        }
        const uint8_t *data = ring_at(&peer->guest, ring_desc(&peer->rx, head)->addr);
        assert_in_range(written, 1, peer->buffer_size);
        if (i == 0) {
            memcpy(&header, data, HEADER);
        }
        memcpy(out + done, data + (i == 0 ? HEADER : 0), written - (i == 0 ? HEADER : 0));
        done += written - (i == 0 ? HEADER : 0);
    }
    *size = done;
    return header;
}

static uint8_t out[FRAME_MAX];

static void offers(void **state)
{
    (void)state;
    attach(&a, FULL);
    const struct channel_back *back = &a.guest.channel->back;
    assert_int_equal(back->features & (FULL | F(STATUS)), FULL | F(STATUS));
    assert_int_equal(back->queue_count, 2);
    struct virtio_net_config config;
    memcpy(&config, (const void *)back->config, sizeof(config));
    assert_memory_equal(config.mac, a.guest.entry.mac, 6);
    assert_int_equal(config.status, VIRTIO_NET_S_LINK_UP);
}

static void from_one_to_the_other(void **state)
{
    (void)state;
    attach(&a, PLAIN);
    attach(&b, PLAIN);
    post(&b, 8, 2048);
    ring_want_signal(&b.rx);
    uint32_t size;
    for (uint32_t length = 14; length <= 1514; length += 100) {
        send(&a, 2, length);
        struct virtio_net_hdr_v1 header = receive(&b, out, &size);
        assert_int_equal(size, length);
        assert_int_equal(header.num_buffers, 1);
        assert_memory_equal(out, (uint8_t *)ring_at(&a.guest, a.frame) + HEADER, length);
        post(&b, 1, 2048);
    }
    assert_int_equal(ring_used(&a.tx)->idx, 16);
    assert_int_equal(ring_signals[22], 1); /* wanted once */
    assert_int_equal(card_count, 0);
}

static void merged_buffers(void **state)
{
    (void)state;
    attach(&a, FULL);
    attach(&b, FULL);
    post(&b, 10, 300);
    uint32_t size;
    send(&a, 2, 1514);
    struct virtio_net_hdr_v1 header = receive(&b, out, &size);
    assert_int_equal(header.num_buffers, 6);
    assert_int_equal(size, 1514);
    assert_memory_equal(out, (uint8_t *)ring_at(&a.guest, a.frame) + HEADER, 1514);
    /* Four are left: the next frame finds no room, a small one does, in the same buffers. */
    send(&a, 2, 1514);
    receive(&b, out, &size);
    assert_int_equal(size, 0);
    send(&a, 2, 100);
    receive(&b, out, &size);
    assert_int_equal(size, 100);
    send(&a, 2, 800);
    receive(&b, out, &size);
    assert_int_equal(size, 800);
}

static void a_buffer_that_is_too_small(void **state)
{
    (void)state;
    attach(&a, PLAIN);
    attach(&b, PLAIN);
    post(&b, 2, 200);
    uint32_t size;
    send(&a, 2, 1000);
    receive(&b, out, &size);
    assert_int_equal(size, 0);
    send(&a, 2, 100);
    receive(&b, out, &size);
    assert_int_equal(size, 100);
    assert_int_equal(b.guest.channel->back.state, BACK_CONNECTED);
    assert_int_equal(ring_used(&a.tx)->idx, 2);
}

static void to_the_card_and_back(void **state)
{
    (void)state;
    attach(&a, PLAIN);
    post(&a, 8, 2048);
    send(&a, 0x77, 600);
    assert_int_equal(card_count, 1);
    assert_int_equal(card_sizes[0], 600);
    assert_memory_equal(card_frames[0], (uint8_t *)ring_at(&a.guest, a.frame) + HEADER, 600);
    uint8_t frame[100] = {0x52, 0, 0, 0, 0, 1, 0x52, 0, 0, 0, 0, 0x77, 8, 6};
    card_receive(frame, 100);
    ring_settle();
    uint32_t size;
    struct virtio_net_hdr_v1 header = receive(&a, out, &size);
    assert_int_equal(size, 100);
    assert_memory_equal(out, frame, 100);
    assert_int_equal(header.flags | header.gso_type, 0);
}

/* A TCP segment of 20,000 bytes in one. */
static void build_large(struct peer *peer, uint8_t to)
{
    build(peer, to, 20000);
    struct virtio_net_hdr_v1 *header = ring_at(&peer->guest, peer->frame);
    *header = (struct virtio_net_hdr_v1){
        VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 9999, 1448, { { 34, 16 } }, 0
    };
    uint8_t *frame = (uint8_t *)header + HEADER;
    memcpy(frame + 12, "\x08\x00\x45\x00\x4e\x12\0\0\x40\0\x40\x06", 12);
    frame[34 + 12] = 0x50;
}

static void large_segments(void **state)
{
    (void)state;
    attach(&a, FULL);
    attach(&b, FULL);
    post(&b, 20, 2048);
    build_large(&a, 2);
    transmit(&a, 20000, true);
    uint32_t size;
    struct virtio_net_hdr_v1 header = receive(&b, out, &size);
    assert_int_equal(size, 20000);
    assert_int_equal(header.num_buffers, 10);
    assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
    assert_int_equal(header.gso_size, 1448);
    assert_int_equal(header.hdr_len, 54); /* ours, not what the sender claims */
    build_large(&a, 0x77); /* the card gets frames */
    transmit(&a, 20000, true);
    assert_int_equal(card_count, 14);
    assert_int_equal(card_sizes[0], 1448 + 54);
}

static void large_segments_for_a_simple_guest(void **state)
{
    (void)state;
    attach(&a, FULL);
    attach(&b, PLAIN);
    post(&b, 20, 2048);
    build_large(&a, 2);
    transmit(&a, 20000, true);
    uint32_t size, total = 0;
    unsigned frames = 0;
    for (;; frames++) {
        struct virtio_net_hdr_v1 header = receive(&b, out, &size);
        if (size == 0) {
            break;
        }
        assert_int_equal(header.flags | header.gso_type, 0);
        total += size - 54;
    }
    assert_int_equal(frames, 14);
    assert_int_equal(total, 20000 - 54);
}

static void nonsense_is_dropped(void **state)
{
    (void)state;
    attach(&a, FULL);
    attach(&b, FULL);
    post(&b, 20, 2048);
    build_large(&a, 2);
    ((struct virtio_net_hdr_v1 *)ring_at(&a.guest, a.frame))->gso_size = 1;
    transmit(&a, 20000, true);
    send(&a, 2, 13);
    send(&a, 2, 1515);
    uint32_t size;
    receive(&b, out, &size);
    assert_int_equal(size, 0);
    assert_int_equal(ring_used(&a.tx)->idx, 3);
    assert_int_equal(a.guest.channel->back.state, BACK_CONNECTED);
}

static void a_false_source_is_named_once(void **state)
{
    (void)state;
    attach(&a, PLAIN);
    attach(&b, PLAIN);
    post(&b, 20, 2048);
    for (unsigned i = 0; i < 3; i++) {
        build(&a, 2, 100);
        ((uint8_t *)ring_at(&a.guest, a.frame))[HEADER + 6 + 5] = 9;
        transmit(&a, 100, true);
    }
    uint32_t size;
    receive(&b, out, &size);
    assert_int_equal(size, 0);
    char *first = strstr(ring_log, "guest web, net root: frames from 52:00:00:00:00:09");
    assert_non_null(first);
    assert_null(strstr(first + 30, "frames from"));
}

static void no_frame_at_all(void **state)
{
    (void)state;
    attach(&a, PLAIN);
    attach(&b, PLAIN);
    ring_add(&a.tx, &(struct ring_buffer){a.frame, HEADER - 1, false}, 1);
    net_backend.kick(a.backend, 1);
    ring_settle();
    assert_int_equal(a.guest.channel->back.state, BACK_FAILED);
    assert_non_null(strstr(a.guest.channel->back.error, "queue 1: 11 bytes are no frame"));
    /* The other one's ring is broken by what it posts, and found when somebody sends to it. */
    ring_front_idle(&a.guest);
    net_backend.front_changed(a.backend);
    ring_init(&a.tx, &a.guest, 1, SIZE, true);
    ring_init(&a.rx, &a.guest, 0, SIZE, true);
    ring_front_run(&a.guest, PLAIN);
    net_backend.front_changed(a.backend);
    ring_add(&b.rx, &(struct ring_buffer){b.buffers, HEADER - 1, true}, 1);
    send(&a, 2, 100);
    assert_int_equal(b.guest.channel->back.state, BACK_FAILED);
    assert_int_equal(a.guest.channel->back.state, BACK_CONNECTED);
    assert_int_equal(ring_used(&a.tx)->idx, 1);
}

static void a_dead_receiver(void **state)
{
    (void)state;
    attach(&a, PLAIN);
    attach(&b, PLAIN); /* posts nothing */
    for (unsigned i = 0; i < 200; i++) {
        send(&a, i % 2 == 0 ? 2 : 0x77, 100);
        uint32_t head, written;
        assert_true(ring_take(&a.tx, &head, &written));
    }
    assert_int_equal(card_count, 100);
}

static void a_rate(void **state)
{
    (void)state;
    a.guest.entry.rate = 1000000; /* bytes per second */
    attach(&a, PLAIN);
    uint64_t begin_ns = ring_now;
    unsigned sent = 0;
    build(&a, 0x77, 1000);
    while (ring_now - begin_ns < 1000000000ull) {
        while ((uint16_t)(a.tx.next_avail - a.tx.last_used) < SIZE) {
            ring_add(&a.tx, &(struct ring_buffer){a.frame, HEADER + 1000, false}, 1);
        }
        net_backend.kick(a.backend, 1);
        ring_settle();
        uint32_t head, written;
        while (ring_take(&a.tx, &head, &written)) {
            sent++;
        }
        card_flush();
        ring_now += 1000000;
    }
    assert_in_range(sent, 1000, 1000 + 131 + 10); /* and what a pause had saved */
}

static void one_signal_and_one_doorbell(void **state)
{
    (void)state;
    attach(&a, PLAIN);
    attach(&b, PLAIN);
    post(&b, 32, 2048);
    ring_want_signal(&b.rx);
    card_kicks = 0;
    build(&a, 0xff, 100);
    memset((uint8_t *)ring_at(&a.guest, a.frame) + HEADER, 0xff, 6);
    for (unsigned i = 0; i < 20; i++) {
        uint16_t before = a.tx.next_avail;
        ring_add(&a.tx, &(struct ring_buffer){a.frame, HEADER + 100, false}, 1);
        assert_int_equal(ring_would_kick(&a.tx, before), i == 0);
    }
    net_backend.kick(a.backend, 1);
    ring_settle();
    assert_int_equal(ring_used(&b.rx)->idx, 20);
    assert_int_equal(ring_signals[22], 1);
    assert_int_equal(card_kicks, 1);
    uint16_t before = b.rx.next_avail;
    post(&b, 10, 2048);
    assert_false(ring_would_kick(&b.rx, before)); /* no doorbell for buffers */
}

static void reset_and_restart(void **state)
{
    (void)state;
    attach(&a, PLAIN);
    attach(&b, FULL);
    post(&b, 5, 300);
    send(&a, 2, 1514); /* takes all five, and gives them back */
    ring_front_idle(&a.guest);
    net_backend.front_changed(a.backend);
    assert_int_equal(a.guest.channel->back.state, BACK_OFFERED);
    /* Another drivers-dom: the first is gone with what it knew. */
    void *old = b.backend;
    assert_null(net_backend.attach(&b.guest.entry, 0)); /* the address is taken */
    assert_non_null(strstr(ring_log, "another guest has this MAC address"));
    b.guest.channel->back.state = BACK_CONNECTED;
    struct channel copy = *b.guest.channel;
    net_backend.detach(old);
    *b.guest.channel = copy;
    b.backend = net_backend.attach(&b.guest.entry, 0);
    assert_non_null(b.backend);
    ring_init(&a.tx, &a.guest, 1, SIZE, true);
    ring_init(&a.rx, &a.guest, 0, SIZE, true);
    ring_front_run(&a.guest, PLAIN);
    net_backend.front_changed(a.backend);
    uint32_t size;
    for (unsigned i = 0; i < 5; i++) {
        send(&a, 2, 200);
        receive(&b, out, &size);
        assert_int_equal(size, 200);
    }
    send(&a, 2, 200);
    receive(&b, out, &size);
    assert_int_equal(size, 0);
}

static void refused(void **state)
{
    (void)state;
    a.guest.entry.mac[0] = 1;
    assert_null(net_backend.attach(&a.guest.entry, 0));
    assert_non_null(strstr(
        ring_log, "cannot be connected to switch uplink as 01:00:00:00:00:01, VLAN 0: the MAC address is a group's"));
    a.guest.entry.mac[0] = 0x52;
    a.guest.entry.queue_count = 1;
    assert_null(net_backend.attach(&a.guest.entry, 0));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(offers),
        T(from_one_to_the_other),
        T(merged_buffers),
        T(a_buffer_that_is_too_small),
        T(to_the_card_and_back),
        T(large_segments),
        T(large_segments_for_a_simple_guest),
        T(nonsense_is_dropped),
        T(a_false_source_is_named_once),
        T(no_frame_at_all),
        T(a_dead_receiver),
        T(a_rate),
        T(one_signal_and_one_doorbell),
        T(reset_and_restart),
        T(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
