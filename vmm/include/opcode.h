/* SPDX-License-Identifier: MIT
 * The decoder's tables: one entry an opcode. Private to decode.c and opcode*.c. */
#pragma once

#include <stdint.h>
#include "decode.h"

struct opcode {
    uint8_t op;     /* enum insn_op; OP_GROUP: form is the index into opcode_groups */
    uint8_t form;
    uint16_t flags; /* X_* */
};

#define X_BYTE 0x0001   /* operand size 1 */
#define X_MODRM 0x0002
#define X_D64 0x0004    /* operand size 64 by default in 64-bit mode; there is no 32 */
#define X_F64 0x0008    /* operand size 64 always in 64-bit mode */
#define X_NO64 0x0010   /* #UD in 64-bit mode */
#define X_LOCK 0x0020   /* LOCK is allowed with a memory destination */
#define X_SRC8 0x0040   /* the source is a byte... */
#define X_SRC16 0x0080  /* ...or a word */
#define X_NOMEM 0x0100  /* ModRM names registers whatever mod says */
#define X_IMM_SHIFT 12
#define X_IMM(kind) ((kind) << X_IMM_SHIFT)

enum imm_kind {
    IMM_NONE,
    IMM_8,      /* sign-extended */
    IMM_16,     /* zero-extended */
    IMM_Z,      /* 2 or 4 by operand size */
    IMM_V,      /* 2, 4, 8 by operand size */
    IMM_16_8,   /* ENTER */
    IMM_FAR,    /* offset by operand size, then a selector */
    IMM_OFFSET, /* moffs: by address size */
    IMM_REL,    /* near branch: as IMM_Z, 4 in 64-bit mode whatever the prefix */
    IMM_8_8,    /* EXTRQ, INSERTQ of SSE4a */
};

enum opcode_group {
    OPGROUP_1,
    OPGROUP_1S,
    OPGROUP_1B,
    OPGROUP_1A,
    OPGROUP_2,
    OPGROUP_2B,
    OPGROUP_2_1,
    OPGROUP_2B_1,
    OPGROUP_2_CL,
    OPGROUP_2B_CL,
    OPGROUP_3B,
    OPGROUP_3,
    OPGROUP_4,
    OPGROUP_5,
    OPGROUP_6,
    OPGROUP_7,
    OPGROUP_8,
    OPGROUP_9,
    OPGROUP_11B,
    OPGROUP_11,
    OPCODE_GROUPS
};

extern const struct opcode opcode_map1[256], opcode_map2[256];
extern const struct opcode opcode_groups[OPCODE_GROUPS][8];
extern const struct opcode opcode_0f01[8][8]; /* register forms of 0F 01: [reg][rm] */
