/* SPDX-License-Identifier: MIT
 * What a virtio-blk request says (virtio 1.2 section 5.2.6), checked, and cut into pieces for the device. */
#include <string.h>
#include <linux/virtio_blk.h>
#include "block.h"

#define HEADER_SIZE ((uint32_t)sizeof(struct virtio_blk_outhdr))
#define NO_TASK 0xff /* check: it can begin; no VIRTIO_BLK_S_* */

/* The status byte is the last one that the device may write. */
static uint64_t status_byte(const struct queue_chain *chain)
{
    const struct queue_segment *last = &chain->segments[chain->count - 1];
    return last->address + last->size - 1;
}

/* --- kinds of requests: what a check returns is the answer, or NO_TASK --- */

static uint8_t check_transfer(struct disk *disk, struct disk_queue *queue, const struct virtio_blk_outhdr *header)
{
    const struct blk_device *device = disk->device;
    bool write = header->type == VIRTIO_BLK_T_OUT;
    struct queue_chain *chain = &queue->chain;
    uint64_t bytes = write ? chain->readable - HEADER_SIZE : chain->writable - 1;
    uint64_t sectors = bytes / 512;
    if ((write && disk->read_only) || bytes == 0 || bytes % device->block_size != 0 ||
        header->sector % (device->block_size / 512) != 0 || header->sector > device->sectors ||
        sectors > device->sectors - header->sector) {
        return VIRTIO_BLK_S_IOERR;
    }
    queue->op = write ? BLK_WRITE : BLK_READ;
    queue->sector = header->sector;
    queue->left = bytes;
    queue->segment = write ? 0 : chain->writable_from;
    queue->offset = write ? HEADER_SIZE : 0;
    while (queue->offset > 0 &&
           queue->offset >= chain->segments[queue->segment].size) { /* the header may lie in pieces */
        queue->offset -= chain->segments[queue->segment++].size;
    }
    return NO_TASK;
}

static uint8_t check_flush(struct disk *disk, struct disk_queue *queue, const struct virtio_blk_outhdr *header)
{
    (void)header;
    if (!channel_negotiated(&disk->back, VIRTIO_BLK_F_FLUSH)) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    queue->op = BLK_FLUSH;
    return NO_TASK;
}

static uint8_t check_id(struct disk *disk, struct disk_queue *queue, const struct virtio_blk_outhdr *header)
{
    (void)header;
    uint32_t room = queue->chain.writable - 1;
    bool done = queue_chain_write(&queue->chain, 0, disk->id, room < sizeof(disk->id) ? room : sizeof(disk->id));
    return done && room > 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

static uint8_t check_range(const struct disk *disk, const struct virtio_blk_discard_write_zeroes *range, bool zeroes)
{
    uint32_t align = disk->device->block_size / 512, known = zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
    if ((range->flags & ~known) != 0) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    bool fits = range->sector <= disk->device->sectors && range->num_sectors <= disk->device->sectors - range->sector &&
                range->num_sectors > 0 && range->sector % align == 0 && range->num_sectors % align == 0;
    return fits && !disk->read_only ? NO_TASK : VIRTIO_BLK_S_IOERR;
}

/* All ranges are checked before the first is touched. */
static uint8_t check_ranges(struct disk *disk, struct disk_queue *queue, const struct virtio_blk_outhdr *header)
{
    bool zeroes = header->type == VIRTIO_BLK_T_WRITE_ZEROES;
    if (!channel_negotiated(&disk->back, zeroes ? VIRTIO_BLK_F_WRITE_ZEROES : VIRTIO_BLK_F_DISCARD)) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    struct virtio_blk_discard_write_zeroes ranges[BLOCK_MAX_RANGES];
    uint32_t bytes = queue->chain.readable - HEADER_SIZE, count = bytes / sizeof(ranges[0]);
    if (count == 0 || count > BLOCK_MAX_RANGES || bytes % sizeof(ranges[0]) != 0 ||
        !queue_chain_read(&queue->chain, HEADER_SIZE, ranges, bytes)) {
        return VIRTIO_BLK_S_IOERR;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint8_t answer = check_range(disk, &ranges[i], zeroes);
        if (answer != NO_TASK) {
            return answer;
        }
        queue->ranges[i] = (struct block_range){ranges[i].sector, ranges[i].num_sectors};
    }
    queue->op = zeroes ? BLK_WRITE_ZEROES : BLK_DISCARD;
    queue->range = 0;
    queue->range_count = count;
    return NO_TASK;
}

static const struct kind {
    uint32_t type;
    uint8_t (*check)(struct disk *disk, struct disk_queue *queue, const struct virtio_blk_outhdr *header);
    bool writes, reads; /* the medium; reads: what is in front of the status byte has been filled */
} kinds[] = {
    {VIRTIO_BLK_T_IN, check_transfer, false, true},
    {VIRTIO_BLK_T_OUT, check_transfer, true, false},
    {VIRTIO_BLK_T_FLUSH, check_flush, false, false},
    {VIRTIO_BLK_T_GET_ID, check_id, false, true},
    {VIRTIO_BLK_T_DISCARD, check_ranges, true, false},
    {VIRTIO_BLK_T_WRITE_ZEROES, check_ranges, true, false},
};

static const struct kind *kind_of(uint32_t type)
{
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].type == type) {
            return &kinds[i];
        }
    }
    return NULL;
}

