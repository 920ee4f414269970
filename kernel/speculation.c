/* SPDX-License-Identifier: MIT
 * Barriers against speculation where one process's time on a CPU ends and another's begins. */
#include "speculation.h"
#include "x86.h"

#define MSR_PRED_CMD 0x49 /* SDM 4 table 2-2 */
#define PRED_CMD_IBPB 1u
#define CPUID7_EDX_IBPB (1u << 26)

static bool has_ibpb;

void speculation_init(void)
{
    uint32_t a, b, c, d;
    cpuid(7, 0, &a, &b, &c, &d);
    has_ibpb = d & CPUID7_EDX_IBPB;
}

void speculation_barrier(void)
{
    if (has_ibpb)
        wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
}
