/* SPDX-License-Identifier: MIT
 * The task switch: check everything, commit, then load the new task's segments, whose faults already belong to the new
 * task. */
#include "task_switch.h"
#include <stddef.h>
#include <string.h>
#include "cr.h"
#include "descriptor.h"
#include "fetch.h"
#include "segment.h"
#include "tss.h"
#include "vcpu_loop.h"

enum source { FROM_CALL, FROM_IRET, FROM_JMP, FROM_GATE };

#define RFLAGS_KEPT 0x003f7fd7ull /* what a 32-bit EFLAGS image can set */
#define DR7_LOCAL 0x155ull        /* LE and L0 to L3 */
#define PDPTE_RESERVED 0xfff00000000001e6ull

struct task {
    struct vcpu *vcpu;
    struct vcpu_state *state;
    struct fault *fault;
    enum source source;
    unsigned external;          /* EXT bit of error codes */
    uint16_t selector;
    struct descriptor descriptor; /* of the new TSS */
    struct segment segment;
    bool wide, old_wide;
    struct tss old, new;
    uint64_t pdpte[4];
};

static bool fails(struct task *t, uint8_t vector, uint16_t selector)
{
    return fault_set(t->fault, vector, (selector & 0xfffcu) | t->external);
}

static bool nests(const struct task *t)
{
    return t->source == FROM_CALL || t->source == FROM_GATE;
}

/* The descriptor of the new TSS (SDM 3A 8.3, steps 1 to 5). */
static bool check_descriptor(struct task *t)
{
    uint8_t bad = t->source == FROM_IRET ? EXCEPTION_TS : EXCEPTION_GP;
    if (selector_is_null(t->selector) || (t->selector & 4)) {
        return fails(t, bad, t->selector);
    }
    if (!descriptor_read(t->vcpu, t->selector, bad, t->external, &t->descriptor, t->fault)) {
        return false;
    }
    uint64_t value = t->descriptor.value;
    unsigned type = DESCRIPTOR_TYPE(value), plain = type & ~TYPE_BUSY;
    bool busy = type & TYPE_BUSY;
    if ((value & DESCRIPTOR_S) || (plain != TYPE_TSS16 && plain != TYPE_TSS32) || busy != (t->source == FROM_IRET)) {
        return fails(t, bad, t->selector);
    }
    if (!(value & DESCRIPTOR_P)) {
        return fails(t, EXCEPTION_NP, t->selector);
    }
    t->wide = plain == TYPE_TSS32;
    t->segment = descriptor_segment(t->selector, value);
    return t->segment.limit >= tss_size(t->wide) - 1 || fails(t, EXCEPTION_TS, t->selector);
}

/* Every byte that the switch will write, before it writes any. */
static bool check_memory(struct task *t)
{
    struct vcpu_state *s = t->state;
    const struct segment *tr = &s->seg[SEG_TR];
    struct descriptor old;
    uint8_t image[TSS32_SIZE];
    t->old_wide = (tr->attr & 15 & ~TYPE_BUSY) == TYPE_TSS32;
    if (tr->limit < tss_size(t->old_wide) - 1) {
        return fails(t, EXCEPTION_TS, tr->selector);
    }
    if (!linear_read(t->vcpu, t->segment.base, image, tss_size(t->wide), t->fault)) {
        return false;
    }
    tss_unpack(&t->new, image, t->wide);
    if (!nests(t) && (!descriptor_read(t->vcpu, tr->selector, EXCEPTION_TS, t->external, &old, t->fault) ||
                      !linear_check(t->vcpu, old.linear, 8, WALK_WRITE, t->fault))) {
        return false;
    }
    return linear_check(t->vcpu, tr->base + tss_saved_offset(t->old_wide), tss_saved_size(t->old_wide), WALK_WRITE,
                        t->fault) &&
           linear_check(t->vcpu, t->segment.base, 2, nests(t) ? WALK_WRITE : WALK_READ, t->fault) &&
           linear_check(t->vcpu, t->descriptor.linear, 8, t->source == FROM_IRET ? WALK_READ : WALK_WRITE, t->fault);
}

