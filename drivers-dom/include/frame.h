/* SPDX-License-Identifier: MIT
 * An Ethernet frame on its way from a port to others: headers in a copy of our own, because they are checked, the rest
 * where the sender has it. With it goes what a virtio sender may leave to others (virtio 1.2 section 5.1.6): a checksum
 * to be completed, segments to be cut. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_net.h>
#include "net.h"
#include "queue.h"

#define FRAME_HEAD 192                       /* bytes of the copy: all headers that anybody looks at */
#define FRAME_PLAIN_MAX (NET_FRAME_MAX - 4)  /* without VLAN tag: the switch is untagged inside */
#define FRAME_MAX (65535u + 14)              /* one that is still to be cut */

struct frame {
    struct virtio_net_hdr_v1 offload; /* checked by offload_check; num_buffers unused */
    uint32_t size, head_size;
    uint8_t head[FRAME_HEAD];
    const uint8_t *linear;            /* all of it, in drivers-dom's memory; or null: in the chain */
    const struct queue_chain *chain;
    uint32_t chain_offset;            /* of the frame's first byte in the chain's readable part */
};

/* A frame in our memory; `offload` zeroed. */
void frame_from_memory(struct frame *frame, const uint8_t *data, uint32_t size);
/* A frame of a guest, from `offset` of the readable part on. False: too short or too long for any. */
bool frame_from_chain(struct frame *frame, const struct queue_chain *chain, uint32_t offset);
/* Copies bytes out of it: the head from the copy. The range must be inside. */
void frame_copy(const struct frame *frame, uint32_t offset, void *to, uint32_t size);
/* Copies `size` bytes of it into the chain's writable part. Both ranges must be inside. */
void frame_to_chain(const struct frame *frame, uint32_t offset, const struct queue_chain *chain, uint32_t chain_offset,
                    uint32_t size);
