/* SPDX-License-Identifier: MIT
 * IDE: commands on a channel, by bus-master DMA or, where there is none or it does not work, by PIO. */
#include "ata_channel.h"
#include "cpu.h"

#define CONTROL_RESET 4u
#define BM_COMMAND 0
#define BM_STATUS 2
#define BM_TABLE 4
#define BM_START 1u
#define BM_TO_MEMORY 8u
#define BM_ERROR 2u
#define BM_INTERRUPT 4u
#define PRD_LAST 0x8000u
#define MS 1000000ull
#define POLL_NS MS
#define DRQ_SPINS 1000 /* microseconds that a write's first request for data may take without giving way */

static uint8_t alternate_status(const struct ata_channel *channel) { return in8(channel->control); }

static void wait_400ns(const struct ata_channel *channel)
{
    for (unsigned i = 0; i < 4; i++) {
        (void)alternate_status(channel); /* a hundred nanoseconds each */
    }
}

void ata_select(struct ata_channel *channel, unsigned drive, uint8_t high)
{
    out8(channel->command + ATA_DEVICE, (uint8_t)(0xa0u | ATA_DEVICE_LBA | drive << 4 | (high & 15)));
    wait_400ns(channel);
}

/* --- commands --- */

static void set_address(struct ata_channel *channel, uint64_t block, uint32_t count, uint8_t features, bool wide)
{
    uint16_t at = channel->command;
    if (wide) { /* the upper halves first: each register is two deep */
        out8(at + ATA_FEATURES, 0);
        out8(at + ATA_COUNT, (uint8_t)(count >> 8));
        out8(at + ATA_LBA_LOW, (uint8_t)(block >> 24));
        out8(at + ATA_LBA_MIDDLE, (uint8_t)(block >> 32));
        out8(at + ATA_LBA_HIGH, (uint8_t)(block >> 40));
    }
    out8(at + ATA_FEATURES, features);
    out8(at + ATA_COUNT, (uint8_t)count); /* 256 (65536) is 0 */
    out8(at + ATA_LBA_LOW, (uint8_t)block);
    out8(at + ATA_LBA_MIDDLE, (uint8_t)(block >> 8));
    out8(at + ATA_LBA_HIGH, (uint8_t)(block >> 16));
}

static void set_dma(struct ata_channel *channel, const struct blk_part *part, bool write)
{
    for (uint32_t i = 0; i < part->piece_count; i++) {
        channel->prdt[i] = (struct ata_prd){(uint32_t)part->pieces[i].address, (uint16_t)part->pieces[i].size,
                                            i + 1 == part->piece_count ? PRD_LAST : 0};
    }
    out8(channel->bus_master + BM_COMMAND, write ? 0 : BM_TO_MEMORY);
    out8(channel->bus_master + BM_STATUS, BM_ERROR | BM_INTERRUPT);
    out32(channel->bus_master + BM_TABLE, (uint32_t)dma_of(channel->prdt));
}

static bool is_data(const struct blk_command *command) { return command->op == BLK_READ || command->op == BLK_WRITE; }

static void pio_arm(struct ata_channel *channel) { service_timer_arm(&channel->poll, service_now() + POLL_NS); }

/* The first block of a PIO write is asked for without an interrupt. */
static void pio_start_write(struct ata_channel *channel)
{
    for (unsigned i = 0; i < DRQ_SPINS; i++) {
        if ((alternate_status(channel) & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) == ATA_STATUS_DRQ) {
            ata_channel_interrupt(channel);
            return;
        }
        service_delay(1000);
    }
}

static bool ready(void *driver)
{
    const struct ata_drive *drive = driver;
    return drive->channel->current == NULL && !drive->channel->resetting;
}

