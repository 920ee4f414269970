/* SPDX-License-Identifier: MIT
 * A guest whose drivers mean harm: malformed rings, queues in impossible places, resets in the middle, descriptors that
 * change while they are read. Its devices may refuse it until it resets them; after each attack they must work again
 * for a driver that behaves. */
#include "lib/hostile_ring.h"

#define SETTLE_MS HOSTILE_SETTLE_MS
#define ROUNDS    boot_value("rounds", 200)

static struct virtio_device *device = &hostile_net.device;
static struct virtio_request requests[32];
static uint8_t data[32][4096] __attribute__((aligned(4096)));
static volatile uint32_t mutating, helper_up;

static bool broken(void) { return device->common->device_status & VIRTIO_CONFIG_S_NEEDS_RESET; }

static void feed(const struct hostile_target *target)
{
    if (target->feed)
        target->feed();
    virtio_kick_always(&device->queues[target->attacked]);
}

static void check(const struct hostile_target *target, const char *name)
{
    if (!target->works())
        ok(false, "%s: %s: the device does not work afterwards, status %x", target->name, name,
           device->common->device_status);
}

/* --- rings --- */

static void attack_rings(const struct hostile_target *target)
{
    unsigned refused = 0;
    for (unsigned i = 0; i < ring_attack_count; i++) {
        if (!target_open(target)) {
            ok(false, "%s: cannot be opened", target->name);
            return;
        }
        ring_attacks[i].run(&device->queues[target->attacked]);
        feed(target);
        for (uint64_t end = rdtsc() + 300 * tsc_khz; !broken() && rdtsc() < end;)
            pause();
        refused += broken();
        if (!broken())
            print("%s: %s: goes on\n", target->name, ring_attacks[i].name);
        check(target, ring_attacks[i].name);
    }
    ok(true, "%s: %u of %u malformed rings are refused", target->name, refused, ring_attack_count);
}

static void attack_random(const struct hostile_target *target)
{
    unsigned refused = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (!target_open(target))
            break;
        for (unsigned n = 0; n < 8 && !broken(); n++) {
            ring_scramble(&device->queues[target->attacked]);
            feed(target);
        }
        refused += broken();
    }
    check(target, "random rings");
    ok(true, "%s: random rings, %u refused at once", target->name, refused);
}

/* --- queues in impossible places, sizes, features --- */

static void attack_places(const struct hostile_target *target)
{
    static const uint64_t places[] = { LAPIC_BASE,   IOAPIC_BASE, 0xfed00000, 0xa0000, 0xf0000, RAM_END,
                                       RAM_END - 64, 1ul << 40,   ~0ul - 15,  1,       0x100001 };
    for (unsigned i = 0; i < 3 * COUNT(places); i++) {
        if (!target_open(target))
            break;
        virtio_reset(device, SETTLE_MS);
        virtio_negotiate(device, target->accepted);
        for (unsigned q = 0; q < target->queues; q++)
            virtio_queue_open(device, q, 0);
        uint64_t place = places[i / 3];
        device->common->queue_select = (uint16_t)target->attacked;
        device->common->queue_enable = 0;
        volatile uint32_t *low = i % 3 == 0   ? &device->common->queue_desc_lo
                                 : i % 3 == 1 ? &device->common->queue_avail_lo
                                              : &device->common->queue_used_lo;
        virtio_reset(device, SETTLE_MS);
        virtio_negotiate(device, target->accepted);
        device->common->queue_select = (uint16_t)target->attacked;
        low[0] = (uint32_t)place;
        low[1] = (uint32_t)(place >> 32);
        device->common->queue_enable = 1;
        virtio_start(device);
        virtio_kick_always(&device->queues[target->attacked]);
        delay_us(2000);
    }
    check(target, "queues in impossible places");
    ok(true, "%s: queues in impossible places", target->name);
}

