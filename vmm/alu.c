/* SPDX-License-Identifier: MIT
 * Two-operand arithmetic, logic, shifts, bit operations. */
#include <stddef.h>
#include "alu.h"
#include "cr.h"
#include "decode.h"

static uint64_t msb(const struct alu *a)
{
    return 1ull << (8 * a->size - 1);
}

static void put_flag(struct alu *a, uint64_t flag, bool value)
{
    a->flags = value ? a->flags | flag : a->flags & ~flag;
}

/* SF, ZF and PF of a result, which it cuts to the operand size. */
static uint64_t result_flags(struct alu *a, uint64_t result)
{
    result &= size_mask(a->size);
    uint64_t parity = result ^ result >> 4;
    parity = 0x6996 >> (parity & 15) & 1; /* odd number of ones */
    a->flags &= ~(RFLAGS_SF | RFLAGS_ZF | RFLAGS_PF);
    a->flags |= (result & msb(a) ? RFLAGS_SF : 0) | (result == 0 ? RFLAGS_ZF : 0) | (parity ? 0 : RFLAGS_PF);
    return result;
}

/* carries: bit n = carry (or borrow) out of bit n. */
static uint64_t arithmetic_flags(struct alu *a, uint64_t result, uint64_t carries, uint64_t overflow)
{
    a->flags &= ~(RFLAGS_CF | RFLAGS_OF | RFLAGS_AF);
    a->flags |=
        (carries & msb(a) ? RFLAGS_CF : 0) | (overflow & msb(a) ? RFLAGS_OF : 0) | (carries & 8 ? RFLAGS_AF : 0);
    return result_flags(a, result);
}

static uint64_t add(struct alu *a, uint64_t d, uint64_t s, uint64_t carry)
{
    uint64_t r = d + s + carry;
    return arithmetic_flags(a, r, (d & s) | ((d | s) & ~r), (d ^ r) & (s ^ r));
}

static uint64_t subtract(struct alu *a, uint64_t d, uint64_t s, uint64_t borrow)
{
    uint64_t r = d - s - borrow;
    return arithmetic_flags(a, r, (~d & s) | ((~d | s) & r), (d ^ s) & (d ^ r));
}

static uint64_t logic(struct alu *a, uint64_t r)
{
    a->flags &= ~(RFLAGS_CF | RFLAGS_OF | RFLAGS_AF);
    return result_flags(a, r);
}

static uint64_t do_add(struct alu *a) { return add(a, a->dst, a->src, 0); }
static uint64_t do_adc(struct alu *a) { return add(a, a->dst, a->src, a->flags & RFLAGS_CF); }
static uint64_t do_sub(struct alu *a) { return subtract(a, a->dst, a->src, 0); }
static uint64_t do_sbb(struct alu *a) { return subtract(a, a->dst, a->src, a->flags & RFLAGS_CF); }
static uint64_t do_or(struct alu *a) { return logic(a, a->dst | a->src); }
static uint64_t do_and(struct alu *a) { return logic(a, a->dst & a->src); }
static uint64_t do_xor(struct alu *a) { return logic(a, a->dst ^ a->src); }
static uint64_t do_neg(struct alu *a) { return subtract(a, 0, a->dst, 0); }
static uint64_t do_not(struct alu *a) { return ~a->dst & size_mask(a->size); }

static uint64_t do_inc(struct alu *a)
{
    uint64_t carry = a->flags & RFLAGS_CF;
    uint64_t r = add(a, a->dst, 1, 0);
    a->flags = (a->flags & ~RFLAGS_CF) | carry;
    return r;
}

static uint64_t do_dec(struct alu *a)
{
    uint64_t carry = a->flags & RFLAGS_CF;
    uint64_t r = subtract(a, a->dst, 1, 0);
    a->flags = (a->flags & ~RFLAGS_CF) | carry;
    return r;
}

static unsigned shift_count(const struct alu *a, uint64_t count)
{
    return count & (a->size == 8 ? 63 : 31);
}

static uint64_t do_shl(struct alu *a)
{
    unsigned bits = 8 * a->size, count = shift_count(a, a->src);
    if (count == 0) {
        return a->dst;
    }
    bool carry = count <= bits && (a->dst >> (bits - count) & 1);
    uint64_t r = result_flags(a, a->dst << count);
    put_flag(a, RFLAGS_CF, carry);
    put_flag(a, RFLAGS_OF, carry ^ !!(r & msb(a)));
    return r;
}