/* With PAE paging the new CR3 brings new PDPTEs. */
static bool check_pdptes(struct task *t)
{
    const struct vcpu_state *s = t->state;
    if (!t->wide || !(s->cr0 & CR0_PG) || !(s->cr4 & CR4_PAE)) {
        memcpy(t->pdpte, s->pdpte, sizeof(t->pdpte));
        return true;
    }
    const void *table = memory_at(&t->vcpu->machine->memory, t->new.cr3 & 0xffffffe0, sizeof(t->pdpte));
    if (table == NULL) {
        return fails(t, EXCEPTION_TS, t->selector);
    }
    memcpy(t->pdpte, table, sizeof(t->pdpte));
    for (unsigned i = 0; i < 4; i++) {
        if ((t->pdpte[i] & 1) && (t->pdpte[i] & PDPTE_RESERVED)) {
            return fails(t, EXCEPTION_TS, t->selector);
        }
    }
    return true;
}

/* Is the event that a task gate delivers one that the instruction at RIP caused on purpose (INT n, INT3, INTO)? */
static bool is_software_event(const struct vcpu_state *s)
{
    unsigned type = INJECT_TYPE(s->inject);
    return (s->inject & INJECT_VALID) &&
           (type == INJECT_SOFT_INT || type == INJECT_SOFT_EXCEPTION || type == INJECT_PRIV_SOFT);
}

/* Where the old task will go on: behind the instruction, but at it after a fault or an interrupt. False: *fault. */
static bool find_return(struct task *t)
{
    struct vcpu_state *s = t->state;
    unsigned length = 0;
    t->old.eflags = (uint32_t)s->rflags;
    if (t->source != FROM_GATE || is_software_event(s)) {
        length = s->exit.length ? s->exit.length : insn_length(t->vcpu, EXIT_TASK_SWITCH, t->fault);
        if (length == 0) {
            return false;
        }
    } else if (INJECT_TYPE(s->inject) == INJECT_EXCEPTION && INJECT_VECTOR(s->inject) != EXCEPTION_DB) {
        t->old.eflags |= (uint32_t)RFLAGS_RF;
    }
    if (t->source == FROM_IRET) {
        t->old.eflags &= ~(uint32_t)RFLAGS_NT;
    }
    t->old.eip = (uint32_t)(s->rip + length);
    for (unsigned i = 0; i < 8; i++) {
        t->old.gpr[i] = (uint32_t)s->gpr[i];
    }
    for (unsigned i = 0; i < 6; i++) {
        t->old.seg[i] = s->seg[i].selector;
    }
    return true;
}

/* Writes that check_memory() made sure of; a page-table change meanwhile loses them, which only the guest's own race
 * can cause. */
static void commit_memory(struct task *t)
{
    struct vcpu_state *s = t->state;
    struct fault ignored;
    struct descriptor old;
    uint8_t saved[TSS32_SIZE];
    uint16_t link = s->seg[SEG_TR].selector;
    tss_pack(&t->old, saved, t->old_wide);
    (void)linear_write(t->vcpu, s->seg[SEG_TR].base + tss_saved_offset(t->old_wide), saved, tss_saved_size(t->old_wide),
                       &ignored);
    if (!nests(t) && descriptor_read(t->vcpu, link, EXCEPTION_TS, 0, &old, &ignored)) {
        (void)descriptor_mark(t->vcpu, &old, DESCRIPTOR_BUSY, true, &ignored);
    }
    if (nests(t)) {
        (void)linear_write(t->vcpu, t->segment.base, &link, sizeof(link), &ignored);
    }
    if (t->source != FROM_IRET) {
        (void)descriptor_mark(t->vcpu, &t->descriptor, DESCRIPTOR_BUSY, false, &ignored);
    }
}

