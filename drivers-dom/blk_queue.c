/* SPDX-License-Identifier: MIT
 * Requests on their way through a disk's hardware. */
#include "blk_queue.h"
#include <stdlib.h>

#define MS 1000000ul
#define DEFAULT_TIMEOUT (5000 * MS)
#define DEFAULT_RESET_TIMEOUT (10000 * MS)
#define ALIVE_PERIOD (1000 * MS)
#define MAX_TIMEOUTS 2 /* the first is forgiven */
#define MAX_FRUITLESS 3
#define LOST_TO_TELL 3 /* looks in a row that found what no interrupt had told */
#define BOUNCES (sizeof(((struct blk_queue *)0)->bounces) / sizeof(void *))

enum { COMMAND_FREE, COMMAND_ISSUED, COMMAND_AGAIN };

/* A request that was accepted. */
struct blk_active {
    struct blk_request *request;
    struct blk_cursor cursor;
    unsigned outstanding; /* commands */
    bool cut;             /* all commands have been made */
    enum status status;   /* the first error */
    struct blk_active *next;
};

static const char *const op_names[] = {"read", "write", "flush", "discard", "write of zeroes"};

/* --- requests --- */

bool blk_queue_submit(struct blk_device *device, struct blk_request *request)
{
    struct blk_queue *queue = device->driver_data;
    struct blk_active *active = queue->free_actives;
    if (active == NULL) {
        return false;
    }
    queue->free_actives = active->next;
    *active = (struct blk_active){.request = request, .status = OK};
    blk_cursor_init(&active->cursor, request);
    if (queue->first == NULL) {
        queue->first = active;
    } else {
        queue->last->next = active;
    }
    queue->last = active;
    return true;
}

/* The request has no commands any more, and none will be made. */
static void finish(struct blk_queue *queue, struct blk_active *active)
{
    struct blk_request *request = active->request;
    enum status status = active->status;
    active->next = queue->free_actives;
    queue->free_actives = active;
    request->done(request, status);
}

static void drop_first(struct blk_queue *queue)
{
    struct blk_active *active = queue->first;
    queue->first = active->next;
    active->cut = true;
    if (active->outstanding == 0) {
        finish(queue, active);
    }
}

/* --- commands --- */

static struct blk_command *free_command(struct blk_queue *queue)
{
    for (unsigned i = 0; i < queue->depth; i++) {
        if (queue->commands[i].state == COMMAND_FREE) {
            return &queue->commands[i];
        }
    }
    return NULL;
}

struct blk_command *blk_queue_issued(struct blk_queue *queue, unsigned index)
{
    return index < queue->depth && queue->commands[index].state == COMMAND_ISSUED ? &queue->commands[index] : NULL;
}

static void *take_bounce(struct blk_queue *queue)
{
    for (unsigned i = 0; i < BOUNCES; i++) {
        if (queue->bounces[i] != NULL) {
            void *memory = queue->bounces[i];
            queue->bounces[i] = NULL;
            return memory;
        }
    }
    return NULL;
}

static void return_bounce(struct blk_queue *queue, struct blk_command *command)
{
    for (unsigned i = 0; i < BOUNCES && command->bounce != NULL; i++) {
        if (queue->bounces[i] == NULL) {
            queue->bounces[i] = command->bounce;
            command->bounce = NULL;
        }
    }
}

/* Cuts the next command from a request. False: a bounce buffer is needed and none is free. */
static bool make_command(struct blk_queue *queue, struct blk_active *active, struct blk_command *command)
{
    struct blk_cursor start = active->cursor;
    blk_split(&active->cursor, &queue->limits, &command->part);
    if (command->part.bounced) {
        void *memory = take_bounce(queue);
        if (memory == NULL) {
            active->cursor = start;
            return false;
        }
        command->start = start;
        command->bounce = memory;
        command->part.pieces[0] = (struct blk_segment){dma_of(memory), (uint32_t)command->part.sectors * 512};
        command->part.piece_count = 1;
        if (active->request->op == BLK_WRITE) {
            blk_copy(&start, command->part.sectors, memory, false);
        }
    }
    command->op = active->request->op;
    command->active = active;
    command->timeouts = 0;
    active->outstanding++;
    return true;
}

static void issue(struct blk_queue *queue, struct blk_command *command)
{
    uint64_t now = service_now();
    command->state = COMMAND_ISSUED;
    command->deadline = now + queue->timeout;
    queue->issued++;
    queue->alone = (queue->exclusive >> command->op & 1) != 0;
    if (queue->timer.deadline == 0) {
        service_timer_arm(&queue->timer, now + ALIVE_PERIOD);
    }
    queue->ops->issue(queue->driver, command);
}

