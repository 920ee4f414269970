/* SPDX-License-Identifier: MIT
 * virtio-net and the switch: a hostile guest and a well-behaved one. Whatever the hostile one does, the other keeps its
 * memory (only its posted buffers are written) and can still send to the card. */
#include "fuzz_ring.h"
#include "backend.h"
#include "card_fixture.h"
#include "frame.h"

#define HEADER 12u
#define BUFFER 2048u
#define POSTED 32

static void *hostile, *good;
static struct ring_guest good_guest;
static struct ring good_rx, good_tx;
static uint64_t good_buffers, good_frame;

static void good_post(unsigned slot)
{
    good_rx.next_free = (uint16_t)slot;
    ring_add(&good_rx, &(struct ring_buffer){good_buffers + slot * BUFFER, BUFFER, true}, 1);
}

static void good_begin(void)
{
    ring_guest_init(&good_guest, CHANNEL_NET);
    strcpy(good_guest.entry.source, "uplink");
    memcpy(good_guest.entry.mac, "\x52\0\0\0\0\2", 6);
    ring_init(&good_rx, &good_guest, 0, POSTED, true);
    ring_init(&good_tx, &good_guest, 1, 4, true);
    good_buffers = ring_alloc(&good_guest, POSTED * BUFFER, 4096);
    good_frame = ring_alloc(&good_guest, 256, 16);
    memcpy(ring_at(&good_guest, good_frame + HEADER), "\x52\0\0\0\0\x77\x52\0\0\0\0\2\x88\xb5", 14);
    good = net_backend.attach(&good_guest.entry, 1);
    ring_front_run(&good_guest, 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_RING_F_EVENT_IDX |
                                    (uint64_t)(fuzz_byte() & 1) << VIRTIO_NET_F_GUEST_CSUM |
                                    (uint64_t)(fuzz_byte() & 1) << VIRTIO_NET_F_GUEST_TSO4);
    net_backend.front_changed(good);
    for (unsigned i = 0; i < POSTED; i++) {
        good_post(i);
    }
}

/* What the good guest received is a frame for it, with a header that a driver can rely on. */
static void good_receive(void)
{
    uint32_t head, written;
    unsigned merged = 0;
    while (ring_take(&good_rx, &head, &written)) {
        if (head >= POSTED || written == 0 || written > BUFFER) {
            abort();
        }
        const uint8_t *data = ring_at(&good_guest, good_buffers + head * BUFFER);
        if (merged == 0) {
            struct virtio_net_hdr_v1 header;
            memcpy(&header, data, sizeof(header));
            merged = header.num_buffers;
            if (merged == 0 || written < HEADER + NET_FRAME_MIN ||
                ((data[HEADER] & 1) == 0 && memcmp(data + HEADER, "\x52\0\0\0\0\2", 6) != 0)) {
                abort();
            }
            if (header.gso_type != 0 && (header.gso_size == 0 || header.flags != VIRTIO_NET_HDR_F_NEEDS_CSUM)) {
                abort();
            }
        }
        merged--;
        good_post(head);
    }
    if (merged != 0) {
        abort();
    }
}

/* A frame that is nearly right. */
static void frame(void)
{
    uint8_t data[128] = {0};
    uint64_t at = fuzz_data + fuzz_word() % 0x4000;
    uint32_t size = fuzz_byte() % 4 == 0 ? fuzz_word() % 0x7000 : fuzz_word() % 1600;
    struct virtio_net_hdr_v1 header = {0};
    bool six = fuzz_byte() & 1;
    if (fuzz_byte() % 2 == 0) {
        header = (struct virtio_net_hdr_v1){1, fuzz_byte() % 6, 0, fuzz_word() % 1500, {{six ? 54 : 34, 16}}, 0};
    }
    if (fuzz_byte() % 8 == 0) {
        header.csum_start = fuzz_word();
        header.csum_offset = fuzz_word();
    }
    memcpy(data, &header, sizeof(header));
    memcpy(data + HEADER, "\x52\0\0\0\0\2\x52\0\0\0\0\1\x08\0\x45", 15);
    if (six) {
        memcpy(data + HEADER + 12, "\x86\xdd\x60", 3);
    }
    data[HEADER + 5] = fuzz_byte() % 4 == 0 ? fuzz_byte() : 2;
    data[HEADER] |= fuzz_byte() % 4 == 0;
    data[HEADER + 23] = 6;
    data[HEADER + header.csum_start % 60 + 12] = 0x50;
    for (unsigned i = fuzz_byte() % 3; i > 0; i--) {
        data[fuzz_byte() % sizeof(data)] = fuzz_byte();
    }
    memcpy(ring_at(&fuzz_guest, at), data, sizeof(data));
    uint32_t cut = fuzz_byte() % 4 == 0 ? fuzz_byte() % (size + 1) : 0;
    const struct ring_buffer buffers[] = {{at, HEADER + size - cut, false}, {fuzz_address(), cut, false}};
    ring_add(&fuzz_rings[1], buffers, cut != 0 ? 2 : 1);
}

