/* SPDX-License-Identifier: MIT
 * Frames: where their bytes are. */
#include <string.h>
#include "frame.h"
#include "service.h"

void frame_from_memory(struct frame *frame, const uint8_t *data, uint32_t size)
{
    frame->offload = (struct virtio_net_hdr_v1){0};
    frame->size = size;
    frame->head_size = size < FRAME_HEAD ? size : FRAME_HEAD;
    memcpy(frame->head, data, frame->head_size);
    frame->linear = data;
    frame->chain = NULL;
    frame->chain_offset = 0;
}

bool frame_from_chain(struct frame *frame, const struct queue_chain *chain, uint32_t offset)
{
    uint32_t size = chain->readable - offset;
    if (chain->readable < offset || size < NET_FRAME_MIN || size > FRAME_MAX) {
        return false;
    }
    frame->offload = (struct virtio_net_hdr_v1){0};
    frame->size = size;
    frame->head_size = size < FRAME_HEAD ? size : FRAME_HEAD;
    frame->linear = NULL;
    frame->chain = chain;
    frame->chain_offset = offset;
    return queue_chain_read(chain, offset, frame->head, frame->head_size);
}

void frame_copy(const struct frame *frame, uint32_t offset, void *to, uint32_t size)
{
    uint8_t *out = to;
    if (offset < frame->head_size) {
        uint32_t part = frame->head_size - offset < size ? frame->head_size - offset : size;
        memcpy(out, frame->head + offset, part);
        out += part;
        offset += part;
        size -= part;
    }
    if (size == 0) {
        return;
    }
    if (frame->linear != NULL) {
        memcpy(out, frame->linear + offset, size);
    } else {
        queue_chain_read(frame->chain, frame->chain_offset + offset, out, size);
    }
}

void frame_to_chain(const struct frame *frame, uint32_t offset, const struct queue_chain *chain, uint32_t chain_offset,
                    uint32_t size)
{
    for (unsigned i = chain->writable_from; i < chain->count && size > 0; i++) {
        const struct queue_segment *segment = &chain->segments[i];
        if (chain_offset >= segment->size) {
            chain_offset -= segment->size;
            continue;
        }
        uint32_t part = segment->size - chain_offset < size ? segment->size - chain_offset : size;
        frame_copy(frame, offset, (uint8_t *)machine(segment->address) + chain_offset, part);
        offset += part;
        size -= part;
        chain_offset = 0;
    }
}
