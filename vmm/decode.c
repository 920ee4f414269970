/* SPDX-License-Identifier: MIT
 * From bytes to struct insn: prefixes, opcode, ModRM and SIB, displacement, immediate, in the order of their encoding.
 */
#include "opcode.h"
#include "unaligned.h"

#define REX_B 1u
#define REX_X 2u
#define REX_R 4u
#define REX_W 8u
#define PREFIX_REX 0x80u /* in the prefix table besides INSN_* */

static const uint8_t prefix_table[256] = {
    [0x26] = INSN_SEGMENT, [0x2e] = INSN_SEGMENT, [0x36] = INSN_SEGMENT, [0x3e] = INSN_SEGMENT,
    [0x64] = INSN_SEGMENT, [0x65] = INSN_SEGMENT, [0x66] = INSN_OPSIZE, [0x67] = INSN_ADSIZE,
    [0xf0] = INSN_LOCK, [0xf2] = INSN_REPNE, [0xf3] = INSN_REP, [0x40 ... 0x4f] = PREFIX_REX,
};

/* 16-bit addressing: base and index by ModRM.rm (SDM 2 table 2-1). */
static const uint8_t base16[8] = { RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX };
static const uint8_t index16[8] = { RSI, RDI, RSI, RDI, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG };

static const struct opcode undefined = { OP_UNDEFINED, FORM_NONE, 0 };

static uint64_t take(const uint8_t **at, unsigned size)
{
    uint64_t value = load64(*at) & (~0ull >> (64 - 8 * size)); /* the buffer reaches beyond */
    *at += size;
    return value;
}

static int64_t take8(const uint8_t **at)
{
    return (int8_t)*(*at)++;
}

static int64_t take32(const uint8_t **at)
{
    *at += 4;
    return (int32_t)load32(*at - 4);
}

static uint8_t segment_of_prefix(uint8_t byte)
{
    return byte >= 0x64 ? byte - 0x64 + SEG_FS : byte >> 3 & 3;
}

/* Consumes the prefixes. An override of ES, CS, SS or DS does not count in 64-bit mode; REX counts only directly before
 * the opcode. */
static const uint8_t *decode_prefixes(struct insn *insn, const uint8_t *at)
{
    const uint8_t *end = at + INSN_MAX_LENGTH;
    for (; at < end; at++) {
        uint8_t kind = prefix_table[*at];
        if (kind == 0 || (kind == PREFIX_REX && insn->mode != INSN_64)) {
            break;
        }
        if (kind == PREFIX_REX) {
            insn->rex = *at;
            continue;
        }
        insn->rex = 0;
        if (kind & (INSN_REP | INSN_REPNE)) {
            insn->prefixes &= (uint8_t)~(INSN_REP | INSN_REPNE);
        }
        if (kind == INSN_SEGMENT) {
            if (insn->mode == INSN_64 && *at < 0x64) {
                continue;
            }
            insn->segment = segment_of_prefix(*at);
        }
        insn->prefixes |= kind;
    }
    return at;
}

static void set_sizes(struct insn *insn, unsigned flags)
{
    static const uint8_t plain[3][2] = { { 2, 4 }, { 4, 2 }, { 4, 2 } };
    static const uint8_t address[3][2] = { { 2, 4 }, { 4, 2 }, { 8, 4 } };
    bool opsize = insn->prefixes & INSN_OPSIZE;
    insn->size = plain[insn->mode][opsize];
    if (insn->mode == INSN_64) {
        if ((insn->rex & REX_W) || (flags & X_F64) || ((flags & X_D64) && !opsize)) {
            insn->size = 8;
        }
    } else if (flags & X_F64) {
        insn->size = 4;
    }
    if (flags & X_BYTE) {
        insn->size = 1;
    }
    insn->source_size = flags & X_SRC8 ? 1 : flags & X_SRC16 ? 2 : insn->size;
    insn->address_size = address[insn->mode][!!(insn->prefixes & INSN_ADSIZE)];
}

