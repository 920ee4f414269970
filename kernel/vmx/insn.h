/* SPDX-License-Identifier: MIT
 * The VMX instructions, one wrapper each. On a current VMCS and with a field that the CPU has, VMREAD and VMWRITE
 * cannot fail, so their flags are not looked at; optional fields are guarded by vmx_caps. Host tests put their own
 * in place of this file. */
#ifndef VMX_INSN_H
#define VMX_INSN_H

#include "x86.h"

static inline uint64_t vmread(uint32_t field)
{
    uint64_t v;
    __asm__ volatile("vmread %1, %0" : "=rm"(v) : "r"((uint64_t)field) : "cc");
    return v;
}
static inline void vmwrite(uint32_t field, uint64_t v)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"((uint64_t)field), "rm"(v) : "cc", "memory");
}

/* These take the machine address of a VMXON region or VMCS, and return false on VMfail. */
#define VMX_WITH_POINTER(name)                                                                                        \
    static inline bool name(uint64_t hpa)                                                                             \
    {                                                                                                                 \
        bool ok;                                                                                                      \
        __asm__ volatile(#name " %1" : "=@cca"(ok) : "m"(hpa) : "memory");                                            \
        return ok;                                                                                                    \
    }
VMX_WITH_POINTER(vmxon)
VMX_WITH_POINTER(vmclear)
VMX_WITH_POINTER(vmptrld)

struct invalidate_descriptor { uint64_t what, address; };
static inline void invept(uint64_t type, uint64_t eptp)
{
    struct invalidate_descriptor d = { eptp, 0 };
    __asm__ volatile("invept %0, %1" : : "m"(d), "r"(type) : "cc", "memory");
}
static inline void invvpid(uint64_t type, uint16_t vpid)
{
    struct invalidate_descriptor d = { vpid, 0 };
    __asm__ volatile("invvpid %0, %1" : : "m"(d), "r"(type) : "cc", "memory");
}

static inline void store_gdtr(struct table_pointer *p) { __asm__ volatile("sgdt %0" : "=m"(*p)); }
static inline void store_idtr(struct table_pointer *p) { __asm__ volatile("sidt %0" : "=m"(*p)); }
/* The host's own handlers take what made the guest exit. */
static inline void host_nmi(void) { __asm__ volatile("int $2" : : : "memory"); }
static inline void host_machine_check(void) { __asm__ volatile("int $18" : : : "memory"); }
#endif
