/* SPDX-License-Identifier: MIT
 * The fast path of the page walk: 4-level paging where nothing is to be reported or marked. Whatever is unusual (a
 * fault, a flag not set yet, a table outside RAM) is left to walk_tables(), which does the same in general. */
#include <stddef.h>
#include "cr.h"
#include "walk.h"
#include "walk_entry.h"

/* May the access touch the page? all: the bits that all entries have; any: those that any has (SDM 3A 5.6). */
static inline bool plainly_permitted(const struct vcpu_state *state, unsigned key, uint64_t all, uint64_t any)
{
    if ((key & WALK_EXEC) && (any & PTE_NX)) {
        return false;
    }
    if ((key & WALK_WRITE) && !(all & PTE_W)) {
        return false;
    }
    if (key & WALK_USER) {
        return all & PTE_U;
    }
    return !(all & PTE_U) || !(state->cr4 & (CR4_SMEP | CR4_SMAP));
}

/* Reads the entries of linear into `out` as far as they are present; the shift of the last, or 0 (none is there). */
static inline unsigned descend(const struct vcpu *vcpu, uint64_t linear, struct translation *out, uint64_t *all,
                               uint64_t *any)
{
    const struct memory *memory = &vcpu->machine->memory;
    uint64_t table = vcpu->state->cr3;
    unsigned shift = 39;
    for (unsigned i = 0;; i++, shift -= 9) {
        uint64_t gpa = (table & PTE_ADDRESS) | (linear >> shift & 511) << 3;
        if (__builtin_expect(gpa >= memory->low && gpa - memory->high_base >= memory->high, 0)) {
            return 0;
        }
        const uint64_t *entry = (const uint64_t *)(memory->base + gpa);
        uint64_t value = *(const volatile uint64_t *)entry;
        out->entry[i] = entry;
        out->value[i] = value;
        *all &= value;
        *any |= value;
        if (!(value & PTE_P)) {
            return 0;
        }
        if (shift == 12 || (value & PTE_PS)) {
            for (; i < TRANSLATION_ENTRIES - 1; i++) {
                out->entry[i + 1] = entry;
                out->value[i + 1] = value;
            }
            return shift;
        }
        table = value;
    }
}

bool walk_plain(struct vcpu *vcpu, uint64_t linear, unsigned key, struct translation *out)
{
    const struct vcpu_state *state = vcpu->state;
    uint64_t all = ~0ull, any = 0;
    out->page = 0;
    if (!(state->efer & EFER_LMA)) {
        return false;
    }
    unsigned shift = descend(vcpu, linear, out, &all, &any);
    if (shift == 0 || shift == 39) {
        return false;
    }
    uint64_t leaf = out->value[TRANSLATION_ENTRIES - 1], inside = (1ull << shift) - 1;
    uint64_t reserved = vcpu->phys_bits ? PTE_ADDRESS & ~((1ull << vcpu->phys_bits) - 1) : 0;
    reserved |= state->efer & EFER_NXE ? 0 : PTE_NX;
    if (!(all & PTE_A) || (any & reserved) || (leaf & inside & ~0x1fffull) || ((key & WALK_WRITE) && !(leaf & PTE_D)) ||
        !plainly_permitted(state, key, all, any)) {
        return false;
    }
    out->gpa = ((leaf & PTE_ADDRESS & ~inside) | (linear & inside)) & ~PAGE_MASK;
    out->host = walk_ram(&vcpu->machine->memory, out->gpa);
    out->key = key;
    out->page = (linear & ~PAGE_MASK) | TRANSLATION_VALID;
    return true;
}
