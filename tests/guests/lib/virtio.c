/* SPDX-License-Identifier: MIT
 * The PCI transport of virtio devices: find, negotiate, queues, interrupts. */
#include "virtio.h"

#define VENDOR_VIRTIO    0x1af4u
#define DEVICE_FIRST     0x1040u
#define PCI_COMMAND_ALL  0x407u /* I/O, memory, bus master; no INTx */
#define PCI_CAPABILITIES 0x34u
#define CAP_VENDOR       0x09u
#define CAP_MSIX         0x11u
#define MSIX_ENABLE      0x8000u
#define RESET_MS         3000u

static uint16_t aim(unsigned devfn, unsigned offset)
{
    outl(0xcf8, 0x80000000u | devfn << 8 | (offset & 0xfc));
    return (uint16_t)(0xcfc + (offset & 3));
}

uint32_t pci_read(unsigned devfn, unsigned offset, unsigned size)
{
    uint16_t port = aim(devfn, offset);
    return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
}

void pci_write(unsigned devfn, unsigned offset, unsigned size, uint32_t value)
{
    uint16_t port = aim(devfn, offset);
    if (size == 1)
        outb(port, (uint8_t)value);
    else if (size == 2)
        outw(port, (uint16_t)value);
    else
        outl(port, value);
}

/* Base of a BAR; bit 0 of *io: it is of ports. 64-bit BARs must lie below 4 GiB, where this guest's page tables end. */
static uint64_t bar_base(unsigned devfn, unsigned bar, bool *io)
{
    uint32_t low = pci_read(devfn, 0x10 + 4 * bar, 4);
    *io = low & 1;
    if (!*io && (low & 6) == 4 && pci_read(devfn, 0x14 + 4 * bar, 4) != 0)
        return 0;
    return *io ? low & ~3u : low & ~15u;
}

static void take_structure(struct virtio_device *device, unsigned at)
{
    bool io;
    uint8_t type = (uint8_t)pci_read(device->devfn, at + VIRTIO_PCI_CAP_CFG_TYPE, 1);
    uint64_t base = bar_base(device->devfn, pci_read(device->devfn, at + VIRTIO_PCI_CAP_BAR, 1) % 6, &io);
    uint64_t place = base + pci_read(device->devfn, at + VIRTIO_PCI_CAP_OFFSET, 4);
    if (base == 0)
        return;
    if (type == VIRTIO_PCI_CAP_COMMON_CFG && !io && !device->common) {
        device->common = (volatile struct virtio_pci_common_cfg *)place;
    } else if (type == VIRTIO_PCI_CAP_ISR_CFG && !io && !device->isr) {
        device->isr = (volatile uint8_t *)place;
    } else if (type == VIRTIO_PCI_CAP_DEVICE_CFG && !io && !device->config) {
        device->config = (volatile uint8_t *)place;
    } else if (type == VIRTIO_PCI_CAP_NOTIFY_CFG && io && !device->notify_port) {
        device->notify_port = (uint16_t)place;
        device->notify_multiplier = pci_read(device->devfn, at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
    }
}

static void take_capabilities(struct virtio_device *device)
{
    unsigned at = pci_read(device->devfn, PCI_CAPABILITIES, 1) & 0xfc;
    for (unsigned n = 0; at >= 0x40 && n < 48; n++, at = pci_read(device->devfn, at + 1, 1) & 0xfc) {
        uint32_t id = pci_read(device->devfn, at, 1);
        if (id == CAP_VENDOR) {
            take_structure(device, at);
        } else if (id == CAP_MSIX) {
            bool io;
            uint32_t table = pci_read(device->devfn, at + 4, 4);
            uint64_t base = bar_base(device->devfn, (table & 7) % 6, &io);
            device->msix_capability = at;
            device->msix = base && !io ? (volatile uint32_t *)(base + (table & ~7u)) : NULL;
        }
    }
}

bool virtio_find(struct virtio_device *device, unsigned type, unsigned nth)
{
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        if (pci_read(devfn, 0, 4) != (VENDOR_VIRTIO | (DEVICE_FIRST + type) << 16) || nth-- != 0)
            continue;
        memset(device, 0, sizeof *device);
        device->devfn = devfn;
        device->type = type;
        pci_write(devfn, 4, 2, PCI_COMMAND_ALL);
        take_capabilities(device);
        return device->common && device->isr && device->config && device->notify_port && virtio_reset(device, RESET_MS);
    }
    return false;
}

bool virtio_reset(struct virtio_device *device, unsigned ms)
{
    device->common->device_status = 0;
    for (uint64_t end = rdtsc() + ms * tsc_khz; device->common->device_status != 0;) {
        if (rdtsc() > end)
            return false;
        pause();
    }
    return true;
}

