/* SPDX-License-Identifier: MIT
 * virtio-blk disks (virtio specification 1.1, 5.2): one queue, indirect descriptors. */
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <string.h>
#include "blk_queue.h"
#include "cpu.h"
#include "virtio.h"

#define PCI_VENDOR_VIRTIO 0x1af4
#define PCI_DEVICE_BLK_MODERN 0x1042
#define PCI_DEVICE_BLK_TRANSITIONAL 0x1001
#define QUEUE_SIZE 128
#define DEPTH 32
#define MAX_PIECES 126u /* and header and status */
#define ID_TIMEOUT_NS 1000000000ull
#define FEATURE(name) (1ull << (name))
#define WANTED (FEATURE(VIRTIO_BLK_F_SIZE_MAX) | FEATURE(VIRTIO_BLK_F_SEG_MAX) | FEATURE(VIRTIO_BLK_F_RO) | \
                FEATURE(VIRTIO_BLK_F_BLK_SIZE) | FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_BLK_F_DISCARD) | \
                FEATURE(VIRTIO_BLK_F_WRITE_ZEROES) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
                FEATURE(VIRTIO_RING_F_EVENT_IDX))

/* What a command needs beside its data; the device sees it. */
struct frame {
    struct virtio_blk_outhdr header;
    struct virtio_blk_discard_write_zeroes range;
    uint8_t status;
    uint8_t reserved[31];
};

struct virtio_blk {
    struct virtio_device virtio;
    struct virtqueue ring;
    struct blk_queue queue;
    struct frame *frames; /* by command, and one more for start-up */
};

static bool has(const struct virtio_blk *disk, unsigned feature) { return (disk->virtio.features >> feature & 1) != 0; }

/* --- commands --- */

static const uint32_t types[] = {
    [BLK_READ] = VIRTIO_BLK_T_IN,
    [BLK_WRITE] = VIRTIO_BLK_T_OUT,
    [BLK_FLUSH] = VIRTIO_BLK_T_FLUSH,
    [BLK_DISCARD] = VIRTIO_BLK_T_DISCARD,
    [BLK_WRITE_ZEROES] = VIRTIO_BLK_T_WRITE_ZEROES,
};

static bool ready(void *driver)
{
    const struct virtio_blk *disk = driver;
    /* Without indirect tables a command takes as many descriptors as it has pieces. */
    uint32_t needed = disk->ring.indirect_size != 0 ? 1 : disk->queue.limits.max_pieces + 2;
    return !disk->ring.broken && disk->ring.free_count >= needed;
}

static void issue(void *driver, struct blk_command *command)
{
    struct virtio_blk *disk = driver;
    const struct blk_part *part = &command->part;
    struct frame *frame = &disk->frames[command->index];
    struct virtio_segment segments[MAX_PIECES + 2];
    bool ranged = command->op == BLK_DISCARD || command->op == BLK_WRITE_ZEROES;
    unsigned count = 0;
    frame->header = (struct virtio_blk_outhdr){.type = types[command->op],
                                               .sector = ranged || command->op == BLK_FLUSH ? 0 : part->sector};
    frame->status = 0xff;
    segments[count++] = (struct virtio_segment){dma_of(&frame->header), sizeof(frame->header)};
    for (uint32_t i = 0; i < part->piece_count; i++) {
        segments[count++] = (struct virtio_segment){part->pieces[i].address, part->pieces[i].size};
    }
    if (ranged) {
        frame->range = (struct virtio_blk_discard_write_zeroes){part->sector, (uint32_t)part->sectors, 0};
        segments[count++] = (struct virtio_segment){dma_of(&frame->range), sizeof(frame->range)};
    }
    segments[count] = (struct virtio_segment){dma_of(&frame->status), 1};
    unsigned writable = command->op == BLK_READ ? part->piece_count + 1 : 1;
    if (!virtqueue_add(&disk->ring, segments, count + 1 - writable, writable, command)) {
        blk_queue_reset(&disk->queue, "the ring is full although it should not be");
    }
}

