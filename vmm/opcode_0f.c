/* SPDX-License-Identifier: MIT
 * The two-byte opcode map (SDM 2 table A-3). Of 0F38 and 0F3A the decoder needs no table but for MOVBE: each has a
 * ModRM byte, and 0F3A an immediate byte. */
#include "opcode.h"

#define M X_MODRM
#define I8 X_IMM(IMM_8)
#define UD { OP_UNDEFINED, FORM_NONE, 0 }
#define OTHER(flags) { OP_OTHER, FORM_NONE, (flags) }
#define SYSTEM(op) { op, FORM_NONE, 0 }
#define SMSW { OP_SMSW, FORM_RM, 0 }
#define LMSW { OP_LMSW, FORM_RM, X_SRC16 }

const struct opcode opcode_map2[256] = {
    [0x00] = { OP_GROUP, OPGROUP_6, M }, [0x01] = { OP_GROUP, OPGROUP_7, M }, [0x02] = OTHER(M), [0x03] = OTHER(M),
    [0x04] = UD, [0x05] = OTHER(0), [0x06] = SYSTEM(OP_CLTS), [0x07] = OTHER(0),
    [0x08] = SYSTEM(OP_INVD), [0x09] = SYSTEM(OP_WBINVD), [0x0a] = UD, [0x0b] = UD, [0x0c] = UD,
    [0x0d] = OTHER(M), [0x0e] = OTHER(0), [0x0f] = OTHER(M | I8), /* 3DNow! has its opcode behind */
    [0x10 ... 0x1f] = OTHER(M),
    [0x20] = { OP_MOV_FROM_CR, FORM_RM_REG, M | X_F64 | X_NOMEM | X_LOCK },
    [0x21] = { OP_MOV_FROM_DR, FORM_RM_REG, M | X_F64 | X_NOMEM },
    [0x22] = { OP_MOV_TO_CR, FORM_REG_RM, M | X_F64 | X_NOMEM | X_LOCK },
    [0x23] = { OP_MOV_TO_DR, FORM_REG_RM, M | X_F64 | X_NOMEM },
    [0x24 ... 0x27] = UD,
    [0x28 ... 0x2f] = OTHER(M),
    [0x30] = SYSTEM(OP_WRMSR), [0x31] = SYSTEM(OP_RDTSC), [0x32] = SYSTEM(OP_RDMSR), [0x33] = SYSTEM(OP_RDPMC),
    [0x34] = OTHER(0), [0x35] = OTHER(0), [0x36] = UD, [0x37] = SYSTEM(OP_VIRT), /* GETSEC */
    [0x38 ... 0x3f] = UD,
    [0x40 ... 0x4f] = { OP_CMOV, FORM_REG_RM, M },
    [0x50 ... 0x6f] = OTHER(M),
    [0x70 ... 0x73] = OTHER(M | I8), [0x74 ... 0x76] = OTHER(M), [0x77] = OTHER(0),
    [0x78] = { OP_VIRT, FORM_NONE, M }, [0x79] = { OP_VIRT, FORM_NONE, M }, /* VMREAD, VMWRITE; EXTRQ, INSERTQ */
    [0x7a] = UD, [0x7b] = UD, [0x7c ... 0x7f] = OTHER(M),
    [0x80 ... 0x8f] = OTHER(X_IMM(IMM_REL)),
    [0x90 ... 0x9f] = { OP_SETCC, FORM_RM, M | X_BYTE },
    [0xa0] = OTHER(X_D64), [0xa1] = OTHER(X_D64), [0xa2] = SYSTEM(OP_CPUID), [0xa3] = { OP_BT, FORM_RM_REG, M },
    [0xa4] = { OP_SHLD, FORM_RM_REG_IMM, M | I8 }, [0xa5] = { OP_SHLD, FORM_RM_REG_CL, M }, [0xa6] = UD, [0xa7] = UD,
    [0xa8] = OTHER(X_D64), [0xa9] = OTHER(X_D64), [0xaa] = SYSTEM(OP_RSM), [0xab] = { OP_BTS, FORM_RM_REG, M | X_LOCK },
    [0xac] = { OP_SHRD, FORM_RM_REG_IMM, M | I8 }, [0xad] = { OP_SHRD, FORM_RM_REG_CL, M }, [0xae] = OTHER(M),
    [0xaf] = { OP_IMUL, FORM_REG_RM, M },
    [0xb0] = { OP_CMPXCHG, FORM_RM_REG, M | X_BYTE | X_LOCK }, [0xb1] = { OP_CMPXCHG, FORM_RM_REG, M | X_LOCK },
    [0xb2] = OTHER(M), [0xb3] = { OP_BTR, FORM_RM_REG, M | X_LOCK }, [0xb4] = OTHER(M), [0xb5] = OTHER(M),
    [0xb6] = { OP_MOVZX, FORM_REG_RM, M | X_SRC8 }, [0xb7] = { OP_MOVZX, FORM_REG_RM, M | X_SRC16 },
    [0xb8] = UD, /* POPCNT with F3 */
    [0xb9] = { OP_UNDEFINED, FORM_NONE, M }, [0xba] = { OP_GROUP, OPGROUP_8, M },
    [0xbb] = { OP_BTC, FORM_RM_REG, M | X_LOCK },
    [0xbc] = { OP_BSF, FORM_REG_RM, M }, [0xbd] = { OP_BSR, FORM_REG_RM, M },
    [0xbe] = { OP_MOVSX, FORM_REG_RM, M | X_SRC8 }, [0xbf] = { OP_MOVSX, FORM_REG_RM, M | X_SRC16 },
    [0xc0] = { OP_XADD, FORM_RM_REG, M | X_BYTE | X_LOCK }, [0xc1] = { OP_XADD, FORM_RM_REG, M | X_LOCK },
    [0xc2] = OTHER(M | I8), [0xc3] = { OP_MOV, FORM_RM_REG, M }, /* MOVNTI */
    [0xc4 ... 0xc6] = OTHER(M | I8), [0xc7] = { OP_GROUP, OPGROUP_9, M },
    [0xc8 ... 0xcf] = OTHER(0),
    [0xd0 ... 0xfe] = OTHER(M), [0xff] = { OP_UNDEFINED, FORM_NONE, M },
};

