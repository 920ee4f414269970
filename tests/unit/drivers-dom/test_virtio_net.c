/* SPDX-License-Identifier: MIT
 * virtio-net on real rings, with the transport and the device's side played by the test. */
#include <linux/virtio_config.h>
#include "net_fixture.h"
#include "virtio_net.h"

extern const struct pci_driver virtio_net_driver;

static struct pci_device pci = {.vendor = 0x1af4, .device = 0x1041, .name = "00:04.0"};
static struct virtio_net *net;
static uint64_t offered;
static bool in_reset, deaf, needs_reset;
static uint16_t status;
static unsigned resets;
static uint16_t doorbell;

#define FEATURE(name) (1ull << (name))
#define ALL                                                                                                            \
    (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_STATUS) |                          \
     FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC))

/* --- the transport --- */

enum status virtio_open(struct virtio_device *device, struct pci_device *function)
{
    *device = (struct virtio_device){.pci = function};
    fake_master = true;
    return OK;
}
enum status virtio_interrupt(struct virtio_device *device, void (*handler)(void *context), void *context)
{
    return pci_interrupt(device->pci, 0, handler, context);
}
enum status virtio_negotiate(struct virtio_device *device, uint64_t wanted)
{
    device->features = offered & (wanted | FEATURE(VIRTIO_F_VERSION_1));
    return OK;
}
void virtio_go(struct virtio_device *device) { (void)device; }
void virtio_reset(struct virtio_device *device)
{
    (void)device;
    in_reset = true;
    resets++;
}
bool virtio_is_reset(const struct virtio_device *device)
{
    (void)device;
    return in_reset && !deaf;
}
bool virtio_failed(const struct virtio_device *device)
{
    (void)device;
    return needs_reset || !fake_present;
}
void virtio_config_read(const struct virtio_device *device, unsigned offset, void *to, unsigned size)
{
    (void)device;
    struct virtio_net_config config = {.mac = {0x52, 0x54, 0, 1, 2, 3}, .status = status};
    memcpy(to, (const uint8_t *)&config + offset, size);
}
enum status virtqueue_create(struct virtqueue *queue, struct virtio_device *device, uint16_t index, uint16_t max_size,
                             uint16_t indirect_size)
{
    bool indirect = (device->features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC)) != 0;
    *queue = (struct virtqueue){
        .device = device, .index = index, .size = max_size, .indirect_size = indirect ? indirect_size : 0};
    queue->desc = dma_alloc(max_size * sizeof(struct vring_desc), 64);
    queue->avail = dma_alloc(sizeof(struct vring_avail) + (max_size + 1u) * 2, 64);
    queue->used = dma_alloc(sizeof(struct vring_used) + max_size * sizeof(struct vring_used_elem) + 2, 64);
    queue->cookies = dma_alloc(max_size * sizeof(void *), 64);
    queue->next = dma_alloc(max_size * 2u, 64);
    queue->lengths = dma_alloc(max_size * 2u, 64);
    queue->indirect =
        queue->indirect_size != 0 ? dma_alloc((size_t)max_size * indirect_size * sizeof(struct vring_desc), 64) : NULL;
    queue->doorbell = &doorbell;
    virtqueue_empty(queue);
    return OK;
}
void virtqueue_restart(struct virtqueue *queue) { virtqueue_empty(queue); }

/* --- the device --- */

/* Copies what the driver offers at position `at` of the available ring out of its readable part, or into its writable
 * part. */
static uint32_t chain_copy(struct virtqueue *queue, uint16_t head, uint8_t *bytes, uint32_t limit, bool into)
{
    struct vring_desc *table = queue->desc, *desc = &table[head];
    uint32_t done = 0;
    if (desc->flags & VRING_DESC_F_INDIRECT) {
        table = machine(desc->addr);
        desc = table;
    }
    for (;; desc = &table[desc->next]) {
        if (((desc->flags & VRING_DESC_F_WRITE) != 0) == into) {
            uint32_t piece = desc->len < limit - done ? desc->len : limit - done;
            memcpy(into ? machine(desc->addr) : (void *)(bytes + done),
                   into ? (void *)(bytes + done) : machine(desc->addr), piece);
            done += piece;
        }
        if (!(desc->flags & VRING_DESC_F_NEXT)) {
            return done;
        }
    }
}

static void use(struct virtqueue *queue, uint32_t head, uint32_t written)
{
    struct vring_used *used = (struct vring_used *)(uintptr_t)queue->used;
    used->ring[used->idx % queue->size] = (struct vring_used_elem){head, written};
    used->idx++;
}

