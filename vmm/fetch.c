/* SPDX-License-Identifier: MIT
 * Instruction fetch in software. The fast path costs a few dozen instructions: the last page translated is remembered and checked against
 * the page-table entries that it came from (translation.h). */
#include <string.h>
#include "cr.h"
#include "fetch.h"
#include "segment.h"
#include "walk.h"

#define LONGEST_FAST 8 /* bytes that the fast path loads at once */

/* The instruction of an exit in its usual encoding: up to four bytes under a mask; two variants. */
struct pattern {
    uint32_t mask, bytes;
    uint8_t length;
};

#define PATTERN_COUNT 2
static const struct pattern patterns[EXIT_COUNT][PATTERN_COUNT] = {
    [EXIT_CPUID] = { { 0xffff, 0xa20f, 2 } },
    [EXIT_HLT] = { { 0xff, 0xf4, 1 } },
    [EXIT_MSR_READ] = { { 0xffff, 0x320f, 2 } },
    [EXIT_MSR_WRITE] = { { 0xffff, 0x300f, 2 } },
    [EXIT_IO] = { { 0xfc, 0xec, 1 }, { 0xfc, 0xe4, 2 } },
    [EXIT_RDTSC] = { { 0xffff, 0x310f, 2 } },
    [EXIT_RDTSCP] = { { 0xffffff, 0xf9010f, 3 } },
    [EXIT_RDPMC] = { { 0xffff, 0x330f, 2 } },
    [EXIT_INVD] = { { 0xffff, 0x080f, 2 } },
    [EXIT_WBINVD] = { { 0xffff, 0x090f, 2 } },
    [EXIT_MONITOR] = { { 0xffffff, 0xc8010f, 3 } },
    [EXIT_MWAIT] = { { 0xffffff, 0xc9010f, 3 } },
    [EXIT_PAUSE] = { { 0xffff, 0x90f3, 2 } },
    [EXIT_XSETBV] = { { 0xffffff, 0xd1010f, 3 } },
    [EXIT_HYPERCALL] = { { 0xffffff, 0xd9010f, 3 }, { 0xffffff, 0xc1010f, 3 } },
};

/* Which operations cause which exit: a bit per enum insn_op. */
#define OP_BIT(op) (1ull << ((op) - OP_PUSH))
#define SYSTEM_FIRST OP_PUSH
_Static_assert(OP_COUNT - SYSTEM_FIRST <= 64, "op bits");
static const uint64_t causes[EXIT_COUNT] = {
    [EXIT_CPUID] = OP_BIT(OP_CPUID), [EXIT_HLT] = OP_BIT(OP_HLT), [EXIT_MSR_READ] = OP_BIT(OP_RDMSR), [EXIT_MSR_WRITE] = OP_BIT(OP_WRMSR),
    [EXIT_IO] = OP_BIT(OP_IN) | OP_BIT(OP_OUT) | OP_BIT(OP_INS) | OP_BIT(OP_OUTS),
    [EXIT_RDTSC] = OP_BIT(OP_RDTSC), [EXIT_RDTSCP] = OP_BIT(OP_RDTSCP), [EXIT_RDPMC] = OP_BIT(OP_RDPMC),
    [EXIT_INVD] = OP_BIT(OP_INVD), [EXIT_WBINVD] = OP_BIT(OP_WBINVD), [EXIT_INVLPG] = OP_BIT(OP_INVLPG),
    [EXIT_MONITOR] = OP_BIT(OP_MONITOR), [EXIT_MWAIT] = OP_BIT(OP_MWAIT), [EXIT_PAUSE] = OP_BIT(OP_PAUSE),
    [EXIT_XSETBV] = OP_BIT(OP_XSETBV), [EXIT_HYPERCALL] = OP_BIT(OP_VMCALL) | OP_BIT(OP_VMMCALL), [EXIT_VIRT] = OP_BIT(OP_VIRT),
    [EXIT_DESCRIPTOR] = OP_BIT(OP_DESCRIPTOR),
    [EXIT_CR] = OP_BIT(OP_MOV_TO_CR) | OP_BIT(OP_MOV_FROM_CR) | OP_BIT(OP_CLTS) | OP_BIT(OP_LMSW) | OP_BIT(OP_SMSW),
    [EXIT_DR] = OP_BIT(OP_MOV_TO_DR) | OP_BIT(OP_MOV_FROM_DR),
    [EXIT_TASK_SWITCH] = OP_BIT(OP_CALL_FAR) | OP_BIT(OP_JMP_FAR) | OP_BIT(OP_IRET) | OP_BIT(OP_INT) | OP_BIT(OP_INT3) |
                         OP_BIT(OP_INTO) | OP_BIT(OP_INT1),
};