static uint64_t do_shr(struct alu *a)
{
    unsigned count = shift_count(a, a->src);
    if (count == 0) {
        return a->dst;
    }
    put_flag(a, RFLAGS_CF, a->dst >> (count - 1) & 1);
    put_flag(a, RFLAGS_OF, a->dst & msb(a));
    return result_flags(a, a->dst >> count);
}

static uint64_t do_sar(struct alu *a)
{
    unsigned count = shift_count(a, a->src);
    if (count == 0) {
        return a->dst;
    }
    int64_t value = (int64_t)sign_extend(a->dst, a->size);
    put_flag(a, RFLAGS_CF, value >> (count - 1) & 1);
    put_flag(a, RFLAGS_OF, false);
    return result_flags(a, (uint64_t)(value >> count));
}

static uint64_t do_rol(struct alu *a)
{
    unsigned bits = 8 * a->size, count = shift_count(a, a->src), turn = count % bits;
    if (count == 0) {
        return a->dst;
    }
    uint64_t r = turn ? (a->dst << turn | a->dst >> (bits - turn)) & size_mask(a->size) : a->dst;
    put_flag(a, RFLAGS_CF, r & 1);
    put_flag(a, RFLAGS_OF, (r & 1) ^ !!(r & msb(a)));
    return r;
}

static uint64_t do_ror(struct alu *a)
{
    unsigned bits = 8 * a->size, count = shift_count(a, a->src), turn = count % bits;
    if (count == 0) {
        return a->dst;
    }
    uint64_t r = turn ? (a->dst >> turn | a->dst << (bits - turn)) & size_mask(a->size) : a->dst;
    put_flag(a, RFLAGS_CF, r & msb(a));
    put_flag(a, RFLAGS_OF, !!(r & msb(a)) ^ !!(r & msb(a) >> 1));
    return r;
}

/* Rotations through the carry, a step at a time: at most 63 steps. */
static uint64_t do_rcl(struct alu *a)
{
    unsigned count = shift_count(a, a->src);
    count = a->size < 4 ? count % (8u * a->size + 1) : count;
    uint64_t r = a->dst;
    for (unsigned i = 0; i < count; i++) {
        bool out = r & msb(a);
        r = (r << 1 | (a->flags & RFLAGS_CF)) & size_mask(a->size);
        put_flag(a, RFLAGS_CF, out);
    }
    if (count != 0) {
        put_flag(a, RFLAGS_OF, (a->flags & RFLAGS_CF) ^ !!(r & msb(a)));
    }
    return r;
}

static uint64_t do_rcr(struct alu *a)
{
    unsigned count = shift_count(a, a->src);
    count = a->size < 4 ? count % (8u * a->size + 1) : count;
    uint64_t r = a->dst;
    for (unsigned i = 0; i < count; i++) {
        bool out = r & 1;
        r = r >> 1 | (a->flags & RFLAGS_CF ? msb(a) : 0);
        put_flag(a, RFLAGS_CF, out);
    }
    if (count != 0) {
        put_flag(a, RFLAGS_OF, !!(r & msb(a)) ^ !!(r & msb(a) >> 1));
    }
    return r;
}

/* For 16-bit operands and counts above 16 the result is undefined; it is that of a rotation of both operands. */
static uint64_t do_shld(struct alu *a)
{
    unsigned bits = 8 * a->size, count = shift_count(a, a->extra);
    if (count == 0) {
        return a->dst;
    }
    if (count > bits) {
        count -= bits;
        uint64_t swap = a->dst;
        a->dst = a->src;
        a->src = swap;
    }
    bool carry = a->dst >> (bits - count) & 1;
    uint64_t high = count < 64 ? a->dst << count : 0;
    uint64_t r = result_flags(a, high | a->src >> (bits - count));
    put_flag(a, RFLAGS_CF, carry);
    put_flag(a, RFLAGS_OF, (r ^ a->dst) & msb(a));
    return r;
}

static uint64_t do_shrd(struct alu *a)
{
    unsigned bits = 8 * a->size, count = shift_count(a, a->extra);
    if (count == 0) {
        return a->dst;
    }
    if (count > bits) {
        count -= bits;
        uint64_t swap = a->dst;
        a->dst = a->src;
        a->src = swap;
    }
    bool carry = a->dst >> (count - 1) & 1;
    uint64_t r = result_flags(a, a->dst >> count | a->src << (bits - count));
    put_flag(a, RFLAGS_CF, carry);
    put_flag(a, RFLAGS_OF, (r ^ a->dst) & msb(a));
    return r;
}

/* Bit operations: src is the bit number inside the operand. */
static uint64_t bit_of(struct alu *a)
{
    uint64_t bit = 1ull << (a->src & (8u * a->size - 1));
    put_flag(a, RFLAGS_CF, a->dst & bit);
    return bit;
}