static const uint8_t *decode_address16(struct insn *insn, const uint8_t *at)
{
    unsigned mod = insn->modrm >> 6, rm = insn->modrm & 7;
    if (mod == 0 && rm == 6) {
        insn->displacement = (int16_t)load16(at);
        return at + 2;
    }
    insn->base = base16[rm];
    insn->index = index16[rm];
    if (mod == 1) {
        insn->displacement = take8(&at);
    } else if (mod == 2) {
        insn->displacement = (int16_t)take(&at, 2);
    }
    return at;
}

static const uint8_t *decode_address32(struct insn *insn, const uint8_t *at)
{
    unsigned mod = insn->modrm >> 6, rm = insn->modrm & 7;
    unsigned base = rm;
    if (rm == 4) {
        uint8_t sib = *at++;
        unsigned index = (sib >> 3 & 7) | (insn->rex & REX_X) << 2;
        base = sib & 7;
        insn->scale = sib >> 6;
        if (index != 4) {
            insn->index = (uint8_t)index;
        }
    }
    if (mod != 0 || base != 5) {
        insn->base = (uint8_t)(base | (insn->rex & REX_B) << 3);
    } else if (rm == 5 && insn->mode == INSN_64) {
        insn->base = INSN_RIP;
    }
    if (mod == 1) {
        insn->displacement = take8(&at);
    } else if (mod == 2 || base == 5) {
        insn->displacement = take32(&at);
    }
    return at;
}

static const uint8_t *decode_modrm(struct insn *insn, const uint8_t *at, unsigned flags)
{
    insn->modrm = *at++;
    insn->reg = (uint8_t)((insn->modrm >> 3 & 7) | (insn->rex & REX_R) << 1);
    insn->rm = (uint8_t)((insn->modrm & 7) | (insn->rex & REX_B) << 3);
    if (insn->modrm >= 0xc0 || (flags & X_NOMEM)) {
        return at;
    }
    insn->memory = 1;
    at = insn->address_size == 2 ? decode_address16(insn, at) : decode_address32(insn, at);
    if (!(insn->prefixes & INSN_SEGMENT) && (insn->base == RBP || insn->base == RSP)) {
        insn->segment = SEG_SS;
    }
    return at;
}

static const uint8_t *decode_immediate(struct insn *insn, const uint8_t *at, enum imm_kind kind)
{
    unsigned z = insn->size == 2 ? 2 : 4;
    switch (kind) {
    case IMM_NONE:
        break;
    case IMM_8:
        insn->immediate = (uint64_t)take8(&at);
        break;
    case IMM_16:
        insn->immediate = take(&at, 2);
        break;
    case IMM_REL:
        z = insn->mode == INSN_64 ? 4 : z;
        /* fall through */
    case IMM_Z:
        insn->immediate = z == 2 ? (uint64_t)(int16_t)take(&at, 2) : (uint64_t)take32(&at);
        break;
    case IMM_V:
        insn->immediate = take(&at, insn->size);
        break;
    case IMM_16_8:
        insn->immediate = take(&at, 2);
        insn->immediate |= take(&at, 1) << 32;
        break;
    case IMM_FAR:
        insn->immediate = take(&at, z);
        insn->immediate |= take(&at, 2) << 32;
        break;
    case IMM_OFFSET:
        insn->displacement = (int64_t)take(&at, insn->address_size);
        insn->memory = 1;
        break;
    case IMM_8_8:
        insn->immediate = take(&at, 2);
        break;
    }
    return at;
}

/* VEX and EVEX: only their length is of interest. at is behind C4, C5 or 62. */
static const uint8_t *decode_vex(struct insn *insn, const uint8_t *at, uint8_t escape)
{
    unsigned payload = escape == 0xc5 ? 1 : escape == 0xc4 ? 2 : 3;
    unsigned map = escape == 0xc5 ? 1 : escape == 0xc4 ? at[0] & 0x1f : at[0] & 7;
    at += payload;
    insn->op = OP_OTHER;
    insn->map = (uint8_t)(map + 1);
    insn->opcode = *at++;
    set_sizes(insn, 0);
    if (map == 0 || map > 6 || map == 4 || insn->prefixes & (INSN_LOCK | INSN_OPSIZE | INSN_REP | INSN_REPNE) ||
        insn->rex) {
        insn->op = OP_UNDEFINED;
        return at;
    }
    if (map == 1 && insn->opcode == 0x77 && escape != 0x62) {
        return at; /* VZEROUPPER, VZEROALL */
    }
    bool imm = map == 3 || (map == 1 && (opcode_map2[insn->opcode].flags >> X_IMM_SHIFT) == IMM_8 &&
                            opcode_map2[insn->opcode].op == OP_OTHER);
    at = decode_modrm(insn, at, 0);
    return imm ? at + 1 : at;
}

