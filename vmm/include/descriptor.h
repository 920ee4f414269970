/* SPDX-License-Identifier: MIT
 * Segment descriptors in the guest's GDT and LDT (SDM 3A 3.4.5). */
#pragma once

#include "linear.h"

#define DESCRIPTOR_P (1ull << 47)
#define DESCRIPTOR_S (1ull << 44)
#define DESCRIPTOR_ACCESSED (1ull << 40)
#define DESCRIPTOR_BUSY (1ull << 41) /* of a TSS */
#define DESCRIPTOR_TYPE(d) ((unsigned)((d) >> 40) & 15)
#define DESCRIPTOR_DPL(d) ((unsigned)((d) >> 45) & 3)

#define TYPE_TSS16 1u
#define TYPE_LDT 2u
#define TYPE_TSS32 9u
#define TYPE_BUSY 2u
#define TYPE_CODE 8u
#define TYPE_CONFORMING 4u
#define TYPE_READ_WRITE 2u

struct descriptor {
    uint64_t value;
    uint64_t linear; /* where it lies */
};

static inline bool selector_is_null(uint16_t selector)
{
    return (selector & 0xfffc) == 0;
}

/* Reads the descriptor of a selector that is not null. False: *fault = `vector` with the selector as error code if it
 * is outside its table, else a #PF. external: EXT bit of the error code. */
bool descriptor_read(struct vcpu *vcpu, uint16_t selector, uint8_t vector, unsigned external, struct descriptor *out,
                     struct fault *fault);
/* Ors bits (clear: removes them) in the descriptor's second half. False: *fault is a #PF. */
bool descriptor_mark(struct vcpu *vcpu, const struct descriptor *descriptor, uint64_t bits, bool clear,
                     struct fault *fault);
/* The segment register that loading it gives. */
struct segment descriptor_segment(uint16_t selector, uint64_t value);