static uint64_t do_bt(struct alu *a)
{
    bit_of(a);
    return a->dst;
}

static uint64_t do_bts(struct alu *a)
{
    uint64_t bit = bit_of(a);
    return a->dst | bit;
}

static uint64_t do_btr(struct alu *a)
{
    uint64_t bit = bit_of(a);
    return a->dst & ~bit;
}

static uint64_t do_btc(struct alu *a)
{
    uint64_t bit = bit_of(a);
    return a->dst ^ bit;
}

static uint64_t do_bsf(struct alu *a)
{
    a->keep = a->src == 0;
    put_flag(a, RFLAGS_ZF, a->keep);
    return a->keep ? a->dst : (uint64_t)__builtin_ctzll(a->src);
}

static uint64_t do_bsr(struct alu *a)
{
    a->keep = a->src == 0;
    put_flag(a, RFLAGS_ZF, a->keep);
    return a->keep ? a->dst : 63u - (uint64_t)__builtin_clzll(a->src);
}

static uint64_t do_tzcnt(struct alu *a)
{
    uint64_t r = a->src ? (uint64_t)__builtin_ctzll(a->src) : 8u * a->size;
    put_flag(a, RFLAGS_CF, a->src == 0);
    put_flag(a, RFLAGS_ZF, r == 0);
    return r;
}

static uint64_t do_lzcnt(struct alu *a)
{
    uint64_t r = a->src ? (uint64_t)__builtin_clzll(a->src) - (64 - 8u * a->size) : 8u * a->size;
    put_flag(a, RFLAGS_CF, a->src == 0);
    put_flag(a, RFLAGS_ZF, r == 0);
    return r;
}

static uint64_t do_popcnt(struct alu *a)
{
    uint64_t count = 0;
    for (uint64_t v = a->src; v != 0; v &= v - 1) {
        count++;
    }
    a->flags &= ~RFLAGS_ARITH;
    put_flag(a, RFLAGS_ZF, a->src == 0);
    return count;
}

static uint64_t do_imul(struct alu *a)
{
    __int128 product = (__int128)(int64_t)sign_extend(a->dst, a->size) * (int64_t)sign_extend(a->src, a->size);
    uint64_t r = (uint64_t)product & size_mask(a->size);
    bool overflow = product != (int64_t)sign_extend(r, a->size);
    put_flag(a, RFLAGS_CF, overflow);
    put_flag(a, RFLAGS_OF, overflow);
    return r;
}

static uint64_t (*const functions[OP_COUNT])(struct alu *) = {
    [OP_ADD] = do_add,     [OP_OR] = do_or,         [OP_ADC] = do_adc,   [OP_SBB] = do_sbb,  [OP_AND] = do_and,
    [OP_SUB] = do_sub,     [OP_XOR] = do_xor,       [OP_CMP] = do_sub,   [OP_TEST] = do_and, [OP_NOT] = do_not,
    [OP_NEG] = do_neg,     [OP_INC] = do_inc,       [OP_DEC] = do_dec,   [OP_ROL] = do_rol,  [OP_ROR] = do_ror,
    [OP_RCL] = do_rcl,     [OP_RCR] = do_rcr,       [OP_SHL] = do_shl,   [OP_SAL] = do_shl,  [OP_SHR] = do_shr,
    [OP_SAR] = do_sar,     [OP_SHLD] = do_shld,     [OP_SHRD] = do_shrd, [OP_BT] = do_bt,    [OP_BTS] = do_bts,
    [OP_BTR] = do_btr,     [OP_BTC] = do_btc,       [OP_BSF] = do_bsf,   [OP_BSR] = do_bsr,  [OP_TZCNT] = do_tzcnt,
    [OP_LZCNT] = do_lzcnt, [OP_POPCNT] = do_popcnt, [OP_IMUL] = do_imul,
};

uint64_t alu_compute(struct alu *alu)
{
    return functions[alu->op](alu);
}

bool alu_condition(uint64_t flags, unsigned code)
{
    bool sign = !!(flags & RFLAGS_SF) != !!(flags & RFLAGS_OF);
    static const uint64_t plain[8] = { RFLAGS_OF, RFLAGS_CF, RFLAGS_ZF, RFLAGS_CF | RFLAGS_ZF,
                                       RFLAGS_SF, RFLAGS_PF, 0,         RFLAGS_ZF };
    bool value = (flags & plain[code >> 1 & 7]) || ((code >> 1 & 7) >= 6 && sign);
    return value != (code & 1);
}
