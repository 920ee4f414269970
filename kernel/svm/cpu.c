/* SPDX-License-Identifier: MIT
 * AMD-V on a host CPU: is it there, turn it on; and the table of operations. */
#include "svm.h"
#include "x86.h"

#define CPUID_EXTENDED_MAX 0x80000000u
#define CPUID_FEATURES 0x80000001u
#define FEATURES_ECX_SVM (1u << 2)
#define CPUID_SVM 0x8000000au
#define CPUID_EXTENDED2 0x80000021u
#define EXTENDED2_EAX_AUTO_IBRS (1u << 8)

#define MSR_VM_CR 0xc0010114u /* 15.30.1 */
#define VM_CR_LOCK (1ul << 3)
#define VM_CR_SVMDIS (1ul << 4)
#define MSR_VM_HSAVE_PA 0xc0010117u
#define EFER_AUTO_IBRS (1ul << 21)

#define SFMASK (RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_AC)

/* All but CLEAN_TPR: V_TPR is written at each entry. */
#define CLEAN_AFTER_EXIT                                                                                              \
    (CLEAN_I | CLEAN_IOPM | CLEAN_ASID | CLEAN_NP | CLEAN_CRX | CLEAN_DRX | CLEAN_DT | CLEAN_SEG | CLEAN_CR2)

uint32_t svm_features = ~0u;
uint32_t svm_clean;

void entry_syscall(void);

static const char *svm_cpu_check(void)
{
    uint32_t max = cpuid(CPUID_EXTENDED_MAX, 0).eax;
    if (max < CPUID_SVM || !(cpuid(CPUID_FEATURES, 0).ecx & FEATURES_ECX_SVM))
        return "this CPU has no AMD-V, or the firmware hides it: enable SVM mode in its setup; in a virtual machine, nested virtualization";
    uint64_t vm_cr;
    if (rdmsr_safe(MSR_VM_CR, &vm_cr) && (vm_cr & VM_CR_SVMDIS))
        return (vm_cr & VM_CR_LOCK) ? "AMD-V is disabled by the firmware: enable SVM mode in its setup"
                                    : "AMD-V is disabled (VM_CR.SVMDIS): enable SVM mode in the firmware setup";
    if (!(cpuid(CPUID_SVM, 0).edx & SVM_NP))
        return "this CPU's AMD-V has no nested paging: AMD's have it since 2007; use a newer one";
    if (cpuid(CPUID_SVM, 0).ebx < 2)
        return "this CPU's AMD-V has no address space identifier for a guest";
    return NULL;
}

/* SYSCALL and SYSRET take their selectors from STAR: kernel code and behind it kernel data; user code 32 is the base of
 * SYSRET, behind it user data and user code (APM 2, 6.1.1). */
static void syscall_enable(struct cpu *cpu)
{
    _Static_assert(SEL_KERNEL_DATA == SEL_KERNEL_CODE + 8, "order of the GDT");
    _Static_assert(SEL_USER_DATA == SEL_USER_CODE32 + 8 && SEL_USER_CODE == SEL_USER_CODE32 + 16, "order of the GDT");
    wrmsr(MSR_STAR, (uint64_t)SEL_USER_CODE32 << 48 | (uint64_t)SEL_KERNEL_CODE << 32);
    wrmsr(MSR_LSTAR, (uint64_t)entry_syscall);
    wrmsr(MSR_CSTAR, 0); /* ring 3 has no compatibility mode: no code segment of 32 bits in the GDT */
    wrmsr(MSR_FMASK, SFMASK);
    wrmsr(MSR_KERNEL_GS_BASE, (uint64_t)cpu);
}

static const char *svm_cpu_enable(struct cpu *cpu)
{
    const char *missing = svm_cpu_check();
    if (missing)
        return missing;
    struct svm_cpu *own = cpu->vendor ? cpu->vendor : pool_alloc(&kernel_quota);
    if (!own)
        return "no memory for the CPU's VMSAVE area";
    own->asid_generation = 1;
    own->asid_count = cpuid(CPUID_SVM, 0).ebx;
    own->flush_all = true; /* the firmware or a boot loader may have used AMD-V */
    cpu->vendor = own;

    uint32_t features = __atomic_and_fetch(&svm_features, cpuid(CPUID_SVM, 0).edx, __ATOMIC_RELAXED);
    svm_clean = features & SVM_CLEAN_BITS ? CLEAN_AFTER_EXIT : 0;

    uint64_t efer = rdmsr(MSR_EFER) | EFER_SVME | EFER_SCE;
    /* What a guest taught the branch predictors does not steer the host, at no cost per exit. */
    if (cpuid(CPUID_EXTENDED_MAX, 0).eax >= CPUID_EXTENDED2 &&
        (cpuid(CPUID_EXTENDED2, 0).eax & EXTENDED2_EAX_AUTO_IBRS))
        efer |= EFER_AUTO_IBRS;
    wrmsr(MSR_EFER, efer);
    wrmsr(MSR_VM_HSAVE_PA, cpu->vendor_page.v);
    svm_bitmaps_init();
    syscall_enable(cpu);
    return NULL;
}

const struct vendor_ops svm_ops = {
    .name = "AMD-V/NPT",
    .guest_format = &pt_npt,
    .cpu_check = svm_cpu_check,
    .cpu_enable = svm_cpu_enable,
    .guest_max_leaf = host_max_leaf, /* nested tables are in the format of the host's (15.25.3) */
    .vcpu_create = svm_vcpu_create,
    .vcpu_destroy = svm_vcpu_destroy,
    .vcpu_load = svm_vcpu_load,
    .flush_guest_tlb = svm_flush_guest_tlb,
    .run = svm_run,
    .guest_cpl = svm_guest_cpl,
    .sysenter = false,
    .has_guest_timer = false,
};