/* The registers that load without a check. All segments are null until they are loaded. */
static void commit_registers(struct task *t)
{
    struct vcpu_state *s = t->state;
    t->segment.attr |= TYPE_BUSY;
    s->seg[SEG_TR] = t->segment;
    s->cr0 |= CR0_TS;
    if (t->wide && (s->cr0 & CR0_PG)) {
        s->cr3 = t->new.cr3;
        memcpy(s->pdpte, t->pdpte, sizeof(s->pdpte));
    }
    s->dr7 &= ~DR7_LOCAL;
    s->rip = t->new.eip;
    s->rflags = (t->new.eflags & RFLAGS_KEPT) | RFLAGS_FIXED | (nests(t) ? RFLAGS_NT : 0);
    for (unsigned i = 0; i < 8; i++) {
        s->gpr[i] = t->new.gpr[i];
    }
    bool v86 = s->rflags & RFLAGS_VM;
    unsigned cpl = v86 ? 3 : t->new.seg[SEG_CS] & 3;
    for (unsigned i = 0; i < 6; i++) {
        uint16_t selector = t->new.seg[i];
        s->seg[i] = (struct segment){ .selector = selector, .attr = SEG_ATTR_UNUSABLE };
        if (v86) {
            s->seg[i] = (struct segment){
                .selector = selector, .base = (uint64_t)selector << 4, .limit = 0xffff, .attr = 0xf3
            };
        }
    }
    if (!v86) { /* what a fault in the next steps leaves must be enterable: flat CS and SS of the new privilege */
        s->seg[SEG_CS].attr = 0xc09b | cpl << SEG_ATTR_DPL_SHIFT;
        s->seg[SEG_CS].limit = 0xffffffff;
        s->seg[SEG_SS].attr |= cpl << SEG_ATTR_DPL_SHIFT;
    }
    s->seg[SEG_LDTR] = (struct segment){ .selector = t->new.ldt, .attr = SEG_ATTR_UNUSABLE };
    s->blocking &= ~BLOCKING_SHADOW;
    s->dirty |= GROUP_ALL & ~(GROUP_CONTROL | GROUP_MSR | GROUP_TABLE);
}

static bool load_ldtr(struct task *t)
{
    uint16_t selector = t->new.ldt;
    struct descriptor d;
    if (selector_is_null(selector)) {
        return true;
    }
    if (selector & 4) {
        return fails(t, EXCEPTION_TS, selector);
    }
    if (!descriptor_read(t->vcpu, selector, EXCEPTION_TS, t->external, &d, t->fault)) {
        return false;
    }
    if ((d.value & DESCRIPTOR_S) || DESCRIPTOR_TYPE(d.value) != TYPE_LDT || !(d.value & DESCRIPTOR_P)) {
        return fails(t, EXCEPTION_TS, selector);
    }
    t->state->seg[SEG_LDTR] = descriptor_segment(selector, d.value);
    return true;
}

/* Type and privilege of a descriptor for this register (SDM 3A table 8-1). */
static bool suits(unsigned seg, uint64_t value, unsigned cpl, unsigned rpl)
{
    unsigned type = DESCRIPTOR_TYPE(value), dpl = DESCRIPTOR_DPL(value);
    bool code = type & TYPE_CODE, conforming = code && (type & TYPE_CONFORMING);
    if (!(value & DESCRIPTOR_S)) {
        return false;
    }
    if (seg == SEG_CS) {
        return code && (conforming ? dpl <= cpl : dpl == cpl);
    }
    if (seg == SEG_SS) {
        return !code && (type & TYPE_READ_WRITE) && dpl == cpl && rpl == cpl;
    }
    return (!code || (type & TYPE_READ_WRITE)) && (conforming || (dpl >= cpl && dpl >= rpl));
}

static bool load_segment(struct task *t, unsigned seg)
{
    uint16_t selector = t->new.seg[seg];
    unsigned cpl = t->new.seg[SEG_CS] & 3;
    struct descriptor d;
    if (selector_is_null(selector)) {
        return (seg != SEG_CS && seg != SEG_SS) || fails(t, EXCEPTION_TS, selector);
    }
    if (!descriptor_read(t->vcpu, selector, EXCEPTION_TS, t->external, &d, t->fault)) {
        return false;
    }
    if (!suits(seg, d.value, cpl, selector & 3)) {
        return fails(t, EXCEPTION_TS, selector);
    }
    if (!(d.value & DESCRIPTOR_P)) {
        return fails(t, seg == SEG_SS ? EXCEPTION_SS : EXCEPTION_NP, selector);
    }
    if (!(d.value & DESCRIPTOR_ACCESSED) && !descriptor_mark(t->vcpu, &d, DESCRIPTOR_ACCESSED, false, t->fault)) {
        return false;
    }
    t->state->seg[seg] = descriptor_segment(selector, d.value | DESCRIPTOR_ACCESSED);
    return true;
}