static void start(void *driver)
{
    struct virtio_blk *disk = driver;
    virtqueue_kick(&disk->ring);
}

static enum status status_of(uint8_t status)
{
    return status == VIRTIO_BLK_S_OK ? OK : status == VIRTIO_BLK_S_UNSUPP ? ERR_SUPPORT : ERR_DEVICE;
}

static void interrupted(void *context)
{
    struct virtio_blk *disk = context;
    if (disk->ring.device == NULL || disk->queue.resetting || disk->queue.commands == NULL) {
        return;
    }
    bool any = false;
    do {
        struct blk_command *command;
        uint32_t written;
        while ((command = virtqueue_take(&disk->ring, &written)) != NULL) {
            any = true;
            uint8_t status = *(volatile uint8_t *)&disk->frames[command->index].status;
            blk_queue_done(&disk->queue, command, status_of(status));
        }
    } while (virtqueue_rearm(&disk->ring));
    /* A device that gives up interrupts for that alone: its registers, a slow read, need not be read each time. What an
     * interrupt for both hides, the queue's timer finds. */
    if (disk->ring.broken || (!any && virtio_failed(&disk->virtio))) {
        blk_queue_reset(&disk->queue, disk->ring.broken ? "its ring is broken" : "the device asks for it");
    }
}

/* --- resets --- */

static bool alive(void *driver)
{
    const struct virtio_blk *disk = driver;
    return pci_present(disk->virtio.pci);
}

static enum status reset(void *driver, unsigned step)
{
    struct virtio_blk *disk = driver;
    if (step == 0) {
        virtio_reset(&disk->virtio);
    }
    if (!virtio_is_reset(&disk->virtio)) {
        return ERR_BUSY;
    }
    enum status status = virtio_negotiate(&disk->virtio, WANTED);
    if (status != OK) {
        return status;
    }
    virtqueue_restart(&disk->ring);
    virtio_go(&disk->virtio);
    return disk->ring.broken ? ERR_DEVICE : OK;
}

static void stop(void *driver)
{
    struct virtio_blk *disk = driver;
    virtio_reset(&disk->virtio);
    pci_enable(disk->virtio.pci, false);
}

/* --- start --- */

static const struct blk_queue_ops queue_ops = {
    .ready = ready, .issue = issue, .start = start, .poll = interrupted, .alive = alive, .reset = reset, .stop = stop};
static const struct blk_ops blk_ops = {.driver = "virtio-blk", .submit = blk_queue_submit, .kick = blk_queue_kick};

/* The serial number, if the device has one to tell. */
static enum status read_id(struct virtio_blk *disk)
{
    struct frame *frame = &disk->frames[DEPTH];
    char *id = (char *)&frame->reserved[4];
    frame->header.type = VIRTIO_BLK_T_GET_ID;
    const struct virtio_segment segments[3] = {
        {dma_of(&frame->header), sizeof(frame->header)}, {dma_of(id), VIRTIO_BLK_ID_BYTES},
        {dma_of(&frame->status), 1}};
    if (!virtqueue_add(&disk->ring, segments, 1, 2, frame)) {
        return ERR_MEMORY;
    }
    virtqueue_kick(&disk->ring);
    uint64_t end = service_now() + ID_TIMEOUT_NS;
    uint32_t written;
    while (virtqueue_take(&disk->ring, &written) == NULL) {
        if (disk->ring.broken || service_now() > end) {
            service_log("PCI %s: virtio-blk does not answer", disk->virtio.pci->name);
            return ERR_TIMEOUT;
        }
        cpu_pause();
    }
    cpu_barrier();
    if (frame->status == VIRTIO_BLK_S_OK) {
        memcpy(disk->queue.device.serial, id, VIRTIO_BLK_ID_BYTES);
    }
    return OK;
}