/* Takes the oldest unused entry. False: none. */
static bool device_takes(struct virtqueue *queue, uint16_t *head)
{
    uint16_t used = queue->used->idx;
    if (queue->avail->idx == used) {
        return false;
    }
    *head = queue->avail->ring[used % queue->size];
    return true;
}

static unsigned device_sends(uint8_t *bytes, uint32_t *size)
{
    unsigned count = 0;
    uint16_t head;
    for (; device_takes(&net->tx, &head); count++) {
        *size = chain_copy(&net->tx, head, bytes, FRAME_SIZE + 64, false);
        use(&net->tx, head, 0);
    }
    return count;
}

static bool device_receives(uint8_t *frame, uint32_t size)
{
    static uint8_t whole[VIRTIO_NET_BUFFER_SIZE];
    uint16_t head;
    if (!device_takes(&net->rx, &head)) {
        return false;
    }
    memcpy(whole + 12, frame, size);
    assert_int_equal(chain_copy(&net->rx, head, whole, size + 12, true), size + 12);
    use(&net->rx, head, size + 12);
    return true;
}

static void start_with(uint64_t features)
{
    fixture_reset();
    offered = features;
    in_reset = deaf = needs_reset = false;
    status = VIRTIO_NET_S_LINK_UP;
    resets = 0;
    assert_true(virtio_net_driver.match(&pci));
    assert_int_equal(virtio_net_driver.probe(&pci), OK);
    the_card = net_next(NULL);
    assert_non_null(the_card);
    the_card->receive = take_frame;
    net = the_card->driver_data;
}

/* --- tests --- */

static void starts(void **state)
{
    (void)state;
    start_with(ALL);
    assert_memory_equal(the_card->mac, "\x52\x54\x00\x01\x02\x03", 6);
    assert_true(the_card->ops->link_up(the_card));
    assert_int_equal(net->rx.avail->idx, VIRTIO_NET_RX_SIZE);
    assert_int_equal(net->control_queue.avail->idx, 1);
    static uint8_t command[16];
    assert_int_equal(chain_copy(&net->control_queue, net->control_queue.avail->ring[0], command, 16, false), 3);
    assert_memory_equal(command, "\x00\x00\x01", 3); /* class RX, PROMISC, on */
}

static void a_plain_device_gets_an_address_of_ours(void **state)
{
    (void)state;
    start_with(FEATURE(VIRTIO_F_VERSION_1));
    assert_int_equal(the_card->mac[0] & 3, 2);
    assert_true(the_card->ops->link_up(the_card));
    assert_null(net->control_queue.device);
}

static void a_refused_mode_is_told(void **state)
{
    (void)state;
    start_with(ALL);
    use(&net->control_queue, net->control_queue.avail->ring[0], 1); /* ack stays VIRTIO_NET_ERR */
    interrupt();
    assert_true(said("refuses to receive frames for other addresses"));
}

