/* SPDX-License-Identifier: MIT
 * The fast paths of instruction fetch: looking into the vcpu's cache. Private to fetch.c and emulate_simple.c. */
#pragma once

#include "unaligned.h"
#include "walk.h"

static inline struct code_page *code_slot(struct vcpu *vcpu, uint64_t rip)
{
    return &vcpu->walk_cache.code[rip >> PAGE_SHIFT & (CODE_PAGES - 1)];
}

static inline struct decoded *decoded_slot(struct vcpu *vcpu)
{
    return &vcpu->walk_cache.decoded[vcpu->state->rip & (DECODED_INSNS - 1)];
}

/* Are the `size` bytes at CS:RIP in a remembered page that still counts? Then *at points to them. */
static inline bool fetch_cached(struct vcpu *vcpu, unsigned size, const uint8_t **at)
{
    const struct vcpu_state *state = vcpu->state;
    const struct code_page *page = code_slot(vcpu, state->rip);
    __asm__("" : "+r"(page)); /* keep the compiler from computing its address anew for every member */
    const struct segment *cs = &state->seg[SEG_CS];
    uint64_t offset = state->rip - page->rip;
    if (offset + size > page->room) {
        return false;
    }
    *at = page->at.host + offset;
    return cs->base == page->cs_base && load64(&cs->limit) == page->cs_rest &&
           walk_cache_current(&vcpu->walk_cache, state) && translation_current(&page->at);
}

/* The instruction at CS:RIP if it was decoded before, else null. */
static inline const struct decoded *fetch_remembered(struct vcpu *vcpu)
{
    const struct decoded *d = decoded_slot(vcpu);
    const uint8_t *at;
    if (!fetch_cached(vcpu, 16, &at)) {
        return (const struct decoded *)0;
    }
    uint64_t differ = ((load64(at) ^ d->bytes[0]) & d->mask[0]) | ((load64(at + 8) ^ d->bytes[1]) & d->mask[1]);
    bool same = differ == 0 && d->insn.length != 0 && d->insn.mode == insn_mode(vcpu->state);
    return same ? d : (const struct decoded *)0;
}
