/* SPDX-License-Identifier: MIT
 * The CPU model as tables. Sources: SDM 2A CPUID; APM 3 appendix E; linux/asm/kvm_para.h for the paravirtual leaves. */
#include "cpuid.h"
#include <asm/kvm_para.h>
#include <string.h>
#include "cr.h"
#include "devices/lapic.h"

/* CPUID.1:EDX */
#define D1_FPU (1u << 0)
#define D1_DE (1u << 2)
#define D1_PSE (1u << 3)
#define D1_TSC (1u << 4)
#define D1_MSR (1u << 5)
#define D1_PAE (1u << 6)
#define D1_MCE (1u << 7)
#define D1_CX8 (1u << 8)
#define D1_APIC (1u << 9)
#define D1_SEP (1u << 11)
#define D1_MTRR (1u << 12)
#define D1_PGE (1u << 13)
#define D1_MCA (1u << 14)
#define D1_CMOV (1u << 15)
#define D1_PAT (1u << 16)
#define D1_PSE36 (1u << 17)
#define D1_CLFSH (1u << 19)
#define D1_MMX (1u << 23)
#define D1_FXSR (1u << 24)
#define D1_SSE (1u << 25)
#define D1_SSE2 (1u << 26)
#define D1_HTT (1u << 28)
/* CPUID.1:ECX */
#define C1_SSE3 (1u << 0)
#define C1_PCLMUL (1u << 1)
#define C1_SSSE3 (1u << 9)
#define C1_CX16 (1u << 13)
#define C1_SSE41 (1u << 19)
#define C1_SSE42 (1u << 20)
#define C1_X2APIC (1u << 21)
#define C1_POPCNT (1u << 23)
#define C1_TSC_DEADLINE (1u << 24)
#define C1_AES (1u << 25)
#define C1_XSAVE (1u << 26)
#define C1_OSXSAVE (1u << 27)
#define C1_RDRAND (1u << 30)
#define C1_HYPERVISOR (1u << 31)
/* CPUID.7.0:EBX */
#define B7_FSGSBASE (1u << 0)
#define B7_TSC_ADJUST (1u << 1)
#define B7_SMEP (1u << 7)
#define B7_SMAP (1u << 20)
/* CPUID.80000001 */
#define DE_SYSCALL (1u << 11)
#define DE_NX (1u << 20)
#define DE_1GB (1u << 26)
#define DE_LM (1u << 29)
#define CE_LAHF (1u << 0)
/* Bits of CPUID.1:EDX that AMD repeats in CPUID.80000001:EDX (APM 3 E.4.2). */
#define DE_REPEATED 0x0183f3ffu

#define MODEL_D1 (D1_FPU | D1_DE | D1_PSE | D1_TSC | D1_MSR | D1_PAE | D1_MCE | D1_CX8 | D1_APIC | D1_SEP | D1_MTRR | D1_PGE | D1_MCA | \
                  D1_CMOV | D1_PAT | D1_PSE36 | D1_CLFSH | D1_MMX | D1_FXSR | D1_SSE | D1_SSE2)
#define MODEL_C1 (C1_SSE3 | C1_PCLMUL | C1_SSSE3 | C1_CX16 | C1_SSE41 | C1_SSE42 | C1_X2APIC | C1_POPCNT | C1_TSC_DEADLINE | C1_AES | \
                  C1_XSAVE | C1_RDRAND | C1_HYPERVISOR)
#define MODEL_B7 (B7_FSGSBASE | B7_SMEP | B7_SMAP)
#define MODEL_DE (DE_SYSCALL | DE_NX | DE_1GB | DE_LM)
#define MODEL_CE CE_LAHF

/* What the host must have for the guest to get it; the virtual platform provides the others itself. */
static const struct {
    uint32_t leaf;
    uint8_t reg; /* 0 eax 1 ebx 2 ecx 3 edx */
    uint32_t bits;
    const char *sentence;
} required[] = {
    { 1, 3, MODEL_D1 & ~(D1_APIC | D1_MTRR | D1_MCE | D1_MCA), "the host CPU lacks a basic feature of x86-64 (CPUID.1:EDX) that the CPU model " CPU_MODEL_NAME " names" },
    { 1, 2, C1_SSE3 | C1_SSSE3 | C1_CX16 | C1_SSE41 | C1_SSE42 | C1_POPCNT, "the host CPU is not x86-64-v2 (SSE3 to SSE4.2, CX16, POPCNT), which the CPU model " CPU_MODEL_NAME " names" },
    { 1, 2, C1_PCLMUL | C1_AES, "the host CPU lacks AES or PCLMULQDQ, which the CPU model " CPU_MODEL_NAME " names" },
    { 1, 2, C1_XSAVE, "the host CPU lacks XSAVE, which the CPU model " CPU_MODEL_NAME " names" },
    { 1, 2, C1_RDRAND, "the host CPU lacks RDRAND, which the CPU model " CPU_MODEL_NAME " names" },
    { 7, 1, MODEL_B7, "the host CPU lacks FSGSBASE, SMEP or SMAP, which the CPU model " CPU_MODEL_NAME " names" },
    { 0x80000001, 3, MODEL_DE, "the host CPU lacks NX, 1 GiB pages, SYSCALL or long mode, which the CPU model " CPU_MODEL_NAME " names" },
    { 0x80000001, 2, MODEL_CE, "the host CPU lacks LAHF in 64-bit mode, which the CPU model " CPU_MODEL_NAME " names" },
};

