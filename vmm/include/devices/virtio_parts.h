/* SPDX-License-Identifier: MIT
 * What the files of the virtio device share: virtio_pci.c (PCI function, BARs), virtio_common.c (the common configuration's registers),
 * virtio_front.c (device status and the channel), virtio_irq.c (doorbells and interrupts). Nobody else includes this. */
#pragma once

#include <linux/virtio_config.h>
#include "devices/virtio_pci.h"

#define VIRTIO_NO_VECTOR 0xffffu
#define VIRTIO_NOTIFY_BAR 0
#define VIRTIO_NOTIFY_MULTIPLIER 4u /* bytes of ports per queue */

/* virtio_common.c */
uint64_t virtio_common_read(struct virtio_pci *device, uint32_t offset, unsigned size);
void virtio_common_write(struct virtio_pci *device, uint32_t offset, unsigned size, uint64_t value);

/* virtio_front.c */
/* Device status: its register as the driver reads and writes it. */
uint8_t virtio_status_read(struct virtio_pci *device);
void virtio_status_write(struct virtio_pci *device, uint8_t value);
/* Copies and checks what the back end offers, and follows its state. */
void virtio_look(struct virtio_pci *device);
/* Registers as after a reset of the device; nothing is bound. */
void virtio_clear(struct virtio_pci *device);
/* Interrupts of a running device: DRIVER_OK is set and no reset came. */
static inline bool virtio_running(const struct virtio_pci *device)
{
    return (device->s.status & VIRTIO_CONFIG_S_DRIVER_OK) != 0;
}

/* virtio_irq.c */
/* Makes doorbells and completion events agree with the device's state, its BAR and its MSI-X table. */
void virtio_bind(struct virtio_pci *device);
/* The same for the queues that use this MSI-X vector. */
void virtio_bind_vector(void *device, unsigned vector);
/* The driver has written to a queue's port, and the kernel did not take it. */
void virtio_kick(struct virtio_pci *device, unsigned queue);
void virtio_config_changed(struct virtio_pci *device);
/* Reads and clears the ISR. */
uint8_t virtio_isr_take(struct virtio_pci *device);
