/* SPDX-License-Identifier: MIT
 * The virtio-blk device (virtio 1.2 section 5.2): its life, its queues and its completions. Requests are read in
 * block_request.c.
 *
 * A guest's request is a task; it goes to the device in pieces that the device can take, straight from the guest's
 * memory. A round ends with block_round(): used entries are shown, the guest is told once, and the rings are looked at
 * again. */
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_blk.h>
#include "backend.h"
#include "block.h"

#define ROUND_BUDGET 256     /* chains of one queue in one round: others want their turn */
#define POLL_DEPTH 8         /* so many pieces at the device: their completions make us look, doorbells only cost exits */
#define RETRY_NS 1000000     /* the device is full of the requests of others */
#define MAX_RANGE_SECTORS 0x400000u

/* --- the device that is offered --- */

static void offer(struct disk *disk)
{
    const struct blk_device *device = disk->device;
    uint64_t features = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE;
    struct virtio_blk_config config = {
        .capacity = device->sectors,
        .seg_max = device->max_segments < BLK_MAX_SEGMENTS ? device->max_segments : BLK_MAX_SEGMENTS,
        .blk_size = device->block_size,
        .num_queues = (uint16_t)disk->queue_count,
    };
    disk->read_only = disk->forced_read_only || device->read_only;
    features |= (uint64_t)disk->read_only << VIRTIO_BLK_F_RO;
    features |= (uint64_t)(disk->queue_count > 1) << VIRTIO_BLK_F_MQ;
    features |= (uint64_t)device->flush << VIRTIO_BLK_F_FLUSH;
    if (device->discard && !disk->read_only) {
        features |= 1ull << VIRTIO_BLK_F_DISCARD;
        config.max_discard_sectors = MAX_RANGE_SECTORS;
        config.max_discard_seg = BLOCK_MAX_RANGES;
        config.discard_sector_alignment = device->block_size / 512;
    }
    if (device->write_zeroes && !disk->read_only) {
        features |= 1ull << VIRTIO_BLK_F_WRITE_ZEROES;
        config.max_write_zeroes_sectors = MAX_RANGE_SECTORS;
        config.max_write_zeroes_seg = BLOCK_MAX_RANGES;
    }
    disk->flush_offered = device->flush;
    channel_offer(&disk->back, features, &config, sizeof(config), disk->queue_count);
}

static void find_source(struct disk *disk)
{
    const char *error = "";
    disk->device = blk_source(disk->source, &error);
    if (disk->device != NULL) {
        offer(disk);
    } else if (!disk->waiting_said) {
        disk->waiting_said = true;
        service_log("guest %s, disk %s: waits for %s: %s", disk->back.domain, disk->back.name, disk->source, error);
    }
}

static void devices_changed(void *context, struct blk_device *device, bool arrived)
{
    struct disk *disk = context;
    if (arrived && disk->device == NULL) {
        find_source(disk);
    } else if (!arrived && device == disk->device) {
        /* Requests are answered with an error until it is back. */
        disk->device = NULL;
        service_log("guest %s, disk %s: %s is gone", disk->back.domain, disk->back.name, device->name);
    }
}

/* --- tasks --- */

struct block_piece *block_piece_get(struct disk *disk, struct block_task *task)
{
    struct block_piece *piece = disk->free_pieces;
    if (piece != NULL) {
        disk->free_pieces = piece->next;
        piece->task = task;
        piece->next = NULL;
        task->pieces++;
        channel_hold(&disk->back);
    }
    return piece;
}

static void piece_free(struct block_piece *piece)
{
    struct disk *disk = piece->task->disk;
    piece->next = disk->free_pieces;
    disk->free_pieces = piece;
}

static void task_end(struct block_task *task)
{
    struct disk *disk = task->disk;
    if (channel_running(&disk->back) && !task->dropped) {
        block_answer(disk, task->queue, task->head, task->status_address, task->status,
                     task->status == VIRTIO_BLK_S_OK ? task->written : 0);
    }
    task->next = disk->free_tasks;
    disk->free_tasks = task;
}

void block_answer(struct disk *disk, unsigned queue, uint16_t head, uint64_t status_address, uint8_t status,
                  uint32_t written)
{
    *(volatile uint8_t *)machine(status_address) = status;
    queue_push(&disk->back.queues[queue], head, written + 1);
    disk->back.work.requests++;
    disk->back.work.bytes_out += written;
    service_bottom_arm(&disk->bottom);
}

