/* SPDX-License-Identifier: MIT
 * The CPU model: what CPUID says. One named, documented model, "bulkhead-v2": x86-64-v2 and a few features that both
 * vendors have. The vendor string is the host's, because system-call instructions differ; the rest is equal on every host. */
#pragma once

#include "machine.h"

#define CPU_MODEL_NAME "bulkhead-v2"

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

/* A static sentence that names the first feature of the model that the host lacks, or null. Fixes what the model says on
 * this host. Call once, before any guest runs. */
const char *cpuid_init(void);
/* The answer for this vcpu. GROUP_CR must be valid. */
void cpuid_query(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, struct cpuid_result *out);

/* What the model allows a guest to set; other bits are reserved (#GP). */
#define MODEL_CR0_RESERVED 0xffffffff1ffaffc0ull
uint64_t cpuid_cr4_allowed(void);
#define MODEL_EFER_ALLOWED 0xd01ull /* SCE LME LMA NXE */
#define MODEL_XCR0_ALLOWED 0x3ull   /* x87 SSE */
#define MODEL_PHYS_BITS 39u
