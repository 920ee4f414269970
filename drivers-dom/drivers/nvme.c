/* SPDX-License-Identifier: MIT
 * NVMe disks: the admin queue, one pair of queues for requests, PRP lists; the first active namespace. */
#include "nvme.h"
#include <stdlib.h>
#include <string.h>
#include "blk_queue.h"
#include "cpu.h"
#include "pci.h"

#define CLASS_NVME 0x010802
#define PAGE 4096u
#define ADMIN_ENTRIES 4
#define DEPTH 32
#define MAX_BYTES 0x100000u /* 257 pages at most: a PRP list is one page */
#define STEP_NS 1000000ull
#define CONFIGURED (NVME_CC_IOSQES | NVME_CC_IOCQES)

struct ring {
    struct nvme_command *commands;
    volatile struct nvme_completion *completions;
    volatile uint32_t *tail_doorbell, *head_doorbell;
    uint16_t entries, tail, head;
    uint16_t phase;
};

struct nvme {
    struct pci_device *pci;
    volatile struct nvme_registers *registers;
    struct ring admin, io;
    uint8_t *identify;   /* a page */
    uint64_t *lists;     /* a page for each command: PRP list or range */
    uint64_t busy_until; /* ns: end of the current wait of the bring-up */
    unsigned stage;      /* of the bring-up */
    uint32_t nsid;
    uint16_t depth, io_entries;
    unsigned block_shift;
    bool opened, failed, untold; /* untold: entries without a doorbell yet */
    struct blk_queue queue;
};

/* --- rings --- */

static void ring_empty(struct ring *ring)
{
    memset(ring->commands, 0, ring->entries * sizeof(*ring->commands));
    memset((void *)(uintptr_t)ring->completions, 0, ring->entries * sizeof(*ring->completions));
    ring->tail = ring->head = 0;
    ring->phase = 1;
}

static enum status ring_create(struct nvme *nvme, struct ring *ring, unsigned id, uint16_t entries)
{
    uint64_t cap = nvme->registers->cap;
    volatile uint8_t *doorbells = (volatile uint8_t *)nvme->registers + NVME_DOORBELLS;
    uint32_t stride = 4u << NVME_CAP_DSTRD(cap);
    ring->entries = entries;
    ring->tail_doorbell = (volatile uint32_t *)(doorbells + 2 * id * stride);
    ring->head_doorbell = (volatile uint32_t *)(doorbells + (2 * id + 1) * stride);
    ring->commands = dma_alloc(entries * sizeof(*ring->commands), PAGE);
    ring->completions = dma_alloc(entries * sizeof(*ring->completions), PAGE);
    return ring->commands != NULL && ring->completions != NULL ? OK : ERR_MEMORY;
}

static struct nvme_command *ring_next(struct ring *ring)
{
    struct nvme_command *command = &ring->commands[ring->tail];
    ring->tail = (uint16_t)((ring->tail + 1) % ring->entries);
    memset(command, 0, sizeof(*command));
    return command;
}

/* The next completion: its status (0 = success) and command; false if there is none. */
static bool ring_take(struct ring *ring, uint16_t *cid, uint16_t *status)
{
    volatile struct nvme_completion *completion = &ring->completions[ring->head];
    uint16_t word = completion->status;
    if ((word & 1) != ring->phase) {
        return false;
    }
    cpu_barrier(); /* the phase before the rest */
    *cid = completion->cid;
    *status = word >> 1 & 0x7ff;
    ring->head = (uint16_t)((ring->head + 1) % ring->entries);
    ring->phase ^= ring->head == 0;
    return true;
}

/* --- what the controller tells of itself --- */

static void copy_text(char *to, const uint8_t *from, unsigned size)
{
    memcpy(to, from, size);
    to[size] = 0;
    while (size > 0 && (to[size - 1] == ' ' || to[size - 1] == 0)) {
        to[--size] = 0;
    }
}

