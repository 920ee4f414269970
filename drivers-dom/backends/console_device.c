/* SPDX-License-Identifier: MIT
 * The virtio-console device (virtio 1.2 section 5.3): one end of a struct console. As its near end it is a terminal of the guest, hvc0 of a
 * Linux guest; as its far end a port with a name, on which the guest speaks with the manager. Each buffer of the guest's is answered before
 * the next one is begun, and the record says how far its bytes have gone: after a restart none is lost, none is there twice. */
#include "backend.h"
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_console.h>
#include "abi/syscall.h"
#include "channel.h"
#include "console_device.h"
#include "console_link.h"
#include "console_port.h"
#include "control.h"
#include "service.h"
#include "terminal.h"

#define RX 0
#define TX 1
#define QUEUES 2
#define PIECE 256u
#define ROUND_BYTES 4096u /* of one guest, in each direction, in one round */
#define LINE_SIZE 160u
#define STALL_NS 5000000u /* nobody says when the near end has read its input */

struct console_device {
    struct back back;
    struct console_link link;
    struct channel_console_record *record;
    uint64_t address;      /* of the console */
    uint32_t handle;       /* tells the console's other end */
    bool ports;            /* MULTIPORT may be negotiated */
    struct service_bottom bottom;
    struct service_timer stall;
    struct queue_chain chain, room; /* being sent; being filled */
    uint32_t sent;         /* of chain */
    bool sending;
    char line[LINE_SIZE];  /* for the log */
    uint32_t line_length;
    struct console_device *next;
};

static struct console_device *consoles;

static bool multiport(const struct console_device *console)
{
    return channel_negotiated(&console->back, VIRTIO_CONSOLE_F_MULTIPORT);
}

static bool open(const struct console_device *console)
{
    return !multiport(console) || (console->record->port & PORT_IS_OPEN) != 0;
}

/* --- from the guest --- */

static void log_text(struct console_device *console, const uint8_t *text, uint32_t size)
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

static void tell_other_end(const struct console_device *console)
{
    bool sleeps = console->link.near && link_sleeps(&console->link);
    if (console->handle != HANDLE_NONE && (sleeps || !console->link.near)) {
        service_signal(console->handle);
    }
    if (sleeps) {
        terminal_wake();
    }
}

/* Where the bytes of this chain begin, for one who must go on with it. `again`: it was begun by a former drivers-dom. */
static void begin_chain(struct console_device *console, bool again)
{
    struct channel_console_record *record = console->record;
    uint64_t given = console->link.console != NULL ? *link_given(&console->link) : 0;
    console->sending = true;
    console->sent = 0;
    if (again && record->sending && record->send_head == console->chain.head &&
        given - record->send_base <= console->chain.readable) {
        console->sent = (uint32_t)(given - record->send_base);
        return;
    }
    record->send_base = given;
    record->send_head = console->chain.head;
    __atomic_store_n(&record->sending, 1, __ATOMIC_RELEASE);
}

static void end_chain(struct console_device *console)
{
    queue_push(&console->back.queues[TX], console->chain.head, 0);
    channel_publish(&console->back, TX);
    __atomic_store_n(&console->record->sending, 0, __ATOMIC_RELEASE);
    console->sending = false;
    console->back.work.requests++;
    console->back.work.bytes_in += console->chain.readable;
}

static bool next_chain(struct console_device *console)
{
    struct queue *queue = &console->back.queues[TX];
    bool again = queue->redo_count > 0;
    enum queue_result result = queue_pop(queue, &console->chain);
    if (result == QUEUE_BROKEN) {
        channel_fail_queue(&console->back, TX);
    }
    if (result != QUEUE_CHAIN) {
        return false;
    }
    begin_chain(console, again);
    return true;
}

/* A piece of the chain at hand. False: the console has no room. */
static bool send_piece(struct console_device *console)
{
    uint8_t text[PIECE];
    uint32_t rest = console->chain.readable - console->sent, part = rest < PIECE ? rest : PIECE;
    if (console->link.console != NULL) {
        uint32_t room = link_room(&console->link);
        part = part < room ? part : room;
    }
    if (part == 0 && rest > 0) {
        return false;
    }
    if (queue_chain_read(&console->chain, console->sent, text, part)) {
        if (console->link.console == NULL) {
            log_text(console, text, part);
        } else {
            link_put(&console->link, text, part);
        }
    }
    console->sent += part;
    return true;
}

