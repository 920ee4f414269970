/* SPDX-License-Identifier: MIT
 * Who gets which frame: guests, groups, VLANs, the card, and those who pretend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "card_fixture.h"
#include "switch.h"

#define PORTS 5

static struct port {
    struct switch_port port;
    unsigned count;
    bool full;
    struct frame last;
    uint8_t data[FRAME_PLAIN_MAX];
} ports[PORTS];

static bool take(void *context, const struct frame *frame)
{
    struct port *port = context;
    if (port->full) {
        return false;
    }
    port->count++;
    port->last = *frame;
    frame_copy(frame, 0, port->data, frame->size < sizeof(port->data) ? frame->size : sizeof(port->data));
    return true;
}

static void join(unsigned index, const char *name, uint16_t vlan)
{
    struct port *port = &ports[index];
    memset(port, 0, sizeof(*port));
    port->port = (struct switch_port){
        .mac = { 0x52, 0, 0, 0, 0, (uint8_t)index }, .vlan = vlan, .active = true, .deliver = take, .context = port
    };
    assert_int_equal(switch_join(name, &port->port), OK);
}

static int setup(void **state)
{
    (void)state;
    ring_forget();
    card_begin();
    card_flush();
    card_depth = CARD_DEPTH;
    memset(ports, 0, sizeof(ports));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PORTS; i++) {
        switch_leave(&ports[i].port);
    }
    card_flush();
    return 0;
}

#define ALL 0xff
#define OUTSIDE 0x77

/* A frame from port to port (or ALL, OUTSIDE), 60 bytes. */
static void frame_of(uint8_t *frame, uint8_t from, uint8_t to)
{
    memset(frame, 0, 64);
    memcpy(frame, (uint8_t[]){0x52, 0, 0, 0, 0, to}, 6);
    if (to == ALL) {
        memset(frame, 0xff, 6);
    }
    memcpy(frame + 6, (uint8_t[]){0x52, 0, 0, 0, 0, from}, 6);
    frame[12] = 0x08;
    for (unsigned i = 14; i < 60; i++) {
        frame[i] = (uint8_t)i;
    }
}

static void send(uint8_t from, uint8_t to)
{
    uint8_t data[64];
    struct frame frame;
    frame_of(data, from, to);
    frame_from_memory(&frame, data, 60);
    switch_send(&ports[from].port, &frame);
}

static void got(unsigned a, unsigned b, unsigned c, unsigned outside)
{
    assert_int_equal(ports[0].count, a);
    assert_int_equal(ports[1].count, b);
    assert_int_equal(ports[2].count, c);
    assert_int_equal(card_count, outside);
}

static void from_guest_to_guest(void **state)
{
    (void)state;
    join(0, "lan", 0);
    join(1, "lan", 0);
    join(2, "lan", 0);
    send(0, 1);
    got(0, 1, 0, 0);
    assert_int_equal(ports[1].last.size, 60);
    assert_int_equal(ports[1].data[59], 59);
    send(0, 0); /* to itself: nobody */
    got(0, 1, 0, 0);
    send(0, OUTSIDE);
    got(0, 1, 0, 0);
    assert_int_equal(ports[0].port.counters.unknown, 1);
    assert_int_equal(ports[0].port.counters.sent, 3);
    assert_int_equal(ports[1].port.counters.received_bytes, 60);
}

static void to_all(void **state)
{
    (void)state;
    join(0, "lan", 0);
    join(1, "lan", 0);
    join(2, "lan", 0);
    send(1, ALL);
    got(1, 0, 1, 0);
}

static void switches_are_apart(void **state)
{
    (void)state;
    join(0, "lan", 0);
    join(1, "lan2", 0);
    join(2, "uplink", 0);
    send(0, 1);
    send(0, ALL);
    got(0, 0, 0, 0);
}

static void through_the_card(void **state)
{
    (void)state;
    join(0, "uplink", 0);
    join(1, "uplink", 0);
    send(0, OUTSIDE);
    got(0, 0, 0, 1);
    assert_int_equal(card_sizes[0], 60);
    assert_int_equal(card_frames[0][59], 59);
    send(0, ALL);
    got(0, 1, 0, 2);
    send(0, 1); /* stays inside */
    got(0, 2, 0, 2);
    ring_settle();
    assert_int_equal(card_kicks, 1); /* one doorbell for both */
    uint8_t data[64];
    frame_of(data, OUTSIDE, 1);
    card_receive(data, 60);
    got(0, 3, 0, 2);
    frame_of(data, OUTSIDE, ALL);
    card_receive(data, 60);
    got(1, 4, 0, 2);
    frame_of(data, OUTSIDE, 9);
    card_receive(data, 60);
    got(1, 4, 0, 2);
}

static void a_false_source(void **state)
{
    (void)state;
    join(0, "uplink", 0);
    join(1, "uplink", 0);
    uint8_t data[64];
    struct frame frame;
    frame_of(data, 1, OUTSIDE);
    frame_from_memory(&frame, data, 60);
    switch_send(&ports[0].port, &frame);
    got(0, 0, 0, 0);
    assert_int_equal(ports[0].port.counters.spoofed, 1);
    /* One of ours from outside, and a group as source. */
    frame_of(data, 0, 1);
    card_receive(data, 60);
    frame_of(data, OUTSIDE, 1);
    data[6] |= 1;
    card_receive(data, 60);
    got(0, 0, 0, 0);
}