static void issue(void *driver, struct blk_command *command)
{
    struct ata_drive *drive = driver;
    struct ata_channel *channel = drive->channel;
    const struct ata_identity *identity = &drive->identity;
    uint32_t block_sectors = identity->block_size / 512;
    uint64_t block = command->part.sector / block_sectors;
    bool data = is_data(command), dma = data && drive->dma;
    channel->current = drive;
    channel->running = command;
    channel->piece = channel->offset = 0;
    channel->left = data && !dma ? command->part.sectors * 512 : 0;
    if (dma) {
        set_dma(channel, &command->part, command->op == BLK_WRITE);
    }
    ata_select(channel, drive->number, data && !identity->lba48 ? block >> 24 & 15 : 0);
    if (data) {
        set_address(channel, block, (uint32_t)(command->part.sectors / block_sectors), 0, identity->lba48);
    }
    out8(channel->command + ATA_STATUS, ata_command(identity, command->op, drive->dma));
    if (dma) {
        out8(channel->bus_master + BM_COMMAND, BM_START | (command->op == BLK_READ ? BM_TO_MEMORY : 0));
        return;
    }
    wait_400ns(channel);
    pio_arm(channel);
    if (command->op == BLK_WRITE) {
        pio_start_write(channel);
    }
}

/* --- interrupts --- */

static void finish(struct ata_channel *channel, enum status status)
{
    struct ata_drive *drive = channel->current;
    struct blk_command *command = channel->running;
    channel->current = NULL;
    channel->running = NULL;
    service_timer_cancel(&channel->poll);
    /* The other drive first: they take turns. */
    struct ata_drive *other = channel->drives[1 - drive->number];
    if (other != NULL) {
        blk_queue_wake(&other->queue);
    }
    blk_queue_done(&drive->queue, command, status);
}

static void log_error(const struct ata_channel *channel, uint8_t status)
{
    service_log("%s: drive status 0x%02x, error 0x%02x", channel->current->queue.device.name, status,
                in8(channel->command + ATA_FEATURES));
}

/* One block of data by PIO. */
static void transfer(struct ata_channel *channel)
{
    const struct blk_part *part = &channel->running->part;
    for (uint32_t left = channel->current->identity.block_size; left > 0;) {
        const struct blk_segment *piece = &part->pieces[channel->piece];
        uint32_t size = piece->size - channel->offset < left ? piece->size - channel->offset : left;
        uint8_t *memory = machine(piece->address + channel->offset);
        if (channel->running->op == BLK_READ) {
            in16_string(channel->command, memory, size / 2);
        } else {
            out16_string(channel->command, memory, size / 2);
        }
        left -= size;
        channel->left -= size;
        channel->offset += size;
        if (channel->offset == piece->size) {
            channel->piece++;
            channel->offset = 0;
        }
    }
}

static void pio_interrupt(struct ata_channel *channel)
{
    if ((alternate_status(channel) & ATA_STATUS_BSY) != 0) {
        return;
    }
    uint8_t status = in8(channel->command + ATA_STATUS); /* takes the interrupt back */
    if ((status & (ATA_STATUS_ERR | ATA_STATUS_DF)) != 0) {
        log_error(channel, status);
        finish(channel, ERR_DEVICE);
    } else if (channel->left > 0 && (status & ATA_STATUS_DRQ) != 0) {
        bool write = channel->running->op == BLK_WRITE;
        transfer(channel);
        if (channel->left == 0 && !write) {
            finish(channel, OK);
        }
    } else if (channel->left == 0 && (status & ATA_STATUS_DRQ) == 0) {
        finish(channel, OK);
    }
}

static void dma_interrupt(struct ata_channel *channel)
{
    uint8_t bus_master = in8(channel->bus_master + BM_STATUS);
    if ((bus_master & BM_INTERRUPT) == 0 || (alternate_status(channel) & ATA_STATUS_BSY) != 0) {
        return; /* another device on the line */
    }
    out8(channel->bus_master + BM_COMMAND, 0);
    uint8_t status = in8(channel->command + ATA_STATUS);
    out8(channel->bus_master + BM_STATUS, BM_ERROR | BM_INTERRUPT);
    bool failed = (status & (ATA_STATUS_ERR | ATA_STATUS_DF)) != 0 || (bus_master & BM_ERROR) != 0;
    if (failed) {
        log_error(channel, status);
    }
    finish(channel, failed ? ERR_DEVICE : OK);
}

