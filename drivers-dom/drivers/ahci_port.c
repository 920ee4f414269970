/* SPDX-License-Identifier: MIT
 * AHCI: one port with a disk. Queued commands (NCQ) where both ends can; the way back from an error is always the
 * port's reset (AHCI 1.3.1, 10.4.2). */
#include "ahci_port.h"
#include <string.h>
#include "cpu.h"
#include "pci.h"

#define CAREFUL_COMMANDS 256 /* one at a time, after an error */
#define IDENTIFY_TIMEOUT_NS 5000000000ull

/* --- commands --- */

/* A register FIS, host to device (SATA 3.2, 10.5.5). */
static void set_fis(uint8_t *fis, uint8_t command, uint64_t block, uint16_t count, uint16_t features, uint8_t device)
{
    memset(fis, 0, 20);
    fis[0] = AHCI_FIS_H2D;
    fis[1] = AHCI_FIS_COMMAND;
    fis[2] = command;
    fis[3] = (uint8_t)features;
    fis[7] = device;
    fis[11] = (uint8_t)(features >> 8);
    fis[12] = (uint8_t)count;
    fis[13] = (uint8_t)(count >> 8);
    for (unsigned i = 0; i < 3; i++) {
        fis[4 + i] = (uint8_t)(block >> i * 8);
        fis[8 + i] = (uint8_t)(block >> (24 + i * 8));
    }
}

static void set_header(struct ahci_port *port, unsigned slot, const struct blk_segment *pieces, uint32_t count,
                       bool write)
{
    struct ahci_table *table = &port->tables[slot];
    for (uint32_t i = 0; i < count; i++) {
        table->pieces[i] = (struct ahci_piece){pieces[i].address, 0, pieces[i].size - 1};
    }
    port->headers[slot].flags = AHCI_HEADER_FIS_DWORDS | (write ? AHCI_HEADER_WRITE : 0) |
        count << AHCI_HEADER_PRDTL_SHIFT;
    port->headers[slot].transferred = 0;
    port->headers[slot].table = dma_of(table);
}

static void issue_data(struct ahci_port *port, const struct blk_command *command)
{
    const struct blk_part *part = &command->part;
    uint64_t block = part->sector / (port->identity.block_size / 512);
    uint16_t count = (uint16_t)(part->sectors / (port->identity.block_size / 512));
    uint8_t *fis = port->tables[command->index].fis;
    bool write = command->op == BLK_WRITE;
    if (port->queued && port->careful == 0) {
        /* The count is in the features, the tag in the count (ACS-3 7.22). */
        set_fis(fis, write ? ATA_WRITE_QUEUED : ATA_READ_QUEUED, block, (uint16_t)(command->index << 3), count,
                ATA_DEVICE_LBA);
        port->untold_queued |= 1u << command->index;
    } else {
        uint8_t device = ATA_DEVICE_LBA | (port->identity.lba48 ? 0 : block >> 24 & 15);
        set_fis(fis, ata_command(&port->identity, command->op, true), block, count, 0, device);
    }
    set_header(port, command->index, part->pieces, part->piece_count, write);
}

static void issue_trim(struct ahci_port *port, const struct blk_command *command)
{
    uint32_t block_sectors = port->identity.block_size / 512;
    ata_trim(port->trim, command->part.sector / block_sectors, command->part.sectors / block_sectors);
    set_fis(port->tables[command->index].fis, ATA_DATASET_MANAGEMENT, 0, 1, ATA_FEATURE_TRIM, ATA_DEVICE_LBA);
    const struct blk_segment piece = {dma_of(port->trim), ATA_TRIM_ENTRIES * 8};
    set_header(port, command->index, &piece, 1, true);
}

static bool ready(void *driver)
{
    const struct ahci_port *port = driver;
    /* Queued and other commands must not mix: careful ones are alone anyway. */
    return port->careful == 0 || (port->told | port->untold) == 0;
}

static void issue(void *driver, struct blk_command *command)
{
    struct ahci_port *port = driver;
    if (command->op == BLK_READ || command->op == BLK_WRITE) {
        issue_data(port, command);
    } else if (command->op == BLK_DISCARD) {
        issue_trim(port, command);
    } else {
        set_fis(port->tables[command->index].fis, ata_command(&port->identity, BLK_FLUSH, true), 0, 0, 0,
                ATA_DEVICE_LBA);
        set_header(port, command->index, NULL, 0, false);
    }
    port->untold |= 1u << command->index;
}

