/* SPDX-License-Identifier: MIT
 * Instruction fetch in software. The fast path costs a few dozen instructions: the last page translated is remembered
 * and checked against the page-table entries that it came from (translation.h). */
#include <string.h>
#include "cr.h"
#include "descriptor.h"
#include "emulate.h"
#include "fetch.h"
#include "fetch_cached.h"
#include "segment.h"
#include "unaligned.h"
#include "walk.h"

/* The instruction of an exit in its usual encoding: up to four bytes under a mask; two variants. */
#define PATTERN_REASONS 64 /* EXIT_COUNT rounded up to a power of two */
_Static_assert(EXIT_COUNT <= PATTERN_REASONS, "patterns");
struct pattern {
    uint32_t ignore, bytes; /* bytes | ignore of the instruction */
    uint64_t length;
};
#define IS(mask, bytes, length) { ~(mask##u), (bytes) | ~(mask##u), length }

/* An entry that is not given matches zeros only, with the length 0. */
static const struct pattern patterns[PATTERN_REASONS][2] = {
    [EXIT_CPUID] = { IS(0xffff, 0xa20f, 2) },
    [EXIT_HLT] = { IS(0xff, 0xf4, 1) },
    [EXIT_MSR_READ] = { IS(0xffff, 0x320f, 2) },
    [EXIT_MSR_WRITE] = { IS(0xffff, 0x300f, 2) },
    [EXIT_IO] = { IS(0xfc, 0xec, 1), IS(0xfc, 0xe4, 2) },
    [EXIT_RDTSC] = { IS(0xffff, 0x310f, 2) },
    [EXIT_RDTSCP] = { IS(0xffffff, 0xf9010f, 3) },
    [EXIT_RDPMC] = { IS(0xffff, 0x330f, 2) },
    [EXIT_INVD] = { IS(0xffff, 0x080f, 2) },
    [EXIT_WBINVD] = { IS(0xfeff, 0x080f, 2) }, /* one handler; QEMU says so of INVD too */
    [EXIT_MONITOR] = { IS(0xffffff, 0xc8010f, 3) },
    [EXIT_MWAIT] = { IS(0xffffff, 0xc9010f, 3) },
    [EXIT_PAUSE] = { IS(0xffff, 0x90f3, 2) },
    [EXIT_XSETBV] = { IS(0xffffff, 0xd1010f, 3) },
    [EXIT_HYPERCALL] = { IS(0xffffff, 0xd9010f, 3), IS(0xffffff, 0xc1010f, 3) },
};

