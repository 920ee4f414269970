/* SPDX-License-Identifier: MIT
 * NVMe disks: requests as commands with PRP lists, on one pair of queues; the first active namespace. */
#include "nvme.h"
#include <stdlib.h>
#include <string.h>
#include "cpu.h"

#define CLASS_NVME 0x010802
#define DEPTH 32
#define STEP_NS 1000000ull

/* --- commands --- */

/* PRP entries (NVMe 1.4, 4.3): the first with an offset in its page, the others whole pages. */
static void set_pages(struct nvme_command *command, uint64_t *list, const struct blk_part *part)
{
    unsigned count = 0;
    uint64_t second = 0;
    for (uint32_t i = 0; i < part->piece_count; i++) {
        uint64_t at = part->pieces[i].address, end = at + part->pieces[i].size;
        for (; at < end; at = (at | (NVME_PAGE - 1)) + 1, count++) {
            /* A piece that goes on in the page of the one before is contiguous to it. */
            if (count > 0 && i > 0 && at == part->pieces[i].address && (at & (NVME_PAGE - 1)) != 0) {
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
    struct nvme_command *entry = nvme_ring_next(&nvme->io);
    uint64_t *list = nvme->lists + (size_t)command->index * (NVME_PAGE / sizeof(*nvme->lists));
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
    while (nvme_ring_take(&nvme->io, &cid, &code)) {
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
    if (csts == 0xffffffff || !pci_present(nvme->pci)) { /* where nothing is any more, not every machine reads ones */
        return false;
    }
    if ((csts & NVME_CSTS_CFS) != 0) {
        blk_queue_reset(&nvme->queue, "fatal controller status");
    }
    return true;
}

static void stop(void *driver)
{
    struct nvme *nvme = driver;
    nvme->registers->cc = 0;
    pci_enable(nvme->pci, false);
}

/* --- start --- */

static const struct blk_queue_ops queue_ops = {
    .issue = issue, .start = start, .poll = interrupted, .alive = alive, .reset = nvme_reset, .stop = stop};
static const struct blk_ops blk_ops = {.driver = "nvme", .submit = blk_queue_submit, .kick = blk_queue_kick};

static enum status allocate(struct nvme *nvme)
{
    uint64_t cap = nvme->registers->cap;
    uint32_t entries = NVME_CAP_MQES(cap) + 1;
    if (NVME_CAP_MPSMIN(cap) != 0 || (cap & NVME_CAP_CSS_NVM) == 0 || entries < 2) {
        service_log("PCI %s: NVMe: capabilities 0x%lx: pages of 4 KiB and the NVM command set are needed",
                    nvme->pci->name, cap);
        return ERR_SUPPORT;
    }
    nvme->depth = (uint16_t)(entries - 1 < DEPTH ? entries - 1 : DEPTH);
    nvme->identify = dma_alloc(NVME_PAGE, NVME_PAGE);
    nvme->lists = dma_alloc((size_t)nvme->depth * NVME_PAGE, NVME_PAGE);
    enum status status = nvme_ring_create(nvme, &nvme->admin, 0, NVME_ADMIN_ENTRIES);
    status = status == OK ? nvme_ring_create(nvme, &nvme->io, 1, (uint16_t)(nvme->depth + 1)) : status;
    return nvme->identify == NULL || nvme->lists == NULL ? ERR_MEMORY : status;
}

/* At start-up only: waits for as long as the controller says it may take. */
static enum status bring_up(struct nvme *nvme)
{
    uint64_t end = service_now() + (NVME_CAP_TO(nvme->registers->cap) + 1) * 500000000ull;
    enum status status = ERR_BUSY;
    for (unsigned step = 0; (status = nvme_reset(nvme, step)) == ERR_BUSY; step++) {
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
        nvme->registers = NULL;
        return ERR_FORMAT;
    }
    nvme->queue.device.ops = &blk_ops;
    nvme->queue.device.address = nvme->pci->name;
    nvme->queue.limits = (struct blk_limits){
        .max_pieces = BLK_MAX_SEGMENTS, .inner_border = NVME_PAGE, .align_mask = 3};
    enum status status = allocate(nvme);
    /* Before the queues: a controller may look at its vectors when a queue is created. */
    status = status == OK ? pci_interrupt(pci, 0, interrupted, nvme) : status;
    if (status != OK) {
        nvme->registers = NULL; /* nobody has been told of it yet */
        return status;
    }
    status = bring_up(nvme);
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
            stop(nvme); /* it may still interrupt: what that needs stays */
        } else {
            free(nvme);
        }
    }
    return status;
}

const struct pci_driver nvme_driver = {.name = "nvme", .match = match, .probe = probe};
