/* SPDX-License-Identifier: MIT
 * Reading, marking and unpacking segment descriptors. */
#include "descriptor.h"
#include <stddef.h>

bool descriptor_read(struct vcpu *vcpu, uint16_t selector, uint8_t vector, unsigned external, struct descriptor *out,
                     struct fault *fault)
{
    const struct vcpu_state *state = vcpu->state;
    const struct segment *ldt = &state->seg[SEG_LDTR];
    bool local = selector & 4;
    uint64_t base = local ? ldt->base : state->gdtr.base;
    uint32_t limit = local ? ldt->limit : state->gdtr.limit;
    if ((local && (ldt->attr & SEG_ATTR_UNUSABLE)) || (selector | 7u) > limit) {
        return fault_set(fault, vector, (selector & 0xfffcu) | external);
    }
    out->linear = base + (selector & 0xfff8u);
    return linear_read(vcpu, out->linear, &out->value, sizeof(out->value), fault);
}

/* Atomic in RAM: other CPUs of the guest may load the same descriptor. It may cross a page only in a misaligned table.
 */
bool descriptor_mark(struct vcpu *vcpu, const struct descriptor *descriptor, uint64_t bits, bool clear,
                     struct fault *fault)
{
    struct walk at;
    uint64_t linear = descriptor->linear + 5; /* type and S, DPL, P are in byte 5 */
    uint8_t mask = (uint8_t)(bits >> 40);
    if (!walk(vcpu, linear, WALK_WRITE | WALK_IMPLICIT, &at, fault)) {
        return false;
    }
    if (at.host != NULL && clear) {
        __atomic_fetch_and(at.host, (uint8_t)~mask, __ATOMIC_SEQ_CST);
    } else if (at.host != NULL) {
        __atomic_fetch_or(at.host, mask, __ATOMIC_SEQ_CST);
    }
    return true;
}

struct segment descriptor_segment(uint16_t selector, uint64_t value)
{
    struct segment s = { .selector = selector };
    s.base = (value >> 16 & 0xffffff) | (value >> 56 & 0xff) << 24;
    s.attr = (uint32_t)(value >> 40 & 0xff) | (uint32_t)(value >> 52 & 15) << 12;
    s.limit = (uint32_t)((value & 0xffff) | (value >> 48 & 15) << 16);
    if (s.attr & SEG_ATTR_G) {
        s.limit = s.limit << 12 | 0xfff;
    }
    return s;
}
