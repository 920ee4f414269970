/* SPDX-License-Identifier: MIT
 * Accesses to guest-linear memory, page by page. */
#include "linear.h"
#include <stddef.h>
#include <string.h>
#include "cr.h"

static uint64_t wrap(const struct vcpu *vcpu, uint64_t linear)
{
    return vcpu->state->efer & EFER_LMA ? linear : linear & 0xffffffff;
}

static unsigned page_part(uint64_t linear, unsigned size)
{
    unsigned room = (unsigned)(PAGE_SIZE - (linear & PAGE_MASK));
    return size < room ? size : room;
}

bool linear_check(struct vcpu *vcpu, uint64_t linear, unsigned size, unsigned access, struct fault *fault)
{
    while (size > 0) {
        struct walk at;
        unsigned part = page_part(linear, size);
        if (!walk(vcpu, wrap(vcpu, linear), access | WALK_IMPLICIT, &at, fault)) {
            return false;
        }
        linear += part;
        size -= part;
    }
    return true;
}

bool linear_read(struct vcpu *vcpu, uint64_t linear, void *to, unsigned size, struct fault *fault)
{
    uint8_t *out = to;
    while (size > 0) {
        struct walk at;
        unsigned part = page_part(linear, size);
        if (!walk(vcpu, wrap(vcpu, linear), WALK_READ | WALK_IMPLICIT, &at, fault)) {
            return false;
        }
        if (at.host != NULL) {
            memcpy(out, at.host, part);
        } else {
            memset(out, 0xff, part);
        }
        out += part;
        linear += part;
        size -= part;
    }
    return true;
}

bool linear_write(struct vcpu *vcpu, uint64_t linear, const void *from, unsigned size, struct fault *fault)
{
    const uint8_t *in = from;
    if (page_part(linear, size) < size && !linear_check(vcpu, linear, size, WALK_WRITE, fault)) {
        return false;
    }
    while (size > 0) {
        struct walk at;
        unsigned part = page_part(linear, size);
        if (!walk(vcpu, wrap(vcpu, linear), WALK_WRITE | WALK_IMPLICIT, &at, fault)) {
            return false;
        }
        if (at.host != NULL) {
            memcpy(at.host, in, part);
        }
        in += part;
        linear += part;
        size -= part;
    }
    return true;
}
