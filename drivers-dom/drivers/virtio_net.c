/* SPDX-License-Identifier: MIT
 * virtio network cards (virtio specification 1.1, 5.1): one pair of queues, frames of ordinary size, no offloads. */
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>
#include "cpu.h"
#include "virtio_net.h"

#define PCI_VENDOR_VIRTIO           0x1af4
#define PCI_DEVICE_NET_MODERN       0x1041
#define PCI_DEVICE_NET_TRANSITIONAL 0x1000
#define CONTROL_SIZE                4u
#define MS                          1000000ull
#define RESET_TIMEOUT_NS            (1000 * MS)
#define WATCHDOG_NS                 (1000 * MS)
#define TX_TIMEOUT_NS               (5000 * MS)
#define MAX_HANGS                   4u
#define FEATURE(name)               (1ull << (name))
#define WANTED                                                                                                         \
    (FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_STATUS) | FEATURE(VIRTIO_NET_F_CTRL_VQ) |                        \
     FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX))

enum { QUEUE_RX, QUEUE_TX, QUEUE_CONTROL }; /* 5.1.2 with one pair */

/* The one command of the control queue: everything is received, the switch knows whose it is. The device sees it. */
struct mode_command {
    struct virtio_net_ctrl_hdr header;
    uint8_t on;
    uint8_t ack;
};

static bool has(const struct virtio_net *net, unsigned feature) { return (net->virtio.features >> feature & 1) != 0; }
static const char *name_of(const struct virtio_net *net)
{
    return net->card.name[0] != 0 ? net->card.name : net->virtio.pci->name;
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

static bool has_control(const struct virtio_net *net)
{
    return has(net, VIRTIO_NET_F_CTRL_VQ) && has(net, VIRTIO_NET_F_CTRL_RX);
}

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
    service_timer_cancel(&net->timer);
    service_bottom_cancel(&net->more);
    net_unregister(&net->card);
    virtio_net_drop(net);
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
    virtio_net_ring_start(net);
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
    virtio_net_drop(net);
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
    bool any = virtio_net_reclaim(net);
    unsigned received = virtio_net_receive(net);
    if (net->rx.broken || net->tx.broken) {
        start_reset(net, "its rings are broken");
        return true;
    }
    /* Asking for the next interrupt may find that there is work already. */
    bool left = received == VIRTIO_NET_RX_BUDGET || virtqueue_rearm(&net->rx);
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

static const struct net_ops net_ops = {
    .driver = "virtio-net", .transmit = virtio_net_transmit, .kick = virtio_net_kick, .link_up = link_up};

static enum status create_queues(struct virtio_net *net)
{
    enum status status = virtqueue_create(&net->rx, &net->virtio, QUEUE_RX, VIRTIO_NET_RX_SIZE, 0);
    status = status == OK ? virtqueue_create(&net->tx, &net->virtio, QUEUE_TX, VIRTIO_NET_TX_SIZE, NET_MAX_SEGMENTS + 1)
                          : status;
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
    status = status == OK ? virtio_net_ring_create(net) : status;
    net->control = dma_alloc(sizeof(*net->control), 64);
    if (status != OK || net->control == NULL) {
        return status != OK ? status : ERR_MEMORY;
    }
    read_mac(net);
    net->card.ops = &net_ops;
    net->card.address = net->virtio.pci->name;
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
