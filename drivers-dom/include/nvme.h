/* SPDX-License-Identifier: MIT
 * NVMe registers and structures (NVM Express base specification 1.4: 3.1 registers, 4.2 and 4.6 queue entries, 5
 * admin commands, 6 NVM commands). */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "blk_queue.h"
#include "pci.h"

struct nvme_registers {
    uint64_t cap;
    uint32_t vs, intms, intmc, cc, reserved0, csts, nssr, aqa;
    uint64_t asq, acq;
};
_Static_assert(offsetof(struct nvme_registers, acq) == 0x30, "NVMe registers");
#define NVME_DOORBELLS 0x1000u

#define NVME_CAP_MQES(cap) ((uint32_t)((cap) & 0xffff))            /* entries of a queue, minus one */
#define NVME_CAP_TO(cap) ((uint32_t)((cap) >> 24 & 0xff))          /* worst time to become ready, 500 ms units */
#define NVME_CAP_DSTRD(cap) ((uint32_t)((cap) >> 32 & 0xf))        /* doorbell stride: 4 << DSTRD bytes */
#define NVME_CAP_CSS_NVM (1ull << 37)                              /* NVM command set */
#define NVME_CAP_MPSMIN(cap) ((uint32_t)((cap) >> 48 & 0xf))       /* smallest page: 4096 << MPSMIN */

#define NVME_CC_EN 1u
#define NVME_CC_IOSQES (6u << 16) /* 64 bytes */
#define NVME_CC_IOCQES (4u << 20) /* 16 bytes */

#define NVME_CSTS_RDY 1u
#define NVME_CSTS_CFS 2u /* controller fatal status */

enum nvme_admin_opcode {
    NVME_ADMIN_CREATE_SQ = 0x01,
    NVME_ADMIN_CREATE_CQ = 0x05,
    NVME_ADMIN_IDENTIFY = 0x06,
};

enum nvme_opcode {
    NVME_FLUSH = 0x00,
    NVME_WRITE = 0x01,
    NVME_READ = 0x02,
    NVME_WRITE_ZEROES = 0x08,
    NVME_DATASET_MANAGEMENT = 0x09,
};

#define NVME_CNS_NAMESPACE 0
#define NVME_CNS_CONTROLLER 1
#define NVME_CNS_NAMESPACES 2
#define NVME_QUEUE_CONTIGUOUS 1u
#define NVME_QUEUE_INTERRUPTS 2u
#define NVME_DSM_DEALLOCATE 4u

struct nvme_command {
    uint8_t opcode, flags;
    uint16_t cid;
    uint32_t nsid;
    uint64_t reserved, metadata;
    uint64_t prp1, prp2;
    uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_command) == 64, "submission queue entry");

struct nvme_completion {
    uint32_t result, reserved;
    uint16_t sq_head, sq_id;
    uint16_t cid;
    uint16_t status; /* bit 0: phase; 1 to 8: status code; 9 to 11: its type */
};
_Static_assert(sizeof(struct nvme_completion) == 16, "completion queue entry");

struct nvme_range {
    uint32_t attributes, blocks;
    uint64_t start;
};

/* Identify data: byte offsets. */
#define NVME_ID_SERIAL 4
#define NVME_ID_SERIAL_SIZE 20
#define NVME_ID_MODEL 24
#define NVME_ID_MODEL_SIZE 40
#define NVME_ID_MDTS 77
#define NVME_ID_ONCS 520
#define NVME_ONCS_DSM (1u << 2)
#define NVME_ONCS_WRITE_ZEROES (1u << 3)
#define NVME_ID_VWC 525
#define NVME_NS_SIZE 0
#define NVME_NS_FLBAS 26
#define NVME_NS_LBAF 128

/* --- a controller, for nvme.c and nvme_controller.c --- */

#define NVME_PAGE 4096u
#define NVME_ADMIN_ENTRIES 4
#define NVME_MAX_BYTES 0x100000u /* of a command: 257 pages at most, for a PRP list is one page */

struct nvme_ring {
    struct nvme_command *commands;
    volatile struct nvme_completion *completions;
    volatile uint32_t *tail_doorbell, *head_doorbell;
    uint16_t entries, tail, head, phase;
};

struct nvme {
    struct pci_device *pci;
    volatile struct nvme_registers *registers;
    struct nvme_ring admin, io;
    uint8_t *identify;    /* a page */
    uint64_t *lists;      /* a page for each command: PRP list or range */
    unsigned stage;       /* of the bring-up */
    uint32_t nsid;
    uint16_t depth;
    unsigned block_shift;
    bool opened, untold;  /* untold: entries without a doorbell yet */
    struct blk_queue queue;
};

/* A pair of queues with id `id`; the controller is told in nvme_reset. */
must_use enum status nvme_ring_create(struct nvme *nvme, struct nvme_ring *ring, unsigned id, uint16_t entries);
/* The next entry to fill, zeroed. A ring has more entries than there can be commands. */
struct nvme_command *nvme_ring_next(struct nvme_ring *ring);
/* The next completion: its command and status (0 = success); false if there is none. The caller moves the doorbell. */
bool nvme_ring_take(struct nvme_ring *ring, uint16_t *cid, uint16_t *status);
/* One step of a reset (struct blk_queue_ops), from whatever state to ready; fills in what the disk tells of itself. */
enum status nvme_reset(void *nvme, unsigned step);
