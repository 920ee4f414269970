/* SPDX-License-Identifier: MIT
 * The common configuration structure of virtio over PCI (virtio 1.2, 4.1.4.3), field by field. A register that may not be written in the
 * device's state keeps its value. */
#include <linux/virtio_pci.h>
#include <string.h>
#include "devices/virtio_parts.h"

/* Of the registers of one queue. Null: queue_select names none. */
static struct virtio_queue *selected(struct virtio_pci *device)
{
    return device->s.queue_select < device->s.offer.queue_count ? &device->s.queues[device->s.queue_select] : NULL;
}

/* The queue while its place in memory may still be set. */
static struct virtio_queue *selected_open(struct virtio_pci *device)
{
    struct virtio_queue *queue = selected(device);
    return queue && !queue->enabled && !virtio_running(device) ? queue : NULL;
}

/* --- read: a picture of all of it --- */

static void picture(struct virtio_pci *device, struct virtio_pci_common_cfg *out)
{
    const struct virtio_state *s = &device->s;
    const struct virtio_queue *queue = selected(device);
    *out = (struct virtio_pci_common_cfg){
        .device_feature_select = s->device_feature_select,
        .device_feature = s->device_feature_select < 2 ? (uint32_t)(s->offer.features >> 32 * s->device_feature_select) : 0,
        .guest_feature_select = s->driver_feature_select,
        .guest_feature = s->driver_feature_select < 2 ? (uint32_t)(s->driver_features >> 32 * s->driver_feature_select) : 0,
        .msix_config = s->config_vector,
        .num_queues = (uint16_t)s->offer.queue_count,
        .config_generation = s->config_generation,
        .queue_select = s->queue_select,
        .queue_msix_vector = VIRTIO_NO_VECTOR,
    };
    if (!queue)
        return;
    out->queue_size = queue->size;
    out->queue_msix_vector = queue->vector;
    out->queue_enable = queue->enabled;
    out->queue_notify_off = s->queue_select;
    out->queue_desc_lo = (uint32_t)queue->desc;
    out->queue_desc_hi = (uint32_t)(queue->desc >> 32);
    out->queue_avail_lo = (uint32_t)queue->driver;
    out->queue_avail_hi = (uint32_t)(queue->driver >> 32);
    out->queue_used_lo = (uint32_t)queue->device;
    out->queue_used_hi = (uint32_t)(queue->device >> 32);
}

uint64_t virtio_common_read(struct virtio_pci *device, uint32_t offset, unsigned size)
{
    struct virtio_pci_common_cfg all;
    uint64_t value = 0;
    if (offset >= sizeof(all) || size > sizeof(all) - offset)
        return 0;
    if (offset == VIRTIO_PCI_COMMON_STATUS && size == 1)
        return virtio_status_read(device);
    picture(device, &all);
    if (offset < VIRTIO_PCI_COMMON_STATUS && offset + size > VIRTIO_PCI_COMMON_STATUS)
        all.device_status = device->s.status;
    memcpy(&value, (const uint8_t *)&all + offset, size);
    return value;
}

/* --- write --- */

static void set_half(uint64_t *to, unsigned half, uint32_t value)
{
    *to = half == 0 ? (*to & ~0xffffffffull) | value : (*to & 0xffffffffull) | (uint64_t)value << 32;
}

static void write_device_feature_select(struct virtio_pci *device, uint32_t value) { device->s.device_feature_select = value; }
static void write_driver_feature_select(struct virtio_pci *device, uint32_t value) { device->s.driver_feature_select = value; }

static void write_driver_feature(struct virtio_pci *device, uint32_t value)
{
    if (device->s.driver_feature_select < 2 && !(device->s.status & VIRTIO_CONFIG_S_FEATURES_OK))
        set_half(&device->s.driver_features, device->s.driver_feature_select, value);
}

/* A vector that does not exist reads back as none: so the driver learns of it (virtio 1.2, 4.1.5.1.2.1). */
static uint16_t checked_vector(const struct virtio_pci *device, uint32_t value)
{
    return value < device->msix.count ? (uint16_t)value : VIRTIO_NO_VECTOR;
}

