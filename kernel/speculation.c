/* SPDX-License-Identifier: MIT
 * Barriers against speculation where one process's time on a CPU ends and another's begins. */
#include "speculation.h"
#include "x86.h"

#define PRED_CMD_IBPB 1u
#define CPUID7_EDX_IBPB (1u << 26)

static bool has_ibpb;

void speculation_init(void)
{
    has_ibpb = cpuid(7, 0).edx & CPUID7_EDX_IBPB;
}

void speculation_barrier(void)
{
    if (has_ibpb)
        wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
}
