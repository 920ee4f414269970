/* SPDX-License-Identifier: MIT
 * A virtio device's doorbells and interrupts (virtio 1.2, 4.1.4.4, 4.1.4.5, 4.1.5): which system calls bind what. */
#include "abi/state.h"
#include "devices/virtio_parts.h"
#include "irq.h"

#define ISR_QUEUE 1u
#define ISR_CONFIG 2u

/* --- doorbells: ports of the notification BAR, while the device runs --- */

/* Where the ports are now; 0: nowhere. */
static uint16_t doorbell_base(const struct virtio_pci *device)
{
    const struct pci_bar *bar = &device->function.bars[VIRTIO_NOTIFY_BAR];
    return virtio_running(device) && bar->mapped ? (uint16_t)bar->address : 0;
}

static void unbind_doorbells(struct virtio_pci *device)
{
    for (unsigned i = 0; i < CHANNEL_MAX_QUEUES; i++) {
        struct virtio_queue *queue = &device->s.queues[i];
        if (queue->doorbell)
            (void)device->ops->doorbell((uint16_t)(device->s.doorbell_base + i * VIRTIO_NOTIFY_MULTIPLIER), HANDLE_NONE);
        queue->doorbell = false;
    }
}

/* A doorbell that the kernel has no room for still works: its port write comes to virtio_kick(). */
static void bind_doorbells(struct virtio_pci *device)
{
    uint16_t base = doorbell_base(device);
    if (base != device->s.doorbell_base)
        unbind_doorbells(device);
    device->s.doorbell_base = base;
    for (unsigned i = 0; base && i < device->start->queue_count; i++) {
        struct virtio_queue *queue = &device->s.queues[i];
        if (queue->enabled && !queue->doorbell)
            queue->doorbell = device->ops->doorbell((uint16_t)(base + i * VIRTIO_NOTIFY_MULTIPLIER), device->start->kick[i]) == OK;
    }
}

void virtio_kick(struct virtio_pci *device, unsigned index)
{
    if (index >= device->start->queue_count || !virtio_running(device) || !device->s.queues[index].enabled)
        return;
    bind_doorbells(device); /* the BAR may have become reachable by the move of another */
    (void)device->ops->signal(device->start->kick[index]);
}

/* --- completion events --- */

/* Straight to the guest if the MSI-X entry says one vector of one vcpu, else to this monitor. */
static struct virtio_binding wanted(const struct virtio_pci *device, unsigned index)
{
    const struct virtio_queue *queue = &device->s.queues[index];
    const struct msix *msix = &device->msix;
    struct virtio_binding to = { .target = EVENT_TARGET_NONE };
    uint8_t vector;
    if (!virtio_running(device) || !queue->enabled)
        return to;
    if (msix_enabled(msix) && queue->vector == VIRTIO_NO_VECTOR)
        return to; /* nobody wants to know */
    if (msix_ready(msix, queue->vector)) {
        const struct msix_entry *message = msix_message(msix, queue->vector);
        if (irq_message_direct(device->machine, message->address, message->data, &to.vcpu, &vector)) {
            to.target = EVENT_TARGET_VECTOR;
            to.number = vector;
            return to;
        }
    }
    return (struct virtio_binding){ EVENT_TARGET_STATE, 0, device->call_bits[index] };
}

static void bind_queue(struct virtio_pci *device, unsigned index)
{
    struct virtio_queue *queue = &device->s.queues[index];
    struct virtio_binding to = wanted(device, index), *now = &queue->bound;
    if (to.target == now->target && to.vcpu == now->vcpu && to.number == now->number)
        return;
    if (device->ops->bind(device->start->call[index], (enum event_target)to.target, to.vcpu, to.number) == OK)
        *now = to;
}

void virtio_bind(struct virtio_pci *device)
{
    bind_doorbells(device);
    for (unsigned i = 0; i < device->start->queue_count; i++)
        bind_queue(device, i);
}

void virtio_bind_vector(void *context, unsigned vector)
{
    struct virtio_pci *device = context;
    for (unsigned i = 0; i < device->start->queue_count; i++)
        if (device->s.queues[i].vector == vector)
            bind_queue(device, i);
}

/* --- interrupts that the monitor makes --- */

static void interrupt(struct virtio_pci *device, uint8_t cause, uint16_t vector)
{
    if (msix_enabled(&device->msix)) {
        msix_signal(&device->msix, vector);
        return;
    }
    device->s.isr |= cause;
    pci_set_intx(&device->function, true);
}

void virtio_pci_completed(struct virtio_pci *device, unsigned index)
{
    if (index < device->start->queue_count && virtio_running(device) && device->s.queues[index].enabled)
        interrupt(device, ISR_QUEUE, device->s.queues[index].vector);
}

void virtio_config_changed(struct virtio_pci *device)
{
    interrupt(device, ISR_CONFIG, device->s.config_vector);
}

uint8_t virtio_isr_take(struct virtio_pci *device)
{
    uint8_t isr = device->s.isr;
    device->s.isr = 0;
    pci_set_intx(&device->function, false);
    return isr;
}
