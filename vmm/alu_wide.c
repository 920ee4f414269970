/* SPDX-License-Identifier: MIT
 * MUL, IMUL, DIV and IDIV with the accumulator pair. */
#include "alu.h"
#include "cr.h"
#include "decode.h"

typedef unsigned __int128 uint128_t;

static void multiply_flags(struct alu *a, bool overflow)
{
    a->flags &= ~(RFLAGS_CF | RFLAGS_OF);
    a->flags |= overflow ? RFLAGS_CF | RFLAGS_OF : 0;
}

static uint128_t multiply(struct alu *a, uint64_t low)
{
    uint64_t mask = size_mask(a->size);
    if (a->op == OP_MUL) {
        uint128_t product = (uint128_t)(low & mask) * (a->src & mask);
        multiply_flags(a, product >> (8 * a->size) != 0);
        return product;
    }
    __int128 product = (__int128)(int64_t)sign_extend(low, a->size) * (int64_t)sign_extend(a->src, a->size);
    multiply_flags(a, product != (int64_t)sign_extend((uint64_t)product & mask, a->size));
    return (uint128_t)product;
}

/* 128 by 64 bits, by long division; high < divisor, so the quotient fits. */
static uint64_t divide_unsigned(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *remainder)
{
    for (unsigned i = 0; i < 64; i++) {
        bool carry = high >> 63;
        high = high << 1 | low >> 63;
        low <<= 1;
        if (carry || high >= divisor) {
            high -= divisor;
            low |= 1;
        }
    }
    *remainder = high;
    return low;
}

/* dividend: 2 * size bytes. False: #DE. */
static bool divide(const struct alu *a, uint128_t dividend, uint64_t *quotient, uint64_t *remainder)
{
    uint64_t divisor = a->src & size_mask(a->size), limit = size_mask(a->size);
    bool negative = false, dividend_negative = false;
    if (a->op == OP_IDIV) {
        bool divisor_negative = divisor >> (8 * a->size - 1);
        dividend_negative = (__int128)dividend < 0;
        negative = divisor_negative != dividend_negative;
        dividend = dividend_negative ? -dividend : dividend;
        divisor = divisor_negative ? -divisor & limit : divisor;
        limit = (limit >> 1) + negative;
    }
    uint64_t high = (uint64_t)(dividend >> 64);
    if (divisor == 0 || high >= divisor) {
        return false;
    }
    *quotient = divide_unsigned(high, (uint64_t)dividend, divisor, remainder);
    if (*quotient > limit) {
        return false;
    }
    *quotient = negative ? -*quotient : *quotient;
    *remainder = dividend_negative ? -*remainder : *remainder;
    return true;
}

/* The accumulator pair as one number, sign-extended for IDIV. */
static uint128_t pair(const struct alu *a, uint64_t low, uint64_t high)
{
    unsigned bits = 8 * a->size;
    if (a->size == 1) {
        return a->op == OP_IDIV ? (uint128_t)(__int128)(int64_t)sign_extend(low, 2) : (low & 0xffff);
    }
    uint64_t mask = size_mask(a->size);
    if (a->op == OP_IDIV) {
        return (uint128_t)(__int128)(int64_t)sign_extend(high, a->size) << bits | (low & mask);
    }
    return (uint128_t)(high & mask) << bits | (low & mask);
}

bool alu_wide(struct alu *alu, uint64_t *low, uint64_t *high)
{
    unsigned bits = 8 * alu->size;
    uint64_t mask = size_mask(alu->size), first, second;
    if (alu->op == OP_MUL || alu->op == OP_IMUL) {
        uint128_t product = multiply(alu, *low);
        first = (uint64_t)product;
        second = (uint64_t)(product >> bits);
    } else if (!divide(alu, pair(alu, *low, *high), &first, &second)) {
        return false;
    }
    if (alu->size == 1) {
        *low = (first & 0xff) | (second & 0xff) << 8;
    } else {
        *low = first & mask;
        *high = second & mask;
    }
    return true;
}
