/* SPDX-License-Identifier: MIT
 * virtio over PCI, modern interface (virtio specification 1.1, 4.1). */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include "cpu.h"
#include "service.h"
#include "virtio.h"

#define RESET_TIMEOUT_NS 1000000000ull
#define NO_VECTOR 0xffff
#define CONFIG_TRIES 16 /* a device that changes its configuration all the time is not waited for */
#define ALWAYS_WANTED (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ACCESS_PLATFORM)

/* --- register structures --- */

/* The first structure of `type` that lies in a memory BAR; null if there is none. */
static volatile uint8_t *find_structure(const struct pci_device *pci, uint8_t type, uint32_t min_length,
                                        uint64_t *length, unsigned *cap)
{
    for (*cap = pci_capability(pci, PCI_CAP_ID_VNDR, 0); *cap != 0; *cap = pci_capability(pci, PCI_CAP_ID_VNDR, *cap)) {
        unsigned bar = pci_read(pci, *cap + VIRTIO_PCI_CAP_BAR, 1);
        if (pci_read(pci, *cap + VIRTIO_PCI_CAP_CFG_TYPE, 1) != type || bar > 5 || pci->bars[bar].io) {
            continue;
        }
        uint64_t offset = pci_read(pci, *cap + VIRTIO_PCI_CAP_OFFSET, 4);
        *length = pci_read(pci, *cap + VIRTIO_PCI_CAP_LENGTH, 4);
        if (*length < min_length) {
            service_log("PCI %s: virtio structure %u has %lu bytes, at least %u are needed", pci->name, type, *length,
                        min_length);
            return NULL;
        }
        volatile uint8_t *base = pci_map_bar(pci, bar, offset + *length);
        return base != NULL ? base + offset : NULL;
    }
    return NULL;
}

