/* SPDX-License-Identifier: MIT
 * What the manager tells drivers-dom: one shared area, written by the manager only, but for the reply fields. Machine addresses, which
 * are drivers-dom's guest-physical addresses too. The manager raises `version` after each change and signals
 * CONTROL_EVENT; drivers-dom compares entries with what it knows. */
#pragma once

#include <stdint.h>
#include "abi/channel.h"

#define CONTROL_MAGIC 0x6c747243u
#define CONTROL_PAGES 16
#define CONTROL_EVENT 0           /* bit of pv_page: look at the control area */
#define CONTROL_MAX_CHANNELS 64
#define CONTROL_MAX_IRQS 32
#define CONTROL_MAX_EXTENTS 4

struct control_extent {
    uint64_t guest, machine, size; /* guest-physical [guest, guest + size) is machine [machine, machine + size) */
};

struct control_channel {
    uint32_t used;                /* 0: no such channel (any more) */
    uint32_t serial;              /* another number for each channel that ever used this entry */
    uint32_t type;                /* enum channel_type */
    uint32_t read_only;
    uint64_t channel;             /* machine address of struct channel */
    char domain[NAME_SIZE];
    char name[NAME_SIZE];         /* of the device, as configured */
    char source[128];             /* disk: "file:...", "dev:...", "part:...", "ram:..."; net: name of the switch */
    uint8_t mac[6];
    uint16_t vlan;                /* 0 = none */
    uint64_t rate;                /* bytes per second, 0 = unlimited */
    uint32_t extent_count;
    uint32_t queue_count;         /* doorbells and completion events that this channel has; 0 = what its type needs (block 1, net 2, rng 1) */
    uint32_t control_handle;      /* event handle (HYPERCALL_EVENT_SIGNAL) of the front: state changed */
    uint32_t control_bit;         /* pv event bit: the front's state changed */
    uint32_t kick_bit;            /* pv event bit of queue 0's doorbell; queue i: + i */
    uint32_t call_handle[CHANNEL_MAX_QUEUES]; /* event handles: completions of queue i */
    struct control_extent extents[CONTROL_MAX_EXTENTS];
};

/* An interrupt of a device. Message-signalled ones: write address and data into the device. Lines: by GSI, masked when they
 * fire if level-triggered, until HYPERCALL_IRQ_UNMASK(data). */
struct control_irq {
    uint32_t event_bit;           /* of pv_page */
    uint32_t line;                /* 0: message-signalled; 1: line `gsi` */
    uint32_t gsi;
    uint32_t data;                /* of the message; of a line: its number for HYPERCALL_IRQ_UNMASK */
    uint64_t address;
};

struct control {
    uint32_t magic;
    uint32_t version;             /* atomic */
    uint64_t ecam_base;           /* 0: use ports 0xcf8/0xcfc */
    uint32_t ecam_first_bus, ecam_last_bus;
    uint32_t irq_count;
    uint32_t iommu;               /* DMA is confined */
    struct control_irq irqs[CONTROL_MAX_IRQS];
    struct control_channel channels[CONTROL_MAX_CHANNELS];
    /* Written by drivers-dom. */
    uint32_t ready;               /* 1: devices found, channels served */
    uint32_t heartbeat;
};
_Static_assert(sizeof(struct control) <= CONTROL_PAGES * PAGE_SIZE, "struct control");
