/* SPDX-License-Identifier: MIT
 * Checksums and TCP segmentation in software. */
#include <string.h>
#include "offload.h"

#define ETHERNET_HEADER 14u
#define IPV4_MIN 20u
#define IPV6_HEADER 40u
#define TCP_MIN 20u
#define TCP_CHECKSUM 16u
#define UDP_CHECKSUM 6u
#define PROTOCOL_TCP 6u
#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

static uint8_t whole[FRAME_MAX];       /* the frame that is being worked on */
static uint8_t part[FRAME_PLAIN_MAX];  /* one segment of it */

static uint16_t read16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static uint32_t read32(const uint8_t *at) { return (uint32_t)read16(at) << 16 | read16(at + 2); }

static void write16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void write32(uint8_t *at, uint32_t value)
{
    write16(at, value >> 16);
    write16(at + 2, value);
}

/* The ones' complement sum of 16-bit words (RFC 1071). In the machine's byte order, four bytes at a time: the sum does
 * not mind. */
static uint64_t add_bytes(uint64_t sum, const uint8_t *data, uint32_t size)
{
    for (; size >= 4; size -= 4, data += 4) {
        uint32_t word;
        memcpy(&word, data, 4);
        sum += word;
    }
    uint32_t rest = 0;
    memcpy(&rest, data, size);
    return sum + rest;
}

/* The value to be stored with memcpy. */
static uint16_t fold(uint64_t sum)
{
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

static void put_checksum(uint8_t *at, uint16_t sum) { memcpy(at, &sum, 2); }

/* --- what a sender claims --- */

static bool is_tcp4(const struct frame *frame, uint32_t start)
{
    const uint8_t *ip = frame->head + ETHERNET_HEADER;
    return frame->head_size >= ETHERNET_HEADER + IPV4_MIN && read16(frame->head + 12) == 0x0800 && ip[0] >> 4 == 4 &&
           (ip[0] & 15) * 4u >= IPV4_MIN && ip[9] == PROTOCOL_TCP && start == ETHERNET_HEADER + (ip[0] & 15) * 4u;
}

/* Extension headers may lie between. */
static bool is_tcp6(const struct frame *frame, uint32_t start)
{
    return frame->head_size >= ETHERNET_HEADER + IPV6_HEADER && read16(frame->head + 12) == 0x86dd &&
           frame->head[ETHERNET_HEADER] >> 4 == 6 && start >= ETHERNET_HEADER + IPV6_HEADER;
}

static bool check_segments(struct frame *frame, const struct virtio_net_hdr_v1 *header, unsigned may)
{
    uint32_t start = header->csum_start;
    bool four = header->gso_type == VIRTIO_NET_HDR_GSO_TCPV4, six = header->gso_type == VIRTIO_NET_HDR_GSO_TCPV6;
    if (!(four && (may & TAKES_TSO4) != 0 && is_tcp4(frame, start)) &&
        !(six && (may & TAKES_TSO6) != 0 && is_tcp6(frame, start))) {
        return false;
    }
    if (header->csum_offset != TCP_CHECKSUM || start + TCP_MIN > frame->head_size) {
        return false;
    }
    uint32_t tcp = (frame->head[start + 12] >> 4) * 4u, headers = start + tcp;
    if (tcp < TCP_MIN || headers > frame->head_size || header->gso_size == 0 ||
        headers + header->gso_size > FRAME_PLAIN_MAX) {
        return false;
    }
    if ((frame->size - headers + header->gso_size - 1) / header->gso_size > OFFLOAD_MAX_SEGMENTS ||
        frame->size == headers) {
        return false;
    }
    frame->offload.gso_type = header->gso_type;
    frame->offload.gso_size = header->gso_size;
    frame->offload.hdr_len = (uint16_t)headers;
    return true;
}

bool offload_check(struct frame *frame, const struct virtio_net_hdr_v1 *header, unsigned may)
{
    frame->offload = (struct virtio_net_hdr_v1){0};
    if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0) {
        return header->gso_type == VIRTIO_NET_HDR_GSO_NONE && frame->size <= FRAME_PLAIN_MAX;
    }
    uint32_t start = header->csum_start, field = start + header->csum_offset;
    if ((may & TAKES_CSUM) == 0 || start < ETHERNET_HEADER || field + 2 > frame->size) {
        return false;
    }
    frame->offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    frame->offload.csum_start = header->csum_start;
    frame->offload.csum_offset = header->csum_offset;
    if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
        return frame->size <= FRAME_PLAIN_MAX;
    }
    return check_segments(frame, header, may);
}

