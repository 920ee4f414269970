/* SPDX-License-Identifier: MIT
 * A virtio device on a PCI bus, with fakes of the system calls it makes, of the local APICs, and of its back end. Include it in exactly one
 * file of a test. */
#pragma once

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include "fake_pc.h"
#include "devices/virtio_pci.h"

#define QUEUES 3
#define CALL(queue) (100u + (queue)) /* event handles */
#define KICK(queue) (200u + (queue))
#define CONTROL_OUT 300u
#define CONTROL_IN 301u
#define CONTROL_BIT 8
#define CALL_BIT(queue) (20u + (queue))
#define SLOT 3
#define FEATURES (1ull << VIRTIO_F_VERSION_1 | 1ull << 29 | 1ull << 28 | 0x60ull)
#define FLAT_MESSAGE 0xfee00000ull

static struct {
    struct virtio_binding bound[400];
    unsigned binds;
    handle_t doorbell[0x10000]; /* + 1; 0: none */
    unsigned doorbells;
    unsigned signals[400];
    bool refuse_doorbells;
    unsigned messages;          /* sent by MSI-X */
    uint64_t address;
    uint32_t data;
} host;

static struct machine *pc;
static struct pci *pci;
static struct channel *channel;
static struct start_channel start_channel;
static struct virtio_pci *device;

static enum status fake_bind(handle_t event, enum event_target target, uint32_t vcpu, uint32_t number)
{
    assert_in_range(event, 0, 399);
    if (target == EVENT_TARGET_STATE)
        assert_in_range(number, EVENT_FIRST, 63);
    if (target == EVENT_TARGET_VECTOR)
        assert_in_range(number, 16, 255);
    assert_true(vcpu < 2);
    host.bound[event] = (struct virtio_binding){ target, vcpu, number };
    host.binds++;
    return OK;
}

static enum status fake_doorbell(uint16_t port, handle_t event)
{
    if (host.refuse_doorbells && event != HANDLE_NONE)
        return ERR_MEMORY;
    if (event == HANDLE_NONE)
        assert_true(host.doorbell[port] != 0);
    host.doorbells += (event != HANDLE_NONE) - (host.doorbell[port] != 0);
    host.doorbell[port] = event == HANDLE_NONE ? 0 : event + 1;
    return OK;
}

static enum status fake_signal(handle_t event)
{
    assert_in_range(event, 0, 399);
    host.signals[event]++;
    return OK;
}

static const struct virtio_ops fake_ops = { fake_bind, fake_doorbell, fake_signal };

void irq_message(struct machine *machine, uint64_t address, uint32_t data)
{
    (void)machine;
    host.address = address;
    host.data = data;
    host.messages++;
}

bool irq_message_direct(const struct machine *machine, uint64_t address, uint32_t data, uint32_t *vcpu, uint8_t *vector)
{
    *vcpu = (uint32_t)(address >> 12) & 0xff;
    *vector = (uint8_t)data;
    return (address & ~0xff000ull) == FLAT_MESSAGE && data >> 8 == 0 && *vector >= 16 && *vcpu < machine->vcpu_count;
}

static inline int setup_type(uint32_t type)
{
    memset(&host, 0, sizeof(host));
    pc = fake_machine(1 * MIB, 0, 1000000000, 0);
    strcpy(fake.start.name, "test");
    pci = calloc(1, sizeof(*pci));
    channel = aligned_alloc(PAGE_SIZE, sizeof(*channel));
    memset(channel, 0, sizeof(*channel));
    device = calloc(1, sizeof(*device));
    assert_int_equal(pci_init(pci, pc), OK);
    channel->magic = CHANNEL_MAGIC;
    channel->type = type;
    start_channel = (struct start_channel){ .type = type, .queue_count = QUEUES, .name = "xvda", .control_handle = CONTROL_OUT,
                                            .control_event = CONTROL_IN };
    struct virtio_setup setup = { .channel = channel, .start = &start_channel, .ops = &fake_ops, .control_bit = CONTROL_BIT };
    for (unsigned i = 0; i < QUEUES; i++) {
        start_channel.call[i] = CALL(i);
        start_channel.kick[i] = KICK(i);
        setup.call_bits[i] = (uint8_t)CALL_BIT(i);
    }
    return virtio_pci_init(device, pc, &setup, pci, PCI_DEVFN(SLOT, 0));
}

static inline int setup_device(void **state)
{
    (void)state;
    return setup_type(CHANNEL_BLOCK);
}

static inline int teardown_device(void **state)
{
    (void)state;
    free(device);
    free(channel);
    free(pci);
    fake_free(pc);
    return 0;
}

/* --- the back end --- */

static inline void back_state(uint32_t state, uint32_t seen)
{
    channel->back.seen_generation = seen;
    channel->back.state = state;
    virtio_pci_control(device);
}

static inline void back_offer(uint64_t features, uint32_t queues, uint32_t size)
{
    channel->back.features = features;
    channel->back.queue_count = queues;
    channel->back.queue_size = size;
    back_state(BACK_OFFERED, channel->front.generation);
}

static inline void back_config(const void *bytes, uint32_t size)
{
    memcpy(channel->back.config, bytes, size);
    channel->back.config_size = size;
    channel->back.config_generation++;
    virtio_pci_control(device);
}

/* --- the driver --- */

static inline uint32_t cfg(unsigned offset, unsigned size) { return pci_config_read(pci, PCI_DEVFN(SLOT, 0), offset, size); }
static inline void cfg_write(unsigned offset, unsigned size, uint32_t value)
{
    pci_config_write(pci, PCI_DEVFN(SLOT, 0), offset, size, value);
}