static void release(struct blk_queue *queue, struct blk_command *command, enum status status)
{
    struct blk_active *active = command->active;
    if (command->bounce != NULL) {
        if (status == OK && command->op == BLK_READ) {
            blk_copy(&command->start, command->part.sectors, command->bounce, true);
        }
        return_bounce(queue, command);
    }
    command->state = COMMAND_FREE;
    active->status = active->status == OK ? status : active->status;
    active->outstanding--;
    if (active->outstanding == 0 && active->cut) {
        finish(queue, active);
    }
}

/* The hardware's rules let this operation in now. */
static bool may_issue(struct blk_queue *queue, uint8_t op)
{
    if (queue->alone || ((queue->exclusive >> op & 1) != 0 && queue->issued > 0) || queue->issued == queue->depth) {
        return false;
    }
    return queue->ops->ready == NULL || queue->ops->ready(queue->driver);
}

static bool issue_again(struct blk_queue *queue)
{
    for (unsigned i = 0; i < queue->depth && queue->again > 0; i++) {
        struct blk_command *command = &queue->commands[i];
        if (command->state != COMMAND_AGAIN) {
            continue;
        }
        if (!may_issue(queue, command->op)) {
            return false;
        }
        queue->again--;
        issue(queue, command);
    }
    return queue->again == 0;
}

/* Issues what waits, in order. */
static void pump(struct blk_queue *queue)
{
    if (queue->resetting || queue->dead || !issue_again(queue)) {
        return;
    }
    while (queue->first != NULL) {
        struct blk_active *active = queue->first;
        bool flush = active->request->op == BLK_FLUSH;
        if (active->status != OK || (flush && queue->cacheless)) {
            drop_first(queue);
            continue;
        }
        struct blk_command *command = free_command(queue);
        if (command == NULL || !may_issue(queue, active->request->op) || !make_command(queue, active, command)) {
            return;
        }
        if (flush || active->cursor.sectors == 0) {
            drop_first(queue);
        }
        issue(queue, command);
    }
}

void blk_queue_kick(struct blk_device *device)
{
    struct blk_queue *queue = device->driver_data;
    pump(queue);
    if (queue->ops->start != NULL && !queue->resetting && !queue->dead) {
        queue->ops->start(queue->driver);
    }
}

void blk_queue_wake(struct blk_queue *queue)
{
    if (!queue->dead) {
        service_bottom_arm(&queue->device.bottom);
    }
}

void blk_queue_done(struct blk_queue *queue, struct blk_command *command, enum status status)
{
    if (command->state != COMMAND_ISSUED) {
        return;
    }
    queue->issued--;
    queue->alone = false;
    queue->fruitless = 0;
    if (status != OK) {
        service_log("%s: %s of %lu sectors at %lu failed: the device reports an error (%u)", queue->device.name,
                    op_names[command->op], command->part.sectors, command->part.sector, status);
    }
    release(queue, command, status);
    if (queue->first != NULL || queue->again > 0) {
        blk_queue_wake(queue);
    }
}

/* --- time-outs, resets, the end --- */

/* Everything fails. The device can do no DMA any more. */
static void die(struct blk_queue *queue, enum status status)
{
    if (queue->dead) {
        return;
    }
    queue->dead = true;
    queue->device.gone = true; /* what done submits is refused */
    queue->ops->stop(queue->driver);
    service_timer_cancel(&queue->timer);
    for (unsigned i = 0; i < queue->depth; i++) {
        if (queue->commands[i].state != COMMAND_FREE) {
            queue->commands[i].active->status = status;
            release(queue, &queue->commands[i], status);
        }
    }
    while (queue->first != NULL) {
        queue->first->status = status;
        drop_first(queue);
    }
    blk_unregister(&queue->device);
}

void blk_queue_gone(struct blk_queue *queue)
{
    if (!queue->dead) {
        service_log("%s: the device has vanished", queue->device.name);
        die(queue, ERR_NONE);
    }
}

static void reset_done(struct blk_queue *queue)
{
    queue->resetting = false;
    for (unsigned i = 0; i < queue->depth; i++) {
        struct blk_command *command = &queue->commands[i];
        if (command->state == COMMAND_AGAIN && command->timeouts >= MAX_TIMEOUTS) {
            service_log("%s: %s of %lu sectors at %lu failed: no answer, also not after a reset", queue->device.name,
                        op_names[command->op], command->part.sectors, command->part.sector);
            queue->again--;
            release(queue, command, ERR_TIMEOUT);
        }
    }
    service_timer_cancel(&queue->timer);
    blk_queue_wake(queue);
}

static void continue_reset(struct blk_queue *queue)
{
    enum status status = queue->ops->reset(queue->driver, queue->reset_step++);
    if (status == OK) {
        reset_done(queue);
    } else if (status == ERR_BUSY && service_now() < queue->reset_end) {
        service_timer_arm(&queue->timer, service_now() + MS);
    } else {
        service_log("%s: the reset failed (%u): the device is given up", queue->device.name,
                    status == ERR_BUSY ? ERR_TIMEOUT : status);
        die(queue, ERR_TIMEOUT);
    }
}