/* --- what is left to do --- */

static void complete_checksum(uint8_t *data, uint32_t size, uint32_t start, uint32_t offset)
{
    uint16_t sum = fold(add_bytes(0, data + start, size - start));
    if (sum == 0 && offset == UDP_CHECKSUM) {
        sum = 0xffff; /* 0 would mean "none" */
    }
    put_checksum(data + start + offset, sum);
}

static uint64_t pseudo_header(const uint8_t *data, bool four, uint32_t length)
{
    uint8_t tail[4] = {0, PROTOCOL_TCP};
    write16(tail + 2, length);
    uint64_t sum = add_bytes(0, tail, sizeof(tail));
    return four ? add_bytes(sum, data + ETHERNET_HEADER + 12, 8) : add_bytes(sum, data + ETHERNET_HEADER + 8, 32);
}

static void fix_ip(uint8_t *data, bool four, uint32_t size, unsigned index)
{
    uint8_t *ip = data + ETHERNET_HEADER;
    if (!four) {
        write16(ip + 4, size - ETHERNET_HEADER - IPV6_HEADER);
        return;
    }
    write16(ip + 2, size - ETHERNET_HEADER);
    write16(ip + 4, read16(ip + 4) + index);
    put_checksum(ip + 10, 0);
    put_checksum(ip + 10, fold(add_bytes(0, ip, (ip[0] & 15) * 4u)));
}

static void cut(const struct frame *frame, void (*emit)(void *context, const struct frame *frame), void *context)
{
    const struct virtio_net_hdr_v1 *offload = &frame->offload;
    uint32_t headers = offload->hdr_len, tcp = offload->csum_start, left = frame->size - headers,
             step = offload->gso_size;
    bool four = offload->gso_type == VIRTIO_NET_HDR_GSO_TCPV4;
    for (unsigned index = 0; left > 0; index++) {
        uint32_t size = left < step ? left : step, done = frame->size - headers - left;
        memcpy(part, whole, headers);
        memcpy(part + headers, whole + headers + done, size);
        left -= size;
        fix_ip(part, four, headers + size, index);
        write32(part + tcp + 4, read32(whole + tcp + 4) + done);
        if (left > 0) {
            part[tcp + 13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
        }
        if (index > 0) {
            part[tcp + 13] &= (uint8_t)~TCP_CWR;
        }
        uint32_t length = headers - tcp + size;
        put_checksum(part + tcp + TCP_CHECKSUM, 0);
        put_checksum(part + tcp + TCP_CHECKSUM, fold(add_bytes(pseudo_header(part, four, length), part + tcp, length)));
        struct frame plain;
        frame_from_memory(&plain, part, headers + size);
        emit(context, &plain);
    }
}

void offload_emit(const struct frame *frame, unsigned takes, void (*emit)(void *context, const struct frame *frame),
                  void *context)
{
    const struct virtio_net_hdr_v1 *offload = &frame->offload;
    bool segments = offload->gso_type != VIRTIO_NET_HDR_GSO_NONE;
    unsigned needs = (offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0 ? TAKES_CSUM : 0;
    if (segments) {
        needs |= offload->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 ? TAKES_TSO4 : TAKES_TSO6;
    }
    if ((needs & ~takes) == 0) {
        emit(context, frame);
        return;
    }
    frame_copy(frame, 0, whole, frame->size);
    if (segments) {
        cut(frame, emit, context);
        return;
    }
    complete_checksum(whole, frame->size, offload->csum_start, offload->csum_offset);
    struct frame plain;
    frame_from_memory(&plain, whole, frame->size);
    emit(context, &plain);
}
