/* SPDX-License-Identifier: MIT
 * The virtio-net device (virtio 1.2 section 5.1): a port of a switch. One pair of queues, no control queue: there is no
 * filter that a guest could set (the switch delivers what is addressed to the port's MAC address or to a group), and
 * nothing else to control.
 *
 * Both queues are done with a chain before the next one is looked at: nothing of a guest's memory is held. */
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_net.h>
#include "backend.h"
#include "channel.h"
#include "net.h"
#include "service.h"
#include "switch.h"

#define RX 0
#define TX 1
#define QUEUES 2
#define HEADER_SIZE ((uint32_t)sizeof(struct virtio_net_hdr_v1))

#define ROUND_FRAMES 64          /* of one guest in one round: others want their turn */
#define ROUND_BYTES (256u << 10)
#define BURST_MIN (128u << 10)   /* bytes that may be sent at once after a pause, whatever the rate */
#define NS_PER_US 1000u
#define US_PER_S 1000000u

struct nic {
    struct back back;
    struct switch_port port;
    struct service_bottom bottom;
    struct service_timer timer;  /* the rate limit lets it go on */
    uint64_t rate, refilled;     /* bytes per second, 0: unlimited; ns */
    int64_t tokens;              /* bytes; below 0 after a frame larger than what was left */
    bool told;                   /* about a frame with a false source */
    struct queue_chain tx, rx, rx_first;
    struct frame frame;
    uint16_t heads[CHANNEL_MAX_QUEUE_SIZE]; /* of a frame being delivered */
    uint32_t filled[CHANNEL_MAX_QUEUE_SIZE];
};

/* --- receiving --- */

static void give_back(struct nic *nic, unsigned count)
{
    while (count > 0) {
        queue_unpop(&nic->back.queues[RX], nic->heads[--count]);
    }
}

/* Fills chains with the header and the frame. The number of chains, 0: no room. */
static unsigned fill(struct nic *nic, const struct frame *frame)
{
    bool merge = channel_negotiated(&nic->back, VIRTIO_NET_F_MRG_RXBUF);
    uint32_t total = HEADER_SIZE + frame->size, done = 0;
    unsigned count = 0;
    while (done < total) {
        struct queue_chain *chain = count == 0 ? &nic->rx_first : &nic->rx;
        enum queue_result result = count == 0 || merge ? queue_pop(&nic->back.queues[RX], chain) : QUEUE_EMPTY;
        if (result == QUEUE_BROKEN) {
            channel_fail_queue(&nic->back, RX);
            return 0;
        }
        if (result == QUEUE_EMPTY || count == CHANNEL_MAX_QUEUE_SIZE) {
            give_back(nic, count);
            return 0;
        }
        if (chain->writable < (count == 0 ? HEADER_SIZE : 1)) {
            channel_fail(&nic->back, "queue %u: a buffer of %u bytes has no room for a frame's header", RX,
                         chain->writable);
            return 0;
        }
        uint32_t size = chain->writable < total - done ? chain->writable : total - done;
        uint32_t skip = count == 0 ? HEADER_SIZE : 0;
        frame_to_chain(frame, done + skip - HEADER_SIZE, chain, skip, size - skip);
        nic->heads[count] = chain->head;
        nic->filled[count++] = size;
        done += size;
    }
    return count;
}

static bool deliver(void *context, const struct frame *frame)
{
    struct nic *nic = context;
    unsigned count = fill(nic, frame);
    if (count == 0) {
        return false;
    }
    struct virtio_net_hdr_v1 header = frame->offload;
    header.num_buffers = (uint16_t)count;
    queue_chain_write(&nic->rx_first, 0, &header, sizeof(header));
    for (unsigned i = 0; i < count; i++) {
        queue_push(&nic->back.queues[RX], nic->heads[i], nic->filled[i]);
    }
    service_bottom_arm(&nic->bottom);
    return true;
}

/* --- sending --- */

static void refill(struct nic *nic)
{
    int64_t most = (int64_t)(nic->rate / 20 > BURST_MIN ? nic->rate / 20 : BURST_MIN);
    uint64_t us = (service_now() - nic->refilled) / NS_PER_US;
    nic->refilled += us * NS_PER_US;
    us = us < US_PER_S ? us : US_PER_S;
    nic->tokens += (int64_t)(us * nic->rate / US_PER_S);
    nic->tokens = nic->tokens < most ? nic->tokens : most;
}

