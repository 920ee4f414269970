/* SPDX-License-Identifier: MIT
 * A virtio 1.x device on PCI (virtio 1.2, 2 and 4.1; modern only), served by a back end in drivers-dom over a channel (abi/channel.h).
 *
 * The control path is here: configuration, features, queue addresses, MSI-X, reset. The data path passes by: each queue has a port of the
 * notification BAR, bound by SYS_DOORBELL to an event of the back end, and its completion event is bound to the MSI-X entry's
 * interrupt vector of a vcpu. Where that cannot be (INTx, a masked or odd entry) the event sets a bit of vcpu 0's state page, and
 * virtio_pci_completed() is called.
 *
 * Nothing that stands in the channel is believed: an offer is copied, then checked. Device lock held for all functions. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/channel.h"
#include "abi/status.h"
#include "abi/syscall.h"
#include "devices/msix.h"
#include "devices/pci.h"
#include "start.h"

struct machine;

/* The system calls that a device makes. */
struct virtio_ops {
    enum status (*bind)(handle_t event, enum event_target target, uint32_t vcpu, uint32_t number);
    enum status (*doorbell)(uint16_t port, handle_t event); /* HANDLE_NONE: none any more */
    enum status (*signal)(handle_t event);
};

/* Milliseconds that a reset waits for the back end's word that it has let go of the guest's memory. */
#define VIRTIO_RESET_MS 2000

struct virtio_binding {
    uint32_t target, vcpu, number; /* as SYS_EVENT_BIND has them */
};

struct virtio_queue {
    uint64_t desc, driver, device;
    uint16_t size, vector;
    bool enabled;
    bool doorbell;               /* its port is bound */
    struct virtio_binding bound; /* its completion event */
};

/* What the back end offers, as checked. */
struct virtio_offer {
    uint64_t features;
    uint32_t queue_count, queue_size; /* 0: no offer yet */
    uint32_t config_seen;             /* back.config_generation of config[] */
    uint8_t config[CHANNEL_CONFIG_SIZE];
};

/* Plain state, no pointers. */
struct virtio_state {
    struct virtio_offer offer;
    uint32_t back_state;         /* enum back_state, when it was last looked at */
    uint32_t generation;         /* of the front */
    uint64_t driver_features;
    uint32_t device_feature_select, driver_feature_select;
    uint16_t config_vector, queue_select;
    uint8_t status, config_generation, isr;
    uint8_t messages;            /* printed; a back end cannot fill the console */
    uint8_t left_status;         /* while resetting: what the driver still reads */
    bool resetting;              /* the back end has not let go yet */
    uint64_t reset_deadline;     /* machine time */
    uint16_t doorbell_base;      /* of the doorbells that are bound */
    struct virtio_queue queues[CHANNEL_MAX_QUEUES];
};

struct virtio_pci {
    struct virtio_state s;
    struct pci_function function;
    struct msix msix;
    uint8_t window;              /* offset of the PCI configuration access capability */
    uint8_t call_bits[CHANNEL_MAX_QUEUES]; /* bit of vcpu 0's state page for completions of a queue */
    struct machine *machine;
    struct channel *channel;
    const struct start_channel *start;
    const struct virtio_ops *ops;
};

/* Everything that a device needs from outside. */
struct virtio_setup {
    struct channel *channel;
    const struct start_channel *start;
    const struct virtio_ops *ops;
    uint8_t control_bit;         /* of vcpu 0's state page: virtio_pci_control() is to be called */
    uint8_t call_bits[CHANNEL_MAX_QUEUES];
};

/* Puts the device on the bus. ERR_FORMAT: the page is no channel of this type; others: as pci_add and SYS_EVENT_BIND. */
must_use enum status virtio_pci_init(struct virtio_pci *device, struct machine *machine, const struct virtio_setup *setup, struct pci *pci,
                                     unsigned devfn);
/* As after init; the back end is told. */
void virtio_pci_reset(struct virtio_pci *device);
/* The back end has signalled its control event. */
void virtio_pci_control(struct virtio_pci *device);
/* The completion event of `queue` came to the state page. */
void virtio_pci_completed(struct virtio_pci *device, unsigned queue);
/* The back end has made an offer that holds: the guest would find a device. */
bool virtio_pci_offered(const struct virtio_pci *device);
/* "disk", "network", ... for messages. */
const char *virtio_pci_kind(const struct virtio_pci *device);