#define BASIC_MAX 0xdu
#define EXTENDED_MAX 8u
#define HYPERVISOR_BASE 0x40000000u
#define BULKHEAD_BASE 0x40000100u /* Bulkhead's own leaves, behind the range of the KVM-compatible ones */

static struct cpuid_result basic[BASIC_MAX + 1], extended[EXTENDED_MAX + 1];

static struct cpuid_result host(uint32_t leaf)
{
    struct cpuid_result r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(0));
    return r;
}

static void text(struct cpuid_result *to, const char *from)
{
    memcpy(to, from, sizeof(*to));
}

static void brand(void)
{
    static const char name[48] = "Bulkhead virtual CPU, model " CPU_MODEL_NAME;
    for (unsigned i = 0; i < 3; i++)
        text(&extended[2 + i], name + 16 * i);
}

/* Family, model and stepping of a common CPU of the host's vendor. */
#define SIGNATURE_INTEL 0x00050654u /* family 6 model 0x55 stepping 4 */
#define SIGNATURE_AMD 0x00060fb1u   /* family 0xf model 0x6b stepping 1: older than the errata that guests work around */
#define EBX_AUTH 0x68747541u        /* "Auth" */

const char *cpuid_init(void)
{
    for (unsigned i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        struct cpuid_result has = host(required[i].leaf);
        const uint32_t regs[4] = { has.eax, has.ebx, has.ecx, has.edx };
        if ((regs[required[i].reg] & required[i].bits) != required[i].bits)
            return required[i].sentence;
    }
    bool amd = host(0).ebx == EBX_AUTH;
    basic[0] = host(0);
    basic[0].eax = BASIC_MAX;
    basic[1] = (struct cpuid_result){ amd ? SIGNATURE_AMD : SIGNATURE_INTEL, 8u << 8, MODEL_C1, MODEL_D1 };
    basic[2] = (struct cpuid_result){ 0x00000001, 0, 0, 0 };
    basic[6] = (struct cpuid_result){ 1u << 2, 0, 0, 0 }; /* ARAT: the APIC timer never stops */
    basic[7] = (struct cpuid_result){ 0, MODEL_B7 | B7_TSC_ADJUST, 0, 0 }; /* the platform has IA32_TSC_ADJUST itself */
    extended[0] = basic[0];
    extended[0].eax = 0x80000000u + EXTENDED_MAX;
    extended[1] = (struct cpuid_result){ amd ? SIGNATURE_AMD : 0, 0, MODEL_CE, MODEL_DE | (amd ? MODEL_D1 & DE_REPEATED : 0) };
    brand();
    extended[7] = (struct cpuid_result){ 0, 0, 0, 1u << 8 }; /* invariant TSC */
    extended[8] = (struct cpuid_result){ MODEL_PHYS_BITS | 48u << 8, 0, 0, 0 };
    return NULL;
}

uint64_t cpuid_cr4_allowed(void)
{
    /* DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT FSGSBASE OSXSAVE SMEP SMAP, and TSD */
    return 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 9 | 1u << 10 | 1u << 16 | 1u << 18 | 1u << 20 | 1u << 21;
}

/* Leaves whose content depends on the vcpu or the subleaf. */
static void leaf_1(const struct vcpu *vcpu, uint32_t subleaf, struct cpuid_result *out)
{
    (void)subleaf;
    out->ebx |= vcpu->index << 24 | (vcpu->machine->vcpu_count & 0xff) << 16;
    if (vcpu->machine->vcpu_count > 1)
        out->edx |= D1_HTT;
    if (vcpu->state->cr4 & (1u << 18))
        out->ecx |= C1_OSXSAVE;
    if (!lapic_enabled(vcpu))
        out->edx &= ~D1_APIC;
}

/* Bits that an APIC ID needs to number n processors. */
static uint32_t id_bits(uint32_t n)
{
    uint32_t bits = 0;
    while ((1u << bits) < n)
        bits++;
    return bits;
}