const struct opcode opcode_0f01[8][8] = {
    { OTHER(0), SYSTEM(OP_VMCALL), SYSTEM(OP_VIRT), SYSTEM(OP_VIRT), SYSTEM(OP_VIRT), OTHER(0), OTHER(0), UD },
    { SYSTEM(OP_MONITOR), SYSTEM(OP_MWAIT), OTHER(0), OTHER(0), UD, UD, UD, OTHER(0) },
    { OTHER(0), SYSTEM(OP_XSETBV), UD, UD, SYSTEM(OP_VIRT), OTHER(0), OTHER(0), OTHER(0) },
    { SYSTEM(OP_VIRT), SYSTEM(OP_VMMCALL), SYSTEM(OP_VIRT), SYSTEM(OP_VIRT), SYSTEM(OP_VIRT), SYSTEM(OP_VIRT),
      SYSTEM(OP_VIRT), SYSTEM(OP_VIRT) },
    { SMSW, SMSW, SMSW, SMSW, SMSW, SMSW, SMSW, SMSW },
    { OTHER(0), OTHER(0), OTHER(0), OTHER(0), OTHER(0), OTHER(0), OTHER(0), OTHER(0) },
    { LMSW, LMSW, LMSW, LMSW, LMSW, LMSW, LMSW, LMSW },
    { OTHER(0), SYSTEM(OP_RDTSCP), SYSTEM(OP_MONITOR), SYSTEM(OP_MWAIT), OTHER(0), OTHER(0), SYSTEM(OP_VIRT),
        SYSTEM(OP_VIRT) },
};