static enum status take_controller(struct nvme *nvme)
{
    const uint8_t *id = nvme->identify;
    struct blk_device *device = &nvme->queue.device;
    struct blk_limits *limits = &nvme->queue.limits;
    copy_text(device->serial, id + NVME_ID_SERIAL, NVME_ID_SERIAL_SIZE);
    copy_text(device->model, id + NVME_ID_MODEL, NVME_ID_MODEL_SIZE);
    uint8_t mdts = id[NVME_ID_MDTS];
    limits->max_bytes = mdts != 0 && mdts < 8 ? PAGE << mdts : MAX_BYTES;
    nvme->queue.cacheless = (id[NVME_ID_VWC] & 1) == 0;
    device->discard = (id[NVME_ID_ONCS] & NVME_ONCS_DSM) != 0;
    device->write_zeroes = (id[NVME_ID_ONCS] & NVME_ONCS_WRITE_ZEROES) != 0;
    return OK;
}

static enum status take_namespaces(struct nvme *nvme)
{
    uint32_t first, second;
    memcpy(&first, nvme->identify, 4);
    memcpy(&second, nvme->identify + 4, 4);
    if (first == 0 || (nvme->nsid != 0 && first != nvme->nsid)) {
        service_log("PCI %s: NVMe: %s", nvme->pci->name, first == 0 ? "no active namespace" : "the namespaces have changed");
        return ERR_NONE;
    }
    if (second != 0 && !nvme->opened) {
        service_log("PCI %s: NVMe: only namespace %u is used", nvme->pci->name, first);
    }
    nvme->nsid = first;
    return OK;
}

static enum status take_namespace(struct nvme *nvme)
{
    const uint8_t *id = nvme->identify;
    uint64_t blocks;
    uint32_t format;
    memcpy(&blocks, id + NVME_NS_SIZE, 8);
    /* Bits 5 and 6 of FLBAS extend the index (NVMe 1.4 5.15.2.1 has 16 formats: they are 0 there). */
    unsigned index = (id[NVME_NS_FLBAS] & 0xf) | (id[NVME_NS_FLBAS] >> 1 & 0x30);
    memcpy(&format, id + NVME_NS_LBAF + index * 4, 4);
    unsigned shift = format >> 16 & 0xff;
    if (shift < 9 || shift > 12 || (format & 0xffff) != 0 || blocks == 0 || blocks > UINT64_MAX >> shift) {
        service_log("PCI %s: NVMe: %lu blocks of 2^%u bytes with %u of metadata; 2^9 to 2^12 without are allowed", nvme->pci->name, blocks,
                    shift, format & 0xffff);
        return ERR_SUPPORT;
    }
    uint64_t sectors = blocks << (shift - 9);
    if (nvme->opened && (sectors < nvme->queue.device.sectors || shift != nvme->block_shift)) {
        service_log("PCI %s: NVMe: another disk after a reset", nvme->pci->name);
        return ERR_FORMAT;
    }
    nvme->block_shift = shift;
    nvme->queue.device.sectors = nvme->opened ? nvme->queue.device.sectors : sectors;
    nvme->queue.limits.block_size = 1u << shift;
    nvme->queue.limits.max_range = 0x10000ull << (shift - 9); /* NLB of Write Zeroes has 16 bits */
    return OK;
}

/* --- bring-up: registers, then admin commands one after the other --- */

static void ask_controller(struct nvme *nvme, struct nvme_command *command)
{
    command->opcode = NVME_ADMIN_IDENTIFY;
    command->prp1 = dma_of(nvme->identify);
    command->cdw10 = NVME_CNS_CONTROLLER;
}

static void ask_namespaces(struct nvme *nvme, struct nvme_command *command)
{
    ask_controller(nvme, command);
    command->cdw10 = NVME_CNS_NAMESPACES;
}

static void ask_namespace(struct nvme *nvme, struct nvme_command *command)
{
    ask_controller(nvme, command);
    command->nsid = nvme->nsid;
    command->cdw10 = NVME_CNS_NAMESPACE;
}

static void ask_cq(struct nvme *nvme, struct nvme_command *command)
{
    command->opcode = NVME_ADMIN_CREATE_CQ;
    command->prp1 = dma_of((const void *)(uintptr_t)nvme->io.completions);
    command->cdw10 = 1 | (nvme->io.entries - 1u) << 16;
    command->cdw11 = NVME_QUEUE_CONTIGUOUS | NVME_QUEUE_INTERRUPTS; /* vector 0 */
}