static enum status find_structures(struct virtio_device *device)
{
    struct pci_device *pci = device->pci;
    uint64_t length;
    unsigned cap;
    device->common = (volatile void *)find_structure(pci, VIRTIO_PCI_CAP_COMMON_CFG, sizeof(*device->common), &length,
                                                     &cap);
    device->isr = find_structure(pci, VIRTIO_PCI_CAP_ISR_CFG, 1, &length, &cap);
    device->config = find_structure(pci, VIRTIO_PCI_CAP_DEVICE_CFG, 1, &device->config_size, &cap);
    device->notify = find_structure(pci, VIRTIO_PCI_CAP_NOTIFY_CFG, 2, &device->notify_size, &cap);
    if (device->common == NULL || device->isr == NULL || device->notify == NULL) {
        service_log("PCI %s (%04x:%04x): no virtio 1.x registers in memory", pci->name, pci->vendor, pci->device);
        return ERR_SUPPORT;
    }
    device->notify_multiplier = pci_read(pci, cap + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
    return OK;
}

enum status virtio_open(struct virtio_device *device, struct pci_device *pci)
{
    *device = (struct virtio_device){.pci = pci};
    pci_enable(pci, false);
    enum status status = find_structures(device);
    if (status != OK) {
        return status;
    }
    virtio_reset(device);
    uint64_t end = service_now() + RESET_TIMEOUT_NS;
    while (!virtio_is_reset(device)) {
        if (service_now() > end) {
            service_log("PCI %s: virtio device does not come out of its reset", pci->name);
            return ERR_TIMEOUT;
        }
        cpu_pause();
    }
    /* Only now: what a former driver had set up is forgotten. */
    pci_enable(pci, true);
    return OK;
}

/* --- status and features --- */

void virtio_reset(struct virtio_device *device) { device->common->device_status = 0; }
bool virtio_is_reset(const struct virtio_device *device) { return device->common->device_status == 0; }

bool virtio_failed(const struct virtio_device *device)
{
    return (device->common->device_status & VIRTIO_CONFIG_S_NEEDS_RESET) != 0 || !pci_present(device->pci);
}

static uint64_t offered_features(volatile struct virtio_pci_common_cfg *common)
{
    common->device_feature_select = 0;
    uint64_t low = common->device_feature;
    common->device_feature_select = 1;
    return (uint64_t)common->device_feature << 32 | low;
}

enum status virtio_negotiate(struct virtio_device *device, uint64_t wanted)
{
    volatile struct virtio_pci_common_cfg *common = device->common;
    uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
    common->device_status = status;
    device->features = offered_features(common) & (wanted | ALWAYS_WANTED);
    if (!(device->features & 1ull << VIRTIO_F_VERSION_1)) {
        service_log("PCI %s: virtio device is not one of version 1", device->pci->name);
        return ERR_SUPPORT;
    }
    common->guest_feature_select = 0;
    common->guest_feature = (uint32_t)device->features;
    common->guest_feature_select = 1;
    common->guest_feature = (uint32_t)(device->features >> 32);
    status |= VIRTIO_CONFIG_S_FEATURES_OK;
    common->device_status = status;
    if (!(common->device_status & VIRTIO_CONFIG_S_FEATURES_OK)) {
        service_log("PCI %s: virtio device refuses features 0x%lx", device->pci->name, device->features);
        return ERR_SUPPORT;
    }
    common->msix_config = device->msix ? 0 : NO_VECTOR;
    return OK;
}

void virtio_go(struct virtio_device *device)
{
    device->common->device_status = device->common->device_status | VIRTIO_CONFIG_S_DRIVER_OK;
}

void virtio_config_read(const struct virtio_device *device, unsigned offset, void *to, unsigned size)
{
    uint8_t *bytes = to;
    for (unsigned try = 0; try < CONFIG_TRIES; try++) {
        uint8_t before = device->common->config_generation;
        for (unsigned i = 0; i < size; i++) {
            bool there = device->config != NULL && offset + i < device->config_size;
            bytes[i] = there ? device->config[offset + i] : 0;
        }
        if (device->common->config_generation == before) {
            return;
        }
    }
}

/* --- interrupts --- */

static void interrupted(void *context)
{
    struct virtio_device *device = context;
    /* Reading the ISR status takes the line down; with MSI-X it is not used. */
    if (device->msix || *device->isr != 0) {
        device->handler(device->context);
    }
}

enum status virtio_interrupt(struct virtio_device *device, void (*handler)(void *context), void *context)
{
    device->handler = handler;
    device->context = context;
    enum status status = pci_interrupt(device->pci, 0, interrupted, device);
    device->msix = status == OK && pci_msix_active(device->pci);
    return status;
}

/* --- queues --- */

static enum status tell_device(struct virtqueue *queue)
{
    struct virtio_device *device = queue->device;
    volatile struct virtio_pci_common_cfg *common = device->common;
    common->queue_select = queue->index;
    common->queue_size = queue->size;
    uint64_t desc = dma_of(queue->desc), avail = dma_of(queue->avail), used = dma_of((const void *)queue->used);
    common->queue_desc_lo = (uint32_t)desc;
    common->queue_desc_hi = (uint32_t)(desc >> 32);
    common->queue_avail_lo = (uint32_t)avail;
    common->queue_avail_hi = (uint32_t)(avail >> 32);
    common->queue_used_lo = (uint32_t)used;
    common->queue_used_hi = (uint32_t)(used >> 32);
    common->queue_msix_vector = device->msix ? 0 : NO_VECTOR;
    if (device->msix && common->queue_msix_vector != 0) {
        service_log("PCI %s: virtio device refuses an interrupt for queue %u", device->pci->name, queue->index);
        return ERR_SUPPORT;
    }
    uint64_t offset = (uint64_t)common->queue_notify_off * device->notify_multiplier;
    if (offset > device->notify_size - sizeof(uint16_t)) {
        service_log("PCI %s: the doorbell of queue %u lies outside of its structure", device->pci->name, queue->index);
        return ERR_FORMAT;
    }
    queue->doorbell = (volatile uint16_t *)(device->notify + offset);
    common->queue_enable = 1;
    return OK;
}

static void *piece(uint8_t **at, size_t size)
{
    void *start = *at;
    *at += (size + 63) & ~63ul;
    return start;
}

/* All memory of a queue, shared with the device and private, in one block. */
static enum status allocate(struct virtqueue *queue)
{
    size_t n = queue->size;
    size_t bytes = n * (sizeof(struct vring_desc) + 2 + sizeof(struct vring_used_elem) + sizeof(void *) + 4) + 64 * 8 +
                   n * queue->indirect_size * sizeof(struct vring_desc);
    uint8_t *at = dma_alloc(bytes, 4096);
    if (at == NULL) {
        service_log("PCI %s: no memory for queue %u", queue->device->pci->name, queue->index);
        return ERR_MEMORY;
    }
    queue->desc = piece(&at, n * sizeof(struct vring_desc));
    queue->avail = piece(&at, sizeof(struct vring_avail) + (n + 1) * 2);
    queue->used = piece(&at, sizeof(struct vring_used) + n * sizeof(struct vring_used_elem) + 2);
    queue->cookies = piece(&at, n * sizeof(void *));
    queue->next = piece(&at, n * 2);
    queue->lengths = piece(&at, n * 2);
    size_t tables = n * queue->indirect_size * sizeof(struct vring_desc);
    queue->indirect = tables != 0 ? piece(&at, tables) : NULL;
    return OK;
}

enum status virtqueue_create(struct virtqueue *queue, struct virtio_device *device, uint16_t index, uint16_t max_size,
                             uint16_t indirect_size)
{
    volatile struct virtio_pci_common_cfg *common = device->common;
    common->queue_select = index;
    uint16_t size = common->queue_size;
    if (index >= common->num_queues || size == 0 || (size & (size - 1)) != 0) {
        service_log("PCI %s: virtio device has no queue %u, or one of an odd size (%u)", device->pci->name, index,
                    size);
        return ERR_NONE;
    }
    bool indirect = (device->features & 1ull << VIRTIO_RING_F_INDIRECT_DESC) != 0;
    *queue = (struct virtqueue){.device = device, .index = index, .size = size < max_size ? size : max_size,
                                .indirect_size = indirect ? indirect_size : 0,
                                .event_idx = (device->features & 1ull << VIRTIO_RING_F_EVENT_IDX) != 0};
    enum status status = allocate(queue);
    if (status != OK) {
        return status;
    }
    virtqueue_empty(queue);
    return tell_device(queue);
}

void virtqueue_restart(struct virtqueue *queue)
{
    virtqueue_empty(queue);
    queue->broken = tell_device(queue) != OK;
}