static void start_reset(struct blk_queue *queue)
{
    queue->resetting = true;
    queue->alone = false;
    for (unsigned i = 0; i < queue->depth; i++) {
        if (queue->commands[i].state == COMMAND_ISSUED) {
            queue->commands[i].state = COMMAND_AGAIN;
            queue->again++;
        }
    }
    queue->issued = 0;
    queue->reset_step = 0;
    queue->reset_end = service_now() + queue->reset_timeout;
    continue_reset(queue);
}

void blk_queue_reset(struct blk_queue *queue, const char *reason)
{
    if (!queue->resetting && !queue->dead) {
        service_log("%s: %s: resetting the device", queue->device.name, reason);
        /* Resets without a command done in between must come to an end: then what is in the hardware fails. */
        queue->fruitless++;
        for (unsigned i = 0; i < queue->depth && queue->fruitless > MAX_FRUITLESS; i++) {
            queue->commands[i].timeouts = MAX_TIMEOUTS;
        }
        start_reset(queue);
    }
}

/* Marks what is overdue; the first of them is named. */
static bool find_overdue(struct blk_queue *queue, uint64_t now)
{
    bool any = false;
    for (unsigned i = 0; i < queue->depth; i++) {
        struct blk_command *command = &queue->commands[i];
        if (command->state != COMMAND_ISSUED || command->deadline > now) {
            continue;
        }
        command->timeouts++;
        if (!any) {
            service_log("%s: no answer to a %s of %lu sectors at %lu for %lu ms: resetting the device",
                        queue->device.name, op_names[command->op], command->part.sectors, command->part.sector,
                        (uint64_t)(queue->timeout / MS));
        }
        any = true;
    }
    return any;
}

/* What an interrupt should have told long ago. */
static void poll_device(struct blk_queue *queue)
{
    uint64_t old = service_now() + queue->timeout - ALIVE_PERIOD / 2;
    bool waited = false;
    for (unsigned i = 0; i < queue->depth; i++) {
        waited |= queue->commands[i].state == COMMAND_ISSUED && queue->commands[i].deadline < old;
    }
    unsigned before = queue->issued;
    queue->ops->poll(queue->driver);
    /* Once may be a coincidence. */
    queue->lost = waited && queue->issued < before ? queue->lost + 1 : 0;
    if (queue->lost == LOST_TO_TELL) {
        service_log("%s: commands are done without an interrupt", queue->device.name);
    }
}

static void timer_fired(void *context)
{
    struct blk_queue *queue = context;
    if (queue->resetting) {
        continue_reset(queue);
        return;
    }
    if (!queue->ops->alive(queue->driver)) {
        blk_queue_gone(queue);
        return;
    }
    poll_device(queue);
    if (queue->resetting || queue->dead) {
        return;
    }
    if (find_overdue(queue, service_now())) {
        start_reset(queue);
    } else if (queue->issued > 0) {
        service_timer_arm(&queue->timer, service_now() + ALIVE_PERIOD);
    }
}

/* --- opening --- */

static enum status allocate(struct blk_queue *queue)
{
    unsigned active_count = queue->depth * 2 + 8; /* so that the next are at hand when commands become free */
    queue->commands = calloc(queue->depth, sizeof(*queue->commands));
    queue->actives = calloc(active_count, sizeof(*queue->actives));
    bool complete = queue->commands != NULL && queue->actives != NULL;
    for (unsigned i = 0; i < BOUNCES; i++) {
        queue->bounces[i] = dma_alloc(BLK_BOUNCE_SIZE, BLK_BOUNCE_SIZE);
        complete = complete && queue->bounces[i] != NULL;
    }
    if (!complete) {
        service_log("%s: no memory for a queue of %u commands", queue->device.ops->driver, queue->depth);
        return ERR_MEMORY; /* of the start: what was had is not worth returning */
    }
    for (unsigned i = 0; i < queue->depth; i++) {
        queue->commands[i].index = (uint16_t)i;
    }
    for (unsigned i = 0; i < active_count; i++) {
        queue->actives[i].next = queue->free_actives;
        queue->free_actives = &queue->actives[i];
    }
    return OK;
}

enum status blk_queue_open(struct blk_queue *queue)
{
    enum status status = allocate(queue);
    if (status != OK) {
        return status;
    }
    queue->timeout = queue->timeout != 0 ? queue->timeout : DEFAULT_TIMEOUT;
    queue->reset_timeout = queue->reset_timeout != 0 ? queue->reset_timeout : DEFAULT_RESET_TIMEOUT;
    queue->timer = (struct service_timer){.fire = timer_fired, .context = queue};
    queue->device.driver_data = queue;
    queue->device.block_size = queue->limits.block_size;
    queue->device.max_segments = BLK_MAX_SEGMENTS;
    queue->device.max_sectors = 0x2000;
    queue->device.flush = true;
    return blk_register(&queue->device);
}