static bool is_vex(const struct insn *insn, uint8_t opcode, uint8_t next)
{
    return (opcode == 0xc4 || opcode == 0xc5 || opcode == 0x62) && (insn->mode == INSN_64 || next >= 0xc0);
}

/* 0F38: all have ModRM and no immediate; MOVBE and the VMX instructions are known. */
static struct opcode opcode_0f38(const struct insn *insn)
{
    bool crc = insn->prefixes & INSN_REPNE;
    if (insn->opcode == 0xf0 && !crc) {
        return (struct opcode){ OP_MOVBE, FORM_REG_RM, X_MODRM };
    }
    if (insn->opcode == 0xf1 && !crc) {
        return (struct opcode){ OP_MOVBE, FORM_RM_REG, X_MODRM };
    }
    if ((insn->opcode == 0x80 || insn->opcode == 0x81) && (insn->prefixes & INSN_OPSIZE)) {
        return (struct opcode){ OP_VIRT, FORM_NONE, X_MODRM };
    }
    return (struct opcode){ OP_OTHER, FORM_NONE, X_MODRM };
}

/* Instructions of the 0F map that a mandatory prefix makes another one. */
static struct opcode opcode_0f(const struct insn *insn)
{
    static const struct { uint8_t opcode, prefix; struct opcode entry; } changed[] = {
        { 0xb8, INSN_REP, { OP_POPCNT, FORM_REG_RM, X_MODRM } },
        { 0xbc, INSN_REP, { OP_TZCNT, FORM_REG_RM, X_MODRM } },
        { 0xbd, INSN_REP, { OP_LZCNT, FORM_REG_RM, X_MODRM } },
        { 0x78, INSN_REPNE, { OP_OTHER, FORM_NONE, X_MODRM | X_IMM(IMM_8_8) } },
        { 0x79, INSN_REPNE, { OP_OTHER, FORM_NONE, X_MODRM } },
        { 0x78, INSN_OPSIZE, { OP_OTHER, FORM_NONE, X_MODRM | X_IMM(IMM_8_8) } },
        { 0x79, INSN_OPSIZE, { OP_OTHER, FORM_NONE, X_MODRM } },
    };
    for (unsigned i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        if (changed[i].opcode == insn->opcode && (changed[i].prefix & insn->prefixes)) {
            return changed[i].entry;
        }
    }
    return opcode_map2[insn->opcode];
}

/* Chooses the entry of a group by ModRM, which lies at `modrm`. */
static struct opcode opcode_in_group(const struct opcode *entry, uint8_t modrm)
{
    bool is_register = modrm >= 0xc0;
    if (entry->form == OPGROUP_7 && is_register) {
        return opcode_0f01[modrm >> 3 & 7][modrm & 7];
    }
    if (entry->form == OPGROUP_9 && !is_register && (modrm >> 3 & 7) >= 6) {
        return (struct opcode){ OP_VIRT, FORM_NONE, 0 }; /* VMPTRLD, VMPTRST, VMCLEAR, VMXON */
    }
    if (entry->form == OPGROUP_9 && is_register && (modrm >> 3 & 7) < 6) {
        return undefined;
    }
    return opcode_groups[entry->form][modrm >> 3 & 7];
}