static inline unsigned capability(uint8_t id, uint8_t type)
{
    unsigned steps = 0;
    for (unsigned at = cfg(PCI_CAPABILITY_LIST, 1); at; at = cfg(at + 1, 1)) {
        assert_true(++steps < 20);
        if (cfg(at, 1) == id && (id != PCI_CAP_ID_VNDR || cfg(at + VIRTIO_PCI_CAP_CFG_TYPE, 1) == type))
            return at;
    }
    return 0;
}

static inline uint64_t structure(uint8_t type)
{
    unsigned at = capability(PCI_CAP_ID_VNDR, type);
    assert_true(at != 0);
    uint32_t bar = cfg(PCI_BASE_ADDRESS_0 + 4 * cfg(at + VIRTIO_PCI_CAP_BAR, 1), 4);
    return (bar & (bar & 1 ? ~3u : ~15u)) + cfg(at + VIRTIO_PCI_CAP_OFFSET, 4);
}

static inline uint64_t in(unsigned field, unsigned size)
{
    return bus_mmio_read(&pc->bus, structure(VIRTIO_PCI_CAP_COMMON_CFG) + field, size);
}

static inline void out(unsigned field, unsigned size, uint64_t value)
{
    bus_mmio_write(&pc->bus, structure(VIRTIO_PCI_CAP_COMMON_CFG) + field, size, value);
}

static inline uint8_t status(void) { return (uint8_t)in(VIRTIO_PCI_COMMON_STATUS, 1); }
static inline void set_status(uint8_t value) { out(VIRTIO_PCI_COMMON_STATUS, 1, value); }

static inline uint64_t read_features(void)
{
    uint64_t features = 0;
    for (unsigned i = 0; i < 2; i++) {
        out(VIRTIO_PCI_COMMON_DFSELECT, 4, i);
        features |= in(VIRTIO_PCI_COMMON_DF, 4) << 32 * i;
    }
    return features;
}

static inline void write_features(uint64_t features)
{
    for (unsigned i = 0; i < 2; i++) {
        out(VIRTIO_PCI_COMMON_GFSELECT, 4, i);
        out(VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> 32 * i));
    }
}

static inline uint64_t msix_table(void)
{
    unsigned at = capability(PCI_CAP_ID_MSIX, 0);
    uint32_t table = cfg(at + PCI_MSIX_TABLE, 4);
    return (cfg(PCI_BASE_ADDRESS_0 + 4 * (table & 7), 4) & ~15u) + (table & ~7u);
}

static inline void msix_control(uint16_t flags)
{
    unsigned at = capability(PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS;
    cfg_write(at, 2, (cfg(at, 2) & PCI_MSIX_FLAGS_QSIZE) | flags);
}

static inline void msix_mask(unsigned vector, bool masked)
{
    bus_mmio_write(&pc->bus, msix_table() + 16 * vector + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, masked);
}

static inline void msix_set(unsigned vector, uint64_t address, uint32_t data)
{
    uint64_t entry = msix_table() + 16 * vector;
    msix_mask(vector, true);
    bus_mmio_write(&pc->bus, entry, 4, (uint32_t)address);
    bus_mmio_write(&pc->bus, entry + 4, 4, address >> 32);
    bus_mmio_write(&pc->bus, entry + 8, 4, data);
    msix_mask(vector, false);
}

static inline void setup_queue(unsigned index, uint16_t size, uint64_t memory, uint16_t vector)
{
    out(VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
    out(VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
    out(VIRTIO_PCI_COMMON_Q_DESCLO, 4, (uint32_t)memory);
    out(VIRTIO_PCI_COMMON_Q_DESCHI, 4, memory >> 32);
    out(VIRTIO_PCI_COMMON_Q_AVAILLO, 8, memory + 0x1000);
    out(VIRTIO_PCI_COMMON_Q_USEDLO, 8, memory + 0x2000);
    out(VIRTIO_PCI_COMMON_Q_MSIX, 2, vector);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_MSIX, 2), vector);
    out(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    assert_int_equal(in(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
}

/* From reset to DRIVER_OK in the order in which Linux does it; msix: one vector for the configuration, one for each queue. */
static inline void drive(uint64_t features, bool msix)
{
    cfg_write(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    set_status(0);
    assert_int_equal(status(), 0);
    set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
    set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    write_features(features & read_features());
    set_status(status() | VIRTIO_CONFIG_S_FEATURES_OK);
    assert_int_equal(status(), 0xb);
    if (msix) {
        msix_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
        for (unsigned i = 0; i < 4; i++)
            msix_mask(i, true);
        msix_control(PCI_MSIX_FLAGS_ENABLE);
        for (unsigned i = 0; i < 1 + QUEUES; i++)
            msix_set(i, FLAT_MESSAGE | (i & 1) << 12, 0x40 + i);
        out(VIRTIO_PCI_COMMON_MSIX, 2, 0);
        assert_int_equal(in(VIRTIO_PCI_COMMON_MSIX, 2), 0);
    }
    for (unsigned i = 0; i < in(VIRTIO_PCI_COMMON_NUMQ, 2); i++)
        setup_queue(i, 64, 0x10000 * (i + 1), msix ? (uint16_t)(i + 1) : 0xffff);
    set_status(status() | VIRTIO_CONFIG_S_DRIVER_OK);
}

static inline void assert_bound(unsigned queue, enum event_target target, uint32_t vcpu, uint32_t number)
{
    const struct virtio_binding *b = &host.bound[CALL(queue)];
    if (b->target != target || b->vcpu != vcpu || b->number != number)
        fail_msg("queue %u: bound to %u, %u, %u; expected %u, %u, %u", queue, b->target, b->vcpu, b->number, target, vcpu, number);
}
