/* SPDX-License-Identifier: MIT
 * VT-x on a CPU: is it there, turn it on, the entry of system calls. */
#include "vmx.h"
#include <string.h>

#define CPUID1_ECX_VMX (1u << 5)
#define CPUID7_ECX_LA57 (1u << 16)

struct vmx_caps vmx_caps;
static bool known; /* vmx_caps is that of the boot CPU */

/* The TRUE_* MSR says more about the same word where it exists (SDM 3D A.2). */
static uint64_t control_msr(uint64_t basic, uint32_t msr, uint32_t true_msr)
{
    return rdmsr(basic & VMX_BASIC_TRUE_CONTROLS ? true_msr : msr);
}

static const char *capabilities(struct vmx_caps *caps)
{
    struct vmx_msrs msrs = { .basic = rdmsr(MSR_VMX_BASIC), .misc = rdmsr(MSR_VMX_MISC) };
    msrs.pin = control_msr(msrs.basic, MSR_VMX_PIN, MSR_VMX_TRUE_PIN);
    msrs.proc = control_msr(msrs.basic, MSR_VMX_PROC, MSR_VMX_TRUE_PROC);
    msrs.exit = control_msr(msrs.basic, MSR_VMX_EXIT, MSR_VMX_TRUE_EXIT);
    msrs.entry = control_msr(msrs.basic, MSR_VMX_ENTRY, MSR_VMX_TRUE_ENTRY);
    if ((msrs.proc >> 32) & PROC_SECONDARY) {
        msrs.proc2 = rdmsr(MSR_VMX_PROC2);
        /* The MSR exists where EPT or VPID may be set (SDM 3D A.10). */
        if ((msrs.proc2 >> 32) & (PROC2_EPT | PROC2_VPID))
            msrs.ept_vpid = rdmsr(MSR_VMX_EPT_VPID);
    }
    caps->address_bits = cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ecx & CPUID7_ECX_LA57) ? 57 : 48;
    return vmx_capabilities(&msrs, caps);
}

static const char *vmx_cpu_check(void)
{
    if (!(cpuid(1, 0).ecx & CPUID1_ECX_VMX))
        return "this CPU has no VT-x, or the firmware hides it: enable Intel virtualization technology (VT-x) in its setup; in a virtual machine, nested virtualization";
    uint64_t lock = rdmsr(MSR_FEATURE_CONTROL);
    if ((lock & FEATURE_CONTROL_LOCK) && !(lock & FEATURE_CONTROL_VMX))
        return "VT-x is locked off: enable Intel virtualization technology (VT-x) in the firmware setup";
    struct vmx_caps caps;
    const char *sentence = capabilities(&caps);
    if (sentence)
        return sentence;
    if (known && memcmp(&caps, &vmx_caps, sizeof(caps)))
        return "this CPU's VT-x differs from that of the boot CPU: update the microcode, or leave this CPU off";
    vmx_caps = caps;
    known = true;
    return NULL;
}

/* SYSENTER is the way from ring 3 on VT-x: an exit brings these MSRs back. SYSCALL stays off, because its MSRs hold
 * guest values. */
static void system_call_entry(struct cpu *cpu)
{
    wrmsr(MSR_SYSENTER_CS, SEL_KERNEL_CODE);
    wrmsr(MSR_SYSENTER_ESP, (uint64_t)cpu);
    wrmsr(MSR_SYSENTER_EIP, (uint64_t)entry_sysenter);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE);
}

static const char *vmx_cpu_enable(struct cpu *cpu)
{
    uint64_t lock = rdmsr(MSR_FEATURE_CONTROL);
    if (!(lock & FEATURE_CONTROL_LOCK))
        wrmsr(MSR_FEATURE_CONTROL, lock | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    write_cr0((read_cr0() | rdmsr(MSR_VMX_CR0_FIXED0)) & rdmsr(MSR_VMX_CR0_FIXED1));
    write_cr4((read_cr4() | rdmsr(MSR_VMX_CR4_FIXED0)) & rdmsr(MSR_VMX_CR4_FIXED1));
    *(uint32_t *)pool_at(cpu->vendor_page) = vmx_caps.revision;
    if (!vmxon(cpu->vendor_page.v))
        return "VMXON failed: another hypervisor has turned VT-x on, or the firmware left it in a bad state";
    vmx_bitmaps_init();
    invept(INVEPT_ALL, 0);
    system_call_entry(cpu);
    return NULL;
}

static uint8_t vmx_guest_max_leaf(void)
{
    return vmx_caps.ept & EPT_CAP_1G ? 3 : vmx_caps.ept & EPT_CAP_2M ? 2 : 1;
}

const struct vendor_ops vmx_ops = {
    .name = "VT-x/EPT",
    .guest_format = &pt_ept,
    .cpu_check = vmx_cpu_check,
    .cpu_enable = vmx_cpu_enable,
    .guest_max_leaf = vmx_guest_max_leaf,
    .vcpu_create = vmx_vcpu_create,
    .vcpu_destroy = vmx_vcpu_destroy,
    .vcpu_load = vmx_load,
    .vcpu_unload = vmx_unload,
    .flush_guest_tlb = vmx_flush_guest_tlb,
    .run = vmx_run,
    .guest_cpl = vmx_guest_cpl,
    .sysenter = true,
    .has_guest_timer = true,
};
