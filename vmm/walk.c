/* SPDX-License-Identifier: MIT
 * The walk through the guest's page tables: one loop for all formats, described by a table. */
#include <stddef.h>
#include "cr.h"
#include "walk.h"
#include "walk_entry.h"

#define MAX_RESTARTS 16

/* A paging format: levels counted from the root. */
struct format {
    uint8_t levels;
    uint8_t first_shift; /* of the root's index */
    uint8_t index_bits;
    uint8_t entry_size;
    uint8_t large;       /* bit i: an entry of level i may be a page (PS) */
};

static const struct format format_4level = { 4, 39, 9, 8, 1 << 1 | 1 << 2 };
static const struct format format_pae = { 3, 30, 9, 8, 1 << 1 };
static const struct format format_32bit = { 2, 22, 10, 4, 1 << 0 };

static const uint64_t all_ones = ~0ull;

struct walk_step {
    uint64_t *entry;   /* null: outside RAM, reads as all ones */
    uint64_t value;
};

static uint64_t entry_read(const uint64_t *entry, unsigned size)
{
    if (entry == NULL) {
        return size == 4 ? 0xffffffff : all_ones;
    }
    return size == 4 ? *(const volatile uint32_t *)entry : *(const volatile uint64_t *)entry;
}

/* Sets bits in an entry if it still reads as it did. */
static bool entry_mark(uint64_t *entry, unsigned size, uint64_t value, uint64_t bits)
{
    if ((value & bits) == bits || entry == NULL) {
        return true;
    }
    if (size == 4) {
        uint32_t expected = (uint32_t)value;
        return __atomic_compare_exchange_n((uint32_t *)entry, &expected, (uint32_t)(value | bits), false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    return __atomic_compare_exchange_n(entry, &value, value | bits, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static const struct format *format_of(const struct vcpu_state *state)
{
    if (state->efer & EFER_LMA) {
        return &format_4level;
    }
    return state->cr4 & CR4_PAE ? &format_pae : &format_32bit;
}

/* The bits that must be zero in a present entry (SDM 3A tables 5-5, 5-8 to 5-12, 5-15 to 5-20). */
static uint64_t reserved_bits(const struct vcpu *vcpu, const struct format *format, unsigned level, bool leaf)
{
    const struct vcpu_state *state = vcpu->state;
    unsigned phys_bits = vcpu->phys_bits ? vcpu->phys_bits : 52;
    uint64_t above = PTE_ADDRESS & ~((1ull << phys_bits) - 1);
    bool last = level + 1u == format->levels;
    if (format->entry_size == 4) {
        /* PSE-36: bits 20:13 hold address bits 39:32 as far as the CPU has them; bit 21 is reserved. */
        uint64_t high = phys_bits < 40 ? 0x1fe000 & ~((1ull << (phys_bits - 19)) - 1) : 0;
        return leaf && !last ? high | 1ull << 21 : 0;
    }
    uint64_t reserved = above;
    if (!(state->efer & EFER_NXE)) {
        reserved |= PTE_NX;
    }
    if (format == &format_pae) {
        reserved |= level == 0 ? 0xfff0000000000000ull | PTE_NX | 0x1e6 : 0x7ff0000000000000ull;
    } else if (level == 0) {
        reserved |= PTE_PS;
    }
    if (leaf && !last) {
        unsigned shift = format->first_shift - level * format->index_bits;
        reserved |= ((1ull << shift) - 1) & ~0x1fffull; /* bit 12 is PAT */
    }
    return reserved;
}

static uint32_t fault_code(const struct vcpu_state *state, unsigned key, uint32_t code)
{
    bool fetch_known = (state->cr4 & CR4_SMEP) || ((state->cr4 & CR4_PAE) && (state->efer & EFER_NXE));
    return code | (key & WALK_WRITE ? PF_WRITE : 0) | (key & WALK_USER ? PF_USER : 0) |
           ((key & WALK_EXEC) && fetch_known ? PF_FETCH : 0);
}

static bool page_fault(struct fault *fault, const struct vcpu_state *state, uint64_t linear, unsigned key,
                       uint32_t code)
{
    fault_set(fault, EXCEPTION_PF, fault_code(state, key, code));
    fault->address = linear;
    return false;
}

/* May this access touch a page whose levels allow `rights` (PTE_W and PTE_U where all levels have them, PTE_NX where
 * any)? SDM 3A 5.6. */
static bool permitted(const struct vcpu_state *state, unsigned key, uint64_t rights)
{
    if ((key & WALK_EXEC) && (rights & PTE_NX)) {
        return false;
    }
    if (key & WALK_USER) {
        return (rights & PTE_U) && (!(key & WALK_WRITE) || (rights & PTE_W));
    }
    if ((key & WALK_WRITE) && !(rights & PTE_W) && (state->cr0 & CR0_WP)) {
        return false;
    }
    if (!(rights & PTE_U)) {
        return true;
    }
    if (key & WALK_EXEC) {
        return !(state->cr4 & CR4_SMEP);
    }
    return !(state->cr4 & CR4_SMAP) || ((key & WALK_AC) && !(key & WALK_IMPLICIT));
}

/* Reads the entries of linear from the root down; returns the number of steps, or 0 with *fault. */
static unsigned descend(const struct vcpu *vcpu, const struct format *format, uint64_t linear, unsigned key,
                        struct walk_step *steps, uint64_t *rights, struct fault *fault)
{
    const struct vcpu_state *state = vcpu->state;
    uint64_t table = format == &format_4level ? state->cr3 & PTE_ADDRESS
                                              : state->cr3 & (format == &format_pae ? 0xffffffe0 : 0xfffff000);
    *rights = PTE_W | PTE_U;
    for (unsigned level = 0; level < format->levels; level++) {
        unsigned shift = format->first_shift - level * format->index_bits;
        uint64_t index = linear >> shift & ((1u << format->index_bits) - 1);
        bool pdpte = format == &format_pae && level == 0;
        bool loaded = pdpte && !(state->features & STATE_FEATURE_PDPTE_MEMORY);
        uint64_t *entry = loaded ? (uint64_t *)&state->pdpte[index & 3]
                                 : (uint64_t *)walk_ram(&vcpu->machine->memory, table + index * format->entry_size);
        uint64_t value = entry_read(entry, format->entry_size);
        steps[level] = (struct walk_step){ entry, value };
        if (!(value & PTE_P)) {
            page_fault(fault, state, linear, key, 0);
            return 0;
        }
        bool last = level + 1u == format->levels;
        bool large = !last && (value & PTE_PS) && (format->large >> level & 1) &&
                     (format->entry_size == 8 || (state->cr4 & CR4_PSE));
        /* Where a walk reads PDPTEs from memory, the CPU may have marked them accessed, which is a reserved bit of
         * theirs. */
        uint64_t marked = pdpte && !loaded ? PTE_A : 0;
        if (value & ~marked & reserved_bits(vcpu, format, level, last || large)) {
            page_fault(fault, state, linear, key, PF_PRESENT | PF_RESERVED);
            return 0;
        }
        if (!pdpte) {
            *rights = (*rights & value & (PTE_W | PTE_U)) | ((*rights | value) & PTE_NX);
        }
        if (last || large) {
            return level + 1;
        }
        table = value & (format->entry_size == 8 ? PTE_ADDRESS : 0xfffff000);
    }
    return 0;
}

/* The guest-physical address of the 4 KiB page at linear, from its leaf entry. */
static uint64_t leaf_page(const struct format *format, unsigned steps, uint64_t value, uint64_t linear)
{
    unsigned shift = format->first_shift - (steps - 1) * format->index_bits;
    uint64_t offset = linear & ((1ull << shift) - 1) & ~PAGE_MASK;
    if (format->entry_size == 4) {
        /* PSE-36: bits 20:13 of a large entry are address bits 39:32. */
        return shift == 22 ? (value & 0xffc00000) + ((value >> 13 & 0xff) << 32) + offset : value & 0xfffff000;
    }
    return (value & PTE_ADDRESS & ~((1ull << shift) - 1)) + offset;
}

static void translation_fill(struct translation *out, uint64_t linear, unsigned key,
                             const struct walk_step *steps, unsigned count)
{
    for (unsigned i = 0; i < TRANSLATION_ENTRIES; i++) {
        const struct walk_step *step = &steps[i < count ? i : count - 1];
        if (step->entry == NULL) {
            return; /* not remembered: page stays 0 */
        }
        out->entry[i] = step->entry;
        out->value[i] = step->value;
    }
    out->page = (linear & ~PAGE_MASK) | TRANSLATION_VALID;
    out->key = key;
}

/* Marks the entries accessed, and the leaf dirty for a write. False: one changed meanwhile. */
static bool mark_used(const struct format *format, struct walk_step *steps, unsigned count, unsigned key)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t bits = PTE_A | (i + 1 == count && (key & WALK_WRITE) ? PTE_D : 0);
        if (format == &format_pae && i == 0) {
            continue; /* PDPTEs have no such flags */
        }
        if (!entry_mark(steps[i].entry, format->entry_size, steps[i].value, bits)) {
            return false;
        }
        steps[i].value |= bits;
    }
    return true;
}

bool walk_tables(struct vcpu *vcpu, uint64_t linear, unsigned key, struct translation *out, struct fault *fault)
{
    const struct vcpu_state *state = vcpu->state;
    out->page = 0;
    if (!(state->cr0 & CR0_PG)) {
        out->gpa = linear & 0xfffff000;
        out->host = walk_ram(&vcpu->machine->memory, out->gpa);
        translation_fill(out, out->gpa, key, &(struct walk_step){ (uint64_t *)&all_ones, all_ones }, 1);
        return true;
    }
    const struct format *format = format_of(state);
    if (format != &format_4level) {
        linear &= 0xffffffff;
    }
    for (unsigned restarts = 0; restarts < MAX_RESTARTS; restarts++) {
        struct walk_step steps[TRANSLATION_ENTRIES];
        uint64_t rights;
        unsigned count = descend(vcpu, format, linear, key, steps, &rights, fault);
        if (count == 0) {
            return false;
        }
        if (!permitted(state, key, rights)) {
            return page_fault(fault, state, linear, key, PF_PRESENT);
        }
        if (!mark_used(format, steps, count, key)) {
            continue;
        }
        out->gpa = leaf_page(format, count, steps[count - 1].value, linear);
        out->host = walk_ram(&vcpu->machine->memory, out->gpa);
        if (format->entry_size == 8) {
            translation_fill(out, linear, key, steps, count);
        }
        return true;
    }
    return fault_set(fault, FAULT_RETRY, 0);
}

void walk_cache_sync(struct vcpu *vcpu)
{
    struct walk_cache *cache = &vcpu->walk_cache;
    const struct vcpu_state *state = vcpu->state;
    if (walk_cache_current(cache, state)) {
        return;
    }
    cache->cr0 = state->cr0;
    cache->cr3 = state->cr3;
    cache->cr4 = state->cr4;
    cache->efer = state->efer;
    for (unsigned i = 0; i < CODE_PAGES; i++) {
        cache->code[i].room = 0;
    }
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        cache->data[i][0].page = cache->data[i][1].page = 0;
    }
}

bool walk(struct vcpu *vcpu, uint64_t linear, unsigned access, struct walk *out, struct fault *fault)
{
    struct translation *t = walk_slot(vcpu, linear, access);
    unsigned key = walk_key(vcpu->state, access);
    walk_cache_sync(vcpu);
    if (!walk_hits(t, linear, key) && !walk_plain(vcpu, linear, key, t) && !walk_tables(vcpu, linear, key, t, fault)) {
        return false;
    }
    out->gpa = t->gpa + (linear & PAGE_MASK);
    out->host = t->host ? t->host + (linear & PAGE_MASK) : NULL;
    return true;
}