static void vlans(void **state)
{
    (void)state;
    join(0, "uplink", 5);
    join(1, "uplink", 5);
    join(2, "uplink", 0);
    send(0, 2); /* another VLAN: only the outside may know it */
    got(0, 0, 0, 1);
    assert_int_equal(card_sizes[0], 64);
    assert_memory_equal(card_frames[0] + 12, "\x81\x00\x00\x05\x08\x00", 6);
    assert_int_equal(card_frames[0][63], 59);
    send(0, ALL);
    got(0, 1, 0, 2);
    uint8_t data[64];
    frame_of(data, OUTSIDE, ALL);
    memmove(data + 16, data + 12, 48);
    memcpy(data + 12, "\x81\x00\x60\x05", 4); /* with a priority */
    card_receive(data, 64);
    got(1, 2, 0, 2);
    assert_int_equal(ports[1].last.size, 60);
    assert_int_equal(ports[1].data[12], 0x08);
    memcpy(data + 12, "\x81\x00\x00\x06", 4);
    card_receive(data, 64);
    got(1, 2, 0, 2);
    memcpy(data + 12, "\x88\xa8\x00\x05", 4);
    card_receive(data, 64);
    got(1, 2, 0, 2);
    memcpy(data + 12, "\x81\x00\xe0\x00", 4); /* a priority, no VLAN */
    card_receive(data, 64);
    got(1, 2, 1, 2);
}

static void a_tag_of_the_guests_own(void **state)
{
    (void)state;
    join(0, "uplink", 0);
    join(1, "uplink", 7);
    uint8_t data[64];
    struct frame frame;
    frame_of(data, 0, ALL);
    memcpy(data + 12, "\x81\x00\x00\x07", 4);
    frame_from_memory(&frame, data, 60);
    switch_send(&ports[0].port, &frame);
    memcpy(data + 12, "\x88\xa8", 2);
    frame_from_memory(&frame, data, 60);
    switch_send(&ports[0].port, &frame);
    got(0, 0, 0, 0);
    assert_int_equal(ports[0].port.counters.tagged, 2);
}

static void nobody_waits_for_a_full_port(void **state)
{
    (void)state;
    join(0, "lan", 0);
    join(1, "lan", 0);
    join(2, "lan", 0);
    ports[1].full = true;
    send(0, ALL);
    got(0, 0, 1, 0);
    assert_int_equal(ports[1].port.counters.dropped, 1);
    ports[1].port.active = false;
    send(0, 1);
    got(0, 0, 1, 0);
}

static void nobody_waits_for_a_full_card(void **state)
{
    (void)state;
    join(0, "uplink", 0);
    join(1, "uplink", 0);
    card_depth = 3;
    for (unsigned i = 0; i < 10; i++) {
        send(0, ALL);
    }
    got(0, 10, 0, 3);
    assert_int_equal(ports[0].port.counters.dropped, 7);
    /* Buffers run out before a card of this depth does, and come back. */
    card_depth = CARD_DEPTH;
    for (unsigned i = 0; i < 300; i++) {
        send(0, OUTSIDE);
    }
    assert_int_equal(card_count, 256);
    card_flush();
    send(0, OUTSIDE);
    assert_int_equal(card_count, 1);
}

static void strange_frames_from_outside(void **state)
{
    (void)state;
    join(0, "uplink", 0);
    uint8_t data[4096];
    frame_of(data, OUTSIDE, 0);
    card_receive(data, 13);
    card_receive(data, NET_FRAME_MAX + 1);
    card_receive(data, NET_FRAME_MAX); /* too long without a tag */
    memcpy(data + 12, "\x81\x00\x00\x00", 4);
    card_receive(data, 17);
    got(0, 0, 0, 0);
    card_receive(data, NET_FRAME_MAX);
    got(1, 0, 0, 0);
}

static void addresses_that_cannot_be(void **state)
{
    (void)state;
    struct switch_port port = {.mac = {0x01, 0, 0x5e}};
    assert_int_equal(switch_join("lan", &port), ERR_PARAM);
    memset(port.mac, 0, 6);
    assert_int_equal(switch_join("lan", &port), ERR_PARAM);
    port.mac[0] = 2;
    port.vlan = 4095;
    assert_int_equal(switch_join("lan", &port), ERR_PARAM);
    join(0, "lan", 0);
    memcpy(port.mac, ports[0].port.mac, 6);
    port.vlan = 0;
    assert_int_equal(switch_join("lan", &port), ERR_EXISTS);
    port.vlan = 1;
    assert_int_equal(switch_join("lan", &port), OK);
    switch_leave(&port);
    switch_leave(&port);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(from_guest_to_guest),
        T(to_all),
        T(switches_are_apart),
        T(through_the_card),
        T(a_false_source),
        T(vlans),
        T(a_tag_of_the_guests_own),
        T(nobody_waits_for_a_full_port),
        T(nobody_waits_for_a_full_card),
        T(strange_frames_from_outside),
        T(addresses_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
