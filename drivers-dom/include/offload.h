/* SPDX-License-Identifier: MIT
 * What a virtio sender leaves undone, done in software for receivers that do not take it as it is: guests that did not
 * negotiate it, and the network card. */
#pragma once

#include "frame.h"

/* What a receiver takes. */
#define TAKES_CSUM (1u << 0) /* a partial checksum */
#define TAKES_TSO4 (1u << 1)
#define TAKES_TSO6 (1u << 2)

#define OFFLOAD_MAX_SEGMENTS 256 /* of one frame: a guest cannot make us cut it into crumbs */

/* Checks the header that came with a frame against the frame and what the sender negotiated (TAKES_* for what it may
 * leave undone), and fills in frame->offload. False: it makes no sense, drop it. */
bool offload_check(struct frame *frame, const struct virtio_net_hdr_v1 *header, unsigned may);

/* Calls emit with frames that a receiver which takes `takes` can use: the frame itself, or one with its checksum
 * completed, or its segments. They are valid during the call. Not to be called from emit. */
void offload_emit(const struct frame *frame, unsigned takes, void (*emit)(void *context, const struct frame *frame),
                  void *context);