static void start(void *driver)
{
    struct ahci_port *port = driver;
    if (port->untold == 0) {
        return;
    }
    cpu_barrier();
    if (port->untold_queued != 0) {
        port->registers->sact = port->untold_queued;
    }
    port->registers->ci = port->untold;
    port->told |= port->untold;
    port->untold = port->untold_queued = 0;
}

/* --- interrupts --- */

static void complete(struct ahci_port *port, uint32_t slots, enum status status)
{
    while (slots != 0) {
        unsigned slot = (unsigned)__builtin_ctz(slots);
        slots &= slots - 1;
        port->told &= ~(1u << slot);
        port->careful -= port->careful > 0 && status == OK;
        struct blk_command *command = blk_queue_issued(&port->queue, slot);
        if (command != NULL) {
            blk_queue_done(&port->queue, command, status);
        }
    }
}

/* Which command has failed is certain only if it was alone: the HBA's own word for it (PxCMD.CCS, PxCI) differs
 * between HBAs, and queued commands need another command to find out. So all are given again, one at a time, until
 * many have been done. */
static void failed(struct ahci_port *port, uint32_t is)
{
    volatile struct ahci_port_registers *registers = port->registers;
    bool alone = (port->told & (port->told - 1)) == 0;
    service_log("%s: error: interrupt status 0x%08x, task file 0x%04x, SError 0x%08x", port->queue.device.name, is,
                registers->tfd & 0xffff, registers->serr);
    if (alone && (is & AHCI_IS_TASK_FILE) != 0) {
        complete(port, port->told, ERR_DEVICE);
    }
    port->careful = CAREFUL_COMMANDS;
    blk_queue_reset(&port->queue, alone ? "an error" : "an error of one of several commands");
}

void ahci_port_interrupt(struct ahci_port *port)
{
    volatile struct ahci_port_registers *registers = port->registers;
    uint32_t is;
    do {
        /* In this order: what is not busy now because it has failed shows in the status that is read next. */
        uint32_t busy = registers->ci | registers->sact;
        is = registers->is;
        registers->is = is;
        if (is == 0xffffffff) {
            blk_queue_gone(&port->queue);
            return;
        }
        if (port->queue.commands == NULL || port->queue.resetting || port->queue.dead) {
            return;
        }
        if ((is & AHCI_IS_ERRORS) != 0) {
            failed(port, is);
            return;
        }
        complete(port, port->told & ~busy, OK);
        /* Once more: what was done after the first look. */
    } while (is != 0);
    if (AHCI_SSTS_DET(registers->ssts) != AHCI_DET_PRESENT) {
        blk_queue_gone(&port->queue);
    }
}

/* --- resets --- */

enum { STAGE_STOP, STAGE_STOP_FIS, STAGE_COMRESET, STAGE_LINK, STAGE_READY };

static void set_memory(struct ahci_port *port)
{
    volatile struct ahci_port_registers *registers = port->registers;
    uint64_t headers = dma_of(port->headers), received = dma_of(port->received);
    registers->clb = (uint32_t)headers;
    registers->clbu = (uint32_t)(headers >> 32);
    registers->fb = (uint32_t)received;
    registers->fbu = (uint32_t)(received >> 32);
}

static void go(struct ahci_port *port)
{
    volatile struct ahci_port_registers *registers = port->registers;
    port->told = port->untold = port->untold_queued = 0;
    registers->serr = 0xffffffff;
    registers->is = 0xffffffff;
    registers->cmd = registers->cmd | AHCI_CMD_START;
    registers->ie = AHCI_IE_ALL;
}

