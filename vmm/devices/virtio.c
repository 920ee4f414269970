/* SPDX-License-Identifier: MIT
 * All virtio devices of a machine, and which bit of vcpu 0's state page is whose. */
#include "devices/virtio.h"
#include <string.h>
#include "machine.h"
#include "platform.h"

#define FIRST_DEVICE 3 /* on the PCI bus: behind the bridges and where a graphics card would be */
#define LAST_BIT 63u
#define CONTROL_BIT(channel) (EVENT_FIRST + (channel))
#define FIRST_CALL_BIT (START_EVENT_POWER + 1)

/* Queues in order; those that find no bit of their own share the last. */
static void take_bits(struct virtio_setup *setup, uint8_t *next)
{
    for (unsigned i = 0; i < setup->start->queue_count && i < CHANNEL_MAX_QUEUES; i++) {
        setup->call_bits[i] = *next;
        *next = (uint8_t)(*next < LAST_BIT ? *next + 1u : LAST_BIT);
    }
}

enum status virtio_init(struct virtio *virtio, struct machine *machine)
{
    const struct start *start = machine->start;
    uint8_t next_bit = FIRST_CALL_BIT;
    memset(virtio, 0, sizeof(*virtio));
    for (unsigned i = 0; i < start->channel_count; i++) {
        struct virtio_setup setup = { .start = &start->channels[i], .ops = machine->virtio_ops, .control_bit = (uint8_t)CONTROL_BIT(i) };
        if (i == START_MAX_CHANNELS)
            return ERR_FORMAT;
        setup.channel = (struct channel *)(machine->channels + i * START_CHANNEL_STRIDE);
        take_bits(&setup, &next_bit);
        enum status status = virtio_pci_init(&virtio->devices[i], machine, &setup, &machine->platform->pci, PCI_DEVFN(FIRST_DEVICE + i, 0));
        if (status)
            return status;
        virtio->count++;
    }
    return OK;
}

void virtio_reset(struct virtio *virtio)
{
    for (unsigned i = 0; i < virtio->count; i++)
        virtio_pci_reset(&virtio->devices[i]);
}

void virtio_events(struct virtio *virtio, uint64_t events)
{
    for (unsigned i = 0; i < virtio->count; i++) {
        struct virtio_pci *device = &virtio->devices[i];
        if (events >> CONTROL_BIT(i) & 1)
            virtio_pci_control(device);
        for (unsigned queue = 0; queue < device->start->queue_count; queue++)
            if (events >> device->call_bits[queue] & 1)
                virtio_pci_completed(device, queue);
    }
}

unsigned virtio_missing(const struct virtio *virtio, unsigned after)
{
    while (after < virtio->count && virtio_pci_offered(&virtio->devices[after]))
        after++;
    return after;
}