static bool load_segments(struct task *t)
{
    static const uint8_t order[6] = { SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS };
    if (!load_ldtr(t)) {
        return false;
    }
    for (unsigned i = 0; i < 6 && !(t->state->rflags & RFLAGS_VM); i++) {
        if (!load_segment(t, order[i])) {
            return false;
        }
    }
    return t->state->rip <= t->state->seg[SEG_CS].limit || fault_set(t->fault, EXCEPTION_GP, t->external);
}

/* The error code of an exception goes to the new task's stack. */
static bool push_error(struct task *t)
{
    struct vcpu_state *s = t->state;
    if (t->source != FROM_GATE || !s->exit.task.has_error) {
        return true;
    }
    unsigned size = t->wide ? 4 : 2;
    bool big = s->seg[SEG_SS].attr & SEG_ATTR_DB;
    uint64_t esp = (s->gpr[RSP] - size) & (big ? 0xffffffff : 0xffff), linear;
    struct walk first, last;
    if (!segment_linear(s, insn_mode(s), SEG_SS, esp, size, WALK_WRITE, &linear, t->fault)) {
        return false;
    }
    if (!walk(t->vcpu, linear, WALK_WRITE, &first, t->fault) ||
        !walk(t->vcpu, (linear + size - 1) & 0xffffffff, WALK_WRITE, &last, t->fault)) {
        return false;
    }
    uint8_t bytes[4];
    memcpy(bytes, &s->exit.task.error, size);
    unsigned room = (unsigned)(PAGE_SIZE - (linear & PAGE_MASK));
    for (unsigned i = 0; i < size; i++) {
        uint8_t *host = i < room ? first.host + i : last.host - (size - 1 - i);
        if ((i < room ? first.host : last.host) != NULL) {
            *host = bytes[i];
        }
    }
    s->gpr[RSP] = big ? esp : (s->gpr[RSP] & ~0xffffull) | esp;
    return true;
}

/* TSS.T: a debug trap before the new task's first instruction. */
static bool debug_trap(struct task *t)
{
    if (!t->new.debug_trap) {
        return true;
    }
    t->state->dr6 |= DR6_BT;
    return fault_set(t->fault, EXCEPTION_DB, 0);
}

static enum task_switch_result failed(const struct fault *fault)
{
    return fault->vector == FAULT_RETRY ? TASK_AGAIN : TASK_FAULT;
}

enum task_switch_result task_switch(struct vcpu *vcpu, struct fault *fault)
{
    struct vcpu_state *s = vcpu->state;
    struct task t = { .vcpu = vcpu, .state = s, .fault = fault, .source = (enum source)(s->exit.task.source & 3),
                      .selector = s->exit.task.selector };
    t.external = t.source == FROM_GATE && !is_software_event(s);
    if (s->efer & EFER_LMA) {
        fails(&t, EXCEPTION_GP, t.selector); /* there is none in long mode */
        return TASK_FAULT;
    }
    if (!check_descriptor(&t) || !find_return(&t) || !check_memory(&t) || !check_pdptes(&t)) {
        return failed(fault);
    }
    commit_memory(&t);
    commit_registers(&t);
    bool loaded = load_segments(&t) && push_error(&t);
    if (!loaded && fault->vector == FAULT_RETRY) {
        fault_set(fault, EXCEPTION_TS, t.selector); /* too late to go back */
    }
    if (!loaded) {
        return TASK_FAULT;
    }
    s->inject = 0; /* the event, if any, is delivered */
    return debug_trap(&t) ? TASK_SWITCHED : TASK_FAULT;
}

