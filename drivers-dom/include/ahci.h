/* SPDX-License-Identifier: MIT
 * AHCI registers and structures (Serial ATA AHCI specification 1.3.1: 3 registers, 4.2 command list and tables). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ahci_port_registers {
    uint32_t clb, clbu, fb, fbu, is, ie, cmd, reserved0, tfd, sig, ssts, sctl, serr, sact, ci, sntf, fbs, devslp;
    uint32_t reserved1[14];
};
_Static_assert(sizeof(struct ahci_port_registers) == 0x80, "port registers");

struct ahci_registers {
    uint32_t cap, ghc, is, pi, vs, ccc_ctl, ccc_ports, em_loc, em_ctl, cap2, bohc;
    uint32_t reserved[53];
    struct ahci_port_registers ports[32];
};
_Static_assert(offsetof(struct ahci_registers, ports) == 0x100, "HBA registers");

#define AHCI_CAP_SLOTS(cap) (((cap) >> 8 & 31) + 1)
#define AHCI_CAP_STAGGERED (1u << 27)
#define AHCI_CAP_NCQ (1u << 30)
#define AHCI_CAP_64 (1u << 31)
#define AHCI_CAP2_HANDOFF 1u
#define AHCI_GHC_RESET 1u
#define AHCI_GHC_INTERRUPTS 2u
#define AHCI_GHC_ENABLE (1u << 31)
#define AHCI_BOHC_BIOS 1u
#define AHCI_BOHC_OS 2u

#define AHCI_CMD_START 1u
#define AHCI_CMD_SPIN_UP 2u
#define AHCI_CMD_POWER_ON 4u
#define AHCI_CMD_FIS_RECEIVE (1u << 4)
#define AHCI_CMD_FIS_RUNNING (1u << 14)
#define AHCI_CMD_RUNNING (1u << 15)
#define AHCI_CMD_ACTIVE (1u << 28) /* interface communication control: active */

#define AHCI_IS_PORT_CHANGE (1u << 6)
#define AHCI_IS_READY_CHANGE (1u << 22)
#define AHCI_IS_TASK_FILE (1u << 30)
#define AHCI_IS_ERRORS (AHCI_IS_TASK_FILE | 7u << 27) /* and host bus fatal, host bus data, interface fatal */
#define AHCI_IE_ALL (AHCI_IS_ERRORS | AHCI_IS_PORT_CHANGE | AHCI_IS_READY_CHANGE | 0xfu)

#define AHCI_SSTS_DET(ssts) ((ssts) & 15)
#define AHCI_DET_PRESENT 3
#define AHCI_SCTL_COMRESET 1u
#define AHCI_SCTL_NO_POWER_SAVING (3u << 8)
#define AHCI_SIG_DISK 0x00000101u

#define AHCI_FIS_H2D 0x27
#define AHCI_FIS_COMMAND 0x80
#define AHCI_HEADER_WRITE (1u << 6)
#define AHCI_HEADER_FIS_DWORDS 5u
#define AHCI_HEADER_PRDTL_SHIFT 16
#define AHCI_PIECE_MAX 0x400000u

struct ahci_header {
    uint32_t flags, transferred;
    uint64_t table;
    uint32_t reserved[4];
};
_Static_assert(sizeof(struct ahci_header) == 32, "command header");

struct ahci_piece {
    uint64_t address;
    uint32_t reserved, size; /* bytes - 1 */
};

#define AHCI_MAX_PIECES 128
struct ahci_table {
    uint8_t fis[64], atapi[64];
    struct ahci_piece pieces[AHCI_MAX_PIECES];
};
_Static_assert(offsetof(struct ahci_table, pieces) == 0x80, "command table");
