/* SPDX-License-Identifier: MIT
 * Checksums and segments: what comes out must be what a network card would have sent, by checksums computed here in
 * another way; and claims that make no sense are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "offload.h"

static uint8_t data[FRAME_MAX];
static struct frame frame;
static uint8_t out[300][FRAME_PLAIN_MAX];
static uint32_t sizes[300];
static unsigned count;
static const struct frame *same; /* only its address */
static unsigned flags;

static void emit(void *context, const struct frame *one)
{
    assert_ptr_equal(context, &count);
    if (one->size > FRAME_PLAIN_MAX) {
        same = one;
        count++;
        return;
    }
    assert_in_range(count, 0, 299);
    assert_in_range(one->size, 14, FRAME_PLAIN_MAX);
    frame_copy(one, 0, out[count], one->size);
    same = one;
    flags = one->offload.flags;
    sizes[count++] = one->size;
}

static void run(unsigned takes)
{
    count = 0;
    offload_emit(&frame, takes, emit, &count);
}

/* RFC 1071 word by word, big-endian. */
static uint16_t sum(const uint8_t *at, uint32_t size, uint32_t start)
{
    uint32_t total = start;
    for (uint32_t i = 0; i < size; i++) {
        total += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
    }
    while (total >> 16 != 0) {
        total = (total & 0xffff) + (total >> 16);
    }
    return (uint16_t)total;
}

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static uint32_t get32(const uint8_t *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }
static void set16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* Ethernet, IP, TCP or UDP with a pattern behind. The checksum field has the pseudo header's sum, as Linux leaves it.
 */
static uint32_t build(bool six, uint8_t protocol, uint32_t payload)
{
    memset(data, 0, sizeof(data));
    memcpy(data, "\x52\0\0\0\0\1\x52\0\0\0\0\2", 12);
    uint32_t ip = six ? 40 : 24, head = protocol == 6 ? 32 : 8, length = head + payload; /* IPv4 with an option */
    uint8_t *l3 = data + 14, *l4 = l3 + ip;
    set16(data + 12, six ? 0x86dd : 0x0800);
    if (six) {
        l3[0] = 0x60;
        set16(l3 + 4, length);
        l3[6] = protocol;
        for (unsigned i = 8; i < 40; i++) {
            l3[i] = (uint8_t)(i * 7);
        }
    } else {
        l3[0] = 0x46;
        set16(l3 + 2, ip + length);
        set16(l3 + 4, 0xfffe);
        l3[9] = protocol;
        memcpy(l3 + 12, "\x0a\0\0\1\x0a\0\0\2\1\1\1", 11);
    }
    if (protocol == 6) {
        memcpy(l4 + 4, "\xff\xff\xf0\0", 4); /* sequence number: wraps */
        l4[12] = 0x80;
        l4[13] = 0x80 | 0x10 | 0x08 | 0x01; /* CWR ACK PSH FIN */
    } else {
        set16(l4 + 4, length);
    }
    for (uint32_t i = 0; i < payload; i++) {
        l4[head + i] = (uint8_t)(i * 13 + i / 256);
    }
    uint32_t pseudo = sum(six ? l3 + 8 : l3 + 12, six ? 32 : 8, 0) + protocol + length;
    set16(l4 + (protocol == 6 ? 16 : 6), sum(l4, 0, pseudo));
    uint32_t size = 14 + ip + length;
    frame_from_memory(&frame, data, size);
    return size;
}

static struct virtio_net_hdr_v1 header(bool six, uint8_t protocol, uint8_t gso, uint16_t size)
{
    return (struct virtio_net_hdr_v1){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                       .gso_type = gso,
                                       .gso_size = size,
                                       .hdr_len = 1,
                                       .csum_start = six ? 54 : 38,
                                       .csum_offset = protocol == 6 ? 16 : 6 };
}

#define ALL (TAKES_CSUM | TAKES_TSO4 | TAKES_TSO6)

static void check_ip(const uint8_t *at, uint32_t size, bool six, uint8_t protocol)
{
    const uint8_t *l3 = at + 14;
    uint32_t ip = six ? 40 : 24, length = size - 14 - ip;
    if (six) {
        assert_int_equal(get16(l3 + 4), length);
    } else {
        assert_int_equal(get16(l3 + 2), ip + length);
    }
    uint32_t pseudo = sum(six ? l3 + 8 : l3 + 12, six ? 32 : 8, 0) + protocol + length;
    assert_int_equal(sum(l3 + ip, length, pseudo), 0xffff);
}

static void a_checksum(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        bool six = i & 1;
        uint8_t protocol = i & 2 ? 6 : 17;
        uint32_t size = build(six, protocol, 100 + i / 4);
        struct virtio_net_hdr_v1 h = header(six, protocol, 0, 0);
        assert_true(offload_check(&frame, &h, TAKES_CSUM));
        run(ALL);
        assert_ptr_equal(same, &frame); /* passed on */
        run(0);
        assert_int_equal(count, 1);
        assert_int_equal(sizes[0], size);
        check_ip(out[0], size, six, protocol);
        assert_memory_equal(out[0] + size - 100, data + size - 100, 100);
        assert_int_equal(flags, 0);
    }
}

