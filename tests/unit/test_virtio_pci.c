/* SPDX-License-Identifier: MIT
 * A virtio device: a driver's way from the capability list to DRIVER_OK, every wrong order, reset in the middle, interrupts of each kind,
 * and back ends that lie. */
#include "virtio_fixture.h"

#define ACK VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define RUNNING (ACK | DRIVER | FEATURES_OK | DRIVER_OK)

static uint16_t port(unsigned queue) { return (uint16_t)(structure(VIRTIO_PCI_CAP_NOTIFY_CFG) + 4 * queue); }

/* The back end sees the front run, and serves it. */
static void back_connect(void) { back_state(BACK_CONNECTED, channel->front.generation); }

static int setup_offered(void **state)
{
    int status = setup_device(state);
    back_offer(FEATURES, QUEUES, 256);
    return status;
}

static int setup_running(void **state)
{
    int status = setup_offered(state);
    drive(FEATURES, true);
    back_connect();
    return status;
}

static int setup_intx(void **state)
{
    int status = setup_offered(state);
    drive(FEATURES, false);
    back_connect();
    return status;
}

static void test_identity(void **state)
{
    (void)state;
    static const struct { uint32_t type; uint16_t id; uint32_t class_code; } types[] = {
        { CHANNEL_NET, 0x1041, 0x020000 }, { CHANNEL_BLOCK, 0x1042, 0x010000 },
        { CHANNEL_CONSOLE, 0x1043, 0x078000 }, { CHANNEL_RNG, 0x1044, 0x00ff00 },
    };
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(setup_type(types[i].type), OK);
        assert_int_equal(cfg(PCI_VENDOR_ID, 2), 0x1af4);
        assert_int_equal(cfg(PCI_DEVICE_ID, 2), types[i].id);
        assert_int_equal(cfg(PCI_CLASS_REVISION, 4), types[i].class_code << 8 | 1);
        assert_int_equal(cfg(PCI_INTERRUPT_PIN, 1), 1);
        assert_int_equal(host.bound[CONTROL_IN].target, EVENT_TARGET_STATE);
        assert_int_equal(host.bound[CONTROL_IN].number, CONTROL_BIT);
        teardown_device(NULL);
    }
    assert_int_equal(setup_type(5), ERR_FORMAT);
    teardown_device(NULL);
    assert_int_equal(setup_type(0), ERR_FORMAT);
    teardown_device(NULL);
}

