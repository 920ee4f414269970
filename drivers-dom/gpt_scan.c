/* SPDX-License-Identifier: MIT
 * Looking for partition tables on disks as they come: the primary header, or, if that is damaged, the backup in the
 * last block. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "blk.h"
#include "gpt.h"
#include "service.h"

#define CHUNK 0x10000u /* bytes of a read */

/* A partition that is a block device. */
struct partition {
    struct blk_device device;
    struct blk_device *disk;
    uint64_t start; /* sector */
    char label[GPT_LABEL_SIZE];
    struct partition *next;
};

/* A disk whose table is being read. Lives until its last read is answered. */
struct scan {
    struct blk_device *disk;
    bool backup, aborted, again; /* again: the disk's queue was full */
    struct gpt_header header;
    uint8_t *memory;             /* GPT_MAX_TABLE */
    uint32_t done, wanted;       /* bytes of what is being read */
    uint64_t block;              /* where it begins */
    void (*then)(struct scan *scan);
    struct blk_request request;
    struct service_timer retry;
    struct scan *next;
};

static struct scan *scans;
static struct partition *partitions;
static struct blk_watch watch;

/* --- partitions --- */

/* The disk's registry entry does the queueing and the kick; this only moves the sector. */
static bool partition_submit(struct blk_device *device, struct blk_request *request)
{
    struct partition *partition = device->driver_data;
    request->sector += request->op != BLK_FLUSH ? partition->start : 0;
    if (blk_submit(partition->disk, request) == OK) {
        return true;
    }
    request->sector -= request->op != BLK_FLUSH ? partition->start : 0;
    return false;
}

static const struct blk_ops partition_ops = {.driver = "partition", .submit = partition_submit};

static void add_partition(struct blk_device *disk, const struct gpt_partition *found)
{
    struct partition *partition = calloc(1, sizeof(*partition));
    if (partition == NULL) {
        service_log("%s: partition %u: no memory", disk->name, found->number);
        return;
    }
    uint32_t block_sectors = disk->block_size / 512;
    partition->disk = disk;
    partition->start = found->first * block_sectors;
    memcpy(partition->label, found->label, sizeof(partition->label));
    partition->device = *disk;
    partition->device.ops = &partition_ops;
    partition->device.sectors = (found->last - found->first + 1) * block_sectors;
    partition->device.label = partition->label;
    partition->device.driver_data = partition;
    snprintf(partition->device.name, sizeof(partition->device.name), "%.100s/%u", disk->name, found->number);
    if (blk_register(&partition->device) != OK) {
        free(partition);
        return;
    }
    partition->next = partitions;
    partitions = partition;
}

static void read_entries(struct scan *scan)
{
    for (uint32_t i = 0; i < scan->header.count && !scan->aborted; i++) {
        struct gpt_partition found;
        const char *error;
        enum status status = gpt_entry(&scan->header, scan->memory, i, &found, &error);
        if (status == OK) {
            add_partition(scan->disk, &found);
        } else if (status == ERR_FORMAT) {
            service_log("%s: partition %u (%s) is refused: %s", scan->disk->name, found.number, found.label, error);
        }
    }
}

/* --- reading --- */

static void drop(struct scan *scan)
{
    for (struct scan **link = &scans; *link != NULL; link = &(*link)->next) {
        if (*link == scan) {
            *link = scan->next;
            break;
        }
    }
    service_timer_cancel(&scan->retry);
    dma_free(scan->memory, GPT_MAX_TABLE);
    free(scan);
}

static void read_more(struct scan *scan)
{
    uint32_t size = scan->wanted - scan->done < CHUNK ? scan->wanted - scan->done : CHUNK;
    struct blk_request *request = &scan->request;
    request->op = BLK_READ;
    request->sector = scan->block * (scan->disk->block_size / 512) + scan->done / 512;
    request->sectors = size / 512;
    request->segment_count = 1;
    request->segments[0] = (struct blk_segment){dma_of(scan->memory) + scan->done, size};
    enum status status = blk_submit(scan->disk, request);
    if (status == ERR_BUSY) {
        service_timer_arm(&scan->retry, service_now() + 1000000);
    } else if (status != OK) {
        service_log("%s: the partition table cannot be read (%u)", scan->disk->name, status);
        drop(scan);
    }
}