static void a_udp_checksum_is_never_zero(void **state)
{
    (void)state;
    uint32_t size = build(false, 17, 2);
    uint8_t *udp = data + 38;
    memset(udp, 0, 10);
    set16(udp + 8, 0xffff);
    frame_from_memory(&frame, data, size);
    struct virtio_net_hdr_v1 h = header(false, 17, 0, 0);
    assert_true(offload_check(&frame, &h, TAKES_CSUM));
    run(0);
    assert_int_equal(get16(out[0] + 44), 0xffff);
}

static void cut_into_segments(void **state)
{
    (void)state;
    for (unsigned six = 0; six < 2; six++) {
        const uint32_t payload = 64000, mss = 1400;
        uint32_t head = 14 + (six ? 40 : 24) + 32;
        build(six, 6, payload);
        struct virtio_net_hdr_v1 h = header(six, 6, six ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4, mss);
        assert_true(offload_check(&frame, &h, ALL));
        assert_int_equal(frame.offload.hdr_len, head);
        run(ALL);
        assert_ptr_equal(same, &frame);
        run(TAKES_CSUM);
        assert_int_equal(count, (payload + mss - 1) / mss);
        uint32_t done = 0;
        for (unsigned i = 0; i < count; i++) {
            const uint8_t *tcp = out[i] + head - 32;
            check_ip(out[i], sizes[i], six, 6);
            assert_int_equal(get32(tcp + 4), 0xfffff000u + done);
            assert_int_equal(tcp[13], 0x10 | (i == 0 ? 0x80 : 0) | (i + 1 == count ? 0x09 : 0));
            assert_memory_equal(out[i] + head, data + head + done, sizes[i] - head);
            done += sizes[i] - head;
            if (!six) {
                assert_int_equal(sum(out[i] + 14, 24, 0), 0xffff);
                assert_int_equal(get16(out[i] + 18), (uint16_t)(0xfffe + i));
            }
        }
        assert_int_equal(done, payload);
    }
}

static void refused(struct virtio_net_hdr_v1 h, unsigned may)
{
    assert_false(offload_check(&frame, &h, may));
}

static void claims_that_make_no_sense(void **state)
{
    (void)state;
    uint32_t size = build(false, 6, 3000);
    struct virtio_net_hdr_v1 good = header(false, 6, VIRTIO_NET_HDR_GSO_TCPV4, 1400), h;
    assert_true(offload_check(&frame, &good, ALL));
    refused(good, TAKES_CSUM);                      /* not negotiated */
    refused(good, TAKES_TSO4);
    refused(good, TAKES_CSUM | TAKES_TSO6);
    h = good; h.flags = 0; refused(h, ALL);         /* segments without a checksum */
    h = good; h.gso_type = 0; refused(h, ALL);      /* larger than a frame */
    h = good; h.gso_type = VIRTIO_NET_HDR_GSO_UDP; refused(h, ALL);
    h = good; h.gso_type |= VIRTIO_NET_HDR_GSO_ECN; refused(h, ALL);
    h = good; h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6; refused(h, ALL);
    h = good; h.gso_size = 0; refused(h, ALL);
    h = good; h.gso_size = 1; refused(h, ALL);      /* crumbs */
    h = good; h.gso_size = 1500; refused(h, ALL);   /* larger than a frame */
    h = good; h.csum_start = 34; refused(h, ALL);   /* in the IP header's options */
    h = good; h.csum_start = 0; refused(h, ALL);
    h = good; h.csum_start = 0xffff; refused(h, ALL);
    h = good; h.csum_offset = 6; refused(h, ALL);
    h = good; h.csum_offset = 0xffff; refused(h, ALL);
    data[38 + 12] = 0x40;                           /* a TCP header shorter than one */
    frame_from_memory(&frame, data, size);
    refused(good, ALL);
    data[38 + 12] = 0xf0;                           /* all headers, no payload */
    frame_from_memory(&frame, data, 38 + 60);
    refused(good, ALL);
    h = header(false, 6, 0, 0);
    h.csum_offset = (uint16_t)(38 + 60 - 38 - 1);   /* the field's second byte is outside */
    refused(h, ALL);
    h.csum_offset--;
    assert_true(offload_check(&frame, &h, ALL));
    run(0);
    h = (struct virtio_net_hdr_v1){.flags = VIRTIO_NET_HDR_F_DATA_VALID | 0xf0, .csum_start = 9999};
    assert_true(offload_check(&frame, &h, 0));      /* unknown flags mean nothing */
    assert_int_equal(frame.offload.flags | frame.offload.csum_start, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_checksum), cmocka_unit_test(a_udp_checksum_is_never_zero),
                                        cmocka_unit_test(cut_into_segments),
                                        cmocka_unit_test(claims_that_make_no_sense) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
