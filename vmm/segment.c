/* SPDX-License-Identifier: MIT
 * Segment checks: 64-bit mode, protected mode, real and virtual-8086 mode. */
#include "segment.h"
#include "descriptor.h"
#include "walk.h"

#define TYPE_DOWN 4u /* data: expand-down */

static bool type_allows(uint32_t attr, unsigned access)
{
    if (access & WALK_EXEC) {
        return attr & TYPE_CODE;
    }
    if (attr & TYPE_CODE) {
        return !(access & WALK_WRITE) && (attr & TYPE_READ_WRITE);
    }
    return !(access & WALK_WRITE) || (attr & TYPE_READ_WRITE);
}

static bool in_limit(const struct segment *segment, uint64_t offset, uint64_t size)
{
    uint64_t last = offset + size - 1;
    if ((segment->attr & (TYPE_CODE | TYPE_DOWN)) == TYPE_DOWN) {
        uint64_t top = segment->attr & SEG_ATTR_DB ? 0xffffffff : 0xffff;
        return offset > segment->limit && last <= top;
    }
    return last <= segment->limit;
}

bool segment_linear(const struct vcpu_state *state, enum insn_mode mode, unsigned segment, uint64_t offset,
                    uint64_t size, unsigned access, uint64_t *linear, struct fault *fault)
{
    const struct segment *s = &state->seg[segment];
    uint8_t vector = segment == SEG_SS ? EXCEPTION_SS : EXCEPTION_GP;
    if (mode == INSN_64) {
        *linear = segment >= SEG_FS ? s->base + offset : offset;
        return (is_canonical(*linear) && is_canonical(*linear + size - 1)) || fault_set(fault, vector, 0);
    }
    if (s->attr & SEG_ATTR_UNUSABLE) {
        return fault_set(fault, vector, 0);
    }
    if ((is_protected_mode(state) && !type_allows(s->attr, access)) || !in_limit(s, offset, size)) {
        return fault_set(fault, vector, 0);
    }
    *linear = (s->base + offset) & 0xffffffff;
    return true;
}
