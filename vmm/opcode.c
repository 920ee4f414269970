/* SPDX-License-Identifier: MIT
 * The one-byte opcode map and the opcode groups (SDM 2 tables, APM 3 appendix A). */
#include "opcode.h"

#define M X_MODRM
#define I8 X_IMM(IMM_8)
#define IZ X_IMM(IMM_Z)
#define UD { OP_UNDEFINED, FORM_NONE, 0 }
#define OTHER(flags) { OP_OTHER, FORM_NONE, (flags) }

/* The six forms of an arithmetic operation. */
#define ALU(first, op, lock) \
    [(first) + 0] = { op, FORM_RM_REG, M | X_BYTE | (lock) }, \
    [(first) + 1] = { op, FORM_RM_REG, M | (lock) }, \
    [(first) + 2] = { op, FORM_REG_RM, M | X_BYTE }, \
    [(first) + 3] = { op, FORM_REG_RM, M }, \
    [(first) + 4] = { op, FORM_ACC_IMM, X_BYTE | I8 }, \
    [(first) + 5] = { op, FORM_ACC_IMM, IZ }

const struct opcode opcode_map1[256] = {
    ALU(0x00, OP_ADD, X_LOCK), ALU(0x08, OP_OR, X_LOCK), ALU(0x10, OP_ADC, X_LOCK), ALU(0x18, OP_SBB, X_LOCK),
    ALU(0x20, OP_AND, X_LOCK), ALU(0x28, OP_SUB, X_LOCK), ALU(0x30, OP_XOR, X_LOCK), ALU(0x38, OP_CMP, 0),
    [0x06] = OTHER(X_NO64), [0x07] = OTHER(X_NO64), [0x0e] = OTHER(X_NO64), [0x0f] = UD,
    [0x16] = OTHER(X_NO64), [0x17] = OTHER(X_NO64), [0x1e] = OTHER(X_NO64), [0x1f] = OTHER(X_NO64),
    [0x26] = UD, [0x27] = OTHER(X_NO64), [0x2e] = UD, [0x2f] = OTHER(X_NO64), /* prefixes, BCD */
    [0x36] = UD, [0x37] = OTHER(X_NO64), [0x3e] = UD, [0x3f] = OTHER(X_NO64),
    [0x40 ... 0x47] = { OP_INC, FORM_OPREG, 0 }, /* in 64-bit mode these are REX */
    [0x48 ... 0x4f] = { OP_DEC, FORM_OPREG, 0 },
    [0x50 ... 0x57] = { OP_PUSH, FORM_OPREG, X_D64 },
    [0x58 ... 0x5f] = { OP_POP, FORM_OPREG, X_D64 },
    [0x60] = OTHER(X_NO64), [0x61] = OTHER(X_NO64), [0x62] = OTHER(M | X_NO64),
    [0x63] = { OP_MOVSX, FORM_REG_RM, M }, /* MOVSXD; ARPL outside 64-bit mode */
    [0x64 ... 0x67] = UD,
    [0x68] = { OP_PUSH, FORM_IMM, X_D64 | IZ },
    [0x69] = { OP_IMUL, FORM_REG_RM_IMM, M | IZ },
    [0x6a] = { OP_PUSH, FORM_IMM, X_D64 | I8 },
    [0x6b] = { OP_IMUL, FORM_REG_RM_IMM, M | I8 },
    [0x6c] = { OP_INS, FORM_NONE, X_BYTE }, [0x6d] = { OP_INS, FORM_NONE, 0 },
    [0x6e] = { OP_OUTS, FORM_NONE, X_BYTE }, [0x6f] = { OP_OUTS, FORM_NONE, 0 },
    [0x70 ... 0x7f] = OTHER(I8),
    [0x80] = { OP_GROUP, OPGROUP_1B, M }, [0x81] = { OP_GROUP, OPGROUP_1, M },
    [0x82] = { OP_GROUP, OPGROUP_1B, M | X_NO64 }, [0x83] = { OP_GROUP, OPGROUP_1S, M },
    [0x84] = { OP_TEST, FORM_RM_REG, M | X_BYTE }, [0x85] = { OP_TEST, FORM_RM_REG, M },
    [0x86] = { OP_XCHG, FORM_RM_REG, M | X_BYTE | X_LOCK }, [0x87] = { OP_XCHG, FORM_RM_REG, M | X_LOCK },
    [0x88] = { OP_MOV, FORM_RM_REG, M | X_BYTE }, [0x89] = { OP_MOV, FORM_RM_REG, M },
    [0x8a] = { OP_MOV, FORM_REG_RM, M | X_BYTE }, [0x8b] = { OP_MOV, FORM_REG_RM, M },
    [0x8c] = { OP_MOV, FORM_RM_SREG, M }, [0x8d] = OTHER(M), [0x8e] = { OP_MOV, FORM_SREG_RM, M | X_SRC16 },
    [0x8f] = { OP_GROUP, OPGROUP_1A, M },
    [0x90 ... 0x97] = { OP_XCHG, FORM_ACC_OPREG, 0 },
    [0x98] = OTHER(0), [0x99] = OTHER(0), [0x9a] = { OP_CALL_FAR, FORM_IMM, X_NO64 | X_IMM(IMM_FAR) },
    [0x9b ... 0x9f] = OTHER(0),
    [0xa0] = { OP_MOV, FORM_ACC_MEM, X_BYTE | X_IMM(IMM_OFFSET) }, [0xa1] = { OP_MOV, FORM_ACC_MEM, X_IMM(IMM_OFFSET) },
    [0xa2] = { OP_MOV, FORM_MEM_ACC, X_BYTE | X_IMM(IMM_OFFSET) }, [0xa3] = { OP_MOV, FORM_MEM_ACC, X_IMM(IMM_OFFSET) },
    [0xa4] = { OP_MOVS, FORM_NONE, X_BYTE }, [0xa5] = { OP_MOVS, FORM_NONE, 0 },
    [0xa6] = { OP_CMPS, FORM_NONE, X_BYTE }, [0xa7] = { OP_CMPS, FORM_NONE, 0 },
    [0xa8] = { OP_TEST, FORM_ACC_IMM, X_BYTE | I8 }, [0xa9] = { OP_TEST, FORM_ACC_IMM, IZ },
    [0xaa] = { OP_STOS, FORM_NONE, X_BYTE }, [0xab] = { OP_STOS, FORM_NONE, 0 },
    [0xac] = { OP_LODS, FORM_NONE, X_BYTE }, [0xad] = { OP_LODS, FORM_NONE, 0 },
    [0xae] = { OP_SCAS, FORM_NONE, X_BYTE }, [0xaf] = { OP_SCAS, FORM_NONE, 0 },
    [0xb0 ... 0xb7] = { OP_MOV, FORM_OPREG_IMM, X_BYTE | I8 },
    [0xb8 ... 0xbf] = { OP_MOV, FORM_OPREG_IMM, X_IMM(IMM_V) },
    [0xc0] = { OP_GROUP, OPGROUP_2B, M }, [0xc1] = { OP_GROUP, OPGROUP_2, M },
    [0xc2] = OTHER(X_IMM(IMM_16)), [0xc3] = OTHER(0),
    [0xc4] = OTHER(M | X_NO64), [0xc5] = OTHER(M | X_NO64), /* LES, LDS; else VEX */
    [0xc6] = { OP_GROUP, OPGROUP_11B, M }, [0xc7] = { OP_GROUP, OPGROUP_11, M },
    [0xc8] = OTHER(X_IMM(IMM_16_8)), [0xc9] = OTHER(0), [0xca] = OTHER(X_IMM(IMM_16)), [0xcb] = OTHER(0),
    [0xcc] = { OP_INT3, FORM_NONE, 0 }, [0xcd] = { OP_INT, FORM_IMM, I8 }, [0xce] = { OP_INTO, FORM_NONE, X_NO64 },
    [0xcf] = { OP_IRET, FORM_NONE, 0 },
    [0xd0] = { OP_GROUP, OPGROUP_2B_1, M }, [0xd1] = { OP_GROUP, OPGROUP_2_1, M },
    [0xd2] = { OP_GROUP, OPGROUP_2B_CL, M }, [0xd3] = { OP_GROUP, OPGROUP_2_CL, M },
    [0xd4] = OTHER(X_NO64 | I8), [0xd5] = OTHER(X_NO64 | I8), [0xd6] = OTHER(X_NO64), [0xd7] = OTHER(0),
    [0xd8 ... 0xdf] = OTHER(M), /* x87 */
    [0xe0 ... 0xe3] = OTHER(I8),
    [0xe4] = { OP_IN, FORM_ACC_IMM, X_BYTE | I8 }, [0xe5] = { OP_IN, FORM_ACC_IMM, I8 },
    [0xe6] = { OP_OUT, FORM_ACC_IMM, X_BYTE | I8 }, [0xe7] = { OP_OUT, FORM_ACC_IMM, I8 },
    [0xe8] = OTHER(X_IMM(IMM_REL)), [0xe9] = OTHER(X_IMM(IMM_REL)),
    [0xea] = { OP_JMP_FAR, FORM_IMM, X_NO64 | X_IMM(IMM_FAR) }, [0xeb] = OTHER(I8),
    [0xec] = { OP_IN, FORM_NONE, X_BYTE }, [0xed] = { OP_IN, FORM_NONE, 0 },
    [0xee] = { OP_OUT, FORM_NONE, X_BYTE }, [0xef] = { OP_OUT, FORM_NONE, 0 },
    [0xf0] = UD, [0xf1] = { OP_INT1, FORM_NONE, 0 }, [0xf2] = UD, [0xf3] = UD,
    [0xf4] = { OP_HLT, FORM_NONE, 0 }, [0xf5] = OTHER(0),
    [0xf6] = { OP_GROUP, OPGROUP_3B, M }, [0xf7] = { OP_GROUP, OPGROUP_3, M },
    [0xf8 ... 0xfd] = OTHER(0),
    [0xfe] = { OP_GROUP, OPGROUP_4, M }, [0xff] = { OP_GROUP, OPGROUP_5, M },
};