/* What Linux asks of the capabilities: length of the common structure, room for every queue's notification. */
static void test_capabilities(void **state)
{
    (void)state;
    unsigned common = capability(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_COMMON_CFG);
    unsigned notify = capability(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_NOTIFY_CFG);
    assert_true(cfg(common + VIRTIO_PCI_CAP_LENGTH, 4) >= sizeof(struct virtio_pci_common_cfg));
    assert_true(cfg(capability(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_ISR_CFG) + VIRTIO_PCI_CAP_LENGTH, 4) >= 1);
    assert_int_equal(cfg(capability(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_DEVICE_CFG) + VIRTIO_PCI_CAP_LENGTH, 4), 256);
    assert_int_equal(cfg(notify + VIRTIO_PCI_NOTIFY_CAP_MULT, 4), 4);
    assert_true(cfg(notify + VIRTIO_PCI_CAP_LENGTH, 4) >= QUEUES * 4);
    assert_true(cfg(PCI_BASE_ADDRESS_0 + 4 * cfg(notify + VIRTIO_PCI_CAP_BAR, 1), 4) & PCI_BASE_ADDRESS_SPACE_IO);
    assert_int_equal(cfg(capability(PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE, QUEUES);
}

static void test_drive(void **state)
{
    (void)state;
    const struct channel_front *front = &channel->front;
    assert_true(read_features() == FEATURES);
    assert_int_equal(in(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
    out(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_NOFF, 2), 1);
    assert_int_equal(front->state, FRONT_IDLE);
    uint32_t generation = front->generation;
    drive(FEATURES & ~0x40ull, true);
    assert_int_equal(status(), RUNNING);
    assert_int_equal(front->state, FRONT_RUNNING);
    assert_int_equal(front->generation, generation + 1);
    assert_true(front->features == (FEATURES & ~0x40ull));
    assert_int_equal(host.signals[CONTROL_OUT], 1);
    for (unsigned i = 0; i < QUEUES; i++) {
        const struct channel_queue *q = &front->queues[i];
        uint64_t memory = 0x10000 * (i + 1);
        assert_true(q->desc == memory && q->driver == memory + 0x1000 && q->device == memory + 0x2000);
        assert_true(q->size == 64 && q->enabled);
        assert_bound(i, EVENT_TARGET_VECTOR, (i + 1) & 1, 0x41 + i);
        assert_int_equal(host.doorbell[port(i)], KICK(i) + 1);
    }
    assert_int_equal(front->queues[QUEUES].enabled, 0);
    assert_int_equal(host.doorbells, QUEUES);
    assert_int_equal(host.messages, 0);
}

/* --- wrong orders --- */

static void test_features_refused(void **state)
{
    (void)state;
    set_status(ACK | DRIVER);
    write_features(FEATURES | 1);
    set_status(ACK | DRIVER | FEATURES_OK);
    assert_int_equal(status(), ACK | DRIVER); /* not offered */
    write_features(FEATURES & ~(1ull << VIRTIO_F_VERSION_1));
    set_status(ACK | DRIVER | FEATURES_OK);
    assert_int_equal(status(), ACK | DRIVER); /* legacy */
    write_features(FEATURES);
    set_status(ACK | DRIVER | FEATURES_OK);
    assert_int_equal(status(), ACK | DRIVER | FEATURES_OK);
    write_features(1); /* locked now */
    out(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
    assert_int_equal(in(VIRTIO_PCI_COMMON_GF, 4), (uint32_t)FEATURES);
    out(VIRTIO_PCI_COMMON_GFSELECT, 4, 7);
    out(VIRTIO_PCI_COMMON_GF, 4, 0xffffffff);
    assert_int_equal(in(VIRTIO_PCI_COMMON_GF, 4), 0);
    out(VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
    assert_int_equal(in(VIRTIO_PCI_COMMON_DF, 4), 0);
}

static void test_driver_ok_too_early(void **state)
{
    (void)state;
    set_status(ACK | DRIVER | DRIVER_OK);
    assert_int_equal(status(), ACK | DRIVER | NEEDS_RESET);
    assert_int_equal(channel->front.state, FRONT_IDLE);
    set_status(ACK | DRIVER | FEATURES_OK | DRIVER_OK); /* too late */
    assert_int_equal(channel->front.state, FRONT_IDLE);
    set_status(0);
    assert_int_equal(status(), 0);
    drive(FEATURES, true);
    assert_int_equal(status(), RUNNING);
}

static void test_absent(void **state)
{
    (void)state;
    assert_false(virtio_pci_offered(device));
    assert_int_equal(in(VIRTIO_PCI_COMMON_NUMQ, 2), 0);
    set_status(ACK | DRIVER);
    write_features(1ull << VIRTIO_F_VERSION_1);
    set_status(ACK | DRIVER | FEATURES_OK);
    assert_int_equal(status(), ACK | DRIVER);
    set_status(0);
    assert_int_equal(status(), 0);
    back_offer(FEATURES, 1, 8); /* it came late: a driver that tries again finds it */
    assert_true(virtio_pci_offered(device));
    drive(FEATURES, false);
    assert_int_equal(status(), RUNNING);
}

static void test_queue_registers(void **state)
{
    (void)state;
    static const uint16_t bad_sizes[] = { 0, 3, 100, 255, 257, 512, 0xffff };
    out(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
    for (unsigned i = 0; i < sizeof(bad_sizes) / sizeof(bad_sizes[0]); i++) {
        out(VIRTIO_PCI_COMMON_Q_SIZE, 2, bad_sizes[i]);
        assert_int_equal(in(VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
    }
    out(VIRTIO_PCI_COMMON_Q_MSIX, 2, QUEUES + 1); /* no such vector */
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
    out(VIRTIO_PCI_COMMON_MSIX, 2, 31);
    assert_int_equal(in(VIRTIO_PCI_COMMON_MSIX, 2), 0xffff);
    out(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 2);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
    setup_queue(0, 16, 0x123456789000, 1);
    out(VIRTIO_PCI_COMMON_Q_SIZE, 2, 32); /* an enabled queue stays as it is */
    out(VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0);
    out(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_SIZE, 2), 16);
    assert_true(in(VIRTIO_PCI_COMMON_Q_DESCLO, 8) == 0x123456789000);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
    out(VIRTIO_PCI_COMMON_Q_SELECT, 2, QUEUES); /* no such queue */
    out(VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
    out(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    out(VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0x1000);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
}

static void test_queues_closed_when_running(void **state)
{
    (void)state;
    set_status(0);
    back_state(BACK_OFFERED, channel->front.generation);
    set_status(ACK | DRIVER);
    write_features(FEATURES);
    set_status(ACK | DRIVER | FEATURES_OK);
    setup_queue(0, 64, 0x10000, 1);
    set_status(RUNNING);
    out(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
    out(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
    assert_int_equal(channel->front.queues[1].enabled, 0);
    assert_int_equal(host.doorbells, 1);
    assert_bound(1, EVENT_TARGET_NONE, 0, 0);
}

/* --- reset --- */

static void test_reset(void **state)
{
    (void)state;
    uint32_t generation = channel->front.generation;
    unsigned signals = host.signals[CONTROL_OUT];
    set_status(0);
    assert_int_equal(channel->front.state, FRONT_IDLE);
    assert_int_equal(channel->front.generation, generation);
    assert_int_equal(host.signals[CONTROL_OUT], signals + 1);
    assert_int_equal(host.doorbells, 0);
    for (unsigned i = 0; i < QUEUES; i++)
        assert_bound(i, EVENT_TARGET_NONE, 0, 0);
    assert_int_equal(status(), RUNNING); /* until the back end has let go */
    set_status(0);
    assert_int_equal(host.signals[CONTROL_OUT], signals + 1);
    back_state(BACK_CONNECTED, generation);
    assert_int_equal(status(), RUNNING);
    back_state(BACK_OFFERED, generation - 1);
    assert_int_equal(status(), RUNNING);
    back_state(BACK_OFFERED, generation);
    assert_int_equal(status(), 0);
    out(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
    assert_int_equal(in(VIRTIO_PCI_COMMON_MSIX, 2), 0xffff);
    virtio_pci_completed(device, 0); /* a completion on its way */
    assert_int_equal(host.messages, 0);
    drive(FEATURES, true);
    assert_int_equal(channel->front.generation, generation + 1);
}

static void test_reset_absent(void **state)
{
    (void)state;
    channel->back.seen_generation = channel->front.generation - 1;
    channel->back.state = BACK_ABSENT;
    set_status(0);
    assert_int_equal(status(), RUNNING); /* it may just be connecting */
    channel->back.seen_generation = channel->front.generation;
    assert_int_equal(status(), 0);
}

static void test_reset_bounded(void **state)
{
    (void)state;
    set_status(0);
    advance(pc, (VIRTIO_RESET_MS - 1) * MS);
    assert_int_equal(status(), RUNNING);
    advance(pc, 2 * MS);
    assert_int_equal(status(), 0);
    assert_int_equal(status(), 0);
    drive(FEATURES, true);
    assert_int_equal(channel->front.state, FRONT_RUNNING);
}

/* A driver that does not wait gets a device of the next generation. */
static void test_reset_impatient(void **state)
{
    (void)state;
    uint32_t generation = channel->front.generation;
    set_status(0);
    set_status(ACK);
    assert_int_equal(status(), ACK);
    write_features(FEATURES);
    set_status(ACK | DRIVER | FEATURES_OK);
    set_status(RUNNING);
    assert_int_equal(channel->front.generation, generation + 1);
    assert_int_equal(channel->front.state, FRONT_RUNNING);
    for (unsigned i = 0; i < QUEUES; i++)
        assert_int_equal(channel->front.queues[i].enabled, 0);
}

/* --- doorbells --- */

static void test_doorbells_follow_bar(void **state)
{
    (void)state;
    uint16_t before = port(0);
    cfg_write(PCI_BASE_ADDRESS_0, 4, 0xd000);
    assert_int_equal(port(0), 0xd000);
    assert_int_equal(host.doorbell[before], 0);
    assert_int_equal(host.doorbell[0xd004], KICK(1) + 1);
    cfg_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    assert_int_equal(host.doorbells, 0);
    cfg_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_IO);
    assert_int_equal(host.doorbells, QUEUES);
    assert_int_equal(host.doorbell[0xd000], KICK(0) + 1);
}

/* Without room in the kernel the monitor passes the notification on. */
static void test_doorbells_refused(void **state)
{
    (void)state;
    host.refuse_doorbells = true;
    drive(FEATURES, true);
    assert_int_equal(host.doorbells, 0);
    bus_port_write(&pc->bus, port(2), 2, 2);
    bus_port_write(&pc->bus, port(2), 4, 2);
    bus_port_write(&pc->bus, (uint16_t)(port(2) + 1), 1, 2);
    bus_port_write(&pc->bus, port(QUEUES), 2, QUEUES);
    assert_int_equal(host.signals[KICK(2)], 2);
    host.refuse_doorbells = false;
    bus_port_write(&pc->bus, port(1), 2, 1);
    assert_int_equal(host.doorbells, QUEUES);
    set_status(0);
    bus_port_write(&pc->bus, port(2), 2, 2);
    assert_int_equal(host.signals[KICK(2)], 2);
}

/* --- interrupts --- */

static void test_masked(void **state)
{
    (void)state;
    assert_bound(0, EVENT_TARGET_VECTOR, 1, 0x41);
    msix_mask(1, true);
    assert_bound(0, EVENT_TARGET_STATE, 0, CALL_BIT(0));
    virtio_pci_completed(device, 0);
    assert_int_equal(host.messages, 0);
    assert_int_equal(bus_mmio_read(&pc->bus, msix_table() + MSIX_PBA, 8), 2);
    msix_mask(1, false);
    assert_int_equal(host.messages, 1);
    assert_int_equal(host.data, 0x41);
    assert_int_equal(bus_mmio_read(&pc->bus, msix_table() + MSIX_PBA, 8), 0);
    assert_bound(0, EVENT_TARGET_VECTOR, 1, 0x41);
    msix_set(1, FLAT_MESSAGE, 0x99); /* another CPU, another vector */
    assert_bound(0, EVENT_TARGET_VECTOR, 0, 0x99);
    msix_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    assert_bound(0, EVENT_TARGET_STATE, 0, CALL_BIT(0));
    assert_bound(2, EVENT_TARGET_STATE, 0, CALL_BIT(2));
    msix_control(PCI_MSIX_FLAGS_ENABLE);
    assert_bound(0, EVENT_TARGET_VECTOR, 0, 0x99);
}

/* What a vector cannot be bound to is sent by the monitor. */
static void test_indirect_message(void **state)
{
    (void)state;
    msix_set(2, FLAT_MESSAGE | 4, 0x55); /* a logical destination */
    assert_bound(1, EVENT_TARGET_STATE, 0, CALL_BIT(1));
    virtio_pci_completed(device, 1);
    assert_int_equal(host.messages, 1);
    assert_true(host.address == (FLAT_MESSAGE | 4) && host.data == 0x55);
    out(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
    out(VIRTIO_PCI_COMMON_Q_MSIX, 2, 0xffff);
    assert_bound(1, EVENT_TARGET_NONE, 0, 0);
    out(VIRTIO_PCI_COMMON_Q_MSIX, 2, 3);
    assert_bound(1, EVENT_TARGET_VECTOR, 1, 0x43);
    virtio_pci_completed(device, 77);
    assert_int_equal(host.messages, 1);
}

static void test_intx(void **state)
{
    (void)state;
    uint64_t isr = structure(VIRTIO_PCI_CAP_ISR_CFG);
    unsigned gsi = pci_gsi(SLOT, 1);
    for (unsigned i = 0; i < QUEUES; i++)
        assert_bound(i, EVENT_TARGET_STATE, 0, CALL_BIT(i));
    assert_false(fake.level[gsi]);
    virtio_pci_completed(device, 2);
    assert_true(fake.level[gsi]);
    assert_int_equal(bus_mmio_read(&pc->bus, isr, 1), 1);
    assert_false(fake.level[gsi]);
    assert_int_equal(bus_mmio_read(&pc->bus, isr, 1), 0);
    back_config("new", 4);
    virtio_pci_completed(device, 0);
    assert_int_equal(bus_mmio_read(&pc->bus, isr, 1), 3);
    virtio_pci_completed(device, 0);
    cfg_write(PCI_COMMAND, 2, cfg(PCI_COMMAND, 2) | PCI_COMMAND_INTX_DISABLE);
    assert_false(fake.level[gsi]);
    cfg_write(PCI_COMMAND, 2, cfg(PCI_COMMAND, 2) & ~PCI_COMMAND_INTX_DISABLE);
    assert_true(fake.level[gsi]);
    set_status(0);
    assert_false(fake.level[gsi]);
    assert_int_equal(host.messages, 0);
}

static void test_intx_to_msix(void **state)
{
    (void)state;
    virtio_pci_completed(device, 0);
    assert_true(fake.level[pci_gsi(SLOT, 1)]);
    msix_control(PCI_MSIX_FLAGS_ENABLE);
    assert_false(fake.level[pci_gsi(SLOT, 1)]);
    assert_bound(0, EVENT_TARGET_NONE, 0, 0); /* no vector was chosen */
    virtio_pci_completed(device, 0);
    assert_int_equal(host.messages, 0);
    msix_control(0);
    assert_bound(0, EVENT_TARGET_STATE, 0, CALL_BIT(0));
}

/* --- configuration and failure --- */

static void test_config(void **state)
{
    (void)state;
    uint64_t config = structure(VIRTIO_PCI_CAP_DEVICE_CFG);
    uint8_t generation = (uint8_t)in(VIRTIO_PCI_COMMON_CFGGENERATION, 1);
    back_config("\1\2\3\4\5\6\7\10", 8);
    assert_int_not_equal(in(VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
    assert_true(bus_mmio_read(&pc->bus, config, 8) == 0x0807060504030201);
    assert_int_equal(bus_mmio_read(&pc->bus, config + 2, 2), 0x0403);
    assert_int_equal(bus_mmio_read(&pc->bus, config + 8, 4), 0);
    assert_int_equal(bus_mmio_read(&pc->bus, config + 252, 8), 0); /* over the end */
    assert_int_equal(host.messages, 1);
    assert_int_equal(host.data, 0x40);
    virtio_pci_control(device);
    assert_int_equal(host.messages, 1); /* nothing new */
    bus_mmio_write(&pc->bus, config, 4, 0xffffffff);
    assert_int_equal(bus_mmio_read(&pc->bus, config, 4), 0x04030201);
}

static void test_failed(void **state)
{
    (void)state;
    memset(channel->back.error, 0x1b, sizeof(channel->back.error)); /* not terminated, not text */
    back_state(BACK_FAILED, channel->front.generation - 1);
    assert_int_equal(status(), RUNNING); /* of an earlier life */
    back_state(BACK_FAILED, channel->front.generation);
    assert_int_equal(status(), RUNNING | NEEDS_RESET);
    assert_int_equal(host.messages, 1);
    virtio_pci_control(device);
    assert_int_equal(host.messages, 1);
    set_status(0);
    assert_int_equal(status(), RUNNING | NEEDS_RESET);
    back_state(BACK_OFFERED, channel->front.generation);
    assert_int_equal(status(), 0);
    drive(FEATURES, true);
    assert_int_equal(status(), RUNNING);
}

/* drivers-dom was restarted: the guest does not notice. */
static void test_restart(void **state)
{
    (void)state;
    unsigned binds = host.binds;
    back_state(BACK_ABSENT, 0);
    back_offer(FEATURES, 1, 8);
    back_connect();
    assert_int_equal(status(), RUNNING);
    assert_int_equal(in(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
    assert_int_equal(host.binds, binds);
    assert_int_equal(host.doorbells, QUEUES);
    assert_int_equal(host.messages, 0);
}

static void test_hostile_offer(void **state)
{
    (void)state;
    static const struct { uint32_t queues, size; } bad[] = {
        { 0, 256 }, { 17, 256 }, { ~0u, 256 }, { 1, 0 }, { 1, 3 }, { 1, 512 }, { 1, ~0u }, { 1, 0x80000000 },
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        back_offer(FEATURES, bad[i].queues, bad[i].size);
        assert_false(virtio_pci_offered(device));
        assert_int_equal(in(VIRTIO_PCI_COMMON_NUMQ, 2), 0);
    }
    back_offer(~0ull, 16, 256); /* more queues than there are events for; bits that are not a back end's */
    assert_int_equal(in(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
    assert_true(read_features() == 0xfffc001d30fff7ffull);
    channel->back.config_size = ~0u;
    channel->back.config_generation++;
    virtio_pci_control(device);
    memset(channel->back.config, 0xee, CHANNEL_CONFIG_SIZE);
    channel->back.config_size = 3;
    virtio_pci_control(device);
    assert_int_equal(bus_mmio_read(&pc->bus, structure(VIRTIO_PCI_CAP_DEVICE_CFG), 4), 0xeeeeee);
    back_state(12345, 0);
    drive(FEATURES, true);
    assert_int_equal(status(), RUNNING);
}

/* Random bytes as the back end's whole page, random accesses of the driver: nothing may break. */
static void test_random(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252ull;
    for (unsigned round = 0; round < 40000; round++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        unsigned size = 1u << (seed >> 8 & 3), queue = seed >> 10 & 3;
        uint32_t value = (uint32_t)(seed >> 32);
        switch (seed & 7) {
        case 0:
            ((uint8_t *)&channel->back)[value % sizeof(channel->back)] = (uint8_t)(seed >> 16);
            channel->back.state &= 3;
            channel->back.queue_count &= 0x1f;
            channel->back.queue_size = 1u << (seed >> 20 & 15);
            virtio_pci_control(device);
            break;
        case 1: virtio_pci_completed(device, queue); break;
        case 2: set_status(seed >> 16 & 1 ? RUNNING : seed >> 17 & 1 ? 0 : (uint8_t)value); break;
        case 3: write_features(FEATURES); break;
        case 4: msix_control((uint16_t)value & 0xc000); break;
        case 5: cfg_write(value & 0xfc, 4, value); break;
        case 6: bus_port_write(&pc->bus, port(queue), size < 4 ? size : 4, value); break;
        default: bus_mmio_write(&pc->bus, structure(VIRTIO_PCI_CAP_COMMON_CFG) + (value & 0x1fff & ~(size - 1)), size, seed); break;
        }
        cfg_write(PCI_BASE_ADDRESS_0 + 4, 4, 0xf0000000);
        cfg_write(PCI_BASE_ADDRESS_0, 4, 0xc000);
        cfg_write(PCI_COMMAND, 2, 7);
        advance(pc, seed >> 40 & 0xffffff);
    }
    set_status(0);
    back_state(BACK_ABSENT, channel->front.generation);
    assert_int_equal(status(), 0);
    assert_int_equal(host.doorbells, 0);
}

/* --- the window in configuration space --- */

static uint32_t window(uint8_t bar, uint32_t offset, uint32_t length, bool write, uint32_t value)
{
    unsigned at = capability(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_PCI_CFG);
    cfg_write(at + VIRTIO_PCI_CAP_BAR, 1, bar);
    cfg_write(at + VIRTIO_PCI_CAP_OFFSET, 4, offset);
    cfg_write(at + VIRTIO_PCI_CAP_LENGTH, 4, length);
    if (write)
        cfg_write(at + 16, length == 1 ? 1 : length == 2 ? 2 : 4, value);
    return cfg(at + 16, length == 1 ? 1 : length == 2 ? 2 : 4);
}

static void test_window(void **state)
{
    (void)state;
    assert_int_equal(window(1, VIRTIO_PCI_COMMON_STATUS, 1, false, 0), RUNNING);
    assert_int_equal(window(1, VIRTIO_PCI_COMMON_Q_SELECT, 2, true, 2), 2);
    assert_int_equal(window(1, VIRTIO_PCI_COMMON_Q_NOFF, 2, false, 0), 2);
    (void)window(0, 4, 2, true, 1);
    assert_int_equal(host.signals[KICK(1)], 1);
    static const struct { uint8_t bar; uint32_t offset, length; } bad[] = {
        { 2, 0, 4 }, { 5, 0, 4 }, { 255, 0, 4 }, { 1, 0x2000, 4 }, { 1, 0x1ffd, 4 }, { 1, ~0u, 1 }, { 1, ~3u, 4 },
        { 1, 0, 0 }, { 1, 0, 3 }, { 1, 0, 8 }, { 1, 0, ~0u }, { 0, 64, 2 }, { 0, 0xfffe, 2 },
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        (void)window(bad[i].bar, bad[i].offset, bad[i].length, true, 0xffffffff);
    assert_int_equal(status(), RUNNING);
}

#define TEST(test, setup) cmocka_unit_test_setup_teardown(test, setup, teardown_device)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        TEST(test_capabilities, setup_offered),
        TEST(test_drive, setup_offered),
        TEST(test_features_refused, setup_offered),
        TEST(test_driver_ok_too_early, setup_offered),
        TEST(test_absent, setup_device),
        TEST(test_queue_registers, setup_offered),
        TEST(test_queues_closed_when_running, setup_running),
        TEST(test_reset, setup_running),
        TEST(test_reset_absent, setup_running),
        TEST(test_reset_bounded, setup_running),
        TEST(test_reset_impatient, setup_running),
        TEST(test_doorbells_follow_bar, setup_running),
        TEST(test_doorbells_refused, setup_offered),
        TEST(test_masked, setup_running),
        TEST(test_indirect_message, setup_running),
        TEST(test_intx, setup_intx),
        TEST(test_intx_to_msix, setup_intx),
        TEST(test_config, setup_running),
        TEST(test_failed, setup_running),
        TEST(test_restart, setup_running),
        TEST(test_hostile_offer, setup_device),
        TEST(test_random, setup_offered),
        TEST(test_window, setup_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