/* Between two programs. False: the console has no room. */
static bool end_request(struct console_device *console)
{
    uint32_t *port = &console->record->port;
    if (console->link.console == NULL || (*port & PORT_END_LINE) == 0) {
        return true;
    }
    uint64_t given = *link_given(&console->link);
    if (!link_end_line(&console->link)) {
        return false;
    }
    if (*link_given(&console->link) != given) {
        tell_other_end(console);
    }
    __atomic_store_n(port, *port & ~PORT_END_LINE, __ATOMIC_RELEASE);
    return true;
}

/* True: there is more. */
static bool send(struct console_device *console)
{
    bool any = false, room = true;
    for (uint32_t left = ROUND_BYTES; left > 0 && room; left -= PIECE) {
        if (!console->sending) {
            room = end_request(console);
            if (!room || !next_chain(console)) {
                break;
            }
        }
        room = send_piece(console);
        any |= room;
        if (console->sent == console->chain.readable) {
            end_chain(console);
        }
    }
    if (any && console->link.console != NULL) {
        tell_other_end(console);
    }
    if (!room && console->stall.deadline == 0) {
        service_timer_arm(&console->stall, service_now() + STALL_NS);
    }
    return room && channel_running(&console->back) && (console->sending || queue_idle(&console->back.queues[TX]));
}

/* --- to the guest --- */