static void ask_sq(struct nvme *nvme, struct nvme_command *command)
{
    command->opcode = NVME_ADMIN_CREATE_SQ;
    command->prp1 = dma_of(nvme->io.commands);
    command->cdw10 = 1 | (nvme->io.entries - 1u) << 16;
    command->cdw11 = NVME_QUEUE_CONTIGUOUS | 1u << 16; /* completion queue 1 */
}

static const struct admin_step {
    const char *name;
    void (*ask)(struct nvme *nvme, struct nvme_command *command);
    enum status (*take)(struct nvme *nvme);
} admin_steps[] = {
    {"identify controller", ask_controller, take_controller},
    {"list namespaces", ask_namespaces, take_namespaces},
    {"identify namespace", ask_namespace, take_namespace},
    {"create completion queue", ask_cq, NULL},
    {"create submission queue", ask_sq, NULL},
};
#define ADMIN_STEPS (sizeof(admin_steps) / sizeof(admin_steps[0]))

enum { STAGE_DISABLE, STAGE_ENABLE, STAGE_READY, STAGE_ADMIN };

static void start_admin(struct nvme *nvme, unsigned step)
{
    struct nvme_command *command = ring_next(&nvme->admin);
    memset(nvme->identify, 0, PAGE);
    admin_steps[step].ask(nvme, command);
    command->cid = (uint16_t)step;
    cpu_barrier();
    *nvme->admin.tail_doorbell = nvme->admin.tail;
    nvme->stage = STAGE_ADMIN + step;
}

static enum status continue_admin(struct nvme *nvme)
{
    unsigned step = nvme->stage - STAGE_ADMIN;
    uint16_t cid, code;
    if (!ring_take(&nvme->admin, &cid, &code)) {
        return ERR_BUSY;
    }
    *nvme->admin.head_doorbell = nvme->admin.head;
    if (cid != step || code != 0) {
        service_log("PCI %s: NVMe: %s failed, status 0x%x", nvme->pci->name, admin_steps[step].name, code);
        return ERR_DEVICE;
    }
    enum status status = admin_steps[step].take != NULL ? admin_steps[step].take(nvme) : OK;
    if (status != OK || step + 1 == ADMIN_STEPS) {
        return status;
    }
    start_admin(nvme, step + 1);
    return ERR_BUSY;
}

/* The controller is disabled: gives it its queues and enables it. */
static void enable(struct nvme *nvme)
{
    volatile struct nvme_registers *registers = nvme->registers;
    ring_empty(&nvme->admin);
    ring_empty(&nvme->io);
    registers->aqa = (ADMIN_ENTRIES - 1u) << 16 | (ADMIN_ENTRIES - 1u);
    registers->asq = dma_of(nvme->admin.commands);
    registers->acq = dma_of((const void *)(uintptr_t)nvme->admin.completions);
    registers->cc = CONFIGURED | NVME_CC_EN;
}

static enum status reset(void *driver, unsigned step)
{
    struct nvme *nvme = driver;
    volatile struct nvme_registers *registers = nvme->registers;
    uint32_t csts = registers->csts;
    if (csts == 0xffffffff) {
        return ERR_NONE;
    }
    if (step == 0) {
        nvme->failed = false;
        registers->cc = registers->cc & ~NVME_CC_EN;
        nvme->stage = STAGE_ENABLE;
        return ERR_BUSY;
    }
    if (nvme->stage == STAGE_ENABLE && (csts & NVME_CSTS_RDY) == 0) {
        pci_enable(nvme->pci, true);
        enable(nvme);
        nvme->stage = STAGE_READY;
        return ERR_BUSY;
    }
    if (nvme->stage >= STAGE_READY && (csts & NVME_CSTS_CFS) != 0) {
        service_log("PCI %s: NVMe: fatal controller status", nvme->pci->name);
        return ERR_DEVICE;
    }
    if (nvme->stage == STAGE_READY && (csts & NVME_CSTS_RDY) != 0) {
        start_admin(nvme, 0);
        return ERR_BUSY;
    }
    return nvme->stage >= STAGE_ADMIN ? continue_admin(nvme) : ERR_BUSY;
}

/* --- commands --- */