#define GROUP1(flags) { \
    { OP_ADD, FORM_RM_IMM, X_LOCK | (flags) }, { OP_OR, FORM_RM_IMM, X_LOCK | (flags) }, \
    { OP_ADC, FORM_RM_IMM, X_LOCK | (flags) }, { OP_SBB, FORM_RM_IMM, X_LOCK | (flags) }, \
    { OP_AND, FORM_RM_IMM, X_LOCK | (flags) }, { OP_SUB, FORM_RM_IMM, X_LOCK | (flags) }, \
    { OP_XOR, FORM_RM_IMM, X_LOCK | (flags) }, { OP_CMP, FORM_RM_IMM, (flags) } }

#define GROUP2(form, flags) { \
    { OP_ROL, form, (flags) }, { OP_ROR, form, (flags) }, { OP_RCL, form, (flags) }, { OP_RCR, form, (flags) }, \
    { OP_SHL, form, (flags) }, { OP_SHR, form, (flags) }, { OP_SAL, form, (flags) }, { OP_SAR, form, (flags) } }

#define GROUP3(flags, imm) { \
    { OP_TEST, FORM_RM_IMM, (flags) | (imm) }, { OP_TEST, FORM_RM_IMM, (flags) | (imm) }, \
    { OP_NOT, FORM_RM, X_LOCK | (flags) }, { OP_NEG, FORM_RM, X_LOCK | (flags) }, \
    { OP_MUL, FORM_RM, (flags) }, { OP_IMUL, FORM_RM, (flags) }, { OP_DIV, FORM_RM, (flags) }, \
    { OP_IDIV, FORM_RM, (flags) } }