/* Which operations cause which exit: a bit per enum insn_op. */
#define OP_BIT(op) (1ull << ((op) - OP_PUSH))
#define SYSTEM_FIRST OP_PUSH
_Static_assert(OP_COUNT - SYSTEM_FIRST <= 64, "op bits");
static const uint64_t causes[EXIT_COUNT] = {
    [EXIT_CPUID] = OP_BIT(OP_CPUID),
    [EXIT_HLT] = OP_BIT(OP_HLT),
    [EXIT_MSR_READ] = OP_BIT(OP_RDMSR),
    [EXIT_MSR_WRITE] = OP_BIT(OP_WRMSR),
    [EXIT_IO] = OP_BIT(OP_IN) | OP_BIT(OP_OUT) | OP_BIT(OP_INS) | OP_BIT(OP_OUTS),
    [EXIT_RDTSC] = OP_BIT(OP_RDTSC),
    [EXIT_RDTSCP] = OP_BIT(OP_RDTSCP),
    [EXIT_RDPMC] = OP_BIT(OP_RDPMC),
    [EXIT_INVD] = OP_BIT(OP_INVD),
    [EXIT_WBINVD] = OP_BIT(OP_WBINVD) | OP_BIT(OP_INVD),
    [EXIT_INVLPG] = OP_BIT(OP_INVLPG),
    [EXIT_MONITOR] = OP_BIT(OP_MONITOR),
    [EXIT_MWAIT] = OP_BIT(OP_MWAIT),
    [EXIT_PAUSE] = OP_BIT(OP_PAUSE),
    [EXIT_XSETBV] = OP_BIT(OP_XSETBV),
    [EXIT_HYPERCALL] = OP_BIT(OP_VMCALL) | OP_BIT(OP_VMMCALL),
    [EXIT_VIRT] = OP_BIT(OP_VIRT),
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

static uint64_t segment_rest(const struct segment *s)
{
    return s->limit | (uint64_t)s->attr << 32;
}

/* Translates the page of CS:RIP + skip, which is `linear`, to *out (null: not RAM), and remembers it if it can. */
static bool code_page(struct vcpu *vcpu, unsigned skip, uint64_t linear, uint8_t **out, struct fault *fault)
{
    const struct vcpu_state *state = vcpu->state;
    const struct segment *cs = &state->seg[SEG_CS];
    struct code_page *page = code_slot(vcpu, state->rip + skip);
    unsigned key = WALK_EXEC | (walk_cpl(state) == 3 ? WALK_USER : 0);
    walk_cache_sync(vcpu);
    page->room = 0;
    if (!walk_plain(vcpu, linear, key, &page->at) && !walk_tables(vcpu, linear, key, &page->at, fault)) {
        return false;
    }
    uint64_t offset = linear & PAGE_MASK, rip = state->rip + skip - offset;
    bool whole = insn_mode(state) == INSN_64 || (state->rip + skip >= offset && rip + PAGE_MASK <= cs->limit);
    bool conforming = (cs->attr & (TYPE_CODE | TYPE_CONFORMING)) == (TYPE_CODE | TYPE_CONFORMING);
    *out = page->at.host;
    if (page->at.page != 0 && page->at.host != NULL && whole && !conforming) {
        page->rip = rip;
        page->room = PAGE_SIZE;
        page->cs_base = cs->base;
        page->cs_rest = segment_rest(cs);
    }
    return true;
}

/* Copies up to `room` bytes at RIP + skip, not beyond their page. Returns their number, 0 with *fault. */
static unsigned fetch_part(struct vcpu *vcpu, unsigned skip, unsigned room, uint8_t *bytes, struct fault *fault)
{
    uint64_t linear;
    uint8_t *page;
    if (!code_linear(vcpu->state, skip, &linear, fault) || !code_page(vcpu, skip, linear, &page, fault)) {
        return 0;
    }
    uint64_t count = PAGE_SIZE - (linear & PAGE_MASK);
    uint64_t limit = limit_room(vcpu->state, skip);
    count = count < room ? count : room;
    count = count < limit ? count : limit;
    if (page == NULL) {
        memset(bytes, 0xff, count); /* code outside RAM reads as an empty bus */
    } else {
        memcpy(bytes, page + (linear & PAGE_MASK), count);
    }
    return (unsigned)count;
}

unsigned fetch(struct vcpu *vcpu, uint8_t *bytes, struct fault *fault)
{
    const uint8_t *at;
    for (unsigned i = 0; i < INSN_BUFFER; i += 8) {
        store64(bytes + i, 0);
    }
    if (!fetch_cached(vcpu, 16, &at)) {
        return fetch_part(vcpu, 0, INSN_MAX_LENGTH, bytes, fault);
    }
    store64(bytes, load64(at));
    store64(bytes + 8, load64(at + 8));
    return INSN_MAX_LENGTH;
}

/* Decodes the bytes at RIP, of which `count` are there; fetches more of them only if needed. */
static enum fetch_result decode_bytes(struct vcpu *vcpu, uint8_t *bytes, unsigned count, struct insn *insn,
                                      struct fault *fault)
{
    enum insn_mode mode = insn_mode(vcpu->state);
    enum status status = insn_decode(insn, bytes, count, mode);
    while (status == ERR_NONE) {
        unsigned more = fetch_part(vcpu, count, INSN_MAX_LENGTH - count, bytes + count, fault);
        if (more == 0) {
            return FETCH_FAULT;
        }
        count += more;
        status = insn_decode(insn, bytes, count, mode);
    }
    if (status != OK) {
        fault_set(fault, status == ERR_PARAM ? EXCEPTION_GP : EXCEPTION_UD, 0);
        return FETCH_FAULT;
    }
    return FETCH_OK;
}

enum fetch_result fetch_insn(struct vcpu *vcpu, struct insn *insn, struct fault *fault)
{
    uint8_t bytes[INSN_BUFFER];
    unsigned count = fetch(vcpu, bytes, fault);
    return count == 0 ? FETCH_FAULT : decode_bytes(vcpu, bytes, count, insn, fault);
}

static void remember_decoded(struct decoded *d, const uint8_t *bytes)
{
    unsigned length = d->insn.length;
    d->bytes[0] = load64(bytes);
    d->bytes[1] = load64(bytes + 8);
    d->mask[0] = length >= 8 ? ~0ull : ~0ull >> (64 - 8 * length);
    d->mask[1] = length <= 8 ? 0 : ~0ull >> (128 - 8 * length);
    d->simple = emulate_is_simple(&d->insn);
}

static const struct insn *decode_slow(struct vcpu *vcpu, struct decoded *d, struct fault *fault)
{
    uint8_t bytes[INSN_BUFFER];
    unsigned count = fetch(vcpu, bytes, fault);
    if (count == 0 || decode_bytes(vcpu, bytes, count, &d->insn, fault) != FETCH_OK) {
        d->insn.length = 0;
        return NULL;
    }
    remember_decoded(d, bytes);
    return &d->insn;
}

const struct insn *fetch_decoded(struct vcpu *vcpu, struct fault *fault)
{
    const struct decoded *d = fetch_remembered(vcpu);
    return d ? &d->insn : decode_slow(vcpu, decoded_slot(vcpu), fault);
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

/* Makes the cache hold the page of CS:RIP, if that is possible. */
static bool code_refill(struct vcpu *vcpu)
{
    struct fault fault;
    uint64_t linear;
    uint8_t *page;
    return code_linear(vcpu->state, 0, &linear, &fault) && code_page(vcpu, 0, linear, &page, &fault);
}

/* The length of the usual encoding of an instruction that causes this exit, if that is what lies there, else 0. */
static inline unsigned pattern_length(const struct vcpu_state *state, const uint8_t *at)
{
    const struct pattern *pattern = patterns[state->exit.reason % PATTERN_REASONS];
    uint32_t bytes = load32(at);
    if (__builtin_expect((bytes | pattern->ignore) == pattern->bytes, 1)) {
        return (unsigned)pattern->length;
    }
    return (bytes | pattern[1].ignore) == pattern[1].bytes ? (unsigned)pattern[1].length : 0;
}

static __attribute__((noinline)) unsigned insn_length_miss(struct vcpu *vcpu)
{
    const uint8_t *at;
    unsigned length = 0;
    if (code_refill(vcpu) && fetch_cached(vcpu, sizeof(uint32_t), &at)) {
        length = pattern_length(vcpu->state, at);
    }
    return length ? length : insn_length(vcpu, (enum exit_reason)vcpu->state->exit.reason, NULL);
}

unsigned insn_length_fast(struct vcpu *vcpu)
{
    const uint8_t *at;
    if (__builtin_expect(fetch_cached(vcpu, sizeof(uint32_t), &at), 1)) {
        unsigned length = pattern_length(vcpu->state, at);
        if (__builtin_expect(length != 0, 1)) {
            return length;
        }
    }
    return insn_length_miss(vcpu);
}

__attribute__((noinline, cold)) void insn_step_trap(struct vcpu_state *state)
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