/* Reads the opcode bytes; *at is left behind them. */
static struct opcode decode_opcode(struct insn *insn, const uint8_t **at)
{
    insn->map = 1;
    insn->opcode = *(*at)++;
    if (insn->opcode != 0x0f) {
        return opcode_map1[insn->opcode];
    }
    insn->map = 2;
    insn->opcode = *(*at)++;
    if (insn->opcode == 0x38 || insn->opcode == 0x3a) {
        insn->map = insn->opcode == 0x38 ? 3 : 4;
        insn->opcode = *(*at)++;
        return insn->map == 3 ? opcode_0f38(insn) : (struct opcode){ OP_OTHER, FORM_NONE, X_MODRM | X_IMM(IMM_8) };
    }
    return opcode_0f(insn);
}

static bool moves_cr(const struct insn *insn)
{
    return insn->op == OP_MOV_TO_CR || insn->op == OP_MOV_FROM_CR;
}

/* What the table cannot say. */
static void decode_special(struct insn *insn)
{
    if (insn->map == 1 && insn->opcode == 0x63) {
        insn->source_size = insn->size < 4 ? insn->size : 4;
        if (insn->mode != INSN_64) {
            insn->op = OP_OTHER; /* ARPL */
        }
    } else if (insn->op == OP_XCHG && insn->form == FORM_ACC_OPREG && insn->opcode == 0x90 &&
               (insn->prefixes & INSN_REP)) {
        insn->op = OP_PAUSE;
    } else if (insn->op >= OP_INS && insn->op <= OP_OUT) {
        insn->size = insn->size == 8 ? 4 : insn->size;
    } else if (moves_cr(insn) && (insn->prefixes & INSN_LOCK)) {
        insn->op = insn->reg == 0 ? insn->op : OP_UNDEFINED;
        insn->reg = 8; /* APM 3, MOV CRn: LOCK MOV CR0 is MOV CR8 */
    } else if (insn->op == OP_CMPXCHG8B) {
        insn->size = insn->rex & REX_W ? 16 : 8;
    } else if ((insn->op == OP_MOVBE || (insn->map == 2 && insn->opcode == 0xc3)) && !insn->memory) {
        insn->op = OP_UNDEFINED;
    }
}

static bool lock_allowed(const struct insn *insn, unsigned flags)
{
    return (flags & X_LOCK) && (insn->memory || (flags & X_NOMEM));
}

static enum status finish(struct insn *insn, const uint8_t *bytes, const uint8_t *at, unsigned available)
{
    unsigned length = (unsigned)(at - bytes);
    if (length > available) {
        return available >= INSN_MAX_LENGTH ? ERR_PARAM : ERR_NONE;
    }
    if (length > INSN_MAX_LENGTH) {
        return ERR_PARAM;
    }
    insn->length = (uint8_t)length;
    return insn->op == OP_UNDEFINED ? ERR_FORMAT : OK;
}

enum status insn_decode(struct insn *insn, const uint8_t *bytes, unsigned available, enum insn_mode mode)
{
    *insn = (struct insn){ .mode = (uint8_t)mode, .segment = SEG_DS, .base = INSN_NO_REG, .index = INSN_NO_REG };
    const uint8_t *at = decode_prefixes(insn, bytes);
    if (is_vex(insn, at[0], at[1])) {
        at = decode_vex(insn, at + 1, at[0]);
        return finish(insn, bytes, at, available);
    }
    struct opcode entry = decode_opcode(insn, &at);
    unsigned flags = entry.flags;
    if (entry.op == OP_GROUP) {
        entry = opcode_in_group(&entry, *at);
        flags |= entry.flags;
    }
    insn->op = entry.op;
    insn->form = entry.form;
    set_sizes(insn, flags);
    if (flags & X_MODRM) {
        at = decode_modrm(insn, at, flags);
    } else {
        insn->reg = (uint8_t)((insn->opcode & 7) | (insn->rex & REX_B) << 3);
    }
    if (flags >> X_IMM_SHIFT) {
        at = decode_immediate(insn, at, (enum imm_kind)(flags >> X_IMM_SHIFT));
    }
    decode_special(insn);
    if (((flags & X_NO64) && mode == INSN_64) || ((insn->prefixes & INSN_LOCK) && !lock_allowed(insn, flags))) {
        insn->op = OP_UNDEFINED;
    }
    return finish(insn, bytes, at, available);
}
