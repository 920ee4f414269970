/* SPDX-License-Identifier: MIT
 * The control messages of a virtio-console port. */
#include "console_port.h"
#include <string.h>
#include <linux/virtio_console.h>
#include "service.h"

#define PORT 0u
#define ROUND_MESSAGES 16u

_Static_assert(sizeof(struct virtio_console_control) == 8, "virtio 1.2, 5.3.6.2");

static struct queue_chain chain; /* in use within one call only */

/* --- from the guest --- */

static void take_message(const struct virtio_console_control *message, uint32_t *state, bool *opened)
{
    uint32_t now = *state;
    if (message->event == VIRTIO_CONSOLE_DEVICE_READY && message->value == 1) {
        now |= PORT_SEND_ADD;
    } else if (message->id != PORT) {
        return;
    } else if (message->event == VIRTIO_CONSOLE_PORT_READY && message->value == 1) {
        now |= PORT_SEND_NAME | PORT_SEND_OPEN;
    } else if (message->event == VIRTIO_CONSOLE_PORT_OPEN) {
        *opened |= message->value == 1 && (now & PORT_IS_OPEN) == 0;
        now = message->value == 1 ? now | PORT_IS_OPEN : now & ~PORT_IS_OPEN;
    }
    __atomic_store_n(state, now, __ATOMIC_RELEASE);
}

/* False: there was none. */
static bool take(struct back *back, uint32_t *state, bool *opened)
{
    struct queue *queue = &back->queues[PORT_CONTROL_TX];
    struct virtio_console_control message;
    enum queue_result result = queue_pop(queue, &chain);
    if (result == QUEUE_BROKEN) {
        channel_fail_queue(back, PORT_CONTROL_TX);
    }
    if (result != QUEUE_CHAIN) {
        return false;
    }
    if (!queue_chain_read(&chain, 0, &message, sizeof(message))) {
        channel_fail(back, "queue %u: a control message of %u bytes", PORT_CONTROL_TX, chain.readable);
        return false;
    }
    take_message(&message, state, opened);
    queue_push(queue, chain.head, 0);
    channel_publish(back, PORT_CONTROL_TX);
    return true;
}

/* --- to the guest --- */

static bool send(struct back *back, uint16_t event, const char *text)
{
    struct queue *queue = &back->queues[PORT_CONTROL_RX];
    struct virtio_console_control message = {.id = PORT, .event = event, .value = 1};
    uint32_t length = (uint32_t)strlen(text);
    enum queue_result result = queue_pop(queue, &chain);
    if (result == QUEUE_BROKEN) {
        channel_fail_queue(back, PORT_CONTROL_RX);
    }
    if (result != QUEUE_CHAIN) {
        return false;
    }
    if (!queue_chain_write(&chain, 0, &message, sizeof(message)) ||
        !queue_chain_write(&chain, sizeof(message), text, length)) {
        channel_fail(back, "queue %u: a buffer of %u bytes for a control message of %u", PORT_CONTROL_RX,
                     chain.writable, (uint32_t)sizeof(message) + length);
        return false;
    }
    queue_push(queue, chain.head, (uint32_t)sizeof(message) + length);
    channel_publish(back, PORT_CONTROL_RX);
    return true;
}

bool console_port_round(struct back *back, const char *name, uint32_t *state, bool *opened)
{
    static const struct {
        uint32_t bit;
        uint16_t event;
    } messages[] = {{PORT_SEND_ADD, VIRTIO_CONSOLE_PORT_ADD},
                    {PORT_SEND_NAME, VIRTIO_CONSOLE_PORT_NAME},
                    {PORT_SEND_OPEN, VIRTIO_CONSOLE_PORT_OPEN}};
    unsigned taken = 0;
    while (taken < ROUND_MESSAGES && channel_running(back) && take(back, state, opened)) {
        taken++;
    }
    for (unsigned i = 0; i < sizeof(messages) / sizeof(messages[0]) && channel_running(back); i++) {
        if ((*state & messages[i].bit) == 0) {
            continue;
        }
        if (!send(back, messages[i].event, messages[i].bit == PORT_SEND_NAME ? name : "")) {
            break;
        }
        __atomic_store_n(state, *state & ~messages[i].bit, __ATOMIC_RELEASE);
    }
    return taken == ROUND_MESSAGES;
}

bool console_port_idle(struct back *back, uint32_t state)
{
    bool sends = (state & (PORT_SEND_ADD | PORT_SEND_NAME | PORT_SEND_OPEN)) != 0;
    bool more = queue_idle(&back->queues[PORT_CONTROL_TX]);
    return (sends && queue_idle(&back->queues[PORT_CONTROL_RX])) || more;
}
