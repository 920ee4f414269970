/* SPDX-License-Identifier: MIT
 * The queues that the guest hostile_ring attacks, and what each device does for a driver that behaves. */
#include <linux/virtio_console.h>
#include "hostile_ring.h"

#define PORTS (1ull << VIRTIO_CONSOLE_F_MULTIPORT)
#define ROOM  512u /* bytes of a buffer for a console */
enum { RECEIVE, SEND, MESSAGE_RECEIVE, MESSAGE_SEND };

struct virtio_net hostile_net;
static struct virtio_device *device = &hostile_net.device;
static uint8_t room[2][16][ROOM]; /* for text, for messages */
static char answer[2048];         /* what the manager has said; its end, if it is more */
static uint32_t answer_bytes;
static unsigned messages_seen; /* one bit for each event */

bool target_find(const struct hostile_target *target)
{
    for (unsigned nth = 0; virtio_find(device, target->type, nth); nth++) {
        uint64_t offer = virtio_offer(device);
        if ((offer & target->with) == target->with && !(offer & target->without))
            return true;
    }
    return false;
}

bool target_open(const struct hostile_target *target)
{
    bool there = target_find(target) && virtio_negotiate(device, target->accepted);
    for (unsigned i = 0; there && i < target->queues; i++)
        there = virtio_queue_open(device, i, 0);
    if (there)
        virtio_start(device);
    return there;
}

/* --- buffers --- */

static void give(unsigned index, void *at, uint32_t bytes, bool writable)
{
    const struct virtio_piece piece = { at, bytes };
    virtio_add(&device->queues[index], &piece, !writable, writable, at);
    virtio_kick_always(&device->queues[index]);
}

static bool came_back(unsigned index)
{
    for (uint64_t end = rdtsc() + HOSTILE_SETTLE_MS * tsc_khz; rdtsc() < end; pause())
        if (virtio_take(&device->queues[index], NULL))
            return true;
    return false;
}

static void say(const char *text) { give(SEND, (void *)(uint64_t)text, (uint32_t)strlen(text), false); }

/* --- disks, cards, random numbers --- */

static bool disk_works(void)
{
    static uint8_t data[4096] __attribute__((aligned(4096)));
    return block_open(device, 0, 0, 0) &&
           block_do(device, VIRTIO_BLK_T_IN, 0, data, sizeof data, HOSTILE_SETTLE_MS) == VIRTIO_BLK_S_OK;
}

static bool net_works(void)
{
    static uint8_t frame[60];
    if (!net_open(&hostile_net, 0, 0))
        return false;
    memset(frame, 0xff, 6);
    memcpy(frame + 6, hostile_net.mac, 6);
    return net_send(&hostile_net, frame, sizeof frame) && came_back(SEND);
}

static const struct hostile_target rng;

static bool rng_works(void)
{
    if (!target_open(&rng))
        return false;
    memset(room[0][0], 0, ROOM);
    give(0, room[0][0], ROOM, true);
    unsigned different = 0;
    bool back = came_back(0);
    for (unsigned i = 1; i < ROOM; i++)
        different += room[0][0][i] != room[0][0][0];
    return back && different > ROOM / 2;
}

/* --- a console that shows what is written --- */

static const struct hostile_target console, control;

static bool console_works(void)
{
    if (!target_open(&console))
        return false;
    say("the console works\n");
    return came_back(SEND);
}

/* --- a console with a port, on which the manager answers --- */

static void message(uint16_t event, uint16_t value)
{
    static struct virtio_console_control sent[8];
    static unsigned next;
    struct virtio_console_control *one = &sent[next++ % COUNT(sent)];
    *one = (struct virtio_console_control){ .event = event, .value = value };
    give(MESSAGE_SEND, one, sizeof *one, false);
}

static bool said(const char *words)
{
    size_t size = strlen(words);
    for (uint32_t i = 0; i + size <= answer_bytes; i++)
        if (!memcmp(answer + i, words, size))
            return true;
    return false;
}

static void take_all(void)
{
    uint32_t bytes;
    const uint8_t *at;
    while ((at = virtio_take(&device->queues[RECEIVE], &bytes)) != NULL) {
        bytes = bytes > ROOM ? ROOM : bytes;
        if (answer_bytes + bytes > sizeof answer) { /* what is looked for may be on both sides of the border */
            memcpy(answer, answer + answer_bytes - 64, 64);
            answer_bytes = 64;
        }
        memcpy(answer + answer_bytes, at, bytes);
        answer_bytes += bytes;
        give(RECEIVE, (void *)(uint64_t)at, ROOM, true);
    }
    while ((at = virtio_take(&device->queues[MESSAGE_RECEIVE], NULL)) != NULL) {
        messages_seen |= 1u << (((const struct virtio_console_control *)at)->event % 32);
        give(MESSAGE_RECEIVE, (void *)(uint64_t)at, ROOM, true);
    }
    virtio_take(&device->queues[SEND], NULL);
    while (virtio_take(&device->queues[MESSAGE_SEND], NULL))
        ;
}

static bool told(uint16_t event)
{
    for (uint64_t end = rdtsc() + HOSTILE_SETTLE_MS * tsc_khz; rdtsc() < end; pause()) {
        take_all();
        if (messages_seen >> event & 1)
            return true;
    }
    return false;
}

static bool answered(const char *words)
{
    for (uint64_t end = rdtsc() + HOSTILE_SETTLE_MS * tsc_khz; rdtsc() < end; pause()) {
        take_all();
        if (said(words))
            return true;
    }
    return false;
}