static void leaf_4(const struct vcpu *vcpu, uint32_t subleaf, struct cpuid_result *out)
{
    /* type | level << 5 | self-initialising | cores - 1 in 31:26; line 64 bytes, ways; sets */
    static const struct cpuid_result caches[3] = {
        { 1 | 1 << 5 | 1 << 8, 63 | 7 << 22, 63, 0 },    /* L1 data 32 KiB */
        { 2 | 1 << 5 | 1 << 8, 63 | 7 << 22, 63, 0 },    /* L1 instruction 32 KiB */
        { 3 | 2 << 5 | 1 << 8, 63 | 15 << 22, 1023, 0 }, /* L2 1 MiB */
    };
    if (subleaf < 3) {
        *out = caches[subleaf];
        out->eax |= ((1u << id_bits(vcpu->machine->vcpu_count)) - 1) << 26;
    }
}

static void leaf_7(const struct vcpu *vcpu, uint32_t subleaf, struct cpuid_result *out)
{
    (void)vcpu;
    if (subleaf)
        *out = (struct cpuid_result){ 0 };
}

/* Extended topology: one package, a core per vcpu, no threads. */
static void leaf_b(const struct vcpu *vcpu, uint32_t subleaf, struct cpuid_result *out)
{
    static const uint32_t thread = 1, core = 2;
    *out = (struct cpuid_result){ 0, 0, subleaf & 0xff, vcpu->index };
    if (subleaf == 0) {
        out->ebx = 1;
        out->ecx |= thread << 8;
    } else if (subleaf == 1) {
        out->eax = id_bits(vcpu->machine->vcpu_count);
        out->ebx = vcpu->machine->vcpu_count;
        out->ecx |= core << 8;
    }
}

/* XSAVE: x87 and SSE, the legacy area and its header. */
#define XSAVE_SIZE 576u
static void leaf_d(const struct vcpu *vcpu, uint32_t subleaf, struct cpuid_result *out)
{
    (void)vcpu;
    if (subleaf == 0)
        *out = (struct cpuid_result){ MODEL_XCR0_ALLOWED, XSAVE_SIZE, XSAVE_SIZE, 0 };
}

static void leaf_x8(const struct vcpu *vcpu, uint32_t subleaf, struct cpuid_result *out)
{
    (void)subleaf;
    if (basic[0].ebx == EBX_AUTH)
        out->ecx = (vcpu->machine->vcpu_count - 1) | id_bits(vcpu->machine->vcpu_count) << 12;
}

typedef void leaf_fill(const struct vcpu *vcpu, uint32_t subleaf, struct cpuid_result *out);
static leaf_fill *const basic_fill[BASIC_MAX + 1] = { [1] = leaf_1, [4] = leaf_4, [7] = leaf_7, [0xb] = leaf_b, [0xd] = leaf_d };
static leaf_fill *const extended_fill[EXTENDED_MAX + 1] = { [8] = leaf_x8 };

static void hypervisor(uint32_t leaf, struct cpuid_result *out)
{
    *out = (struct cpuid_result){ 0 };
    switch (leaf) {
    case HYPERVISOR_BASE:
        *out = (struct cpuid_result){ HYPERVISOR_BASE + 1, 0x4b4d564b, 0x564b4d56, 0x4d }; /* "KVMKVMKVM" */
        break;
    case HYPERVISOR_BASE + 1:
        out->eax = 1u << KVM_FEATURE_CLOCKSOURCE | 1u << KVM_FEATURE_NOP_IO_DELAY | 1u << KVM_FEATURE_CLOCKSOURCE2 |
                   1u << KVM_FEATURE_PV_EOI | 1u << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT;
        break;
    case BULKHEAD_BASE:
        text(out, "\0\1\0\x40" "Bulkhead\0\0\0"); /* abi/hypercall.h */
        out->edx = basic[0].ebx == EBX_AUTH ? 1 : 0;
        break;
    }
}

void cpuid_query(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, struct cpuid_result *out)
{
    uint32_t index = leaf & 0x7fffffffu;
    bool is_extended = leaf >> 31;
    if ((leaf >> 28) == 4) {
        hypervisor(leaf, out);
        return;
    }
    if (is_extended ? index > EXTENDED_MAX : index > BASIC_MAX) {
        /* Intel: a leaf too high reads as the highest basic one; AMD: zero. Zero disturbs nobody. */
        *out = (struct cpuid_result){ 0 };
        return;
    }
    *out = is_extended ? extended[index] : basic[index];
    leaf_fill *fill = is_extended ? extended_fill[index] : basic_fill[index];
    if (fill)
        fill(vcpu, subleaf, out);
}
