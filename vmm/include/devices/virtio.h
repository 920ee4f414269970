/* SPDX-License-Identifier: MIT
 * All virtio devices of a machine: one for each channel that the manager gave it (start.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "devices/virtio_pci.h"

struct virtio {
    unsigned count;
    struct virtio_pci devices[START_MAX_CHANNELS];
};

/* Builds them from machine->start, machine->channels and machine->virtio_ops, on PCI devices 3 and up. ERR_FORMAT: a channel's page is none
 * of this monitor's format; others as virtio_pci_init. */
must_use enum status virtio_init(struct virtio *virtio, struct machine *machine);
void virtio_reset(struct virtio *virtio);
/* Bits of vcpu 0's state page from EVENT_FIRST on that were set. Device lock held. */
void virtio_events(struct virtio *virtio, uint64_t events);
/* The first device from `after` on that no back end has offered yet; count if there is none. */
unsigned virtio_missing(const struct virtio *virtio, unsigned after);
