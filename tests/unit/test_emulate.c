/* SPDX-License-Identifier: MIT
 * The emulator against the CPU that the test runs on: every instruction form with random operands is executed twice,
 * natively on ordinary memory and by the emulator on fake devices and RAM at the same linear addresses; registers, flags
 * and memory must agree. */
#define _GNU_SOURCE
#include "cpu_fixture.h"
#include "alu.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define DATA 0x10000000ul    /* three pages: device, RAM, device */
#define DATA_SIZE 0x3000u
#define STACK 0x10010000ul   /* a page of RAM */
#define CONTEXT 0x20000000ul /* registers of the native run */
#define CODE 0x30000000ul    /* the native run's code, and the guest's */
#define GPA_CODE 0x1000u
#define GPA_RAM 0x2000u
#define GPA_STACK 0x3000u
#define ROUNDS 300

struct context {
    uint64_t gpr[16], flags, host_rsp, fault;
};
static struct context *const context = (struct context *)CONTEXT;
static uint64_t resume_at;

/* --- random operands --- */
static uint64_t seed = 0x9e3779b97f4a7c15ull;
static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint64_t random_value(void)
{
    static const uint64_t interesting[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
        0xffffffff,
                                            0x7fffffffffffffff, 0x8000000000000000, ~0ull, 0x0f0f0f0f0f0f0f0f };
    uint64_t r = random64();
    return r & 3 ? random64() >> (r >> 8 & 63) : interesting[r >> 2 & 15];
}

/* --- the native run --- */
static void on_sigfpe(int signal, siginfo_t *info, void *where)
{
    (void)signal, (void)info;
    ucontext_t *uc = where;
    context->fault = 1;
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)resume_at;
}