enum status ahci_port_reset(void *driver, unsigned step)
{
    struct ahci_port *port = driver;
    volatile struct ahci_port_registers *registers = port->registers;
    uint32_t cmd = registers->cmd;
    if (cmd == 0xffffffff) {
        return ERR_NONE;
    }
    if (step == 0) {
        registers->ie = 0;
        registers->cmd = cmd & ~AHCI_CMD_START;
        port->stage = STAGE_STOP;
        return ERR_BUSY;
    }
    if (port->stage == STAGE_STOP && (cmd & AHCI_CMD_RUNNING) == 0) {
        registers->cmd = cmd & ~AHCI_CMD_FIS_RECEIVE;
        port->stage = STAGE_STOP_FIS;
    } else if (port->stage == STAGE_STOP_FIS && (cmd & AHCI_CMD_FIS_RUNNING) == 0) {
        set_memory(port);
        registers->cmd = cmd | AHCI_CMD_FIS_RECEIVE | AHCI_CMD_POWER_ON | AHCI_CMD_SPIN_UP | AHCI_CMD_ACTIVE;
        /* at least a millisecond: until the next step */
        registers->sctl = AHCI_SCTL_NO_POWER_SAVING | AHCI_SCTL_COMRESET;
        port->stage = STAGE_COMRESET;
    } else if (port->stage == STAGE_COMRESET) {
        registers->sctl = AHCI_SCTL_NO_POWER_SAVING;
        port->stage = STAGE_LINK;
    } else if (port->stage == STAGE_LINK && AHCI_SSTS_DET(registers->ssts) == AHCI_DET_PRESENT) {
        registers->serr = 0xffffffff;
        port->stage = STAGE_READY;
    } else if (port->stage == STAGE_READY && (registers->tfd & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) == 0) {
        go(port);
        return OK;
    }
    return ERR_BUSY;
}

static void poll(void *driver) { ahci_port_interrupt(driver); }

static bool alive(void *driver)
{
    const struct ahci_port *port = driver;
    return port->registers->cmd != 0xffffffff && AHCI_SSTS_DET(port->registers->ssts) == AHCI_DET_PRESENT;
}

static void stop(void *driver)
{
    struct ahci_port *port = driver;
    volatile struct ahci_port_registers *registers = port->registers;
    registers->ie = 0;
    registers->cmd = registers->cmd & ~AHCI_CMD_START;
    if (port->queue.resetting) {
        /* It does not stop when told to: no DMA for the whole controller, the other ports will follow. */
        service_log("%s: bus mastering of PCI %s is turned off", port->queue.device.name, port->pci->name);
        pci_enable(port->pci, false);
    }
}

/* --- start --- */

static const struct blk_queue_ops queue_ops = {
    .ready = ready, .issue = issue, .start = start, .poll = poll, .alive = alive,
    .reset = ahci_port_reset, .stop = stop};
static const struct blk_ops blk_ops = {.driver = "ahci", .submit = blk_queue_submit, .kick = blk_queue_kick};

/* Start-up only: waits for the answer. */
static enum status identify(struct ahci_port *port)
{
    const struct blk_segment piece = {dma_of(port->trim), 512};
    set_fis(port->tables[0].fis, ATA_IDENTIFY, 0, 0, 0, 0);
    set_header(port, 0, &piece, 1, false);
    cpu_barrier();
    port->registers->ci = 1;
    uint64_t end = service_now() + IDENTIFY_TIMEOUT_NS;
    while ((port->registers->ci & 1) != 0) {
        if ((port->registers->is & AHCI_IS_ERRORS) != 0 || service_now() > end) {
            service_log("PCI %s: AHCI port %u: the disk does not identify itself", port->pci->name, port->number);
            return ERR_TIMEOUT;
        }
        cpu_pause();
    }
    uint32_t events = port->registers->is;
    port->registers->is = events; /* writing a bit clears it */
    cpu_barrier();
    const char *error;
    enum status status = ata_identify((const uint16_t *)port->trim, &port->identity, &error);
    if (status != OK) {
        service_log("PCI %s: AHCI port %u: %s", port->pci->name, port->number, error);
    }
    return status;
}

enum status ahci_port_open(struct ahci_port *port, uint32_t cap)
{
    enum status status = identify(port);
    if (status != OK) {
        return status;
    }
    struct blk_queue *queue = &port->queue;
    const struct ata_identity *identity = &port->identity;
    port->queued = identity->queued && (cap & AHCI_CAP_NCQ) != 0;
    queue->depth = AHCI_CAP_SLOTS(cap);
    if (port->queued && identity->queue_depth < queue->depth) {
        queue->depth = identity->queue_depth;
    }
    queue->device.ops = &blk_ops;
    queue->device.address = port->pci->name;
    queue->device.discard = identity->trim;
    ata_describe(identity, &queue->device, &queue->limits);
    queue->limits.piece_max = AHCI_PIECE_MAX;
    queue->limits.address_end = (cap & AHCI_CAP_64) != 0 ? 0 : 1ull << 32;
    queue->cacheless = !identity->flush && !identity->flush_ext;
    queue->exclusive = 1u << BLK_FLUSH | 1u << BLK_DISCARD;
    queue->ops = &queue_ops;
    queue->driver = port;
    return blk_queue_open(queue);
}