/* PRP entries (NVMe 1.4, 4.3): the first with an offset in its page, the others whole pages. */
static void set_pages(struct nvme_command *command, uint64_t *list, const struct blk_part *part)
{
    unsigned count = 0;
    uint64_t second = 0;
    for (uint32_t i = 0; i < part->piece_count; i++) {
        uint64_t at = part->pieces[i].address, end = at + part->pieces[i].size;
        for (; at < end; at = (at | (PAGE - 1)) + 1, count++) {
            /* A piece that goes on in the page of the one before is contiguous to it. */
            if (count > 0 && i > 0 && at == part->pieces[i].address && (at & (PAGE - 1)) != 0) {
                count--;
                continue;
            }
            if (count == 0) {
                command->prp1 = at;
            } else {
                second = count == 1 ? at : second;
                list[count - 1] = at;
            }
        }
    }
    command->prp2 = count > 2 ? dma_of(list) : second;
}

static void set_range(struct nvme_command *command, uint64_t *list, uint64_t start, uint32_t blocks)
{
    struct nvme_range *range = (struct nvme_range *)list;
    *range = (struct nvme_range){0, blocks, start};
    command->prp1 = dma_of(list);
    command->cdw10 = 0; /* one range */
    command->cdw11 = NVME_DSM_DEALLOCATE;
}

static const uint8_t opcodes[] = {
    [BLK_READ] = NVME_READ,
    [BLK_WRITE] = NVME_WRITE,
    [BLK_FLUSH] = NVME_FLUSH,
    [BLK_DISCARD] = NVME_DATASET_MANAGEMENT,
    [BLK_WRITE_ZEROES] = NVME_WRITE_ZEROES,
};

static void issue(void *driver, struct blk_command *command)
{
    struct nvme *nvme = driver;
    struct nvme_command *entry = ring_next(&nvme->io);
    uint64_t *list = nvme->lists + (size_t)command->index * (PAGE / sizeof(*nvme->lists));
    uint64_t start = command->part.sector >> (nvme->block_shift - 9);
    uint32_t blocks = (uint32_t)(command->part.sectors >> (nvme->block_shift - 9));
    entry->opcode = opcodes[command->op];
    entry->cid = command->index;
    entry->nsid = nvme->nsid;
    if (command->op == BLK_DISCARD) {
        set_range(entry, list, start, blocks);
    } else if (command->op != BLK_FLUSH) {
        entry->cdw10 = (uint32_t)start;
        entry->cdw11 = (uint32_t)(start >> 32);
        entry->cdw12 = blocks - 1;
        set_pages(entry, list, &command->part);
    }
    nvme->untold = true;
}

static void start(void *driver)
{
    struct nvme *nvme = driver;
    if (nvme->untold) {
        nvme->untold = false;
        cpu_barrier();
        *nvme->io.tail_doorbell = nvme->io.tail;
    }
}

static void interrupted(void *context)
{
    struct nvme *nvme = context;
    if (!nvme->opened || nvme->queue.resetting || nvme->queue.dead) {
        return;
    }
    uint16_t cid, code, before = nvme->io.head;
    while (ring_take(&nvme->io, &cid, &code)) {
        struct blk_command *command = blk_queue_issued(&nvme->queue, cid);
        if (command == NULL) {
            blk_queue_reset(&nvme->queue, "it has finished what it was not given");
            return;
        }
        if (code != 0) {
            service_log("%s: status type %u, code 0x%02x", nvme->queue.device.name, code >> 8 & 7, code & 0xff);
        }
        blk_queue_done(&nvme->queue, command, code == 0 ? OK : ERR_DEVICE);
    }
    if (nvme->io.head != before) {
        *nvme->io.head_doorbell = nvme->io.head;
    }
}

static bool alive(void *driver)
{
    struct nvme *nvme = driver;
    uint32_t csts = nvme->registers->csts;
    if (csts != 0xffffffff && (csts & NVME_CSTS_CFS) != 0) {
        blk_queue_reset(&nvme->queue, "fatal controller status");
    }
    return csts != 0xffffffff;
}

static void stop(void *driver)
{
    struct nvme *nvme = driver;
    nvme->registers->cc = 0;
    pci_enable(nvme->pci, false);
}

/* --- start --- */