/* The bytes are the guest's as soon as it can see the buffer; whether it can, used.idx says. */
static void settle_received(const struct console_device *console)
{
    struct channel_console_record *record = console->record;
    uint64_t *taken = link_taken(&console->link);
    uint64_t more = record->receive_end - *taken;
    if (record->receiving && (uint16_t)record->receive_index != console->back.queues[RX].next_used &&
        more <= link_pending(&console->link)) {
        __atomic_store_n(taken, record->receive_end, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&record->receiving, 0, __ATOMIC_RELEASE);
}

static void fill(struct console_device *console, uint32_t size)
{
    struct channel_console_record *record = console->record;
    struct queue *queue = &console->back.queues[RX];
    uint8_t text[PIECE];
    for (uint32_t done = 0; done < size; done += PIECE) {
        uint32_t part = size - done < PIECE ? size - done : PIECE;
        link_copy(&console->link, done, text, part);
        queue_chain_write(&console->room, done, text, part);
    }
    record->receive_end = *link_taken(&console->link) + size;
    record->receive_index = queue->next_used;
    __atomic_store_n(&record->receiving, 1, __ATOMIC_RELEASE);
    queue_push(queue, console->room.head, size);
    channel_publish(&console->back, RX);
    link_take(&console->link, size);
    __atomic_store_n(&record->receiving, 0, __ATOMIC_RELEASE);
    console->back.work.requests++;
    console->back.work.bytes_out += size;
}

/* True: there is more. */
static bool receive(struct console_device *console)
{
    struct queue *queue = &console->back.queues[RX];
    for (uint32_t left = ROUND_BYTES; left > 0;) {
        uint32_t pending = link_pending(&console->link);
        if (pending == 0) {
            return false;
        }
        enum queue_result result = queue_pop(queue, &console->room);
        if (result == QUEUE_BROKEN) {
            channel_fail_queue(&console->back, RX);
        }
        if (result != QUEUE_CHAIN) {
            return result == QUEUE_EMPTY && queue_idle(queue);
        }
        if (console->room.writable == 0) {
            channel_fail(&console->back, "queue %u: a buffer that cannot be written", RX);
            return false;
        }
        uint32_t size = console->room.writable < pending ? console->room.writable : pending;
        size = size < left ? size : left;
        fill(console, size);
        left -= size;
    }
    return true;
}

/* True: there is more. */
static bool take_output(struct console_device *console)
{
    if (console->link.console == NULL || !open(console)) {
        return false;
    }
    if (!console->link.near) {
        link_sleep(&console->link, false);
    }
    uint64_t before = *link_taken(&console->link);
    bool more = receive(console);
    if (!more && !console->link.near && channel_running(&console->back)) {
        link_sleep(&console->link, true);
        more = receive(console);
    }
    /* It looks at the next request when the answer has been taken. Last: whoever answers at once sees that we sleep. */
    if (!console->link.near && *link_taken(&console->link) != before && link_pending(&console->link) == 0) {
        tell_other_end(console);
    }
    return more;
}

/* --- rounds --- */

static bool serve_port(struct console_device *console)
{
    bool opened = false;
    bool more = console_port_round(&console->back, console->back.name, &console->record->port, &opened);
    if (opened && console->link.console != NULL) {
        link_restart(&console->link);
        __atomic_store_n(&console->record->port, console->record->port | PORT_END_LINE, __ATOMIC_RELEASE);
        tell_other_end(console);
    }
    return more || (channel_running(&console->back) && console_port_idle(&console->back, console->record->port));
}

static void console_round(void *context)
{
    struct console_device *console = context;
    struct back *back = &console->back;
    bool more = false;
    if (channel_running(back) && multiport(console)) {
        more = serve_port(console);
    }
    if (channel_running(back)) {
        more |= send(console);
    }
    if (channel_running(back)) {
        more |= take_output(console);
    }
    if (more && channel_running(back)) {
        service_bottom_arm(&console->bottom);
    }
}

void console_typed(uint64_t address)
{
    for (struct console_device *console = consoles; console != NULL; console = console->next) {
        if (console->link.near && console->address == address) {
            service_bottom_arm(&console->bottom);
        }
    }
}

void console_answered(void)
{
    for (struct console_device *console = consoles; console != NULL; console = console->next) {
        if (!console->link.near && console->link.console != NULL) {
            service_bottom_arm(&console->bottom);
        }
    }
}

/* --- life --- */

static void start(void *context, bool resumed)
{
    struct console_device *console = context;
    struct channel_console_record *record = console->record;
    console->sending = false;
    if (!resumed || record->generation != console->back.generation) {
        memset(record, 0, sizeof(*record));
        __atomic_store_n(&record->generation, console->back.generation, __ATOMIC_RELEASE);
    }
    if (console->link.console != NULL) {
        settle_received(console);
        tell_other_end(console); /* the signal of the one before may have been lost with it */
    }
    queue_busy(&console->back.queues[RX]);
    service_bottom_arm(&console->bottom);
}

static void stop(void *context)
{
    struct console_device *console = context;
    service_timer_cancel(&console->stall);
    if (console->link.console != NULL && !console->link.near) {
        link_sleep(&console->link, false);
    }
}

static void console_free(void *context)
{
    struct console_device *console = context;
    for (struct console_device **link = &consoles; *link != NULL; link = &(*link)->next) {
        if (*link == console) {
            *link = console->next;
            break;
        }
    }
    service_timer_cancel(&console->stall);
    service_bottom_cancel(&console->bottom);
    free(console);
}

static const struct channel_user user = {.kind = "console", .start = start, .stop = stop, .gone = console_free};

/* False: the entry's console is none. */
static bool connect(struct console_device *console, const struct control_channel *entry)
{
    console->handle = entry->console_handle;
    console->address = entry->console;
    if (entry->console == 0) {
        return true;
    }
    struct console *memory = machine(entry->console);
    if (entry->console % PAGE_SIZE != 0 || memory->magic != CONSOLE_MAGIC) {
        service_log("guest %s, console %s: there is no console at 0x%llx", entry->domain, entry->name,
                    (unsigned long long)entry->console);
        return false;
    }
    console->link = (struct console_link){.console = memory, .near = entry->console_near != 0};
    console->ports = entry->console_near == 0 && entry->queue_count >= PORT_QUEUES;
    return true;
}

static void *attach(const struct control_channel *entry, unsigned index)
{
    (void)index;
    struct console_device *console = calloc(1, sizeof(*console));
    if (console == NULL) {
        service_log("guest %s, console %s: no memory is left for its back end", entry->domain, entry->name);
        return NULL;
    }
    console->bottom = (struct service_bottom){.run = console_round, .context = console};
    console->stall = (struct service_timer){.fire = console_round, .context = console};
    if (!connect(console, entry) || channel_open(&console->back, entry, &user, console) != OK) {
        free(console);
        return NULL;
    }
    console->record = &console->back.shared->back.console;
    console->next = consoles;
    consoles = console;
    struct virtio_console_config config = {.max_nr_ports = 1};
    channel_offer(&console->back, console->ports ? 1ull << VIRTIO_CONSOLE_F_MULTIPORT : 0, &config, sizeof(config),
                  console->ports ? PORT_QUEUES : QUEUES);
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
    if (queue < PORT_QUEUES && channel_running(&console->back)) {
        service_bottom_arm(&console->bottom);
    }
}

static const struct control_work *work(void *backend) { return &((struct console_device *)backend)->back.work; }

const struct backend_ops console_backend = {
    .type = CHANNEL_CONSOLE,
    .name = "console",
    .attach = attach,
    .detach = detach,
    .front_changed = front_changed,
    .kick = kick,
    .work = work,
};
