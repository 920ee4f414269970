/* SPDX-License-Identifier: MIT
 * The switches: one for each name that the configuration uses; the one named "uplink" is connected to the network card.
 *
 * The address of each guest port is known and enforced, so nothing about guests has to be learnt, and nobody can fill a
 * table or take another's address: a frame goes to the port that has its destination, to all ports if it is a group
 * address, else to the uplink. Inside of the switch no frame has a VLAN tag: each guest port belongs to one VLAN (0:
 * none); on the card, frames of VLAN n carry tag n.
 *
 * A receiver takes a frame at once or it is dropped and counted: nobody waits for anybody. */
#pragma once

#include "abi/layout.h"
#include "frame.h"
#include "offload.h"

#define SWITCH_UPLINK "uplink"

struct switch_counters {
    uint64_t sent, sent_bytes;         /* by the port, accepted */
    uint64_t received, received_bytes; /* delivered to the port */
    uint64_t spoofed;                  /* source is not the port's address */
    uint64_t tagged;                   /* a VLAN tag of the guest's own */
    uint64_t malformed;                /* too short, too long, or offload information that makes no sense */
    uint64_t unknown;                  /* nobody has this destination */
    uint64_t dropped;                  /* for this port: it had no room */
};

struct switch_port {
    uint8_t mac[6];
    uint16_t vlan;
    bool active;        /* frames may be delivered */
    unsigned takes;     /* TAKES_* */
    /* Takes the frame now, or drops it (false). */
    bool (*deliver)(void *context, const struct frame *frame);
    void *context;
    struct switch_counters counters;
    struct net_switch *in;
    struct switch_port *next;
};

/* Connects a port to the switch of this name. ERR_PARAM: the address is a group's or zero; ERR_EXISTS: another port has
 * it in this VLAN; ERR_MEMORY. */
must_use enum status switch_join(const char *name, struct switch_port *port);
void switch_leave(struct switch_port *port);

/* A frame of a guest's port, its offload information checked. Delivered, or dropped and counted, when this returns. */
void switch_send(struct switch_port *port, const struct frame *frame);

/* The switch's side of the network card (uplink.c). */
void uplink_init(void (*receive)(const uint8_t *frame, uint32_t size));
/* Puts the frame into a buffer for the card, with the VLAN's tag. False: no card, or no room. */
bool uplink_send(const struct frame *frame, uint16_t vlan);
