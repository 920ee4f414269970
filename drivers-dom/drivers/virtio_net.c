/* SPDX-License-Identifier: MIT
 * virtio network cards (virtio specification 1.1, 5.1): one pair of queues, frames of ordinary size, no offloads. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include "cpu.h"
#include "net.h"
#include "service.h"
#include "virtio.h"

#define PCI_VENDOR_VIRTIO 0x1af4
#define PCI_DEVICE_NET_MODERN 0x1041
#define PCI_DEVICE_NET_TRANSITIONAL 0x1000
#define RX_SIZE 256u
#define TX_SIZE 256u
#define CONTROL_SIZE 4u
#define BUFFER_SIZE 2048u
#define RX_BUDGET 64u /* frames in one go: others want to be served, too */
#define MS 1000000ull
#define RESET_TIMEOUT_NS (1000 * MS)
#define WATCHDOG_NS (1000 * MS)
#define TX_TIMEOUT_NS (5000 * MS)
#define MAX_HANGS 4u
#define FEATURE(name) (1ull << (name))
#define WANTED (FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_STATUS) | FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) | \
                FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX))

enum { QUEUE_RX, QUEUE_TX, QUEUE_CONTROL }; /* 5.1.2 with one pair */

/* The one command of the control queue: everything is received, the switch knows whose it is. The device sees it. */
struct mode_command {
    struct virtio_net_ctrl_hdr header;
    uint8_t on;
    uint8_t ack;
};

/* A frame on its way out. */
struct frame {
    void (*done)(void *context);
    void *context;
    struct frame *next; /* free list */
    bool used;
};

struct virtio_net {
    struct virtio_device virtio;
    struct virtqueue rx, tx, control_queue;
    struct net_card card;
    uint8_t *buffers;
    struct virtio_net_hdr_mrg_rxbuf *header; /* of all frames that are sent: zero */
    struct mode_command *control;
    struct frame frames[TX_SIZE], *free_frames;
    bool running, gone, link;
    uint64_t reset_end;          /* ns */
    uint64_t progress;           /* ns: when something was sent last, or the queue became busy */
    unsigned outstanding, hangs;
    uint64_t dropped;            /* received frames of no sensible size */
    struct service_timer timer;  /* reset; when running, the watchdog */
    struct service_bottom more;  /* received frames are left */
};

static bool has(const struct virtio_net *net, unsigned feature) { return (net->virtio.features >> feature & 1) != 0; }
static const char *name_of(const struct virtio_net *net) { return net->card.name[0] != 0 ? net->card.name : net->virtio.pci->name; }

/* --- out --- */

static bool transmit(struct net_card *card, const struct net_segment *segments, uint32_t count, void (*done)(void *context), void *context)
{
    struct virtio_net *net = card->driver_data;
    struct frame *frame = net->free_frames;
    struct virtio_segment parts[NET_MAX_SEGMENTS + 1];
    unsigned used = 1;
    if (!net->running || !net->link || frame == NULL || !net_frame_fits(segments, count)) {
        return false;
    }
    parts[0] = (struct virtio_segment){dma_of(net->header), sizeof(*net->header)};
    for (uint32_t i = 0; i < count; i++) {
        if (segments[i].size != 0) {
            parts[used++] = (struct virtio_segment){segments[i].address, segments[i].size};
        }
    }
    if (!virtqueue_add(&net->tx, parts, used, 0, frame)) {
        return false;
    }
    net->free_frames = frame->next;
    *frame = (struct frame){.done = done, .context = context, .used = true};
    net->progress = net->outstanding++ == 0 ? service_now() : net->progress;
    return true;
}

static void kick(struct net_card *card)
{
    struct virtio_net *net = card->driver_data;
    if (net->running) {
        virtqueue_kick(&net->tx);
    }
}

