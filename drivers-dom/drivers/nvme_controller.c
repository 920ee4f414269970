/* SPDX-License-Identifier: MIT
 * NVMe controllers: rings, and the way from disabled to ready, at start-up and after a failure: registers, then admin
 * commands one after the other. */
#include "nvme.h"
#include <string.h>
#include "cpu.h"

#define CONFIGURED (NVME_CC_IOSQES | NVME_CC_IOCQES)

/* --- rings --- */

static void ring_empty(struct nvme_ring *ring)
{
    memset(ring->commands, 0, ring->entries * sizeof(*ring->commands));
    memset((void *)(uintptr_t)ring->completions, 0, ring->entries * sizeof(*ring->completions));
    ring->tail = ring->head = 0;
    ring->phase = 1;
}

enum status nvme_ring_create(struct nvme *nvme, struct nvme_ring *ring, unsigned id, uint16_t entries)
{
    uint64_t cap = nvme->registers->cap;
    volatile uint8_t *doorbells = (volatile uint8_t *)nvme->registers + NVME_DOORBELLS;
    uint32_t stride = 4u << NVME_CAP_DSTRD(cap);
    ring->entries = entries;
    ring->tail_doorbell = (volatile uint32_t *)(doorbells + 2 * id * stride);
    ring->head_doorbell = (volatile uint32_t *)(doorbells + (2 * id + 1) * stride);
    ring->commands = dma_alloc(entries * sizeof(*ring->commands), NVME_PAGE);
    ring->completions = dma_alloc(entries * sizeof(*ring->completions), NVME_PAGE);
    return ring->commands != NULL && ring->completions != NULL ? OK : ERR_MEMORY;
}

struct nvme_command *nvme_ring_next(struct nvme_ring *ring)
{
    struct nvme_command *command = &ring->commands[ring->tail];
    ring->tail = (uint16_t)((ring->tail + 1) % ring->entries);
    memset(command, 0, sizeof(*command));
    return command;
}

bool nvme_ring_take(struct nvme_ring *ring, uint16_t *cid, uint16_t *status)
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
    limits->max_bytes = mdts != 0 && mdts < 8 ? NVME_PAGE << mdts : NVME_MAX_BYTES;
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
        const char *error = first == 0 ? "no active namespace" : "the namespaces have changed";
        service_log("PCI %s: NVMe: %s", nvme->pci->name, error);
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
        service_log("PCI %s: NVMe: %lu blocks of 2^%u bytes with %u of metadata; 2^9 to 2^12 without are allowed",
                    nvme->pci->name, blocks, shift, format & 0xffff);
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
    struct nvme_command *command = nvme_ring_next(&nvme->admin);
    memset(nvme->identify, 0, NVME_PAGE);
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
    if (!nvme_ring_take(&nvme->admin, &cid, &code)) {
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
    registers->aqa = (NVME_ADMIN_ENTRIES - 1u) << 16 | (NVME_ADMIN_ENTRIES - 1u);
    registers->asq = dma_of(nvme->admin.commands);
    registers->acq = dma_of((const void *)(uintptr_t)nvme->admin.completions);
    registers->cc = CONFIGURED | NVME_CC_EN;
}

enum status nvme_reset(void *driver, unsigned step)
{
    struct nvme *nvme = driver;
    volatile struct nvme_registers *registers = nvme->registers;
    uint32_t csts = registers->csts;
    if (csts == 0xffffffff) {
        return ERR_NONE;
    }
    if (step == 0) {
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

