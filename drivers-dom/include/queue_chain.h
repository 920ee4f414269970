/* SPDX-License-Identifier: MIT
 * Between queue.c and queue_chain.c. */
#pragma once

#include "queue.h"
#include "service.h"

static inline void *queue_memory(uint64_t machine_address)
{
    return machine(machine_address);
}

static inline void *queue_area_at(const struct queue_area *area, uint32_t offset)
{
    return offset < area->split ? area->part[0] + offset : area->part[1] + (offset - area->split);
}

/* Walks the chain that begins at `head`. False: queue->error says which rule it breaks. */
bool queue_chain_walk(struct queue *queue, uint16_t head, struct queue_chain *chain);