/* Free first: its owner may send the next one at once. */
static void return_frame(struct virtio_net *net, struct frame *frame)
{
    struct frame copy = *frame;
    *frame = (struct frame){.next = net->free_frames};
    net->free_frames = frame;
    net->outstanding--;
    copy.done(copy.context);
}

static bool reclaim(struct virtio_net *net)
{
    struct frame *frame;
    uint32_t written;
    bool any = false;
    while ((frame = virtqueue_take(&net->tx, &written)) != NULL) {
        any = true;
        return_frame(net, frame);
    }
    if (any) {
        net->progress = service_now();
        net->hangs = 0;
    }
    return any;
}

/* Everything comes back; the device has been reset, or cannot do DMA any more. */
static void drop_frames(struct virtio_net *net)
{
    for (unsigned i = 0; i < TX_SIZE; i++) {
        if (net->frames[i].used) {
            return_frame(net, &net->frames[i]);
        }
    }
}

/* --- in --- */

static void offer_buffer(struct virtio_net *net, uint8_t *buffer)
{
    const struct virtio_segment segment = {dma_of(buffer), BUFFER_SIZE};
    /* Always fits: there are as many buffers as descriptors. */
    (void)virtqueue_add(&net->rx, &segment, 0, 1, buffer);
}

static void offer_all(struct virtio_net *net)
{
    for (unsigned i = 0; i < net->rx.size; i++) {
        offer_buffer(net, net->buffers + i * BUFFER_SIZE);
    }
    virtqueue_kick(&net->rx);
}

static void deliver(struct virtio_net *net, const uint8_t *buffer, uint32_t written)
{
    uint32_t size = written - (uint32_t)sizeof(*net->header);
    if (written < sizeof(*net->header) + NET_FRAME_MIN || size > NET_FRAME_MAX) {
        net->dropped++;
    } else if (net->card.receive != NULL) {
        net->card.receive(net->card.receive_context, buffer + sizeof(*net->header), size);
    }
}

/* Returns the number of frames. */
static unsigned receive(struct virtio_net *net)
{
    unsigned count = 0;
    uint8_t *buffer;
    uint32_t written;
    while (count < RX_BUDGET && (buffer = virtqueue_take(&net->rx, &written)) != NULL) {
        cpu_barrier(); /* the ring's entry before the frame */
        deliver(net, buffer, written);
        offer_buffer(net, buffer);
        count++;
    }
    virtqueue_kick(&net->rx);
    return count;
}

/* --- link, address, mode --- */

static void check_link(struct virtio_net *net)
{
    __virtio16 status = VIRTIO_NET_S_LINK_UP;
    if (has(net, VIRTIO_NET_F_STATUS)) {
        virtio_config_read(&net->virtio, offsetof(struct virtio_net_config, status), &status, sizeof(status));
    }
    bool up = (status & VIRTIO_NET_S_LINK_UP) != 0;
    if (up != net->link) {
        net->link = up;
        service_log("%s: link %s", name_of(net), up ? "up" : "down");
    }
}

static void read_mac(struct virtio_net *net)
{
    uint8_t *mac = net->card.mac;
    if (has(net, VIRTIO_NET_F_MAC)) {
        virtio_config_read(&net->virtio, offsetof(struct virtio_net_config, mac), mac, sizeof(net->card.mac));
        return;
    }
    /* The device has none: one of our own, locally administered (5.1.5). */
    uint64_t random = cpu_tsc() * 0x9e3779b97f4a7c15ull;
    memcpy(mac, &random, sizeof(net->card.mac));
    mac[0] = (uint8_t)((mac[0] & ~1u) | 2u);
}

static bool has_control(const struct virtio_net *net) { return has(net, VIRTIO_NET_F_CTRL_VQ) && has(net, VIRTIO_NET_F_CTRL_RX); }