static void begin_task(struct disk *disk, unsigned index, const struct kind *kind)
{
    struct disk_queue *queue = &disk->queues[index];
    struct block_task *task = disk->free_tasks;
    disk->free_tasks = task->next;
    *task = (struct block_task){
        .disk = disk,
        .queue = index,
        .head = queue->chain.head,
        .status = VIRTIO_BLK_S_OK,
        .flush_after = kind->writes && disk->flush_offered && !channel_negotiated(&disk->back, VIRTIO_BLK_F_FLUSH),
        .written = kind->reads ? queue->chain.writable - 1 : 0,
        .status_address = status_byte(&queue->chain),
    };
    queue->task = task;
}

void block_begin(struct disk *disk, unsigned index)
{
    struct disk_queue *queue = &disk->queues[index];
    struct queue_chain *chain = &queue->chain;
    struct virtio_blk_outhdr header;
    if (!queue_chain_read(chain, 0, &header, sizeof(header)) || chain->writable == 0) {
        channel_fail(&disk->back, "queue %u: a request of %u + %u bytes has no header or no status byte", index,
                     chain->readable, chain->writable);
        return;
    }
    const struct kind *kind = kind_of(header.type);
    uint8_t answer = VIRTIO_BLK_S_UNSUPP;
    if (disk->device == NULL) {
        answer = VIRTIO_BLK_S_IOERR;
    } else if (kind != NULL) {
        answer = kind->check(disk, queue, &header);
    }
    if (answer == NO_TASK) {
        begin_task(disk, index, kind);
        (void)block_feed(disk, index);
        return;
    }
    uint32_t filled = answer == VIRTIO_BLK_S_OK ? chain->writable - 1 : 0;
    block_answer(disk, index, chain->head, status_byte(chain), answer, filled);
}

/* --- pieces --- */

static void fill_transfer(struct disk_queue *queue, const struct blk_device *device, struct blk_request *request)
{
    uint32_t block = device->block_size;
    uint64_t limit = (uint64_t)device->max_sectors * 512 / block * block, bytes = 0;
    uint32_t max_segments = device->max_segments < BLK_MAX_SEGMENTS ? device->max_segments : BLK_MAX_SEGMENTS;
    while (queue->left > 0 && bytes < limit && request->segment_count < max_segments) {
        const struct queue_segment *segment = &queue->chain.segments[queue->segment];
        uint64_t size = segment->size - queue->offset;
        size = size < queue->left ? size : queue->left;
        size = size < limit - bytes ? size : limit - bytes;
        request->segments[request->segment_count++] =
            (struct blk_segment){ segment->address + queue->offset, (uint32_t)size };
        bytes += size;
        queue->left -= size;
        queue->offset += (uint32_t)size;
        if (queue->offset == segment->size) {
            queue->segment++;
            queue->offset = 0;
        }
    }
    /* Whole blocks only: give back what is too much. */
    uint64_t excess = bytes % block;
    while (excess > 0) {
        struct blk_segment *last = &request->segments[request->segment_count - 1];
        uint32_t part = last->size < excess ? last->size : (uint32_t)excess;
        if (queue->offset == 0) {
            queue->segment--;
            queue->offset = queue->chain.segments[queue->segment].size;
        }
        queue->offset -= part;
        queue->left += part;
        last->size -= part;
        request->segment_count -= last->size == 0;
        excess -= part;
        bytes -= part;
    }
    request->sector = queue->sector;
    request->sectors = bytes / 512;
    queue->sector += request->sectors;
}

static void fill_range(struct disk_queue *queue, const struct blk_device *device, struct blk_request *request)
{
    struct block_range *range = &queue->ranges[queue->range];
    uint64_t align = device->block_size / 512, limit = device->max_sectors / align * align;
    request->sector = range->sector;
    request->sectors = range->sectors < limit ? range->sectors : limit;
    range->sector += request->sectors;
    range->sectors -= request->sectors;
    queue->range += range->sectors == 0;
}

static bool fill(struct disk_queue *queue, const struct blk_device *device, struct blk_request *request)
{
    request->op = queue->op;
    request->segment_count = 0;
    request->sector = request->sectors = 0;
    switch (queue->op) {
    case BLK_READ:
    case BLK_WRITE: fill_transfer(queue, device, request); return request->sectors > 0;
    case BLK_FLUSH: return true;
    default: fill_range(queue, device, request); return request->sectors > 0;
    }
}

static bool more(const struct disk_queue *queue, const struct block_task *task)
{
    if (task->status != VIRTIO_BLK_S_OK) {
        return false; /* the answer is known */
    }
    switch (queue->op) {
    case BLK_READ:
    case BLK_WRITE: return queue->left > 0;
    case BLK_FLUSH: return !task->issued;
    default: return queue->range < queue->range_count;
    }
}

bool block_feed(struct disk *disk, unsigned index)
{
    struct disk_queue *queue = &disk->queues[index];
    struct block_task *task = queue->task;
    while (task != NULL && more(queue, task)) {
        struct block_piece *piece = disk->waiting == NULL ? block_piece_get(disk, task) : NULL;
        if (piece == NULL) {
            return false;
        }
        bool filled = disk->device != NULL && fill(queue, disk->device, &piece->request);
        if (!filled) { /* gone, or more segments in one block than the device takes */
            task->status = VIRTIO_BLK_S_IOERR;
        }
        bool last = queue->op == BLK_FLUSH || !more(queue, task);
        task->issued = last;
        block_submit(disk, piece);
        if (last) { /* it may have ended already */
            queue->task = NULL;
            return true;
        }
    }
    queue->task = NULL;
    if (task != NULL) { /* a piece has failed: no more of them */
        task->issued = true;
        block_task_check(task);
    }
    return true;
}
