/* SPDX-License-Identifier: MIT
 * The channels to drivers-dom, on the target. */
#include <stdio.h>
#include "bulkhead/syscall.h"
#include "channels.h"
#include "interrupts.h"
#include "platform.h"

/* drivers-dom may have to find its devices first; some take seconds to come out of a reset. */
#define WAIT_SECONDS 20

static const struct virtio_ops ops = { .bind = sys_event_bind, .doorbell = sys_doorbell, .signal = sys_event_signal };

void channels_connect(struct machine *machine)
{
    machine->channels = (uint8_t *)LAYOUT_CHANNEL;
    machine->virtio_ops = &ops;
}

void channels_wait(struct machine *machine)
{
    const struct virtio *virtio = &machine->platform->virtio;
    uint64_t end = machine->clock.read_tsc() + WAIT_SECONDS * machine->clock.tsc_hz;
    while (virtio_missing(virtio, 0) < virtio->count && machine->clock.read_tsc() < end) {
        thread_state()->deadline = end;
        (void)sys_event_wait();
        events_take(&machine->vcpus[0]);
    }
    for (unsigned i = virtio_missing(virtio, 0); i < virtio->count; i = virtio_missing(virtio, i + 1))
        printf("%s: %s \"%s\" is missing: drivers-dom has not offered it within %u seconds; the guest starts without it\n",
               machine->start->name, virtio_pci_kind(&virtio->devices[i]), virtio->devices[i].start->name, WAIT_SECONDS);
}