/* A device without this command receives everything anyway. The answer is looked at when it comes. */
static void receive_everything(struct virtio_net *net)
{
    if (!has_control(net)) {
        return;
    }
    struct mode_command *control = net->control;
    *control = (struct mode_command){{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC}, 1, VIRTIO_NET_ERR};
    const struct virtio_segment segments[] = {
        {dma_of(&control->header), sizeof(control->header)}, {dma_of(&control->on), 1}, {dma_of(&control->ack), 1}};
    if (virtqueue_add(&net->control_queue, segments, 2, 1, control)) {
        virtqueue_kick(&net->control_queue);
    }
}

static void control_answered(struct virtio_net *net)
{
    uint32_t written;
    const struct mode_command *control = virtqueue_take(&net->control_queue, &written);
    if (control != NULL && *(const volatile uint8_t *)&control->ack != VIRTIO_NET_OK) {
        service_log("%s: the device refuses to receive frames for other addresses than its own", name_of(net));
    }
}

/* --- reset, the end --- */

static void retire(struct virtio_net *net, const char *reason)
{
    service_log("%s: %s: out of service", name_of(net), reason);
    virtio_reset(&net->virtio);
    pci_enable(net->virtio.pci, false);
    net->running = net->link = false;
    net->gone = true;
    service_timer_cancel(&net->timer);
    service_bottom_cancel(&net->more);
    net_unregister(&net->card);
    drop_frames(net);
}

static void start_reset(struct virtio_net *net, const char *reason)
{
    if (!pci_present(net->virtio.pci)) {
        retire(net, "it has vanished");
        return;
    }
    if (++net->hangs > MAX_HANGS) {
        retire(net, "several resets did not help");
        return;
    }
    service_log("%s: %s: resetting it", name_of(net), reason);
    net->running = false;
    service_bottom_cancel(&net->more);
    virtio_reset(&net->virtio);
    net->reset_end = service_now() + RESET_TIMEOUT_NS;
    service_timer_arm(&net->timer, service_now() + MS);
}

static void go(struct virtio_net *net)
{
    virtio_go(&net->virtio);
    net->running = true;
    offer_all(net);
    receive_everything(net);
    check_link(net);
    (void)virtqueue_rearm(&net->rx);
    (void)virtqueue_rearm(&net->tx);
    service_timer_arm(&net->timer, service_now() + WATCHDOG_NS);
}

static void continue_reset(struct virtio_net *net)
{
    if (!virtio_is_reset(&net->virtio)) {
        if (!pci_present(net->virtio.pci)) {
            retire(net, "it has vanished");
        } else if (service_now() > net->reset_end) {
            retire(net, "it does not come out of its reset");
        } else {
            service_timer_arm(&net->timer, service_now() + MS);
        }
        return;
    }
    drop_frames(net);
    uint64_t features = net->virtio.features;
    if (virtio_negotiate(&net->virtio, WANTED) != OK || net->virtio.features != features) {
        retire(net, "it cannot be started again");
        return;
    }
    virtqueue_restart(&net->rx);
    virtqueue_restart(&net->tx);
    if (has_control(net)) {
        virtqueue_restart(&net->control_queue);
    }
    if (net->rx.broken || net->tx.broken) {
        retire(net, "it cannot be started again");
        return;
    }
    go(net);
}

/* --- running --- */

/* True: something was there. */
static bool serve(struct virtio_net *net)
{
    bool any = reclaim(net);
    unsigned received = receive(net);
    if (net->rx.broken || net->tx.broken) {
        start_reset(net, "its rings are broken");
        return true;
    }
    /* Asking for the next interrupt may find that there is work already. */
    bool left = received == RX_BUDGET || virtqueue_rearm(&net->rx);
    left |= virtqueue_rearm(&net->tx);
    if (left) {
        service_bottom_arm(&net->more);
    }
    return any || received > 0;
}

static void serve_more(void *context)
{
    struct virtio_net *net = context;
    if (net->running) {
        (void)serve(net);
    }
}