static enum status read_config(struct virtio_blk *disk)
{
    struct virtio_blk_config config;
    virtio_config_read(&disk->virtio, 0, &config, sizeof(config));
    uint32_t block_size = has(disk, VIRTIO_BLK_F_BLK_SIZE) ? config.blk_size : 512;
    if (block_size < 512 || block_size > 4096 || (block_size & (block_size - 1)) != 0) {
        service_log("PCI %s: virtio-blk: block size %u; 512 to 4096 are allowed", disk->virtio.pci->name, block_size);
        return ERR_SUPPORT;
    }
    struct blk_device *device = &disk->queue.device;
    bool discard = has(disk, VIRTIO_BLK_F_DISCARD) && config.max_discard_sectors > 0;
    bool zeroes = has(disk, VIRTIO_BLK_F_WRITE_ZEROES) && config.max_write_zeroes_sectors > 0;
    uint32_t range = discard ? config.max_discard_sectors : UINT32_MAX;
    range = zeroes && config.max_write_zeroes_sectors < range ? config.max_write_zeroes_sectors : range;
    uint32_t block_sectors = block_size / 512, pieces = has(disk, VIRTIO_BLK_F_SEG_MAX) ? config.seg_max : MAX_PIECES;
    range -= range % block_sectors;
    *device = (struct blk_device){.ops = &blk_ops, .address = disk->virtio.pci->name, .sectors = config.capacity - config.capacity % block_sectors,
                                  .read_only = has(disk, VIRTIO_BLK_F_RO), .discard = discard && range > 0,
                                  .write_zeroes = zeroes && range > 0};
    disk->queue.limits = (struct blk_limits){.block_size = block_size, .max_bytes = 0x400000,
                                             .max_pieces = pieces == 0 ? 1 : pieces < MAX_PIECES ? pieces : MAX_PIECES,
                                             .piece_max = has(disk, VIRTIO_BLK_F_SIZE_MAX) ? config.size_max : 0,
                                             .max_range = range};
    disk->queue.cacheless = !has(disk, VIRTIO_BLK_F_FLUSH);
    return OK;
}

static enum status bring_up(struct virtio_blk *disk, struct pci_device *pci)
{
    enum status status = virtio_open(&disk->virtio, pci);
    status = status == OK ? virtio_interrupt(&disk->virtio, interrupted, disk) : status;
    status = status == OK ? virtio_negotiate(&disk->virtio, WANTED) : status;
    status = status == OK ? read_config(disk) : status;
    status = status == OK ? virtqueue_create(&disk->ring, &disk->virtio, 0, QUEUE_SIZE, MAX_PIECES + 2) : status;
    disk->frames = dma_alloc((DEPTH + 1) * sizeof(struct frame), 64);
    if (status != OK || disk->frames == NULL) {
        return status != OK ? status : ERR_MEMORY;
    }
    struct blk_limits *limits = &disk->queue.limits;
    if (disk->ring.indirect_size == 0 && disk->ring.size < 4) {
        return ERR_SUPPORT;
    }
    if (disk->ring.indirect_size == 0 && limits->max_pieces + 2u > disk->ring.size) {
        limits->max_pieces = disk->ring.size - 2u;
    }
    virtio_go(&disk->virtio);
    status = read_id(disk);
    if (status != OK) {
        return status;
    }
    disk->queue.ops = &queue_ops;
    disk->queue.driver = disk;
    disk->queue.depth = DEPTH;
    status = blk_queue_open(&disk->queue);
    (void)virtqueue_rearm(&disk->ring);
    return status;
}

static bool match(const struct pci_device *device)
{
    return device->vendor == PCI_VENDOR_VIRTIO &&
           (device->device == PCI_DEVICE_BLK_MODERN || device->device == PCI_DEVICE_BLK_TRANSITIONAL);
}

static enum status probe(struct pci_device *device)
{
    struct virtio_blk *disk = calloc(1, sizeof(*disk));
    if (disk == NULL) {
        return ERR_MEMORY;
    }
    enum status status = bring_up(disk, device);
    if (status != OK) {
        /* The interrupt's handler may still point to it: it stays, but the device is quiet. */
        service_log("PCI %s: virtio-blk could not be started (%u)", device->name, status);
        pci_enable(device, false);
    }
    return status;
}

const struct pci_driver virtio_blk_driver = {.name = "virtio-blk", .match = match, .probe = probe};