/* False: the guest waits; the timer is set. Its frames stay in its ring, where they are its own problem. */
static bool within_rate(struct nic *nic)
{
    if (nic->rate == 0) {
        return true;
    }
    if (nic->timer.deadline != 0) {
        return false;
    }
    refill(nic);
    if (nic->tokens > 0) {
        return true;
    }
    uint64_t us = ((uint64_t)-nic->tokens + FRAME_PLAIN_MAX) * US_PER_S / nic->rate + 1;
    service_timer_arm(&nic->timer, service_now() + us * NS_PER_US);
    return false;
}

static unsigned may_leave_undone(const struct nic *nic)
{
    return (channel_negotiated(&nic->back, VIRTIO_NET_F_CSUM) ? TAKES_CSUM : 0) |
           (channel_negotiated(&nic->back, VIRTIO_NET_F_HOST_TSO4) ? TAKES_TSO4 : 0) |
           (channel_negotiated(&nic->back, VIRTIO_NET_F_HOST_TSO6) ? TAKES_TSO6 : 0);
}

/* The size of the frame in nic->tx, 0: it was no frame. */
static uint32_t send(struct nic *nic)
{
    struct virtio_net_hdr_v1 header;
    if (!queue_chain_read(&nic->tx, 0, &header, sizeof(header))) {
        channel_fail(&nic->back, "queue %u: %u bytes are no frame: its header has %u", TX, nic->tx.readable,
                     HEADER_SIZE);
        return 0;
    }
    uint64_t spoofed = nic->port.counters.spoofed;
    if (!frame_from_chain(&nic->frame, &nic->tx, HEADER_SIZE) ||
        !offload_check(&nic->frame, &header, may_leave_undone(nic))) {
        nic->port.counters.malformed++;
        return 0;
    }
    switch_send(&nic->port, &nic->frame);
    if (nic->port.counters.spoofed != spoofed && !nic->told) {
        nic->told = true;
        const uint8_t *mac = nic->frame.head + 6;
        service_log(
            "guest %s, net %s: frames from %02x:%02x:%02x:%02x:%02x:%02x, which is not its address, are dropped",
            nic->back.domain, nic->back.name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    }
    return nic->frame.size;
}

static void pump(struct nic *nic)
{
    struct queue *queue = &nic->back.queues[TX];
    uint32_t bytes = 0;
    for (unsigned frames = 0; channel_running(&nic->back) && within_rate(nic); frames++) {
        if (frames == ROUND_FRAMES || bytes >= ROUND_BYTES) {
            service_bottom_arm(&nic->bottom);
            return;
        }
        switch (queue_pop(queue, &nic->tx)) {
        case QUEUE_EMPTY: return;
        case QUEUE_BROKEN: channel_fail_queue(&nic->back, TX); return;
        case QUEUE_CHAIN: break;
        }
        uint32_t size = send(nic);
        if (!channel_running(&nic->back)) {
            return;
        }
        bytes += size;
        nic->tokens -= size;
        queue_push(queue, nic->tx.head, 0);
    }
}

static void net_round(void *context)
{
    struct nic *nic = context;
    if (!channel_running(&nic->back)) {
        return;
    }
    pump(nic);
    channel_publish(&nic->back, RX);
    channel_publish(&nic->back, TX);
    if (nic->timer.deadline == 0 && channel_running(&nic->back) && queue_idle(&nic->back.queues[TX])) {
        service_bottom_arm(&nic->bottom);
    }
}

static void timer_fired(void *context)
{
    service_bottom_arm(&((struct nic *)context)->bottom);
}

/* --- the channel's calls --- */

static void start(void *context, bool resumed)
{
    struct nic *nic = context;
    (void)resumed;
    nic->port.takes = 0;
    if (channel_negotiated(&nic->back, VIRTIO_NET_F_GUEST_CSUM)) {
        nic->port.takes = TAKES_CSUM | (channel_negotiated(&nic->back, VIRTIO_NET_F_GUEST_TSO4) ? TAKES_TSO4 : 0) |
                          (channel_negotiated(&nic->back, VIRTIO_NET_F_GUEST_TSO6) ? TAKES_TSO6 : 0);
    }
    nic->port.active = nic->back.queues[RX].enabled;
    queue_busy(&nic->back.queues[RX]); /* buffers are looked for when there is a frame */
    service_bottom_arm(&nic->bottom);
}

static void stop(void *context)
{
    struct nic *nic = context;
    nic->port.active = false;
    service_timer_cancel(&nic->timer);
}

static void nic_free(void *context)
{
    struct nic *nic = context;
    switch_leave(&nic->port);
    service_bottom_cancel(&nic->bottom);
    service_timer_cancel(&nic->timer);
    free(nic);
}

static const struct channel_user user = {.kind = "net", .start = start, .stop = stop, .gone = nic_free};

/* --- the back end --- */

static void offer(struct nic *nic)
{
    struct virtio_net_config config = {.status = VIRTIO_NET_S_LINK_UP, .max_virtqueue_pairs = 1};
    memcpy(config.mac, nic->port.mac, sizeof(config.mac));
    const uint64_t features = 1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_STATUS | 1ull << VIRTIO_NET_F_MRG_RXBUF |
                              1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_HOST_TSO4 |
                              1ull << VIRTIO_NET_F_HOST_TSO6 | 1ull << VIRTIO_NET_F_GUEST_CSUM |
                              1ull << VIRTIO_NET_F_GUEST_TSO4 | 1ull << VIRTIO_NET_F_GUEST_TSO6;
    channel_offer(&nic->back, features, &config, sizeof(config), QUEUES);
}

static bool join(struct nic *nic, const char *name)
{
    static const char *const rules[] = {
        [ERR_PARAM] = "the MAC address is a group's or zero, or the VLAN is above 4094",
        [ERR_EXISTS] = "another guest has this MAC address on this switch",
        [ERR_MEMORY] = "no memory is left for the switch",
    };
    enum status status = switch_join(name, &nic->port);
    if (status != OK) {
        const uint8_t *mac = nic->port.mac;
        service_log("guest %s, net %s: cannot be connected to switch %s as %02x:%02x:%02x:%02x:%02x:%02x, VLAN %u: %s",
                    nic->back.domain, nic->back.name, name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
                    nic->port.vlan, rules[status]);
    }
    return status == OK;
}

static void *attach(const struct control_channel *entry, unsigned index)
{
    (void)index;
    struct nic *nic = calloc(1, sizeof(*nic));
    if (nic == NULL) {
        service_log("guest %s, net %s: no memory is left for its back end", entry->domain, entry->name);
        return NULL;
    }
    memcpy(nic->port.mac, entry->mac, sizeof(nic->port.mac));
    nic->port.vlan = entry->vlan;
    nic->port.deliver = deliver;
    nic->port.context = nic;
    nic->rate = entry->rate < 1ull << 40 ? entry->rate : 1ull << 40;
    nic->tokens = BURST_MIN;
    nic->refilled = service_now();
    nic->bottom = (struct service_bottom){.run = net_round, .context = nic};
    nic->timer = (struct service_timer){.fire = timer_fired, .context = nic};
    if (entry->queue_count != 0 && entry->queue_count < QUEUES) {
        service_log("guest %s, net %s: %u events are too few for %u queues", entry->domain, entry->name,
                    entry->queue_count, QUEUES);
        free(nic);
        return NULL;
    }
    if (channel_open(&nic->back, entry, &user, nic) != OK || !join(nic, entry->source)) {
        nic_free(nic);
        return NULL;
    }
    offer(nic);
    return nic;
}

static void detach(void *backend)
{
    struct nic *nic = backend;
    switch_leave(&nic->port);
    channel_close(&nic->back);
}

static void front_changed(void *backend)
{
    channel_update(&((struct nic *)backend)->back);
}

static void kick(void *backend, unsigned queue)
{
    struct nic *nic = backend;
    if (queue == TX && channel_running(&nic->back)) {
        queue_busy(&nic->back.queues[TX]);
        pump(nic);
        service_bottom_arm(&nic->bottom);
    }
}

static const struct control_work *work(void *backend)
{
    struct nic *nic = backend;
    const struct switch_counters *counters = &nic->port.counters;
    nic->back.work.requests = counters->sent + counters->received;
    nic->back.work.bytes_in = counters->sent_bytes;
    nic->back.work.bytes_out = counters->received_bytes;
    return &nic->back.work;
}

const struct backend_ops net_backend = {
    .type = CHANNEL_NET,
    .name = "net",
    .attach = attach,
    .detach = detach,
    .front_changed = front_changed,
    .kick = kick,
    .work = work,
};