/* The port is announced, has a name and a listener; the manager answers a command. */
static bool control_works(void)
{
    if (!target_open(&control))
        return false;
    messages_seen = answer_bytes = 0;
    for (unsigned i = 0; i < COUNT(room[0]); i++) {
        give(RECEIVE, room[0][i], ROOM, true);
        give(MESSAGE_RECEIVE, room[1][i], ROOM, true);
    }
    message(VIRTIO_CONSOLE_DEVICE_READY, 1);
    if (!told(VIRTIO_CONSOLE_PORT_ADD))
        return false;
    message(VIRTIO_CONSOLE_PORT_READY, 1);
    if (!told(VIRTIO_CONSOLE_PORT_NAME) || !told(VIRTIO_CONSOLE_PORT_OPEN))
        return false;
    message(VIRTIO_CONSOLE_PORT_OPEN, 1);
    if (!came_back(MESSAGE_SEND))
        return false;
    say("@works list\n");
    return answered("{\"tag\":\"works\",\"ok\":true");
}

static void ask(void) { say("@attack list\n"); }
static void get_ready(void) { message(VIRTIO_CONSOLE_DEVICE_READY, 1); }

/* --- wrong messages --- */

static void wrong_message(unsigned i)
{
    static uint8_t texts[8][24];
    uint8_t *text = texts[i % COUNT(texts)];
    for (unsigned n = 0; n < sizeof texts[0]; n++)
        text[n] = (uint8_t)hostile_value();
    struct virtio_console_control *one = (struct virtio_console_control *)text;
    if (i % 4)
        one->id = 0;
    one->event = (uint16_t)(i % 3 ? i % 12 : hostile_value());
    one->value = (uint16_t)(i % 5 ? i % 2 : hostile_value());
    give(MESSAGE_SEND, text, i % 16 == 15 ? (uint32_t)(i / 16 % 8) : 8 + i % 16, false);
    if (i % 7 == 0) /* and sometimes no room for the answer */
        give(MESSAGE_RECEIVE, room[1][i % 16], i % 21 ? ROOM : i / 21 % 16, true);
    if (i % 11 == 0)
        ask();
}

void attack_port_messages(unsigned rounds)
{
    unsigned refused = 0;
    for (unsigned i = 0; i < 8 * rounds; i++) {
        bool broken = i > 0 && (device->common->device_status & VIRTIO_CONFIG_S_NEEDS_RESET);
        refused += broken;
        if ((i % 64 == 0 || broken) && !target_open(&control))
            break;
        wrong_message(i);
        for (unsigned n = 0; n < VIRTIO_QUEUES; n++)
            virtio_take(&device->queues[n], NULL);
    }
    /* Ports without some of their queues. */
    for (unsigned i = 0; i < 1u << VIRTIO_QUEUES; i++) {
        target_find(&control);
        virtio_negotiate(device, ~0ull);
        for (unsigned n = 0; n < VIRTIO_QUEUES; n++)
            if (i >> n & 1)
                virtio_queue_open(device, n, 0);
        virtio_start(device);
        for (unsigned n = 0; n < VIRTIO_QUEUES; n++)
            outw((uint16_t)(device->notify_port + 4 * n), (uint16_t)n);
    }
    ok(control_works(), "wrong messages of a port, %u refused at once: it works afterwards", refused);
}

/* --- the table --- */

#define CONSOLE                                                                                              \
    .name = "console send", .type = VIRTIO_ID_CONSOLE, .without = PORTS, .accepted = ~0ull, .queues = 2,     \
    .attacked = SEND, .works = console_works
#define CONTROL                                                                                              \
    .name = "port messages received", .type = VIRTIO_ID_CONSOLE, .with = PORTS, .accepted = ~0ull,           \
    .queues = 4, .attacked = MESSAGE_RECEIVE, .writable = true, .works = control_works, .feed = get_ready
#define RNG                                                                                                  \
    .name = "random numbers", .type = VIRTIO_ID_RNG, .accepted = ~0ull, .queues = 1, .writable = true,       \
    .works = rng_works

static const struct hostile_target console = { CONSOLE };
static const struct hostile_target control = { CONTROL };
static const struct hostile_target rng = { RNG };

const struct hostile_target hostile_targets[] = {
    /* Receiving first, while a neighbour sends: only then the ring is looked at. */
    { .name = "net receive", .type = VIRTIO_ID_NET, .accepted = ~0ull, .queues = 2, .writable = true,
      .works = net_works },
    { .name = "disk", .type = VIRTIO_ID_BLOCK, .accepted = ~0ull, .queues = 1, .works = disk_works },
    { .name = "net send", .type = VIRTIO_ID_NET, .accepted = ~0ull, .queues = 2, .attacked = SEND, .works = net_works },
    { CONSOLE },
    { CONTROL },
    { .name = "port messages sent", .type = VIRTIO_ID_CONSOLE, .with = PORTS, .accepted = ~0ull, .queues = 4,
      .attacked = MESSAGE_SEND, .works = control_works },
    /* Without ports the text is on the first two queues; here are answers of the manager for the ring. */
    { .name = "control receive", .type = VIRTIO_ID_CONSOLE, .with = PORTS, .accepted = ~PORTS, .queues = 2,
      .writable = true, .works = control_works, .feed = ask },
    { .name = "control send", .type = VIRTIO_ID_CONSOLE, .with = PORTS, .accepted = ~PORTS, .queues = 2,
      .attacked = SEND, .works = control_works },
    { RNG },
};
const unsigned hostile_target_count = COUNT(hostile_targets);
