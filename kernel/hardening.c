/* SPDX-License-Identifier: MIT
 * Control registers of a CPU: what protects the kernel from ring 3 and from itself is on wherever the CPU has it. */
#include "hardening.h"
#include "x86.h"

#define CPUID_1_EDX_MCE (1u << 7)
#define CPUID_1_EDX_PGE (1u << 13)
#define CPUID_1_ECX_XSAVE (1u << 26)
#define CPUID_7_EBX_SMEP (1u << 7)
#define CPUID_7_EBX_SMAP (1u << 20)
#define CPUID_7_ECX_UMIP (1u << 2)
#define CPUID_7_EDX_IBPB (1u << 26)
#define PRED_CMD_IBPB 1u
#define PAT_RESET 0x0007040600070406ull /* the value after reset: entry 3 (PCD, PWT) is uncached */

static bool has_ibpb;

static uint64_t wanted_cr4(void)
{
    struct cpuid id1 = cpuid(1, 0), id7 = { 0 };
    if (cpuid(0, 0).eax >= 7)
        id7 = cpuid(7, 0);
    return CR4_PAE | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE |
           (id1.edx & CPUID_1_EDX_MCE ? CR4_MCE : 0) | (id1.edx & CPUID_1_EDX_PGE ? CR4_PGE : 0) |
           (id7.ebx & CPUID_7_EBX_SMEP ? CR4_SMEP : 0) | (id7.ebx & CPUID_7_EBX_SMAP ? CR4_SMAP : 0) |
           (id7.ecx & CPUID_7_ECX_UMIP ? CR4_UMIP : 0);
}

const char *hardening_enable(struct cpu *cpu)
{
    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE) || cpuid(0, 0).eax < 0xd)
        return "this CPU has no XSAVE: Intel's have it since 2008, AMD's since 2011; use a newer one";
    write_cr0(CR0_PE | CR0_MP | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_PG); /* TS: host mode has no use for the FPU */
    has_ibpb = cpuid(7, 0).edx & CPUID_7_EDX_IBPB;
    write_cr4(wanted_cr4()); /* FSGSBASE stays off: ring 3 cannot change GS, which the kernel's entry swaps */
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    wrmsr(MSR_PAT, PAT_RESET);
    cpu->xcr0 = cpuid(0xd, 0).eax & (XCR0_X87 | XCR0_SSE | XCR0_AVX);
    xsetbv(0, cpu->xcr0);
    return NULL;
}

const char *hardening_missing(void)
{
    static const char *const names[8] = { "", " without SMEP", " without SMAP", " without SMEP, SMAP", " without UMIP",
                                          " without SMEP, UMIP", " without SMAP, UMIP", " without SMEP, SMAP, UMIP" };
    uint64_t cr4 = read_cr4();
    return names[(cr4 & CR4_SMEP ? 0 : 1) | (cr4 & CR4_SMAP ? 0 : 2) | (cr4 & CR4_UMIP ? 0 : 4)];
}

void speculation_barrier(void)
{
    if (has_ibpb)
        wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
}
