/* SPDX-License-Identifier: MIT
 * The virtio-rng device (virtio 1.2 section 5.4): fills the guest's buffers with random bytes. */
#include <stdlib.h>
#include <string.h>
#include "backend.h"
#include "channel.h"
#include "random.h"
#include "service.h"

#define ROUND_BYTES (16u << 10) /* for one guest in one round */
#define PIECE 256u

static struct random_pool pool;

struct rng {
    struct back back;
    struct service_bottom bottom;
    struct queue_chain chain;
};

/* A buffer may be filled in part (section 5.4.6.2). */
static uint32_t fill(struct rng *rng, uint32_t most)
{
    uint8_t bytes[PIECE];
    uint32_t size = rng->chain.writable < most ? rng->chain.writable : most;
    for (uint32_t done = 0; done < size; done += PIECE) {
        uint32_t part = size - done < PIECE ? size - done : PIECE;
        random_bytes(&pool, bytes, part);
        queue_chain_write(&rng->chain, done, bytes, part);
    }
    memset(bytes, 0, sizeof(bytes));
    return size;
}

static void rng_round(void *context)
{
    struct rng *rng = context;
    struct queue *queue = &rng->back.queues[0];
    uint32_t left = ROUND_BYTES;
    while (channel_running(&rng->back) && left > 0) {
        enum queue_result result = queue_pop(queue, &rng->chain);
        if (result == QUEUE_EMPTY) {
            break;
        }
        if (result == QUEUE_BROKEN) {
            channel_fail_queue(&rng->back, 0);
        } else if (rng->chain.writable == 0) {
            channel_fail(&rng->back, "queue 0: a request without a writable buffer");
        } else {
            uint32_t size = fill(rng, left);
            queue_push(queue, rng->chain.head, size);
            rng->back.work.requests++;
            rng->back.work.bytes_out += size;
            left -= size;
        }
    }
    channel_publish(&rng->back, 0);
    if (channel_running(&rng->back) && (left == 0 || queue_idle(queue))) {
        service_bottom_arm(&rng->bottom);
    }
}

static void start(void *context, bool resumed)
{
    (void)resumed;
    service_bottom_arm(&((struct rng *)context)->bottom);
}

static void stop(void *context) { (void)context; }

static void rng_free(void *context)
{
    struct rng *rng = context;
    service_bottom_cancel(&rng->bottom);
    free(rng);
}

static const struct channel_user user = {.kind = "rng", .start = start, .stop = stop, .gone = rng_free};

static void *attach(const struct control_channel *entry, unsigned index)
{
    (void)index;
    if (!pool.seeded && !random_seed(&pool)) {
        service_log("guest %s, rng %s: this machine has no source of random bytes", entry->domain, entry->name);
        return NULL;
    }
    struct rng *rng = calloc(1, sizeof(*rng));
    if (rng == NULL) {
        service_log("guest %s, rng %s: no memory is left for its back end", entry->domain, entry->name);
        return NULL;
    }
    rng->bottom = (struct service_bottom){.run = rng_round, .context = rng};
    if (channel_open(&rng->back, entry, &user, rng) != OK) {
        free(rng);
        return NULL;
    }
    channel_offer(&rng->back, 0, "", 0, 1);
    return rng;
}

static void detach(void *backend)
{
    channel_close(&((struct rng *)backend)->back);
}

static void front_changed(void *backend)
{
    channel_update(&((struct rng *)backend)->back);
}

static void kick(void *backend, unsigned queue)
{
    struct rng *rng = backend;
    if (queue == 0 && channel_running(&rng->back)) {
        service_bottom_arm(&rng->bottom);
    }
}

static const struct control_work *work(void *backend) { return &((struct rng *)backend)->back.work; }

const struct backend_ops rng_backend = {
    .type = CHANNEL_RNG,
    .name = "rng",
    .attach = attach,
    .detach = detach,
    .front_changed = front_changed,
    .kick = kick,
    .work = work,
};