static void sends_from_any_pieces(void **state)
{
    (void)state;
    static uint8_t frame[NET_FRAME_MAX], out[FRAME_SIZE + 64];
    static const uint8_t zero[12];
    uint32_t size = 0;
    for (unsigned indirect = 0; indirect < 2; indirect++) {
        start_with(indirect ? ALL : ALL & ~FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
        for (unsigned i = 0; i < 2000; i++) {
            uint32_t length = NET_FRAME_MIN + i % (NET_FRAME_MAX - NET_FRAME_MIN + 1);
            fill(frame, length, i);
            assert_true(send_frame(0, frame, length, 1 + i % NET_MAX_SEGMENTS));
            the_card->ops->kick(the_card);
            assert_int_equal(device_sends(out, &size), 1);
            assert_int_equal(size, length + 12);
            assert_memory_equal(out, zero, 12);
            assert_memory_equal(out + 12, frame, length);
            interrupt();
            assert_int_equal(returned, i + 1);
        }
    }
}

static void a_full_ring_refuses(void **state)
{
    (void)state;
    static uint8_t frame[200], out[FRAME_SIZE + 64];
    uint32_t size;
    start_with(ALL);
    unsigned count = 0;
    while (send_frame(count, frame, 200, 5)) {
        count++;
    }
    assert_int_equal(count, VIRTIO_NET_TX_SIZE);
    the_card->ops->kick(the_card);
    assert_int_equal(device_sends(out, &size), count);
    interrupt();
    assert_int_equal(returned, count);
    assert_false(send_frame(0, frame, NET_FRAME_MIN - 1, 1));
    assert_true(send_frame(0, frame, 200, 5));
}

static void delivers(void **state)
{
    (void)state;
    static uint8_t frame[FRAME_SIZE];
    start_with(ALL);
    for (unsigned i = 0; i < 1000; i++) {
        fill(frame, sizeof(frame), i);
        assert_true(device_receives(frame, NET_FRAME_MIN + i));
        interrupt();
        assert_int_equal(received, i + 1);
        assert_int_equal(received_size, NET_FRAME_MIN + i);
        assert_memory_equal(received_frame, frame, received_size);
    }
    assert_true(device_receives(frame, NET_FRAME_MIN - 1));
    assert_true(device_receives(frame, NET_FRAME_MAX + 1));
    interrupt();
    assert_int_equal(received, 1000);
    assert_int_equal(net->dropped, 2);
    /* What it says it has written may be nonsense. */
    for (unsigned i = 0; i < 2; i++) {
        uint16_t head;
        assert_true(device_takes(&net->rx, &head));
        use(&net->rx, head, i == 0 ? 3 : 0xffffffff);
        interrupt();
    }
    assert_int_equal(received, 1000);
    assert_int_equal(net->dropped, 4);
}

static void a_flood_is_cut_into_rounds(void **state)
{
    (void)state;
    static uint8_t frame[64];
    start_with(ALL);
    unsigned count = 0;
    while (device_receives(frame, 64)) {
        count++;
    }
    assert_int_equal(count, VIRTIO_NET_RX_SIZE);
    interrupt();
    assert_int_equal(received, VIRTIO_NET_RX_BUDGET);
    while (fake_bottom != NULL) {
        run_bottom();
    }
    assert_int_equal(received, count);
}

static void link(void **state)
{
    (void)state;
    static uint8_t frame[64];
    start_with(ALL);
    status = 0;
    interrupt();
    assert_false(the_card->ops->link_up(the_card));
    assert_false(send_frame(0, frame, 64, 1));
    status = VIRTIO_NET_S_LINK_UP;
    fire_timer(); /* also without an interrupt */
    assert_true(the_card->ops->link_up(the_card));
}

/* Hang, broken rings, the device's own wish: a reset, then everything is back, once. */
static void resets_return_everything(void **state)
{
    (void)state;
    static uint8_t frame[64];
    for (unsigned way = 0; way < 4; way++) {
        start_with(ALL);
        for (unsigned i = 0; i < 10; i++) {
            assert_true(send_frame(i, frame, 64, 2));
        }
        the_card->ops->kick(the_card);
        if (way == 1) {
            use(&net->tx, 77, 0); /* not given */
        } else if (way == 2) {
            ((struct vring_used *)(uintptr_t)net->rx.used)->idx = 0x7000;
        } else if (way == 3) {
            needs_reset = true;
        }
        if (way != 0) {
            interrupt();
        }
        while (resets == 0) {
            fire_timer();
        }
        assert_int_equal(returned, 0);
        assert_false(send_frame(20, frame, 64, 2));
        needs_reset = false;
        fire_timer();
        assert_int_equal(returned, 10);
        assert_int_equal(outstanding(), 0);
        assert_int_equal(net->rx.avail->idx, VIRTIO_NET_RX_SIZE);
        assert_true(send_frame(20, frame, 64, 2));
        assert_true(device_receives(frame, 64));
        interrupt();
        assert_int_equal(received, 1);
    }
}

/* It vanishes; it does not come out of a reset; it is another one after it; it hangs again and again. */
static void ends(void **state)
{
    (void)state;
    static uint8_t frame[64];
    for (unsigned way = 0; way < 4; way++) {
        start_with(ALL);
        assert_true(send_frame(0, frame, 64, 2));
        the_card->ops->kick(the_card);
        fake_present = way != 0;
        deaf = way == 1;
        offered = way == 2 ? ALL & ~FEATURE(VIRTIO_NET_F_CTRL_VQ) : ALL;
        for (unsigned i = 0; i < 5000 && !the_card->gone; i++) {
            fire_timer();
            if (way == 3 && outstanding() == 0 && send_frame(0, frame, 64, 2)) {
                the_card->ops->kick(the_card);
            }
        }
        assert_true(the_card->gone);
        assert_true(said("out of service"));
        assert_false(fake_master);
        assert_int_equal(outstanding(), 0);
        assert_null(fake_timer);
        assert_false(send_frame(0, frame, 64, 2));
        the_card->ops->kick(the_card);
        interrupt();
        assert_null(net_next(NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts),
        cmocka_unit_test(a_plain_device_gets_an_address_of_ours),
        cmocka_unit_test(a_refused_mode_is_told),
        cmocka_unit_test(sends_from_any_pieces),
        cmocka_unit_test(a_full_ring_refuses),
        cmocka_unit_test(delivers),
        cmocka_unit_test(a_flood_is_cut_into_rounds),
        cmocka_unit_test(link),
        cmocka_unit_test(resets_return_everything),
        cmocka_unit_test(ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