void ata_channel_interrupt(void *context)
{
    struct ata_channel *channel = context;
    if (channel->running == NULL || channel->resetting) {
        return;
    }
    if (is_data(channel->running) && channel->current->dma) {
        dma_interrupt(channel);
    } else {
        pio_interrupt(channel);
    }
}

static void poll(void *context)
{
    struct ata_channel *channel = context;
    if (channel->running != NULL && !channel->resetting) {
        pio_arm(channel);
        ata_channel_interrupt(channel);
    }
}

/* --- resets --- */

enum status ata_channel_reset(struct ata_channel *channel, unsigned step)
{
    if (step == 0) {
        channel->resetting = true;
        channel->current = NULL;
        channel->running = NULL;
        if (channel->bus_master != 0) {
            out8(channel->bus_master + BM_COMMAND, 0);
            out8(channel->bus_master + BM_STATUS, BM_ERROR | BM_INTERRUPT);
        }
        out8(channel->control, CONTROL_RESET);
        return ERR_BUSY; /* 5 us at least, and 2 ms after it (ATA/ATAPI-7 9.2): the steps are a millisecond apart */
    }
    if (step == 1) {
        out8(channel->control, 0);
    }
    if (step < 4 || (alternate_status(channel) & ATA_STATUS_BSY) != 0) {
        return ERR_BUSY;
    }
    channel->resetting = false;
    return OK;
}

static enum status reset(void *driver, unsigned step)
{
    struct ata_drive *drive = driver;
    if (step == 0 && drive->dma && drive->channel->current == drive) {
        /* A disk that answers to PIO only is better than none. */
        service_log("%s: going on without DMA", drive->queue.device.name);
        drive->dma = false;
    }
    enum status status = ata_channel_reset(drive->channel, step);
    struct ata_drive *other = drive->channel->drives[1 - drive->number];
    if (status == OK && other != NULL) {
        blk_queue_wake(&other->queue);
    }
    return status;
}

static void look(void *driver) { ata_channel_interrupt(((struct ata_drive *)driver)->channel); }

static bool alive(void *driver)
{
    const struct ata_drive *drive = driver;
    return pci_present(drive->channel->pci) && alternate_status(drive->channel) != 0xff;
}

static void stop(void *driver)
{
    struct ata_drive *drive = driver;
    struct ata_channel *channel = drive->channel;
    if (channel->bus_master != 0) {
        out8(channel->bus_master + BM_COMMAND, 0);
    }
    if (channel->current == drive) {
        channel->current = NULL;
        channel->running = NULL;
    }
    /* The other drive may go on, if the channel does: its next command will tell. */
    channel->resetting = false;
}

static const struct blk_queue_ops queue_ops = {.ready = ready, .issue = issue, .poll = look, .alive = alive,
                                               .reset = reset, .stop = stop};
static const struct blk_ops blk_ops = {.driver = "ata", .submit = blk_queue_submit, .kick = blk_queue_kick};

enum status ata_drive_open(struct ata_drive *drive)
{
    struct blk_queue *queue = &drive->queue;
    drive->dma = drive->identity.dma && drive->channel->bus_master != 0;
    drive->channel->poll.fire = poll;
    drive->channel->poll.context = drive->channel;
    queue->device.ops = &blk_ops;
    queue->device.address = drive->channel->pci->name;
    ata_describe(&drive->identity, &queue->device, &queue->limits);
    queue->limits.piece_border = 0x10000;
    queue->limits.piece_max = 0x10000;
    queue->limits.address_end = 1ull << 32;
    queue->cacheless = !drive->identity.flush && !drive->identity.flush_ext;
    queue->depth = 1;
    queue->ops = &queue_ops;
    queue->driver = drive;
    if (!drive->dma) {
        service_log("PCI %s: IDE at 0x%x, drive %u: PIO only", drive->channel->pci->name, drive->channel->command,
                    drive->number);
    }
    return blk_queue_open(queue);
}