static void write_config_vector(struct virtio_pci *device, uint32_t value)
{
    device->s.config_vector = checked_vector(device, value);
}

static void write_status(struct virtio_pci *device, uint32_t value) { virtio_status_write(device, (uint8_t)value); }
static void write_queue_select(struct virtio_pci *device, uint32_t value) { device->s.queue_select = (uint16_t)value; }

static void write_queue_size(struct virtio_pci *device, uint32_t value)
{
    struct virtio_queue *queue = selected_open(device);
    if (queue && value && value <= device->s.offer.queue_size && (value & (value - 1)) == 0)
        queue->size = (uint16_t)value;
}

static void write_queue_vector(struct virtio_pci *device, uint32_t value)
{
    struct virtio_queue *queue = selected(device);
    if (!queue)
        return;
    queue->vector = checked_vector(device, value);
    virtio_bind(device);
}

static void write_queue_enable(struct virtio_pci *device, uint32_t value)
{
    struct virtio_queue *queue = selected_open(device);
    if (queue && value == 1)
        queue->enabled = true;
}

static void write_address(struct virtio_pci *device, unsigned field, unsigned half, uint32_t value)
{
    struct virtio_queue *queue = selected_open(device);
    if (queue)
        set_half(field == 0 ? &queue->desc : field == 1 ? &queue->driver : &queue->device, half, value);
}

static void write_desc_lo(struct virtio_pci *device, uint32_t value) { write_address(device, 0, 0, value); }
static void write_desc_hi(struct virtio_pci *device, uint32_t value) { write_address(device, 0, 1, value); }
static void write_avail_lo(struct virtio_pci *device, uint32_t value) { write_address(device, 1, 0, value); }
static void write_avail_hi(struct virtio_pci *device, uint32_t value) { write_address(device, 1, 1, value); }
static void write_used_lo(struct virtio_pci *device, uint32_t value) { write_address(device, 2, 0, value); }
static void write_used_hi(struct virtio_pci *device, uint32_t value) { write_address(device, 2, 1, value); }

static const struct {
    uint8_t offset, size;
    void (*write)(struct virtio_pci *device, uint32_t value);
} fields[] = {
    { VIRTIO_PCI_COMMON_DFSELECT, 4, write_device_feature_select },
    { VIRTIO_PCI_COMMON_GFSELECT, 4, write_driver_feature_select },
    { VIRTIO_PCI_COMMON_GF, 4, write_driver_feature },
    { VIRTIO_PCI_COMMON_MSIX, 2, write_config_vector },
    { VIRTIO_PCI_COMMON_STATUS, 1, write_status },
    { VIRTIO_PCI_COMMON_Q_SELECT, 2, write_queue_select },
    { VIRTIO_PCI_COMMON_Q_SIZE, 2, write_queue_size },
    { VIRTIO_PCI_COMMON_Q_MSIX, 2, write_queue_vector },
    { VIRTIO_PCI_COMMON_Q_ENABLE, 2, write_queue_enable },
    { VIRTIO_PCI_COMMON_Q_DESCLO, 4, write_desc_lo },
    { VIRTIO_PCI_COMMON_Q_DESCHI, 4, write_desc_hi },
    { VIRTIO_PCI_COMMON_Q_AVAILLO, 4, write_avail_lo },
    { VIRTIO_PCI_COMMON_Q_AVAILHI, 4, write_avail_hi },
    { VIRTIO_PCI_COMMON_Q_USEDLO, 4, write_used_lo },
    { VIRTIO_PCI_COMMON_Q_USEDHI, 4, write_used_hi },
};

/* Fields are written in their own size; the 64-bit ones in one piece or two (virtio 1.2, 4.1.3.1). */
void virtio_common_write(struct virtio_pci *device, uint32_t offset, unsigned size, uint64_t value)
{
    if (size == 8) {
        if (offset >= VIRTIO_PCI_COMMON_Q_DESCLO && offset % 8 == 0) {
            virtio_common_write(device, offset, 4, (uint32_t)value);
            virtio_common_write(device, offset + 4, 4, value >> 32);
        }
        return;
    }
    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (fields[i].offset == offset && fields[i].size == size)
            fields[i].write(device, (uint32_t)value);
}