static void retry(void *context) { read_more(context); }

static void read_blocks(struct scan *scan, uint64_t block, uint32_t bytes, void (*then)(struct scan *scan))
{
    scan->block = block;
    scan->done = 0;
    scan->wanted = (bytes + scan->disk->block_size - 1) & ~(scan->disk->block_size - 1);
    scan->then = then;
    read_more(scan);
}

static void have_header(struct scan *scan);

static uint64_t blocks_of(const struct scan *scan) { return scan->disk->sectors / (scan->disk->block_size / 512); }

/* The other header, or the end. error: null if there was nothing at all. */
static void give_up(struct scan *scan, const char *error)
{
    if (error != NULL) {
        service_log("%s: %s partition table: %s", scan->disk->name, scan->backup ? "backup" : "primary", error);
    }
    if (scan->backup) {
        drop(scan);
        return;
    }
    scan->backup = true;
    read_blocks(scan, blocks_of(scan) - 1, scan->disk->block_size, have_header);
}

static void have_table(struct scan *scan)
{
    if (!gpt_table_intact(&scan->header, scan->memory)) {
        give_up(scan, "the checksum of the entries is wrong");
        return;
    }
    if (scan->backup) {
        service_log("%s: the backup partition table is used", scan->disk->name);
    }
    read_entries(scan);
    drop(scan);
}

static void have_header(struct scan *scan)
{
    const char *error;
    uint64_t at = scan->backup ? blocks_of(scan) - 1 : 1;
    if (gpt_header(scan->memory, scan->disk->block_size, at, blocks_of(scan), &scan->header, &error) != OK) {
        give_up(scan, error);
        return;
    }
    read_blocks(scan, scan->header.table, scan->header.count * scan->header.size, have_table);
}

static void read_done(struct blk_request *request, enum status status)
{
    struct scan *scan = request->context;
    if (scan->aborted) {
        drop(scan);
    } else if (status != OK) {
        give_up(scan, "it cannot be read");
    } else {
        scan->done += (uint32_t)request->sectors * 512;
        if (scan->done < scan->wanted) {
            read_more(scan);
        } else {
            scan->then(scan);
        }
    }
}

/* --- disks that come and go --- */

static void disk_came(struct blk_device *disk)
{
    if (disk->sectors / (disk->block_size / 512) < 4) {
        return; /* no room for a table */
    }
    struct scan *scan = calloc(1, sizeof(*scan));
    uint8_t *memory = dma_alloc(GPT_MAX_TABLE, 4096);
    if (scan == NULL || memory == NULL) {
        service_log("%s: no memory to read its partition table", disk->name);
        free(scan);
        dma_free(memory, GPT_MAX_TABLE);
        return;
    }
    scan->disk = disk;
    scan->memory = memory;
    scan->request.done = read_done;
    scan->request.context = scan;
    scan->retry = (struct service_timer){.fire = retry, .context = scan};
    scan->next = scans;
    scans = scan;
    read_blocks(scan, 1, disk->block_size, have_header);
}

static void disk_went(struct blk_device *disk)
{
    struct scan *next;
    for (struct scan *scan = scans; scan != NULL; scan = next) {
        next = scan->next;
        scan->aborted |= scan->disk == disk;
        if (scan->disk == disk && scan->retry.deadline != 0) {
            drop(scan); /* no read is outstanding that would do it */
        }
    }
    for (struct partition *partition = partitions; partition != NULL; partition = partition->next) {
        if (partition->disk == disk && !partition->device.gone) {
            blk_unregister(&partition->device);
        }
    }
}

static void changed(void *context, struct blk_device *device, bool arrived)
{
    (void)context;
    if (device->label != NULL) {
        return; /* partitions have no partitions */
    }
    if (arrived) {
        disk_came(device);
    } else {
        disk_went(device);
    }
}

void gpt_init(void)
{
    for (struct blk_device *device = blk_next(NULL); device != NULL; device = blk_next(device)) {
        changed(NULL, device, true);
    }
    watch.changed = changed;
    blk_watch(&watch);
}