/* What is not about frames: the configuration may have changed, or the device has given up. */
static void check_device(struct virtio_net *net)
{
    if (has_control(net)) {
        control_answered(net);
    }
    if (virtio_failed(&net->virtio)) {
        start_reset(net, "it asks for it");
    } else {
        check_link(net);
    }
}

static void interrupted(void *context)
{
    struct virtio_net *net = context;
    if (net->running && !serve(net)) {
        check_device(net);
    }
}

static void timer_fired(void *context)
{
    struct virtio_net *net = context;
    if (!net->running) {
        continue_reset(net);
        return;
    }
    (void)serve(net);
    if (net->running) {
        check_device(net);
    }
    if (net->running && net->outstanding > 0 && service_now() - net->progress > TX_TIMEOUT_NS) {
        start_reset(net, "nothing was sent for 5 s");
    } else if (net->running) {
        service_timer_arm(&net->timer, service_now() + WATCHDOG_NS);
    }
}

/* --- start --- */

static bool link_up(struct net_card *card) { return ((const struct virtio_net *)card->driver_data)->link; }

static const struct net_ops net_ops = {.driver = "virtio-net", .transmit = transmit, .kick = kick, .link_up = link_up};

static enum status allocate(struct virtio_net *net)
{
    net->buffers = dma_alloc(RX_SIZE * BUFFER_SIZE, BUFFER_SIZE);
    net->header = dma_alloc(sizeof(*net->header), 64);
    net->control = dma_alloc(sizeof(*net->control), 64);
    for (unsigned i = 0; i < TX_SIZE; i++) {
        net->frames[i].next = net->free_frames;
        net->free_frames = &net->frames[i];
    }
    return net->buffers != NULL && net->header != NULL && net->control != NULL ? OK : ERR_MEMORY;
}

static enum status create_queues(struct virtio_net *net)
{
    enum status status = virtqueue_create(&net->rx, &net->virtio, QUEUE_RX, RX_SIZE, 0);
    status = status == OK ? virtqueue_create(&net->tx, &net->virtio, QUEUE_TX, TX_SIZE, NET_MAX_SEGMENTS + 1) : status;
    if (status == OK && has_control(net)) {
        status = virtqueue_create(&net->control_queue, &net->virtio, QUEUE_CONTROL, CONTROL_SIZE, 0);
    }
    return status;
}

static enum status bring_up(struct virtio_net *net, struct pci_device *pci)
{
    enum status status = virtio_open(&net->virtio, pci);
    status = status == OK ? virtio_interrupt(&net->virtio, interrupted, net) : status;
    status = status == OK ? virtio_negotiate(&net->virtio, WANTED) : status;
    status = status == OK ? create_queues(net) : status;
    status = status == OK ? allocate(net) : status;
    if (status != OK) {
        return status;
    }
    read_mac(net);
    net->card.ops = &net_ops;
    net->card.driver_data = net;
    net->timer = (struct service_timer){.fire = timer_fired, .context = net};
    net->more = (struct service_bottom){.run = serve_more, .context = net};
    status = net_register(&net->card);
    if (status == OK) {
        go(net);
    }
    return status;
}

static bool match(const struct pci_device *device)
{
    return device->vendor == PCI_VENDOR_VIRTIO &&
           (device->device == PCI_DEVICE_NET_MODERN || device->device == PCI_DEVICE_NET_TRANSITIONAL);
}

static enum status probe(struct pci_device *device)
{
    struct virtio_net *net = calloc(1, sizeof(*net));
    if (net == NULL) {
        return ERR_MEMORY;
    }
    enum status status = bring_up(net, device);
    if (status != OK) {
        /* The interrupt's handler may still point to it: it stays, but the device is quiet. */
        service_log("PCI %s: virtio-net could not be started (%u)", device->name, status);
        pci_enable(device, false);
    }
    return status;
}

const struct pci_driver virtio_net_driver = {.name = "virtio-net", .match = match, .probe = probe};