const struct opcode opcode_groups[OPCODE_GROUPS][8] = {
    [OPGROUP_1] = GROUP1(IZ), [OPGROUP_1S] = GROUP1(I8), [OPGROUP_1B] = GROUP1(X_BYTE | I8),
    [OPGROUP_1A] = { { OP_POP, FORM_RM, X_D64 }, UD, UD, UD, UD, UD, UD, UD },
    [OPGROUP_2] = GROUP2(FORM_RM_IMM, I8), [OPGROUP_2B] = GROUP2(FORM_RM_IMM, X_BYTE | I8),
    [OPGROUP_2_1] = GROUP2(FORM_RM_1, 0), [OPGROUP_2B_1] = GROUP2(FORM_RM_1, X_BYTE),
    [OPGROUP_2_CL] = GROUP2(FORM_RM_CL, 0), [OPGROUP_2B_CL] = GROUP2(FORM_RM_CL, X_BYTE),
    [OPGROUP_3B] = GROUP3(X_BYTE, I8), [OPGROUP_3] = GROUP3(0, IZ),
    [OPGROUP_4] = { { OP_INC, FORM_RM, X_BYTE | X_LOCK }, { OP_DEC, FORM_RM, X_BYTE | X_LOCK },
                  UD, UD, UD, UD, UD, UD },
    [OPGROUP_5] = { { OP_INC, FORM_RM, X_LOCK }, { OP_DEC, FORM_RM, X_LOCK }, OTHER(X_F64), { OP_CALL_FAR, FORM_RM, 0 },
                  OTHER(X_F64), { OP_JMP_FAR, FORM_RM, 0 }, { OP_PUSH, FORM_RM, X_D64 }, UD },
    [OPGROUP_6] = { { OP_DESCRIPTOR, FORM_RM, 0 }, { OP_DESCRIPTOR, FORM_RM, 0 }, { OP_DESCRIPTOR, FORM_RM, 0 },
                  { OP_DESCRIPTOR, FORM_RM, 0 }, OTHER(0), OTHER(0), UD, UD },
    [OPGROUP_7] = { { OP_DESCRIPTOR, FORM_RM, 0 }, { OP_DESCRIPTOR, FORM_RM, 0 }, { OP_DESCRIPTOR, FORM_RM, 0 },
                  { OP_DESCRIPTOR, FORM_RM, 0 }, { OP_SMSW, FORM_RM, 0 }, OTHER(0), { OP_LMSW, FORM_RM, X_SRC16 },
                  { OP_INVLPG, FORM_RM, 0 } },
    [OPGROUP_8] = { UD, UD, UD, UD, { OP_BT, FORM_RM_IMM, I8 }, { OP_BTS, FORM_RM_IMM, I8 | X_LOCK },
                  { OP_BTR, FORM_RM_IMM, I8 | X_LOCK }, { OP_BTC, FORM_RM_IMM, I8 | X_LOCK } },
    [OPGROUP_9] = { UD, { OP_CMPXCHG8B, FORM_RM, X_LOCK }, UD, OTHER(0), OTHER(0), OTHER(0), OTHER(0), OTHER(0) },
    [OPGROUP_11B] = { { OP_MOV, FORM_RM_IMM, X_BYTE | I8 }, UD, UD, UD, UD, UD, UD, OTHER(X_BYTE | I8) }, /* XABORT */
    [OPGROUP_11] = { { OP_MOV, FORM_RM_IMM, IZ }, UD, UD, UD, UD, UD, UD, OTHER(X_IMM(IMM_REL)) }, /* XBEGIN */
};