static const struct blk_queue_ops queue_ops = {
    .issue = issue, .start = start, .poll = interrupted, .alive = alive, .reset = reset, .stop = stop};
static const struct blk_ops blk_ops = {.driver = "nvme", .submit = blk_queue_submit, .kick = blk_queue_kick};

static enum status allocate(struct nvme *nvme)
{
    uint64_t cap = nvme->registers->cap;
    uint32_t entries = NVME_CAP_MQES(cap) + 1;
    if (NVME_CAP_MPSMIN(cap) != 0 || (cap & NVME_CAP_CSS_NVM) == 0 || entries < 2) {
        service_log("PCI %s: NVMe: capabilities 0x%lx: pages of 4 KiB and the NVM command set are needed", nvme->pci->name, cap);
        return ERR_SUPPORT;
    }
    nvme->depth = (uint16_t)(entries - 1 < DEPTH ? entries - 1 : DEPTH);
    nvme->identify = dma_alloc(PAGE, PAGE);
    nvme->lists = dma_alloc((size_t)nvme->depth * PAGE, PAGE);
    enum status status = ring_create(nvme, &nvme->admin, 0, ADMIN_ENTRIES);
    status = status == OK ? ring_create(nvme, &nvme->io, 1, (uint16_t)(nvme->depth + 1)) : status;
    return nvme->identify == NULL || nvme->lists == NULL ? ERR_MEMORY : status;
}

/* At start-up only: waits for as long as the controller says it may take. */
static enum status bring_up(struct nvme *nvme)
{
    uint64_t end = service_now() + (NVME_CAP_TO(nvme->registers->cap) + 1) * 500000000ull;
    enum status status = ERR_BUSY;
    for (unsigned step = 0; (status = reset(nvme, step)) == ERR_BUSY; step++) {
        if (service_now() > end) {
            service_log("PCI %s: NVMe: the controller does not become ready", nvme->pci->name);
            return ERR_TIMEOUT;
        }
        service_delay(step < 100 ? STEP_NS / 50 : STEP_NS);
    }
    return status;
}

static enum status open_device(struct nvme *nvme, struct pci_device *pci)
{
    nvme->pci = pci;
    pci_enable(pci, false);
    nvme->registers = pci_map_bar(pci, 0, NVME_DOORBELLS + 4 * 4);
    if (nvme->registers == NULL) {
        return ERR_NONE;
    }
    uint64_t doorbells_end = NVME_DOORBELLS + 4ull * (4u << NVME_CAP_DSTRD(nvme->registers->cap));
    if (doorbells_end > pci->bars[0].size) {
        service_log("PCI %s: NVMe: the doorbells lie outside of BAR 0", pci->name);
        return ERR_FORMAT;
    }
    nvme->queue.device.ops = &blk_ops;
    nvme->queue.limits = (struct blk_limits){.max_pieces = BLK_MAX_SEGMENTS, .inner_border = PAGE, .align_mask = 3};
    enum status status = allocate(nvme);
    /* Before the queues: a controller may look at its vectors when a queue is created. */
    status = status == OK ? pci_interrupt(pci, 0, interrupted, nvme) : status;
    status = status == OK ? bring_up(nvme) : status;
    if (status != OK) {
        return status;
    }
    nvme->queue.ops = &queue_ops;
    nvme->queue.driver = nvme;
    nvme->queue.depth = nvme->depth;
    nvme->queue.reset_timeout = (NVME_CAP_TO(nvme->registers->cap) + 1) * 500000000ull;
    nvme->opened = true;
    return blk_queue_open(&nvme->queue);
}

static bool match(const struct pci_device *device) { return device->class_code == CLASS_NVME; }

static enum status probe(struct pci_device *device)
{
    struct nvme *nvme = calloc(1, sizeof(*nvme));
    if (nvme == NULL) {
        return ERR_MEMORY;
    }
    enum status status = open_device(nvme, device);
    if (status != OK) {
        service_log("PCI %s: NVMe could not be started (%u)", device->name, status);
        if (nvme->registers != NULL) {
            stop(nvme);
        }
    }
    return status;
}

const struct pci_driver nvme_driver = {.name = "nvme", .match = match, .probe = probe};