static void attack_setup(const struct hostile_target *target)
{
    static const uint16_t sizes[] = { 0, 3, 255, 257, 512, 0x8000, 0xffff };
    target_find(target);
    device->common->queue_select = 0;
    uint16_t size = device->common->queue_size;
    for (unsigned i = 0; i < COUNT(sizes); i++)
        device->common->queue_size = sizes[i];
    ok(device->common->queue_size == size, "%s: impossible sizes are not taken", target->name);
    virtio_status(device, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    for (unsigned half = 0; half < 2; half++) {
        device->common->guest_feature_select = half;
        device->common->guest_feature = ~0u;
    }
    virtio_status(device, VIRTIO_CONFIG_S_FEATURES_OK);
    ok(!(device->common->device_status & VIRTIO_CONFIG_S_FEATURES_OK),
       "%s: features that are not offered are not accepted", target->name);
    virtio_status(device, VIRTIO_CONFIG_S_DRIVER_OK);
    ok(broken(), "%s: DRIVER_OK without features breaks the device", target->name);
    for (unsigned i = 0; i < 4 * ROUNDS; i++) { /* registers, the MSI-X table, whatever comes */
        volatile uint8_t *at =
            (i % 2 ? (volatile uint8_t *)device->common : (volatile uint8_t *)device->msix) + hostile_value() % 64;
        *(volatile uint32_t *)((uint64_t)at & ~3ul) = (uint32_t)hostile_value();
        outw((uint16_t)(device->notify_port + hostile_value() % 64), (uint16_t)hostile_value());
    }
    check(target, "registers");
}

/* --- in the middle of requests --- */

/* What a driver that behaves would ask for. */
static void submit_some(const struct hostile_target *target)
{
    struct virtio_queue *queue = &device->queues[target->attacked];
    for (unsigned n = 0; n < COUNT(requests); n++) {
        const struct virtio_piece piece = { data[n], 1500 };
        if (target->type == VIRTIO_ID_BLOCK)
            block_submit(device, &requests[n], VIRTIO_BLK_T_IN, n * 8ul, data[n], 4096);
        else
            virtio_add(queue, &piece, !target->writable, target->writable, data[n]);
    }
    feed(target);
}

static void attack_reset(const struct hostile_target *target)
{
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        if (!target_open(target))
            break;
        submit_some(target);
        delay_us(i * 7 % 500);
        if (i % 3 == 0)
            pci_write(device->devfn, 4, 2, 0); /* no decoding, no bus mastering */
        else
            device->common->device_status = 0;
        if (i % 3 == 1)
            continue; /* it does not wait */
        pci_write(device->devfn, 4, 2, 7);
        ok(virtio_reset(device, SETTLE_MS) || broken(), "%s: reset %u with requests on their way", target->name, i);
    }
    check(target, "resets in mid-request");
}

static void attack_storm(const struct hostile_target *target)
{
    if (!target_open(target))
        return;
    for (unsigned i = 0; i < 100 * ROUNDS; i++)
        outw((uint16_t)(device->queues[0].notify_port + i % 4 * 4), (uint16_t)i);
    check(target, "notify storm");
    ok(true, "%s: notify storm", target->name);
}

/* The second CPU changes what the device reads. */
static void mutate(void *argument)
{
    (void)argument;
    helper_up = 1;
    for (;;) {
        struct virtio_queue *queue = &device->queues[mutating / 2];
        if (!mutating) {
            pause();
            continue;
        }
        struct vring_desc *desc = &queue->desc[hostile_value() % 96];
        struct vring_desc kept = *desc;
        desc->addr = hostile_value();
        desc->len = (uint32_t)hostile_value();
        desc->flags = (uint16_t)(hostile_value() % 8);
        desc->next = (uint16_t)(hostile_value() % 96);
        *desc = kept;
        queue->used.idx = queue->used.idx;
    }
}

static void attack_changes(const struct hostile_target *target)
{
    if (!helper_up && !cpu_start(1, mutate, NULL)) {
        skip("descriptors changed while they are read", "one CPU");
        return;
    }
    unsigned refused = 0;
    for (unsigned i = 0; i < ROUNDS / 2; i++) {
        if (!target_open(target))
            break;
        mutating = 1 + 2 * target->attacked;
        submit_some(target);
        delay_us(300);
        refused += broken();
        mutating = 0;
    }
    check(target, "changes");
    ok(true, "%s: descriptors changed while they are read, %u refused at once", target->name, refused);
}

/* --- frames --- */

static void attack_frames(void)
{
    static uint8_t frame[65536] __attribute__((aligned(4096)));
    struct virtio_net_hdr_v1 *header = (struct virtio_net_hdr_v1 *)frame;
    const struct hostile_target *target = &hostile_targets[2];
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        if ((i % 32 == 0 || broken()) && !target_open(target))
            break;
        for (unsigned n = 0; n < 80; n++)
            frame[n] = (uint8_t)hostile_value();
        memset(frame + sizeof *header, 0xff, 6);
        memcpy(frame + sizeof *header + 6, hostile_net.mac, 6);
        header->flags = (uint8_t)(hostile_value() % 4);
        header->gso_type = (uint8_t)(hostile_value() % 6);
        frame[sizeof *header + 12] = 8;
        frame[sizeof *header + 13] = 0;
        frame[sizeof *header + 14] = 0x45;
        const struct virtio_piece piece = { frame, (uint32_t)(i % 8 ? hostile_value() % 65536 : i % 14) };
        virtio_add(&device->queues[1], &piece, 1, 0, frame);
        virtio_kick_always(&device->queues[1]);
        delay_us(200);
        virtio_take(&device->queues[1], NULL);
    }
    check(target, "frames");
    ok(true, "frames with wrong headers");
}

void main(void)
{
    uint64_t only = boot_value("target", hostile_target_count); /* for looking at one */
    time_init();
    lapic_init();
    for (unsigned i = 0; i < hostile_target_count; i++) {
        const struct hostile_target *target = &hostile_targets[i];
        if (only < hostile_target_count && i != only)
            continue;
        attack_rings(target);
        attack_random(target);
        attack_places(target);
        attack_setup(target);
        attack_reset(target);
        attack_storm(target);
        attack_changes(target);
    }
    attack_frames();
    attack_port_messages((unsigned)ROUNDS);
    done();
}