/* Linear address of CS:RIP + skip. */
static bool code_linear(const struct vcpu_state *state, unsigned skip, uint64_t *linear, struct fault *fault)
{
    enum insn_mode mode = insn_mode(state);
    return segment_linear(state, mode, SEG_CS, state->rip + skip, 1, WALK_EXEC, linear, fault);
}

/* How many bytes from RIP + skip on the code segment's limit allows. */
static uint64_t limit_room(const struct vcpu_state *state, unsigned skip)
{
    return insn_mode(state) == INSN_64 ? INSN_MAX_LENGTH : state->seg[SEG_CS].limit - (state->rip + skip) + 1;
}

static void remember_code(struct translation *t, const struct vcpu_state *state)
{
    t->cs = state->seg[SEG_CS];
    t->ss_attr = state->seg[SEG_SS].attr;
    t->mode = insn_mode(state);
}

/* The page that holds CS:RIP + skip. */
static bool code_page(struct vcpu *vcpu, uint64_t linear, struct fault *fault)
{
    unsigned key = WALK_EXEC | (walk_cpl(vcpu->state) == 3 ? WALK_USER : 0);
    struct translation *t = &vcpu->walk_cache.fetch;
    if (!walk_tables(vcpu, linear, key, t, fault)) {
        return false;
    }
    remember_code(t, vcpu->state);
    return true;
}

/* Copies up to `room` bytes at RIP + skip, not beyond their page. Returns their number, 0 with *fault. */
static unsigned fetch_part(struct vcpu *vcpu, unsigned skip, unsigned room, uint8_t *bytes, struct fault *fault)
{
    uint64_t linear;
    if (!code_linear(vcpu->state, skip, &linear, fault) || !code_page(vcpu, linear, fault)) {
        return 0;
    }
    uint64_t count = PAGE_SIZE - (linear & PAGE_MASK);
    uint64_t limit = limit_room(vcpu->state, skip);
    count = count < room ? count : room;
    count = count < limit ? count : limit;
    const struct translation *t = &vcpu->walk_cache.fetch;
    if (t->host == NULL) {
        memset(bytes, 0xff, count); /* code outside RAM reads as an empty bus */
    } else {
        memcpy(bytes, t->host + (linear & PAGE_MASK), count);
    }
    return (unsigned)count;
}

/* The remembered page, if it holds linear RIP and still counts. */
static const uint8_t *fetch_cached(const struct vcpu *vcpu)
{
    const struct translation *t = &vcpu->walk_cache.fetch;
    const struct vcpu_state *state = vcpu->state;
    const struct segment *cs = &state->seg[SEG_CS];
    uint64_t linear = state->rip;
    if (t->mode != INSN_64) {
        if (linear > cs->limit || cs->limit - linear < INSN_MAX_LENGTH || cs->base != t->cs.base) {
            return NULL;
        }
        linear = (linear + cs->base) & 0xffffffff;
    }
    if ((linear & ~PAGE_MASK) + TRANSLATION_VALID != t->page || t->host == NULL ||
        cs->attr != t->cs.attr || state->seg[SEG_SS].attr != t->ss_attr || !translation_current(t, state)) {
        return NULL;
    }
    return t->host + (linear & PAGE_MASK);
}