static uint8_t *put(uint8_t *at, const char *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

/* mov reg, [CONTEXT + offset] or back: absolute address through SIB. */
static uint8_t *put_move(uint8_t *at, bool load, unsigned reg, size_t offset)
{
    *at++ = 0x48 | (reg >> 3) << 2;
    *at++ = load ? 0x8b : 0x89;
    *at++ = 0x04 | (reg & 7) << 3;
    *at++ = 0x25;
    uint32_t address = (uint32_t)(CONTEXT + offset);
    memcpy(at, &address, 4);
    return at + 4;
}

/* Lays the trampoline around the instruction. Returns the address of the instruction. */
static uint64_t lay_code(const uint8_t *insn, unsigned length)
{
    uint8_t *at = (uint8_t *)CODE;
    at = put(at, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57\x9c", 11); /* push rbx rbp r12-r15, flags */
    at = put_move(at, false, RSP, offsetof(struct context, host_rsp));
    at = put(at, "\xff\x34\x25", 3); /* push [flags] */
    uint32_t flags = (uint32_t)(CONTEXT + offsetof(struct context, flags));
    memcpy(at, &flags, 4);
    at = put(at + 4, "\x9d", 1); /* popf */
    for (unsigned i = 0; i < 16; i++) {
        at = put_move(at, true, i, 8 * i);
    }
    uint64_t rip = (uint64_t)at;
    at = put(at, (const char *)insn, length);
    resume_at = (uint64_t)at;
    for (unsigned i = 0; i < 16; i++) {
        at = put_move(at, false, i, 8 * i);
    }
    at = put_move(at, true, RSP, offsetof(struct context, host_rsp));
    at = put(at, "\x9c\x8f\x04\x25", 4); /* pushf; pop [flags] */
    memcpy(at, &flags, 4);
    at = put(at + 4, "\x9d\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 12);
    return rip;
}

/* --- one comparison --- */
struct form {
    const char *name;
    uint8_t prefix;     /* mandatory, or 0 */
    uint8_t map;        /* 1: one byte; 2: 0F; 3: 0F 38 */
    uint8_t opcode;
    int8_t digit;       /* ModRM.reg, or -1: a register */
    uint8_t sizes;      /* sum of 1, 2, 4, 8 */
    uint8_t imm;        /* bytes; 0xff: by operand size, at most 4 */
    uint8_t special;
    uint32_t flags;     /* compared */
};
enum { PLAIN, BITREG, SHIFT, WIDE, STACKOP, SHIFT2, NO_LOCK, NEEDS_MOVBE, NEEDS_BMI, PAIR };
#define LOCKS 0x80 /* LOCK may be put in front */
#define ALL RFLAGS_ARITH
#define CZ (RFLAGS_CF | RFLAGS_ZF)

#define ALU_FORMS(n, op, lock) \
    { #n, 0, 1, 8 * (op), -1, 1, 0, lock, ALL }, { #n, 0, 1, 8 * (op) + 1, -1, 14, 0, lock, ALL }, \
    { #n, 0, 1, 8 * (op) + 2, -1, 1, 0, 0, ALL }, { #n, 0, 1, 8 * (op) + 3, -1, 14, 0, 0, ALL }, \
    { #n, 0, 1, 0x80, op, 1, 1, lock, ALL }, { #n, 0, 1, 0x81, op, 14, 0xff, lock, ALL }, \
    { #n, 0, 1, 0x83, op, 14, 1, lock, ALL }
#define SHIFT_FORMS(n, op) \
    { #n, 0, 1, 0xc0, op, 1, 1, SHIFT, ALL }, { #n, 0, 1, 0xc1, op, 14, 1, SHIFT, ALL }, \
    { #n, 0, 1, 0xd0, op, 1, 0, SHIFT, ALL }, \
    { #n, 0, 1, 0xd1, op, 14, 0, SHIFT, ALL }, { #n, 0, 1, 0xd2, op, 1, 0, SHIFT, ALL }, \
    { #n, 0, 1, 0xd3, op, 14, 0, SHIFT, ALL }
#define GROUP3_FORMS(n, op, special, flags) \
    { #n, 0, 1, 0xf6, op, 1, 0, special, flags }, { #n, 0, 1, 0xf7, op, 14, 0, special, flags }

static const struct form forms[] = {
    ALU_FORMS(add, 0, LOCKS), ALU_FORMS(or, 1, LOCKS), ALU_FORMS(adc, 2, LOCKS), ALU_FORMS(sbb, 3, LOCKS),
    ALU_FORMS(and, 4, LOCKS), ALU_FORMS(sub, 5, LOCKS), ALU_FORMS(xor, 6, LOCKS), ALU_FORMS(cmp, 7, 0),
    SHIFT_FORMS(rol, 0), SHIFT_FORMS(ror, 1), SHIFT_FORMS(rcl, 2), SHIFT_FORMS(rcr, 3), SHIFT_FORMS(shl, 4),
    SHIFT_FORMS(shr, 5), SHIFT_FORMS(sal, 6), SHIFT_FORMS(sar, 7),
    { "test", 0, 1, 0x84, -1, 1, 0, 0, ALL }, { "test", 0, 1, 0x85, -1, 14, 0, 0, ALL },
    { "test", 0, 1, 0xf6, 0, 1, 1, 0, ALL }, { "test", 0, 1, 0xf7, 0, 14, 0xff, 0, ALL },
    { "test", 0, 1, 0xf7, 1, 14, 0xff, 0, ALL },
    GROUP3_FORMS(not, 2, LOCKS, ALL), GROUP3_FORMS(neg, 3, LOCKS, ALL),
    GROUP3_FORMS(mul, 4, WIDE, RFLAGS_CF | RFLAGS_OF), GROUP3_FORMS(imul, 5, WIDE, RFLAGS_CF | RFLAGS_OF),
    GROUP3_FORMS(div, 6, WIDE, 0), GROUP3_FORMS(idiv, 7, WIDE, 0),
    { "inc", 0, 1, 0xfe, 0, 1, 0, LOCKS, ALL }, { "inc", 0, 1, 0xff, 0, 14, 0, LOCKS, ALL },
    { "dec", 0, 1, 0xfe, 1, 1, 0, LOCKS, ALL }, { "dec", 0, 1, 0xff, 1, 14, 0, LOCKS, ALL },
    { "mov", 0, 1, 0x88, -1, 1, 0, 0, ALL }, { "mov", 0, 1, 0x89, -1, 14, 0, 0, ALL },
    { "mov", 0, 1, 0x8a, -1, 1, 0, 0, ALL }, { "mov", 0, 1, 0x8b, -1, 14, 0, 0, ALL },
    { "mov", 0, 1, 0xc6, 0, 1, 1, 0, ALL }, { "mov", 0, 1, 0xc7, 0, 14, 0xff, 0, ALL },
    { "mov sreg", 0, 1, 0x8c, 3, 14, 0, 0, ALL },
    { "movsxd", 0, 1, 0x63, -1, 14, 0, 0, ALL }, { "movzx", 0, 2, 0xb6, -1, 14, 0, 0, ALL },
    { "movzx", 0, 2, 0xb7, -1, 14, 0, 0, ALL },
    { "movsx", 0, 2, 0xbe, -1, 14, 0, 0, ALL }, { "movsx", 0, 2, 0xbf, -1, 14, 0, 0, ALL },
    { "movnti", 0, 2, 0xc3, -1, 12, 0, 0, ALL },
    { "movbe", 0, 3, 0xf0, -1, 14, 0, NEEDS_MOVBE, ALL }, { "movbe", 0, 3, 0xf1, -1, 14, 0, NEEDS_MOVBE, ALL },
    { "xchg", 0, 1, 0x86, -1, 1, 0, LOCKS, ALL }, { "xchg", 0, 1, 0x87, -1, 14, 0, LOCKS, ALL },
    { "cmpxchg", 0, 2, 0xb0, -1, 1, 0, LOCKS, ALL }, { "cmpxchg", 0, 2, 0xb1, -1, 14, 0, LOCKS, ALL },
    { "xadd", 0, 2, 0xc0, -1, 1, 0, LOCKS, ALL }, { "xadd", 0, 2, 0xc1, -1, 14, 0, LOCKS, ALL },
    { "cmpxchg8b", 0, 2, 0xc7, 1, 12, 0, PAIR | LOCKS, ALL },
    { "bt", 0, 2, 0xa3, -1, 14, 0, BITREG, CZ }, { "bts", 0, 2, 0xab, -1, 14, 0, BITREG | LOCKS, CZ },
    { "btr", 0, 2, 0xb3, -1, 14, 0, BITREG | LOCKS, CZ }, { "btc", 0, 2, 0xbb, -1, 14, 0, BITREG | LOCKS, CZ },
    { "bt", 0, 2, 0xba, 4, 14, 1, 0, CZ }, { "bts", 0, 2, 0xba, 5, 14, 1, LOCKS, CZ },
    { "btr", 0, 2, 0xba, 6, 14, 1, LOCKS, CZ },
    { "btc", 0, 2, 0xba, 7, 14, 1, LOCKS, CZ },
    { "shld", 0, 2, 0xa4, -1, 14, 1, SHIFT2, ALL }, { "shld", 0, 2, 0xa5, -1, 14, 0, SHIFT2, ALL },
    { "shrd", 0, 2, 0xac, -1, 14, 1, SHIFT2, ALL }, { "shrd", 0, 2, 0xad, -1, 14, 0, SHIFT2, ALL },
    { "imul", 0, 2, 0xaf, -1, 14, 0, 0, RFLAGS_CF | RFLAGS_OF },
    { "imul", 0, 1, 0x69, -1, 14, 0xff, 0, RFLAGS_CF | RFLAGS_OF },
    { "imul", 0, 1, 0x6b, -1, 14, 1, 0, RFLAGS_CF | RFLAGS_OF },
    { "bsf", 0, 2, 0xbc, -1, 14, 0, 0, RFLAGS_ZF }, { "bsr", 0, 2, 0xbd, -1, 14, 0, 0, RFLAGS_ZF },
    { "tzcnt", 0xf3, 2, 0xbc, -1, 14, 0, NEEDS_BMI, CZ }, { "lzcnt", 0xf3, 2, 0xbd, -1, 14, 0, NEEDS_BMI, CZ },
    { "popcnt", 0xf3, 2, 0xb8, -1, 14, 0, 0, ALL },
    { "push", 0, 1, 0xff, 6, 10, 0, STACKOP, ALL }, { "pop", 0, 1, 0x8f, 0, 10, 0, STACKOP, ALL },
#define CC(n) { "cmov", 0, 2, 0x40 + (n), -1, 14, 0, 0, ALL }, { "setcc", 0, 2, 0x90 + (n), 0, 1, 0, 0, ALL }
    CC(0), CC(1), CC(2), CC(3), CC(4), CC(5), CC(6), CC(7), CC(8), CC(9), CC(10), CC(11), CC(12), CC(13), CC(14),
    CC(15),
};

static struct cpu *cpu;
static uint8_t data_before[DATA_SIZE], stack_before[4096];

/* An instruction in the making. */
struct trial {
    uint8_t bytes[16];
    unsigned length;
    unsigned size;
    bool word; /* operand-size prefix */
    uint64_t gpr[16];
    uint64_t flags;
    uint32_t compare;
};

static void guest_load(const struct trial *t, uint64_t rip)
{
    struct vcpu_state *s = &cpu->state;
    memcpy(s->gpr, t->gpr, sizeof(s->gpr));
    s->rflags = t->flags;
    s->rip = rip;
    s->inject = 0;
    s->seg[SEG_DS].selector = 0;
    memcpy(cpu->device, data_before, 4096);
    memcpy(cpu->ram + GPA_RAM, data_before + 4096, 4096);
    memcpy(cpu->device + 4096, data_before + 8192, 4096);
    memcpy(cpu->ram + GPA_STACK, stack_before, 4096);
    memcpy(cpu->ram + GPA_CODE, (void *)CODE, 4096);
}

static void native_load(const struct trial *t)
{
    memcpy(context->gpr, t->gpr, sizeof(t->gpr));
    context->flags = t->flags;
    context->fault = 0;
    memcpy((void *)DATA, data_before, DATA_SIZE);
    memcpy((void *)STACK, stack_before, 4096);
}

static void report(const char *name, const struct trial *t, const char *what)
{
    fprintf(stderr, "%s:", name);
    for (unsigned i = 0; i < t->length; i++) {
        fprintf(stderr, " %02x", t->bytes[i]);
    }
    fprintf(stderr, ": %s differs\n", what);
    for (unsigned i = 0; i < 16; i++) {
        fprintf(stderr, "  r%-2u before %016lx native %016lx emulated %016lx%s\n", i, t->gpr[i], context->gpr[i],
            cpu->state.gpr[i],
                context->gpr[i] == cpu->state.gpr[i] ? "" : " <--");
    }
    fprintf(stderr, "  flags before %lx native %lx emulated %lx\n", t->flags, context->flags, cpu->state.rflags);
    fail();
}

static void check(bool same, const char *name, const struct trial *t, const char *what)
{
    if (!same) {
        report(name, t, what);
    }
}

static void compare_states(const char *name, const struct trial *t, uint64_t rip, enum emulate_result result)
{
    if (context->fault) {
        check(result == EMULATE_FAULT && cpu->state.inject == (INJECT_VALID | INJECT_EXCEPTION << 8 | EXCEPTION_DE),
            name, t, "#DE");
        check(cpu->state.rip == rip && !memcmp(cpu->state.gpr, t->gpr, sizeof(t->gpr)), name, t, "state after #DE");
        return;
    }
    check(result == EMULATE_DONE, name, t, "outcome");
    check(cpu->state.rip == rip + t->length, name, t, "RIP");
    check(!memcmp(cpu->state.gpr, context->gpr, sizeof(context->gpr)), name, t, "a register");
    check(((cpu->state.rflags ^ context->flags) & t->compare) == 0, name, t, "RFLAGS");
    check(!memcmp(cpu->device, (void *)DATA, 4096) && !memcmp(cpu->device + 4096, (void *)(DATA + 8192), 4096), name,
        t, "device memory");
    check(!memcmp(cpu->ram + GPA_RAM, (void *)(DATA + 4096), 4096), name, t, "RAM");
    check(!memcmp(cpu->ram + GPA_STACK, (void *)STACK, 4096), name, t, "stack");
}

/* Runs both and compares; the emulator twice, as the second time its caches are filled. */
static void compare_runs(const char *name, const struct trial *t)
{
    uint64_t rip = lay_code(t->bytes, t->length);
    native_load(t);
    ((void (*)(void))CODE)();
    for (unsigned pass = 0; pass < 2; pass++) {
        enum emulate_result result;
        guest_load(t, rip);
        do {
            result = emulate(cpu->vcpu, &cpu_ops);
        } while (result == EMULATE_AGAIN);
        compare_states(name, t, rip, result);
    }
}

static void random_state(struct trial *t)
{
    memset(t, 0, sizeof(*t));
    for (unsigned i = 0; i < 16; i++) {
        t->gpr[i] = random_value();
    }
    t->flags = (random64() & RFLAGS_ARITH) | RFLAGS_FIXED;
}

static void random_memory(uint64_t around)
{
    for (unsigned i = 0; i < 24; i++) {
        uint64_t value = random_value(), at = around - 96 + 8 * i;
        if (at >= DATA && at <= DATA + DATA_SIZE - 8) {
            memcpy(data_before + (at - DATA), &value, 8);
        }
    }
}

static void emit(struct trial *t, uint64_t value, unsigned size)
{
    memcpy(t->bytes + t->length, &value, size);
    t->length += size;
}

/* Where the operand lies: anywhere, and often across a border of pages. */
static uint64_t random_target(unsigned margin)
{
    uint64_t r = random64();
    if (r & 1) {
        return DATA + 4096 * (1 + (r >> 1 & 1)) - 16 + (r >> 8 & 31);
    }
    return DATA + margin + (r >> 8) % (DATA_SIZE - 2 * margin);
}

/* Appends ModRM, SIB and displacement for `target`, setting registers. avoid: mask of registers that must keep their
 * values. */
static void emit_address(struct trial *t, unsigned reg, uint64_t target, unsigned avoid, unsigned rex_at,
    uint64_t rip_tail)
{
    unsigned kind = random64() % 5, base = random64() & 15, index = random64() & 15, scale = random64() & 3;
    int64_t disp = kind == 1 ? (int8_t)random64() : (int32_t)random64() >> 8;
    while ((avoid >> base & 1) || base == RSP) {
        base = random64() & 15;
    }
    while ((avoid >> index & 1) || index == base || index == RSP) {
        index = random64() & 15;
    }
    t->bytes[rex_at] |= (reg >> 3) << 2;
    unsigned low = (reg & 7) << 3;
    switch (kind) {
    case 0: /* [base + disp32] */
    case 1: /* [base + disp8] */
        t->bytes[rex_at] |= base >> 3;
        emit(t, (kind ? 0x40u : 0x80u) | low | (base & 7), 1);
        if ((base & 7) == 4) {
            emit(t, 0x24, 1);
        }
        emit(t, (uint64_t)disp, kind ? 1 : 4);
        t->gpr[base] = target - (uint64_t)disp;
        break;
    case 2: /* [base + index * scale + disp32] */
    case 3: /* [base + index * scale], or disp8 where that does not exist */
        t->bytes[rex_at] |= base >> 3 | (index >> 3) << 1;
        disp = kind == 2 ? disp : (base & 7) == 5 ? (int8_t)disp : 0;
        emit(t, (kind == 2 ? 0x84u : (base & 7) == 5 ? 0x44u : 0x04u) | low, 1);
        emit(t, scale << 6 | (index & 7) << 3 | (base & 7), 1);
        emit(t, (uint64_t)disp, kind == 2 ? 4 : (base & 7) == 5 ? 1 : 0);
        t->gpr[index] = random64() >> 40;
        t->gpr[base] = target - (uint64_t)disp - (t->gpr[index] << scale);
        break;
    default: /* RIP-relative */
        emit(t, 0x05u | low, 1);
        emit(t, target - (rip_tail + t->length + 4), 4);
        break;
    }
}

static uint64_t insn_at(void)
{
    return lay_code((const uint8_t *)"\x90", 1);
}

/* The flags that this shift leaves defined. */
static uint32_t shift_flags(unsigned digit, unsigned size, unsigned count)
{
    count &= size == 8 ? 63 : 31;
    if (count == 0) {
        return ALL;
    }
    uint32_t flags = ALL & ~RFLAGS_AF;
    if (digit < 4) {
        flags = RFLAGS_CF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_PF;
        count = digit >= 2 && size < 4 ? count % (8 * size + 1) : count;
    } else if (count > 8 * size && digit != 7) {
        flags &= ~RFLAGS_CF;
    }
    return count == 1 ? flags | RFLAGS_OF : flags & ~RFLAGS_OF;
}

static uint32_t host_cpuid(uint32_t leaf, bool ecx)
{
    uint32_t a = leaf, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return ecx ? c : b;
}

static bool host_has(const struct form *f)
{
    if ((f->special & 0x7f) == NEEDS_MOVBE) {
        return host_cpuid(1, true) & 1u << 22;
    }
    return (f->special & 0x7f) != NEEDS_BMI || ((host_cpuid(7, false) & 1u << 3) &&
        (host_cpuid(0x80000001, true) & 1u << 5));
}

static void set_pair_operand(struct trial *t, uint64_t target)
{
    unsigned half = t->size == 8 ? 8 : 4;
    if (random64() & 1) { /* make it equal */
        uint64_t at = target - DATA;
        memset(t->gpr + RAX, 0, 8), memset(t->gpr + RDX, 0, 8);
        memcpy(t->gpr + RAX, data_before + at, half);
        memcpy(t->gpr + RDX, data_before + at + half, half);
    }
}

/* One random instance of a form. */
static void trial_form(const struct form *f, unsigned size)
{
    struct trial t;
    random_state(&t);
    unsigned special = f->special & 0x7f;
    uint64_t target = random_target(special == BITREG ? 600 : 16);
    if (special == PAIR) {
        target = (target & ~15ull) + (size == 8 ? 0 : (target & 8));
        target = target > DATA + DATA_SIZE - 32 ? target - 32 : target;
    }
    random_memory(target);
    t.size = size;
    t.compare = f->flags;
    bool high_bytes = size == 1 && f->digit < 0 && (random64() & 1);
    unsigned reg = f->digit >= 0 ? (unsigned)f->digit : random64() & (high_bytes ? 7 : 15);
    if (special == BITREG) {
        reg = reg == RSP ? RDI : reg;
        t.gpr[reg] = (uint64_t)((int64_t)(random64() % 8192) - 4096) & size_mask(size);
    }
    if (special == WIDE && (random64() & 3)) {
        t.gpr[RDX] &= 0x3f; /* quotients that fit */
    }
    if (special == STACKOP) {
        t.gpr[RSP] = STACK + 2048;
    }
    uint8_t lock = (f->special & LOCKS) && (random64() & 1) && (f->map != 1 || f->opcode != 0x38);
    if (lock) {
        emit(&t, 0xf0, 1);
    }
    if (size == 2) {
        emit(&t, 0x66, 1);
    }
    if (f->prefix) {
        emit(&t, f->prefix, 1);
    }
    unsigned rex_at = t.length;
    emit(&t, 0x40 | (size == 8 && special != STACKOP ? 8 : 0), 1);
    if (f->map >= 2) {
        emit(&t, 0x0f, 1);
    }
    if (f->map == 3) {
        emit(&t, 0x38, 1);
    }
    emit(&t, f->opcode, 1);
    unsigned imm = f->imm == 0xff ? (size == 2 ? 2 : 4) : f->imm;
    unsigned avoid = special == BITREG ? 1u << reg : special == PAIR ? 1u << RAX | 1u << RDX : 0;
    emit_address(&t, reg, target, avoid, rex_at, insn_at() + imm);
    uint64_t immediate = random_value();
    emit(&t, immediate, imm);
    if (high_bytes && t.bytes[rex_at] == 0x40 && t.bytes[rex_at + (f->map == 1 ? 2 : 3)] >> 6 != 0) {
        memmove(t.bytes + rex_at, t.bytes + rex_at + 1, --t.length - rex_at);
            /* without REX: AH to BH (not RIP-relative: it moves) */
    }
    if (special == SHIFT) {
        unsigned count = f->opcode >= 0xd2 ? (unsigned)t.gpr[RCX] : f->opcode >= 0xd0 ? 1 : (unsigned)immediate;
        t.compare = shift_flags(reg, size, count & 0xff);
    }
    if (special == SHIFT2) {
        unsigned count = (f->imm ? (unsigned)immediate : (unsigned)t.gpr[RCX]) & (size == 8 ? 63 : 31);
        if (count > 8 * size) {
            return; /* undefined */
        }
        t.compare = count == 0 ? ALL : count == 1 ? ALL & ~RFLAGS_AF : ALL & ~RFLAGS_AF & ~RFLAGS_OF;
    }
    if (special == PAIR) {
        set_pair_operand(&t, target);
    }
    compare_runs(f->name, &t);
}

/* cmocka installs its own handlers before each test. */
static void catch_sigfpe(void)
{
    static uint8_t signal_stack[65536];
    stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };
    struct sigaction action = { .sa_sigaction = on_sigfpe, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaltstack(&stack, NULL);
    sigaction(SIGFPE, &action, NULL);
}

static void test_forms(void **unused)
{
    (void)unused;
    catch_sigfpe();
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (!host_has(&forms[i])) {
            continue;
        }
        for (unsigned round = 0; round < ROUNDS; round++) {
            unsigned size = 1u << (random64() & 3);
            if (forms[i].sizes & size) {
                trial_form(&forms[i], size);
            }
        }
    }
}

static void test_strings(void **unused)
{
    (void)unused;
    static const uint8_t opcodes[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
    static const uint8_t repeats[] = { 0, 0xf3, 0xf2 };
    for (unsigned round = 0; round < 6000; round++) {
        struct trial t;
        random_state(&t);
        uint8_t opcode = opcodes[random64() % sizeof(opcodes)], repeat = repeats[random64() % 3];
        unsigned size = opcode & 1 ? 2u << random64() % 3 : 1;
        bool compares = opcode == 0xa6 || opcode == 0xa7 || opcode >= 0xae;
        t.gpr[RSI] = random_target(1100);
        t.gpr[RDI] = random_target(1100);
        t.gpr[RCX] = random64() % (random64() & 7 ? 20 : 130);
        if (compares) {
            uint64_t fill = random64() & 1 ? 0 : random64();
            memset(data_before, (int)fill, DATA_SIZE);
            t.gpr[RAX] = fill & 0xff ? t.gpr[RAX] : 0;
        }
        random_memory(t.gpr[RDI]);
        t.flags |= random64() & 1 ? RFLAGS_DF : 0;
        t.compare = ALL | RFLAGS_DF;
        if (repeat) {
            emit(&t, repeat, 1);
        }
        if (size == 2) {
            emit(&t, 0x66, 1);
        }
        if (random64() % 4 == 0) {
            emit(&t, 0x67, 1);
        }
        if (size == 8) {
            emit(&t, 0x48, 1);
        }
        emit(&t, opcode, 1);
        compare_runs("string", &t);
    }
}

static void test_moffs(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 400; round++) {
        struct trial t;
        random_state(&t);
        uint64_t target = random_target(16);
        random_memory(target);
        bool narrow = random64() & 1;
        unsigned prefix = random64() % 3;
        if (narrow) {
            emit(&t, 0x67, 1);
        }
        if (prefix) {
            emit(&t, prefix == 1 ? 0x66 : 0x48, 1);
        }
        emit(&t, 0xa0 + random64() % 4, 1);
        emit(&t, target, narrow ? 4 : 8);
        t.compare = ALL;
        compare_runs("moffs", &t);
    }
}

static int setup(void **unused)
{
    (void)unused;
    const uint64_t fixed[][2] = { { DATA, DATA_SIZE }, { STACK, 4096 }, { CONTEXT, 4096 }, { CODE, 4096 } };
    for (unsigned i = 0; i < 4; i++) {
        void *at = mmap((void *)fixed[i][0], fixed[i][1], PROT_READ | PROT_WRITE | PROT_EXEC,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        assert_ptr_equal(at, (void *)fixed[i][0]);
    }
    cpu = cpu_create();
    cpu_map(cpu, CODE, GPA_CODE, 3);
    cpu_map(cpu, DATA, CPU_DEVICE, 3);
    cpu_map(cpu, DATA + 0x1000, GPA_RAM, 3);
    cpu_map(cpu, DATA + 0x2000, CPU_DEVICE + 0x1000, 3);
    cpu_map(cpu, STACK, GPA_STACK, 3);
    for (unsigned i = 0; i < DATA_SIZE; i++) {
        data_before[i] = (uint8_t)random64();
    }
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    cpu_free(cpu);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_forms), cmocka_unit_test(test_strings),
        cmocka_unit_test(test_moffs) };
    return cmocka_run_group_tests_name("emulate against the CPU", tests, setup, teardown);
}
