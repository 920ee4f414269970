/* SPDX-License-Identifier: MIT
 * The x86 instruction decoder: bytes to struct insn. Pure and table-driven; knows the length of every instruction of
 * the one-byte, 0F, 0F38, 0F3A, VEX and EVEX maps, and the meaning of those that the monitor may have to execute or
 * check (SDM 2 chapter 2 and appendix A). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/state.h"
#include "abi/status.h"

#define INSN_MAX_LENGTH 15
#define INSN_BUFFER 40 /* insn_insn_decode() may read that many bytes, but looks at no more than 15 of them to decide */

enum insn_mode { INSN_16, INSN_32, INSN_64 };

/* What an instruction does. The first eight are in the order of their encoding, as are the shifts. */
enum insn_op {
    OP_ADD,
    OP_OR,
    OP_ADC,
    OP_SBB,
    OP_AND,
    OP_SUB,
    OP_XOR,
    OP_CMP,
    OP_ROL,
    OP_ROR,
    OP_RCL,
    OP_RCR,
    OP_SHL,
    OP_SHR,
    OP_SAL,
    OP_SAR,
    OP_UNDEFINED, /* no such instruction: #UD */
    OP_OTHER,     /* of known length, and nothing else is known about it */
    OP_MOV,
    OP_MOVZX,
    OP_MOVSX,
    OP_MOVBE,
    OP_TEST,
    OP_NOT,
    OP_NEG,
    OP_MUL,
    OP_IMUL,
    OP_DIV,
    OP_IDIV,
    OP_INC,
    OP_DEC,
    OP_XCHG,
    OP_CMPXCHG,
    OP_CMPXCHG8B,
    OP_XADD,
    OP_BT,
    OP_BTS,
    OP_BTR,
    OP_BTC,
    OP_SHLD,
    OP_SHRD,
    OP_BSF,
    OP_BSR,
    OP_TZCNT,
    OP_LZCNT,
    OP_POPCNT,
    OP_CMOV,
    OP_SETCC,
    OP_PUSH,
    OP_POP,
    OP_MOVS,
    OP_CMPS,
    OP_STOS,
    OP_LODS,
    OP_SCAS,
    OP_INS,
    OP_OUTS,
    OP_IN,
    OP_OUT,
    /* System instructions: only checked and measured, except the control- and debug-register ones. */
    OP_CPUID,
    OP_RDMSR,
    OP_WRMSR,
    OP_HLT,
    OP_RDTSC,
    OP_RDTSCP,
    OP_RDPMC,
    OP_INVD,
    OP_WBINVD,
    OP_XSETBV,
    OP_VMCALL,
    OP_VMMCALL,
    OP_MONITOR,
    OP_MWAIT,
    OP_PAUSE,
    OP_INVLPG,
    OP_VIRT,
    OP_DESCRIPTOR,
    OP_MOV_TO_CR,
    OP_MOV_FROM_CR,
    OP_MOV_TO_DR,
    OP_MOV_FROM_DR,
    OP_CLTS,
    OP_LMSW,
    OP_SMSW,
    OP_INT,
    OP_INT3,
    OP_INT1,
    OP_INTO,
    OP_IRET,
    OP_CALL_FAR,
    OP_JMP_FAR,
    OP_RSM,
    OP_COUNT,
    OP_GROUP = OP_COUNT, /* inside the tables: look at ModRM */
};

/* Where the operands are: destination first. */
enum insn_form {
    FORM_NONE,
    FORM_RM_REG, FORM_REG_RM, FORM_RM_IMM, FORM_REG_RM_IMM, FORM_RM_REG_IMM, FORM_RM,
    FORM_ACC_IMM, FORM_ACC_MEM, FORM_MEM_ACC, /* the latter two: moffs */
    FORM_OPREG, FORM_OPREG_IMM, FORM_ACC_OPREG, /* register in the opcode */
    FORM_IMM,
    FORM_RM_1, FORM_RM_CL, FORM_RM_REG_CL, /* shift by one, by CL */
    FORM_RM_SREG, FORM_SREG_RM,
};

/* Bits of insn.prefixes. */
#define INSN_LOCK (1u << 0)
#define INSN_REP (1u << 1)     /* F3 */
#define INSN_REPNE (1u << 2)   /* F2 */
#define INSN_OPSIZE (1u << 3)  /* 66 */
#define INSN_ADSIZE (1u << 4)  /* 67 */
#define INSN_SEGMENT (1u << 5) /* an override that counts */

/* insn.base and insn.index besides register numbers. */
#define INSN_NO_REG 0xff
#define INSN_RIP 0xfe

struct insn {
    uint8_t length;       /* 1 to 15 */
    uint8_t op;           /* enum insn_op */
    uint8_t form;         /* enum insn_form */
    uint8_t mode;         /* enum insn_mode */
    uint8_t map;          /* 1 one-byte, 2 0F, 3 0F38, 4 0F3A */
    uint8_t opcode;
    uint8_t prefixes;     /* INSN_* */
    uint8_t rex;          /* 0: none */
    uint8_t size;         /* operand size in bytes: 1, 2, 4, 8 (16 for CMPXCHG16B) */
    uint8_t source_size;  /* of the source of MOVZX and MOVSX; else = size */
    uint8_t address_size; /* 2, 4, 8 */
    uint8_t segment;      /* of the memory operand, or of the source of a string instruction: enum seg */
    uint8_t modrm;
    uint8_t reg;          /* register operand: ModRM.reg or in the opcode, extended by REX */
    uint8_t rm;           /* register in ModRM.rm, if not memory */
    uint8_t memory;       /* an explicit memory operand exists */
    uint8_t base, index;  /* of its address: enum gpr, INSN_NO_REG or INSN_RIP */
    uint8_t scale;        /* shift count of index */
    int64_t displacement; /* sign-extended; the absolute address of a moffs form */
    uint64_t immediate;   /* sign-extended from its encoded size; ptr16:32 and ENTER: selector / level above bit 32 */
};

/* Decodes one instruction. bytes: INSN_BUFFER bytes, of which the first `available` are the guest's. ERR_NONE: needs
 * more than `available` bytes. ERR_PARAM: longer than 15 bytes
 * (#GP). ERR_FORMAT: #UD (no such instruction, or LOCK where it may not be); insn is filled as far as possible. */
must_use enum status insn_decode(struct insn *insn, const uint8_t *bytes, unsigned available, enum insn_mode mode);

/* The decoder's mode from CS and EFER. Needs GROUP_CR and GROUP_CODE. */
static inline enum insn_mode insn_mode(const struct vcpu_state *state)
{
    uint32_t attr = state->seg[SEG_CS].attr;
    if ((attr & SEG_ATTR_L) && (state->efer & 1u << 10)) {
        return INSN_64;
    }
    return attr & SEG_ATTR_DB ? INSN_32 : INSN_16;
}
