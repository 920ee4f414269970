/* SPDX-License-Identifier: MIT
 * Fuzzer of the emulator: any registers, mode, page tables and code. It may refuse, fault or execute, but only inside
 * the guest's memory, in bounded time, and a fault changes nothing but the injected event. Also the lengths, the task
 * switch and the entry rules. */
#include "cpu_fixture.h"
#include <stdlib.h>
#include <string.h>
#include "entry_rules.h"
#include "task_switch.h"
#include "vcpu_loop.h"
#include "cpu_fixture.c" /* fuzzers are linked without the unit tests' support */

#define MUST(c) do { if (!(c)) abort(); } while (0)
#define CODE 0x1000u

static struct cpu *cpu;

void vcpu_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
    (void)vcpu, (void)vector, (void)has_error, (void)error;
}

struct input {
    uint8_t mode, exit, flags, key;
    uint8_t code[24];
    uint64_t gpr[16];
    uint64_t rflags, cr0, cr4, efer;
    struct { uint8_t base, limit; uint16_t attr; } seg[SEG_COUNT];
    uint64_t entries[8]; /* page-table entries, or descriptors */
};

/* Registers mostly point somewhere interesting. */
static uint64_t shape(uint64_t value)
{
    static const uint64_t bases[8] = {
        0, 0x400000, 0x400ff8, 0x401000, 0x402ff0, 0xfffffffffffffff0, 0xd0000000, 0x5000
    };
    return (value & 0xf) < 8 ? bases[value & 7] + (value >> 8 & 0xfff) : value;
}

static void build(const struct input *in)
{
    struct vcpu_state *s = &cpu->state;
    in->mode % 3 == 0 ? cpu_mode64(cpu) : in->mode % 3 == 1 ? cpu_mode32(cpu) : cpu_mode16(cpu);
    if (in->mode % 3 == 0) {
        cpu_map(cpu, CODE, CODE, 0x27);
        cpu_map(cpu, CODE + 4096, CODE + 4096, 0x27);
        cpu_map(cpu, 0x400000, CPU_DEVICE, 0x67);
        cpu_map(cpu, 0x401000, 0x5000, in->entries[0] & 0xfff);
        cpu_map(cpu, 0x402000, CPU_DEVICE + 0x1000, in->entries[1]);
    }
    for (unsigned i = 0; i < 16; i++) {
        s->gpr[i] = shape(in->gpr[i]);
    }
    s->rip = CODE + (in->key & 0x80 ? 0xff0 + (in->key & 15) : 0);
    memcpy(cpu->ram + s->rip, in->code, sizeof(in->code));
    s->rflags = (in->rflags & 0x3f7fd5) | RFLAGS_FIXED;
    s->cr0 ^= in->cr0 & (CR0_WP | CR0_AM | (in->flags & 1 ? CR0_PG | CR0_PE : 0));
    s->cr4 ^= in->cr4 & (CR4_SMEP | CR4_SMAP | CR4_PSE | (in->flags & 1 ? CR4_PAE : 0));
    s->efer ^= in->efer & (EFER_NXE | (in->flags & 2 ? EFER_LMA : 0));
    if (in->flags & 4) {
        for (unsigned i = 0; i < SEG_COUNT; i++) {
            s->seg[i] = (struct segment){ .base = (uint64_t)in->seg[i].base << 12,
                                          .limit = in->seg[i].limit << 8 | 0xff,
                                          .attr = in->seg[i].attr | (uint32_t)(in->seg[i].base & 1) << 16 };
        }
    }
    memcpy(s->pdpte, in->entries + 4, sizeof(s->pdpte));
    memcpy(cpu->ram + 0x6000, in->entries, sizeof(in->entries));
    s->gdtr = (struct table_register){ .base = 0x6000, .limit = 0x3f };
    s->exit.reason = in->exit % EXIT_COUNT;
    s->exit.task = (struct exit_task){ .selector = in->key, .source = in->flags >> 6, .has_error = in->flags >> 5 & 1 };
}

static void try_emulate(void)
{
    struct vcpu_state before = cpu->state;
    for (unsigned i = 0; i < 3; i++) {
        struct vcpu_state *s = &cpu->state;
        before = *s;
        enum emulate_result result = emulate(cpu->vcpu, &cpu_ops);
        MUST(cpu->log_count <= 4 * EMULATE_REPEAT_MAX * 8);
        if (result == EMULATE_DONE) {
            MUST(s->rip - before.rip <= INSN_MAX_LENGTH || s->rip < INSN_MAX_LENGTH);
            s->rip = before.rip; /* once more, from the caches */
            continue;
        }
        MUST(s->rip == before.rip);
        MUST(result != EMULATE_FAULT || (s->inject & INJECT_VALID));
        if (result == EMULATE_UNKNOWN) {
            MUST(memcmp(s, &before, sizeof(before)) == 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { 0 };
    struct fault fault;
    memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
    if (cpu == NULL) {
        cpu = cpu_create();
    }
    build(&in);
    try_emulate();
    (void)insn_length_fast(cpu->vcpu);
    (void)insn_length(cpu->vcpu, (enum exit_reason)cpu->state.exit.reason, &fault);
    MUST(entry_rule_broken(&cpu->state) != NULL);
    char text[64];
    emulate_describe(cpu->vcpu, text, sizeof(text));
    MUST(memchr(text, 0, sizeof(text)) != NULL);
    build(&in);
    (void)task_switch(cpu->vcpu, &fault);
    return 0;
}