unsigned fetch(struct vcpu *vcpu, uint8_t *bytes, struct fault *fault)
{
    memset(bytes, 0, INSN_BUFFER);
    const uint8_t *at = fetch_cached(vcpu);
    if (at != NULL && ((uint64_t)at & PAGE_MASK) <= PAGE_SIZE - INSN_MAX_LENGTH) {
        memcpy(bytes, at, INSN_MAX_LENGTH);
        return INSN_MAX_LENGTH;
    }
    return fetch_part(vcpu, 0, INSN_MAX_LENGTH, bytes, fault);
}

enum fetch_result fetch_insn(struct vcpu *vcpu, struct insn *insn, struct fault *fault)
{
    uint8_t bytes[INSN_BUFFER];
    enum insn_mode mode = insn_mode(vcpu->state);
    unsigned count = fetch(vcpu, bytes, fault);
    if (count == 0) {
        return FETCH_FAULT;
    }
    enum status status = decode(insn, bytes, count, mode);
    while (status == ERR_NONE) {
        unsigned more = fetch_part(vcpu, count, INSN_MAX_LENGTH - count, bytes + count, fault);
        if (more == 0) {
            return FETCH_FAULT;
        }
        count += more;
        status = decode(insn, bytes, count, mode);
    }
    if (status != OK) {
        fault_set(fault, status == ERR_PARAM ? EXCEPTION_GP : EXCEPTION_UD, 0);
        return FETCH_FAULT;
    }
    return FETCH_OK;
}

unsigned insn_length(struct vcpu *vcpu, enum exit_reason reason, struct fault *fault)
{
    struct insn insn;
    struct fault local;
    fault = fault ? fault : &local;
    if (fetch_insn(vcpu, &insn, fault) != FETCH_OK) {
        return 0;
    }
    if (reason >= EXIT_COUNT || insn.op < SYSTEM_FIRST || !(causes[reason] & OP_BIT(insn.op))) {
        fault_set(fault, FAULT_RETRY, 0);
        return 0;
    }
    return insn.length;
}

unsigned insn_length_fast(struct vcpu *vcpu)
{
    const struct vcpu_state *state = vcpu->state;
    unsigned reason = state->exit.reason;
    const uint8_t *at = fetch_cached(vcpu);
    if (at == NULL || ((uint64_t)at & PAGE_MASK) > PAGE_SIZE - sizeof(uint32_t) || reason >= EXIT_COUNT) {
        return insn_length(vcpu, (enum exit_reason)reason, NULL);
    }
    uint32_t bytes;
    memcpy(&bytes, at, sizeof(bytes));
    for (unsigned i = 0; i < PATTERN_COUNT; i++) {
        const struct pattern *pattern = &patterns[reason][i];
        if (pattern->mask != 0 && (bytes & pattern->mask) == pattern->bytes) {
            return pattern->length;
        }
    }
    return insn_length(vcpu, (enum exit_reason)reason, NULL);
}

void insn_step_trap(struct vcpu_state *state)
{
    struct fault trap;
    fault_set(&trap, EXCEPTION_DB, 0);
    if (state->valid & GROUP_DEBUG) {
        state->dr6 |= DR6_BS;
        state->dirty |= GROUP_DEBUG;
    }
    fault_inject(state, &trap);
}

void insn_retire(struct vcpu *vcpu, unsigned length)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t flags = state->rflags, rip = state->rip + length;
    if ((rip ^ state->rip) >> 32 && (state->valid & FETCH_GROUPS) == FETCH_GROUPS && insn_mode(state) != INSN_64) {
        rip &= 0xffffffff; /* EIP wraps */
    }
    state->rip = rip;
    state->dirty |= GROUP_RIP;
    if (state->blocking & BLOCKING_SHADOW) {
        state->blocking &= ~BLOCKING_SHADOW;
        state->dirty |= GROUP_BLOCKING;
    }
    state->rflags = flags & ~RFLAGS_RF;
    if (flags & RFLAGS_TF) {
        insn_step_trap(state);
    }
}