static void piece_done(struct blk_request *request, enum status status)
{
    struct block_piece *piece = request->context;
    struct block_task *task = piece->task;
    struct disk *disk = task->disk;
    disk->at_device--;
    if (status != OK) {
        task->status = VIRTIO_BLK_S_IOERR;
    }
    service_bottom_arm(&disk->bottom);
    /* The driver did not accept FLUSH: what it wrote must be stable when it is told (virtio 1.2 section 5.2.6.2). */
    if (task->pieces == 1 && task->issued && task->flush_after && task->status == VIRTIO_BLK_S_OK &&
        channel_running(&disk->back)) {
        task->flush_after = false;
        request->op = BLK_FLUSH;
        request->segment_count = 0;
        block_submit(disk, piece);
        return;
    }
    task->pieces--;
    piece_free(piece);
    block_task_check(task);
    channel_release(&disk->back);
}

void block_task_check(struct block_task *task)
{
    if (task->issued && task->pieces == 0) {
        task_end(task);
    }
}

static void fail_piece(struct disk *disk, struct block_piece *piece)
{
    struct block_task *task = piece->task;
    task->status = VIRTIO_BLK_S_IOERR;
    task->pieces--;
    piece_free(piece);
    block_task_check(task);
    channel_release(&disk->back);
}

/* False: the device is full, the piece has to be offered again. */
static bool try_submit(struct disk *disk, struct block_piece *piece)
{
    piece->request.done = piece_done;
    piece->request.context = piece;
    uint64_t size = piece->request.op == BLK_WRITE ? piece->request.sectors * 512 : 0;
    enum status status = disk->device != NULL ? blk_submit(disk->device, &piece->request) : ERR_NONE;
    if (status == ERR_BUSY) {
        return false;
    }
    if (status == OK) {
        disk->at_device++;
        disk->back.work.bytes_in += size;
    } else {
        fail_piece(disk, piece);
    }
    return true;
}

void block_submit(struct disk *disk, struct block_piece *piece)
{
    if (disk->waiting == NULL && try_submit(disk, piece)) {
        return;
    }
    piece->next = NULL;
    *disk->last_waiting = piece;
    disk->last_waiting = &piece->next;
}

static void submit_waiting(struct disk *disk)
{
    while (disk->waiting != NULL) {
        struct block_piece *piece = disk->waiting, *next = piece->next;
        if (!try_submit(disk, piece)) {
            if (disk->at_device == 0) {
                service_timer_arm(&disk->retry, service_now() + RETRY_NS);
            }
            return;
        }
        disk->waiting = next;
        if (next == NULL) {
            disk->last_waiting = &disk->waiting;
        }
    }
}

/* --- queues --- */

static void pump(struct disk *disk, unsigned index)
{
    struct disk_queue *queue = &disk->queues[index];
    queue->drained = false;
    for (unsigned budget = ROUND_BUDGET; budget > 0 && channel_running(&disk->back); budget--) {
        if (disk->waiting != NULL || (queue->task != NULL && !block_feed(disk, index))) {
            return; /* a completion or the timer makes us go on */
        }
        if (disk->free_tasks == NULL || disk->free_pieces == NULL) {
            return;
        }
        switch (queue_pop(&disk->back.queues[index], &queue->chain)) {
        case QUEUE_EMPTY: queue->drained = true; return;
        case QUEUE_BROKEN: channel_fail_queue(&disk->back, index); return;
        case QUEUE_CHAIN: block_begin(disk, index); break;
        }
    }
    service_bottom_arm(&disk->bottom);
}

static bool stalled(const struct disk *disk, unsigned index)
{
    return disk->waiting != NULL || disk->queues[index].task != NULL || disk->free_tasks == NULL ||
           disk->free_pieces == NULL;
}

static void block_round(void *context)
{
    struct disk *disk = context;
    submit_waiting(disk);
    for (unsigned i = 0; i < disk->queue_count && channel_running(&disk->back); i++) {
        if (!disk->queues[i].drained) {
            pump(disk, i);
        }
        channel_publish(&disk->back, i);
        if (!channel_running(&disk->back)) {
            return;
        }
        if (stalled(disk, i) || disk->at_device >= POLL_DEPTH) {
            queue_busy(&disk->back.queues[i]);
            disk->queues[i].drained = false; /* nobody tells what comes from now on */
        } else if (queue_idle(&disk->back.queues[i])) {
            disk->queues[i].drained = false;
            service_bottom_arm(&disk->bottom);
        }
    }
}

static void retry(void *context)
{
    service_bottom_arm(&((struct disk *)context)->bottom);
}

/* --- the channel's calls --- */

