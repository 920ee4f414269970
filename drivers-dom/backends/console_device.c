/* SPDX-License-Identifier: MIT
 * The virtio-console device (virtio 1.2 section 5.3): one port, that is hvc0 of a Linux guest. Output is taken at once;
 * input waits in a small buffer until the guest has room. Without VIRTIO_CONSOLE_F_MULTIPORT: several consoles of a
 * guest are several devices, each with a name, which needs no control queues. */
#include <stdlib.h>
#include <string.h>
#include "backend.h"
#include "channel.h"
#include "console_device.h"
#include "service.h"

#define RX 0
#define TX 1
#define QUEUES 2
#define PIECE 256u
#define ROUND_BYTES 4096u /* of output of one guest in one round */
#define INPUT_SIZE 1024u
#define LINE_SIZE 160u

struct console_device {
    struct back back;
    struct service_bottom bottom;
    struct queue_chain chain;
    uint32_t sent; /* of the chain at hand */
    bool sending;
    uint8_t input[INPUT_SIZE];
    uint32_t input_count;
    char line[LINE_SIZE]; /* for the log */
    uint32_t line_length;
    struct console_device *next;
};

static struct console_device *consoles;
static const struct console_sink *sink;

void console_set_sink(const struct console_sink *to) { sink = to; }

/* --- output --- */

static void log_line(struct console_device *console, const uint8_t *text, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        if (text[i] >= ' ' && text[i] < 0x7f) {
            console->line[console->line_length++] = (char)text[i];
        }
        if (console->line_length == LINE_SIZE - 1 || (text[i] == '\n' && console->line_length > 0)) {
            console->line[console->line_length] = 0;
            service_log("[%s %s] %s", console->back.domain, console->back.name, console->line);
            console->line_length = 0;
        }
    }
}

static void output(struct console_device *console, const uint8_t *text, uint32_t size)
{
    if (sink != NULL) {
        sink->output(sink->context, console->back.domain, console->back.name, text, size);
    } else {
        log_line(console, text, size);
    }
}

/* True: there is more. */
static bool send(struct console_device *console)
{
    struct queue *queue = &console->back.queues[TX];
    uint8_t text[PIECE];
    for (uint32_t left = ROUND_BYTES; left > 0;) {
        if (!console->sending) {
            enum queue_result result = queue_pop(queue, &console->chain);
            if (result == QUEUE_BROKEN) {
                channel_fail_queue(&console->back, TX);
            }
            if (result != QUEUE_CHAIN) {
                return false;
            }
            console->sending = true;
            console->sent = 0;
        }
        uint32_t rest = console->chain.readable - console->sent, part = rest < PIECE ? rest : PIECE;
        if (queue_chain_read(&console->chain, console->sent, text, part)) {
            output(console, text, part);
        }
        console->sent += part;
        uint32_t cost = part > 0 ? part : 1; /* empty chains cost something, too */
        left -= cost < left ? cost : left;
        if (console->sent == console->chain.readable) {
            console->sending = false;
            queue_push(queue, console->chain.head, 0);
        }
    }
    return true;
}

/* --- input --- */

static void receive(struct console_device *console)
{
    static struct queue_chain chain;
    struct queue *queue = &console->back.queues[RX];
    while (console->input_count > 0) {
        enum queue_result result = queue_pop(queue, &chain);
        if (result == QUEUE_BROKEN) {
            channel_fail_queue(&console->back, RX);
        }
        if (result != QUEUE_CHAIN) {
            return;
        }
        uint32_t size = chain.writable < console->input_count ? chain.writable : console->input_count;
        queue_chain_write(&chain, 0, console->input, size);
        queue_push(queue, chain.head, size);
        console->input_count -= size;
        memmove(console->input, console->input + size, console->input_count);
        if (size == 0) {
            channel_fail(&console->back, "queue %u: a buffer that cannot be written", RX);
            return;
        }
    }
}

uint32_t console_input(const char *domain, const char *name, const uint8_t *text, uint32_t size)
{
    struct console_device *console = consoles;
    while (console != NULL && (strcmp(console->back.domain, domain) != 0 || strcmp(console->back.name, name) != 0)) {
        console = console->next;
    }
    if (console == NULL) {
        return 0;
    }
    uint32_t room = INPUT_SIZE - console->input_count, part = size < room ? size : room;
    memcpy(console->input + console->input_count, text, part);
    console->input_count += part;
    service_bottom_arm(&console->bottom);
    return part;
}

/* --- life --- */

static void console_round(void *context)
{
    struct console_device *console = context;
    if (!channel_running(&console->back)) {
        return;
    }
    bool more = send(console);
    if (channel_running(&console->back)) {
        receive(console);
    }
    channel_publish(&console->back, RX);
    channel_publish(&console->back, TX);
    if (!channel_running(&console->back)) {
        return;
    }
    more |= queue_idle(&console->back.queues[TX]);
    /* Doorbells for buffers only while input waits for one. */
    more |= console->input_count > 0 && queue_idle(&console->back.queues[RX]);
    if (more) {
        service_bottom_arm(&console->bottom);
    }
}

static void start(void *context, bool resumed)
{
    struct console_device *console = context;
    (void)resumed;
    console->sending = false;
    queue_busy(&console->back.queues[RX]);
    service_bottom_arm(&console->bottom);
}

static void stop(void *context) { (void)context; }

static void console_free(void *context)
{
    struct console_device *console = context;
    for (struct console_device **link = &consoles; *link != NULL; link = &(*link)->next) {
        if (*link == console) {
            *link = console->next;
            break;
        }
    }
    service_bottom_cancel(&console->bottom);
    free(console);
}

static const struct channel_user user = {.kind = "console", .start = start, .stop = stop, .gone = console_free};

static void *attach(const struct control_channel *entry, unsigned index)
{
    (void)index;
    struct console_device *console = calloc(1, sizeof(*console));
    if (console == NULL) {
        service_log("guest %s, console %s: no memory is left for its back end", entry->domain, entry->name);
        return NULL;
    }
    console->bottom = (struct service_bottom){.run = console_round, .context = console};
    if (channel_open(&console->back, entry, &user, console) != OK) {
        free(console);
        return NULL;
    }
    console->next = consoles;
    consoles = console;
    channel_offer(&console->back, 0, "", 0, QUEUES);
    return console;
}

static void detach(void *backend)
{
    channel_close(&((struct console_device *)backend)->back);
}

static void front_changed(void *backend)
{
    channel_update(&((struct console_device *)backend)->back);
}

static void kick(void *backend, unsigned queue)
{
    struct console_device *console = backend;
    if (queue < QUEUES && channel_running(&console->back)) {
        service_bottom_arm(&console->bottom);
    }
}

const struct backend_ops console_backend = {
    .type = CHANNEL_CONSOLE,
    .name = "console",
    .attach = attach,
    .detach = detach,
    .front_changed = front_changed,
    .kick = kick,
};
