/* SPDX-License-Identifier: MIT
 * Who gets which frame. */
#include <stdlib.h>
#include <string.h>
#include "service.h"
#include "switch.h"

#define TPID_VLAN 0x8100u
#define TPID_SERVICE 0x88a8u
#define VLAN_MASK 0xfffu
#define TAG_SIZE 4u

struct net_switch {
    char name[128];
    bool uplink;
    struct switch_port *ports;
    struct net_switch *next;
};

static struct net_switch *switches;

static bool is_group(const uint8_t *mac) { return (mac[0] & 1) != 0; }
static const uint8_t *destination(const struct frame *frame) { return frame->head; }
static const uint8_t *source(const struct frame *frame) { return frame->head + 6; }
static uint16_t ethertype(const struct frame *frame) { return (uint16_t)(frame->head[12] << 8 | frame->head[13]); }

static struct switch_port *find(const struct net_switch *in, const uint8_t *mac, uint16_t vlan)
{
    struct switch_port *port = in->ports;
    while (port != NULL && (port->vlan != vlan || memcmp(port->mac, mac, sizeof(port->mac)) != 0)) {
        port = port->next;
    }
    return port;
}

/* --- delivery --- */

static void deliver_one(void *context, const struct frame *frame)
{
    struct switch_port *port = context;
    if (port->active && port->deliver(port->context, frame)) {
        port->counters.received++;
        port->counters.received_bytes += frame->size;
    } else {
        port->counters.dropped++;
    }
}

static void deliver(struct switch_port *port, const struct frame *frame)
{
    if (port->active) {
        offload_emit(frame, port->takes, deliver_one, port);
    }
}

static void flood(const struct net_switch *in, const struct switch_port *from, const struct frame *frame, uint16_t vlan)
{
    for (struct switch_port *port = in->ports; port != NULL; port = port->next) {
        if (port != from && port->vlan == vlan) {
            deliver(port, frame);
        }
    }
}

/* --- the card --- */

static void to_card(void *context, const struct frame *frame)
{
    struct switch_port *from = context;
    if (!uplink_send(frame, from->vlan)) {
        from->counters.dropped++;
    }
}

/* Removes the tag in a copy of the frame; the VLAN that the frame is in, or -1: it is not for guests. */
static int untag(const uint8_t **data, uint32_t *size)
{
    static uint8_t copy[NET_FRAME_MAX];
    const uint8_t *in = *data;
    unsigned type = in[12] << 8 | in[13];
    if (type == TPID_SERVICE) {
        return -1;
    }
    if (type != TPID_VLAN) {
        return 0;
    }
    if (*size < NET_FRAME_MIN + TAG_SIZE) {
        return -1;
    }
    int vlan = (in[14] << 8 | in[15]) & (int)VLAN_MASK;
    memcpy(copy, in, 12);
    memcpy(copy + 12, in + 12 + TAG_SIZE, *size - 12 - TAG_SIZE);
    *data = copy;
    *size -= TAG_SIZE;
    return vlan; /* 0 is a priority tag: no VLAN */
}

static void from_card(const uint8_t *data, uint32_t size)
{
    struct net_switch *in = switches;
    while (in != NULL && !in->uplink) {
        in = in->next;
    }
    if (in == NULL || size < NET_FRAME_MIN || size > NET_FRAME_MAX) {
        return;
    }
    int vlan = untag(&data, &size);
    if (vlan < 0 || size > FRAME_PLAIN_MAX) {
        return;
    }
    struct frame frame;
    frame_from_memory(&frame, data, size);
    if (is_group(source(&frame)) || find(in, source(&frame), (uint16_t)vlan) != NULL) {
        return; /* one of our own addresses does not come from outside: a loop, or somebody pretends */
    }
    if (is_group(destination(&frame))) {
        flood(in, NULL, &frame, (uint16_t)vlan);
        return;
    }
    struct switch_port *to = find(in, destination(&frame), (uint16_t)vlan);
    if (to != NULL) {
        deliver(to, &frame);
    }
}

/* --- ports --- */

static bool may_send(struct switch_port *port, const struct frame *frame)
{
    if (memcmp(source(frame), port->mac, sizeof(port->mac)) != 0) {
        port->counters.spoofed++;
        return false;
    }
    if (ethertype(frame) == TPID_VLAN || ethertype(frame) == TPID_SERVICE) {
        port->counters.tagged++;
        return false;
    }
    return true;
}

void switch_send(struct switch_port *port, const struct frame *frame)
{
    const struct net_switch *in = port->in;
    if (!may_send(port, frame)) {
        return;
    }
    port->counters.sent++;
    port->counters.sent_bytes += frame->size;
    bool group = is_group(destination(frame));
    struct switch_port *to = group ? NULL : find(in, destination(frame), port->vlan);
    if (to != NULL) {
        if (to != port) {
            deliver(to, frame);
        }
        return;
    }
    if (group) {
        flood(in, port, frame, port->vlan);
    }
    if (in->uplink) {
        offload_emit(frame, 0, to_card, port);
    } else if (!group) {
        port->counters.unknown++;
    }
}

static struct net_switch *get_switch(const char *name)
{
    struct net_switch *in = switches;
    while (in != NULL && strcmp(in->name, name) != 0) {
        in = in->next;
    }
    if (in == NULL && strlen(name) < sizeof(in->name)) {
        in = calloc(1, sizeof(*in));
        if (in != NULL) {
            strcpy(in->name, name);
            in->uplink = strcmp(name, SWITCH_UPLINK) == 0;
            in->next = switches;
            switches = in;
        }
    }
    return in;
}

enum status switch_join(const char *name, struct switch_port *port)
{
    static const uint8_t none[6];
    if (is_group(port->mac) || memcmp(port->mac, none, sizeof(none)) == 0 || port->vlan >= VLAN_MASK) {
        return ERR_PARAM;
    }
    struct net_switch *in = get_switch(name);
    if (in == NULL) {
        return ERR_MEMORY;
    }
    if (find(in, port->mac, port->vlan) != NULL) {
        return ERR_EXISTS;
    }
    port->in = in;
    port->next = in->ports;
    in->ports = port;
    if (in->uplink) {
        uplink_init(from_card);
    }
    return OK;
}

void switch_leave(struct switch_port *port)
{
    if (port->in == NULL) {
        return;
    }
    struct net_switch *in = port->in;
    port->in = NULL;
    for (struct switch_port **link = &in->ports; *link != NULL; link = &(*link)->next) {
        if (*link == port) {
            *link = port->next;
            break;
        }
    }
    for (struct net_switch **link = &switches; in->ports == NULL && *link != NULL; link = &(*link)->next) {
        if (*link == in) {
            *link = in->next;
            free(in);
            return;
        }
    }
}