void virtio_status(struct virtio_device *device, uint8_t bits)
{
    device->common->device_status = device->common->device_status | bits;
}

uint64_t virtio_offer(struct virtio_device *device)
{
    device->common->device_feature_select = 0;
    uint64_t low = device->common->device_feature;
    device->common->device_feature_select = 1;
    return low | (uint64_t)device->common->device_feature << 32;
}

bool virtio_negotiate(struct virtio_device *device, uint64_t wanted)
{
    virtio_status(device, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    virtio_status(device, VIRTIO_CONFIG_S_DRIVER);
    device->features = virtio_offer(device) & (wanted | 1ull << VIRTIO_F_VERSION_1);
    device->common->guest_feature_select = 0;
    device->common->guest_feature = (uint32_t)device->features;
    device->common->guest_feature_select = 1;
    device->common->guest_feature = (uint32_t)(device->features >> 32);
    virtio_status(device, VIRTIO_CONFIG_S_FEATURES_OK);
    return (device->common->device_status & VIRTIO_CONFIG_S_FEATURES_OK) &&
           (device->features >> VIRTIO_F_VERSION_1 & 1);
}

/* The event index lies behind the last entry, whatever the size; where it is not negotiated nobody looks. */
static void clear_ring(struct virtio_queue *queue)
{
    memset(queue->desc, 0, sizeof queue->desc);
    memset(&queue->avail, 0, sizeof queue->avail);
    memset(&queue->used, 0, sizeof queue->used);
    memset(queue->tokens, 0, sizeof queue->tokens);
    for (unsigned i = 0; i < queue->size; i++)
        queue->next[i] = (uint16_t)(i + 1);
    queue->free_head = queue->next_avail = queue->next_used = queue->offered = 0;
    queue->free_count = (uint16_t)queue->size;
}

bool virtio_queue_open(struct virtio_device *device, unsigned index, unsigned size)
{
    volatile struct virtio_pci_common_cfg *common = device->common;
    struct virtio_queue *queue = &device->queues[index];
    if (index >= VIRTIO_QUEUES || index >= common->num_queues)
        return false;
    common->queue_select = (uint16_t)index;
    unsigned most = common->queue_size;
    queue->device = device;
    queue->index = index;
    queue->size = size == 0 || size > most ? most : size;
    if (queue->size == 0 || queue->size > VIRTIO_RING_MAX)
        return false;
    clear_ring(queue);
    uint64_t desc = (uint64_t)queue->desc, avail = (uint64_t)&queue->avail, used = (uint64_t)&queue->used;
    common->queue_size = (uint16_t)queue->size;
    common->queue_desc_lo = (uint32_t)desc;
    common->queue_desc_hi = (uint32_t)(desc >> 32);
    common->queue_avail_lo = (uint32_t)avail;
    common->queue_avail_hi = (uint32_t)(avail >> 32);
    common->queue_used_lo = (uint32_t)used;
    common->queue_used_hi = (uint32_t)(used >> 32);
    queue->notify_port = (uint16_t)(device->notify_port + common->queue_notify_off * device->notify_multiplier);
    common->queue_enable = 1;
    return common->queue_enable == 1;
}

/* Which queue a vector is for. */
static struct virtio_queue *vectors[256];

static void on_interrupt(struct frame *frame)
{
    struct virtio_queue *queue = vectors[frame->vector];
    if (queue) {
        queue->interrupted_at = rdtsc();
        queue->interrupts++;
    }
    lapic_eoi();
}

bool virtio_interrupt(struct virtio_device *device, unsigned index, uint8_t vector)
{
    if (!device->msix || index >= VIRTIO_QUEUES)
        return false;
    vectors[vector] = &device->queues[index];
    irq_set_handler(vector, on_interrupt);
    volatile uint32_t *entry = device->msix + 4 * index;
    entry[0] = (uint32_t)LAPIC_BASE | lapic_id() << 12;
    entry[1] = 0;
    entry[2] = vector;
    entry[3] = 0;
    uint32_t control = pci_read(device->devfn, device->msix_capability + 2, 2);
    pci_write(device->devfn, device->msix_capability + 2, 2, control | MSIX_ENABLE);
    device->common->queue_select = (uint16_t)index;
    device->common->queue_msix_vector = (uint16_t)index;
    return device->common->queue_msix_vector == index;
}

void virtio_start(struct virtio_device *device) { virtio_status(device, VIRTIO_CONFIG_S_DRIVER_OK); }