static void front(void)
{
    if (fuzz_guest.channel->front.state == FRONT_RUNNING && fuzz_byte() % 4 != 0) {
        ring_front_idle(&fuzz_guest);
    } else {
        fuzz_guest_reset();
        uint64_t features = fuzz_guest.channel->back.features;
        ring_front_run(&fuzz_guest, features & ~((uint64_t)(fuzz_byte() & 3) << VIRTIO_NET_F_MRG_RXBUF >> 1));
    }
    net_backend.front_changed(hostile);
}

static void act(void)
{
    switch (fuzz_byte() % 12) {
    case 0: fuzz_descriptor(); break;
    case 1: *(uint8_t *)ring_at(&fuzz_guest, fuzz_place()) = fuzz_byte(); break;
    case 2: ring_put(&fuzz_rings[fuzz_byte() % 2], fuzz_byte()); break;
    case 3: fuzz_chain(); break;
    case 4: case 5: case 6: frame(); break;
    case 7: net_backend.kick(hostile, 1); break;
    case 8: ring_round(); break;
    case 9: {
        uint8_t data[1600];
        uint32_t size = fuzz_word() % sizeof(data);
        for (unsigned i = 0; i < sizeof(data); i++) {
            data[i] = i < 24 ? fuzz_byte() : (uint8_t)i;
        }
        memcpy(data, fuzz_byte() & 1 ? "\x52\0\0\0\0\1" : "\xff\xff\xff\xff\xff\xff", 6);
        card_receive(data, size);
        break;
    }
    case 10: card_flush(); card_depth = fuzz_byte() * 2u; ring_now += 1000000; break;
    default: front(); break;
    }
    good_receive();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_at = data;
    fuzz_end = data + size;
    fuzz_guest_begin(CHANNEL_NET, 2);
    card_begin();
    card_depth = CARD_DEPTH;
    strcpy(fuzz_guest.entry.source, "uplink");
    memcpy(fuzz_guest.entry.mac, "\x52\0\0\0\0\1", 6);
    fuzz_guest.entry.rate = fuzz_byte() % 2 * 1000000ull;
    hostile = net_backend.attach(&fuzz_guest.entry, 0);
    good_begin();
    if (hostile == NULL || good == NULL) {
        abort();
    }
    ring_front_run(&fuzz_guest, fuzz_guest.channel->back.features);
    net_backend.front_changed(hostile);
    fuzz_live = true;
    while (fuzz_at < fuzz_end) {
        act();
    }
    fuzz_live = false;
    card_flush();
    card_depth = CARD_DEPTH;
    ring_settle();
    good_receive();
    card_flush();
    ring_add(&good_tx, &(struct ring_buffer){good_frame, HEADER + 60, false}, 1);
    net_backend.kick(good, 1);
    ring_settle();
    if (good_guest.channel->back.state != BACK_CONNECTED || ring_used(&good_tx)->idx != 1 || card_count == 0) {
        abort();
    }
    ring_front_idle(&fuzz_guest);
    net_backend.front_changed(hostile);
    if (fuzz_guest.channel->back.state != BACK_OFFERED) {
        abort();
    }
    net_backend.detach(hostile);
    net_backend.detach(good);
    card_flush();
    return 0;
}
