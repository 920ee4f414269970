/* SPDX-License-Identifier: MIT
 * The controls of a VMCB: which instructions and events exit, ASIDs, and what goes with a vcpu onto its CPU. */
#include "svm.h"
#include <string.h>
#include "reset.h"
#include "x86.h"

#define INTERCEPT2_FIXED                                                                                              \
    (INTERCEPT2_VMRUN | INTERCEPT2_VMMCALL | INTERCEPT2_VMLOAD | INTERCEPT2_VMSAVE | INTERCEPT2_STGI |                \
     INTERCEPT2_CLGI | INTERCEPT2_SKINIT | INTERCEPT2_WBINVD | INTERCEPT2_MONITOR | INTERCEPT2_MWAIT |                \
     INTERCEPT2_XSETBV | INTERCEPT2_RDPRU)

/* Only writes of CR4 exit, so that a bit that the CPU model lacks faults although the host has it. Writes of CR0
 * need no exit: the guest's CR0 is its own, VMRUN and #VMEXIT switch it; there is no bit in it that a model may
 * lack; and CD slows down no memory accesses but the guest's own. LMSW and CLTS neither, then. */
#define INTERCEPT_CR_WRITE_FIXED (1u << 4)

/* An exit for a guest that spins: this many PAUSEs, each within so many cycles of the last. */
#define PAUSE_COUNT 3000
#define PAUSE_CYCLES 128

#define PORTS 65536
#define MSRS_PER_RANGE 8192
#define MSR_RANGE_BYTES (MSRS_PER_RANGE * 2 / 8)

/* 15.10.1: a bit per port and a few behind them for an access that begins at the last; and 15.11: two bits per MSR
 * (read, write) of three ranges. All domains have the same, so they are in the image: all ports exit, and all MSRs but
 * these. */
static uint8_t io_map[3 * PAGE_SIZE] __attribute__((aligned(4096)));
static uint8_t msr_map[2 * PAGE_SIZE] __attribute__((aligned(4096)));
_Static_assert(sizeof(io_map) > PORTS / 8 && sizeof(msr_map) == 4 * MSR_RANGE_BYTES, "bitmaps");

/* VMSAVE and VMLOAD switch these. PAT is not among them: VMRUN loads G_PAT, but not every CPU saves it at the exit, or
 * keeps a guest's WRMSR from the host's. It is written seldom, so the monitor does it. */
static const uint32_t guest_msrs[] = {
    MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK,
    MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
};

void svm_bitmaps_init(void)
{
    if (io_map[0])
        return;
    memset(io_map, 0xff, sizeof(io_map));
    memset(msr_map, 0xff, sizeof(msr_map));
    for (size_t i = 0; i < ARRAY_COUNT(guest_msrs); i++) {
        uint32_t range = guest_msrs[i] >> 30 ? MSR_RANGE_BYTES : 0, index = guest_msrs[i] % MSRS_PER_RANGE;
        msr_map[range + index / 4] &= ~(3u << index % 4 * 2);
    }
}

static void control_init(struct vmcb_control *control)
{
    control->intercept_cr_write = INTERCEPT_CR_WRITE_FIXED;
    control->intercept_exception = EXCEPTIONS_FIXED;
    control->intercept1 = INTERCEPT1_FIXED;
    control->intercept2 = INTERCEPT2_FIXED;
    if (svm_features & SVM_PAUSE_FILTER) {
        control->intercept1 |= INTERCEPT1_PAUSE;
        control->pause_filter_count = PAUSE_COUNT;
        control->pause_filter_threshold = svm_features & SVM_PAUSE_THRESHOLD ? PAUSE_CYCLES : 0;
    }
    control->iopm_base_pa = image_hpa(io_map);
    control->msrpm_base_pa = image_hpa(msr_map);
    control->v_intr_masking = V_INTR_MASKING;
    control->np_enable = NP_ENABLE;
}

enum status svm_vcpu_create(struct vcpu *vcpu)
{
    struct vmcb *vmcb = pool_alloc(&vcpu->domain->quota);
    if (!vmcb)
        return ERR_MEMORY;
    control_init(&vmcb->control);
    *(struct svm_vcpu *)vcpu->vendor_state = (struct svm_vcpu){ .asid_generation = 0 };
    vcpu->vendor = vmcb;
    vcpu->vendor_hpa = pool_hpa(vmcb);
    vcpu_state_reset(vcpu->state);
    vcpu->state->features |= STATE_FEATURE_PDPTE_MEMORY;
    if (svm_features & SVM_NRIPS)
        vcpu->state->features |= STATE_FEATURE_LENGTH;
    return OK;
}

void svm_vcpu_destroy(struct vcpu *vcpu)
{
    pool_free(&vcpu->domain->quota, vcpu->vendor);
    vcpu->vendor = NULL;
}

static void tlb_control(struct svm_vcpu *svm, struct vmcb *vmcb, uint8_t how)
{
    vmcb->control.tlb_control = how;
    svm->attention = ATTENTION_CONTROLS; /* to take it back after the entry */
}

/* Gives the vcpu an ASID that nobody has used on its CPU since all were flushed. */
static void asid_assign(struct svm_cpu *own, struct svm_vcpu *svm, struct vmcb *vmcb)
{
    if (++own->asid_next >= own->asid_count) {
        own->asid_generation++;
        own->asid_next = 1; /* 0 is the host's */
        own->flush_all = true;
    }
    svm->asid_generation = own->asid_generation;
    vmcb->control.guest_asid = own->asid_next;
    vmcb->control.clean &= ~CLEAN_ASID;
    if (own->flush_all)
        tlb_control(svm, vmcb, TLB_CONTROL_FLUSH_ALL);
}

void svm_vcpu_load(struct vcpu *vcpu)
{
    struct svm_cpu *own = vcpu->cpu->vendor;
    struct svm_vcpu *svm = vcpu->vendor_state;
    struct vmcb *vmcb = vcpu->vendor;
    svm->host_pa = pool_hpa(own).v;
    __asm__ volatile("vmsave %%rax" : : "a"(svm->host_pa) : "memory");
    vmcb->control.n_cr3 = pool_hpa(vcpu->domain->guest.root).v;
    vmcb->control.clean = 0;
    if (svm->asid_generation != own->asid_generation)
        asid_assign(own, svm, vmcb);
    else if (own->flush_all)
        tlb_control(svm, vmcb, TLB_CONTROL_FLUSH_ALL);
}

void svm_flush_guest_tlb(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->vendor_state;
    struct vmcb *vmcb = vcpu->vendor;
    if (vcpu->cpu->loaded != vcpu)
        svm->asid_generation = 0;
    else if (!(svm_features & SVM_FLUSH_BY_ASID))
        asid_assign(vcpu->cpu->vendor, svm, vmcb);
    else if (!vmcb->control.tlb_control)
        tlb_control(svm, vmcb, TLB_CONTROL_FLUSH_ASID);
}

void svm_tlb_flushed(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->vendor;
    struct svm_cpu *own = vcpu->cpu->vendor;
    if (vmcb->control.tlb_control == TLB_CONTROL_FLUSH_ALL)
        own->flush_all = false;
    vmcb->control.tlb_control = TLB_CONTROL_NONE;
}