static void start(void *context, bool resumed)
{
    struct disk *disk = context;
    (void)resumed;
    for (unsigned i = 0; i < disk->queue_count; i++) {
        disk->queues[i].drained = false;
    }
    service_bottom_arm(&disk->bottom);
}

static void stop(void *context)
{
    struct disk *disk = context;
    service_timer_cancel(&disk->retry);
    struct block_piece *piece = disk->waiting;
    disk->waiting = NULL;
    disk->last_waiting = &disk->waiting;
    for (unsigned i = 0; i < disk->queue_count; i++) {
        if (disk->queues[i].task != NULL) { /* what is not issued will not be */
            disk->queues[i].task->issued = true;
            disk->queues[i].task->dropped = true;
        }
    }
    while (piece != NULL) {
        struct block_piece *next = piece->next;
        piece->task->dropped = true;
        fail_piece(disk, piece);
        piece = next;
    }
    for (unsigned i = 0; i < disk->queue_count; i++) {
        struct block_task *task = disk->queues[i].task;
        disk->queues[i].task = NULL;
        if (task != NULL) {
            block_task_check(task);
        }
    }
}

static void disk_free(void *context)
{
    struct disk *disk = context;
    blk_unwatch(&disk->watch);
    service_bottom_cancel(&disk->bottom);
    service_timer_cancel(&disk->retry);
    free(disk->queues);
    free(disk->tasks);
    free(disk->pieces);
    free(disk);
}

static const struct channel_user user = {.kind = "disk", .start = start, .stop = stop, .gone = disk_free};

/* --- the back end --- */

static bool allocate(struct disk *disk, unsigned queues)
{
    disk->queue_count = queues;
    disk->queues = calloc(queues, sizeof(*disk->queues));
    disk->tasks = calloc(BLOCK_PIECES + queues, sizeof(*disk->tasks));
    disk->pieces = calloc(BLOCK_PIECES, sizeof(*disk->pieces));
    if (disk->queues == NULL || disk->tasks == NULL || disk->pieces == NULL) {
        return false;
    }
    for (unsigned i = 0; i < BLOCK_PIECES; i++) {
        disk->pieces[i].next = disk->free_pieces;
        disk->free_pieces = &disk->pieces[i];
    }
    for (unsigned i = 0; i < BLOCK_PIECES + queues; i++) {
        disk->tasks[i].disk = disk;
        disk->tasks[i].next = disk->free_tasks;
        disk->free_tasks = &disk->tasks[i];
    }
    return true;
}

static void *attach(const struct control_channel *entry, unsigned index)
{
    (void)index;
    unsigned queues = entry->queue_count == 0 ? 1 : entry->queue_count;
    struct disk *disk = calloc(1, sizeof(*disk));
    if (disk == NULL) {
        service_log("guest %s, disk %s: no memory is left for its back end", entry->domain, entry->name);
        return NULL;
    }
    disk->last_waiting = &disk->waiting;
    disk->bottom = (struct service_bottom){.run = block_round, .context = disk};
    disk->retry = (struct service_timer){.fire = retry, .context = disk};
    disk->watch = (struct blk_watch){.changed = devices_changed, .context = disk};
    disk->forced_read_only = entry->read_only != 0;
    memcpy(disk->source, entry->source, sizeof(disk->source) - 1);
    memcpy(disk->id, entry->name, strnlen(entry->name, sizeof(disk->id)));
    blk_watch(&disk->watch);
    bool room = allocate(disk, queues < CHANNEL_MAX_QUEUES ? queues : CHANNEL_MAX_QUEUES);
    if (!room) {
        service_log("guest %s, disk %s: no memory is left for %u queues", entry->domain, entry->name, queues);
    }
    if (!room || channel_open(&disk->back, entry, &user, disk) != OK) {
        disk_free(disk);
        return NULL;
    }
    find_source(disk);
    return disk;
}

static void detach(void *backend)
{
    channel_close(&((struct disk *)backend)->back);
}

static void front_changed(void *backend)
{
    channel_update(&((struct disk *)backend)->back);
}

static void kick(void *backend, unsigned queue)
{
    struct disk *disk = backend;
    if (queue < disk->queue_count && channel_running(&disk->back)) {
        queue_busy(&disk->back.queues[queue]);
        pump(disk, queue);
        service_bottom_arm(&disk->bottom);
    }
}

static const struct control_work *work(void *backend) { return &((struct disk *)backend)->back.work; }

const struct backend_ops block_backend = {
    .type = CHANNEL_BLOCK,
    .name = "block",
    .attach = attach,
    .detach = detach,
    .front_changed = front_changed,
    .kick = kick,
    .work = work,
};
