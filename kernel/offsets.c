/* SPDX-License-Identifier: MIT
 * Structure offsets for assembly. Compiled to assembly only; the Makefile turns each "->NAME value" line into a
 * #define of build/include/offsets.h. */
#include "vcpu.h"

#define DEFINE(name, value) __asm__ volatile("\n->" #name " %c0" : : "i"(value))
#define OFFSET(name, type, member) DEFINE(name, offsetof(type, member))

void offsets(void);
void offsets(void)
{
    OFFSET(CPU_SYSCALL_RSP, struct cpu, syscall_rsp);
    OFFSET(CPU_STACK_TOP, struct cpu, stack_top);
    OFFSET(CPU_CURRENT, struct cpu, current);
    OFFSET(VCPU_STATE, struct vcpu, state);
    OFFSET(VCPU_VENDOR_HPA, struct vcpu, vendor_hpa);
    OFFSET(VCPU_VENDOR_STATE, struct vcpu, vendor_state);
    OFFSET(VCPU_USER_RIP, struct vcpu, user_rip);
    OFFSET(VCPU_USER_RSP, struct vcpu, user_rsp);
    OFFSET(VCPU_RESULT, struct vcpu, result);
    OFFSET(VCPU_RESULT2, struct vcpu, result2);
}
