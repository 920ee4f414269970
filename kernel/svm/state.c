/* SPDX-License-Identifier: MIT
 * Guest registers between the VMCB and the state page, by group. The state page is shared with ring 3, so every check
 * is done on the VMCB, behind the copy. */
#include "svm.h"
#include "x86.h"

#define EFER_FFXSR (1ul << 14)
#define EFER_GUEST (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR)
#define CR3_RESERVED_LONG 0xfff0000000000000ul
#define RFLAGS_VM_DPL 3
#define ADDRESS_BITS 48

#define ATTR_LOW 0x00ffu          /* type, S, DPL, P: where the VMCS has them */
#define ATTR_HIGH 0x0f00u         /* AVL, L, D, G in the VMCB... */
#define ATTR_HIGH_SHIFT 4         /* ...and so much higher in the VMCS's layout */
#define SEG_ATTR_DPL (3u << SEG_ATTR_DPL_SHIFT)
#define LIMIT_WITHOUT_G 0xfffffu
#define TABLE_LIMIT_MASK 0xffffu
#define MODE_GROUPS (GROUP_CR | GROUP_CODE)
#define ATTR_TYPE 0xfu
#define TYPE_TSS16 1
#define TYPE_TSS32 9 /* of 64 bits in long mode */

/* What is copied as it is: F(in the state page, in the VMCB). */
#define COPY_MSRS(F)                                                                                                  \
    F(star, star) F(lstar, lstar) F(cstar, cstar) F(fmask, sfmask) F(kernel_gs_base, kernel_gs_base) F(pat, g_pat)    \
    F(sysenter_cs, sysenter_cs) F(sysenter_esp, sysenter_esp) F(sysenter_eip, sysenter_eip)
#define COPY_DEBUG(F) F(dr6, dr6) F(dr7, dr7)
#define COPY_STORE(to, from) state->to = save->from;
#define COPY_LOAD(from, to) save->to = state->from;

static inline uint32_t attr_unpack(uint32_t attr)
{
    return (attr & ATTR_LOW) | (attr & ATTR_HIGH) << ATTR_HIGH_SHIFT;
}

/* AMD has no unusable bit: a segment register that holds a null selector is not present. */
static inline uint32_t attr_or_unusable(uint32_t attr)
{
    uint32_t unpacked = attr_unpack(attr);
    return unpacked & SEG_ATTR_P ? unpacked : unpacked | SEG_ATTR_UNUSABLE;
}

static inline void segment_fill(struct segment *to, const struct vmcb_segment *from, uint32_t attr)
{
    to->base = from->base;
    to->limit = from->limit;
    to->attr = attr;
    to->selector = from->selector;
}

static inline void segment_store(struct segment *to, const struct vmcb_segment *from)
{
    segment_fill(to, from, attr_or_unusable(from->attr));
}

static inline void segment_load(struct vmcb_segment *to, const struct segment *from)
{
    uint32_t attr = from->attr;
    if (attr & SEG_ATTR_UNUSABLE)
        attr &= ~SEG_ATTR_P;
    to->base = from->base;
    to->limit = from->limit;
    to->attr = (uint16_t)((attr & ATTR_LOW) | (attr >> ATTR_HIGH_SHIFT & ATTR_HIGH));
    to->selector = from->selector;
}

static inline void code_store(struct vcpu_state *state, const struct vmcb_save *save)
{
    /* CS is never null, but not every CPU keeps its G; and the DPL of SS is in the CPL field. */
    uint32_t cs = attr_unpack(save->cs.attr), ss = attr_or_unusable(save->ss.attr) & ~SEG_ATTR_DPL;
    segment_fill(&state->seg[SEG_CS], &save->cs, save->cs.limit > LIMIT_WITHOUT_G ? cs | SEG_ATTR_G : cs);
    segment_fill(&state->seg[SEG_SS], &save->ss, ss | (uint32_t)save->cpl << SEG_ATTR_DPL_SHIFT);
}

static inline void cr_store(struct vcpu_state *state, const struct vmcb_save *save)
{
    state->cr0 = save->cr0;
    state->cr2 = save->cr2;
    state->cr3 = save->cr3;
    state->cr4 = save->cr4;
    state->efer = save->efer & ~EFER_SVME; /* must be set for VMRUN; the guest's CPU has no AMD-V */
}

static void segments_store(struct vcpu_state *state, const struct vmcb_save *save)
{
    segment_store(&state->seg[SEG_ES], &save->es);
    segment_store(&state->seg[SEG_DS], &save->ds);
    segment_store(&state->seg[SEG_FS], &save->fs);
    segment_store(&state->seg[SEG_GS], &save->gs);
    segment_store(&state->seg[SEG_LDTR], &save->ldtr);
    segment_store(&state->seg[SEG_TR], &save->tr);
    state->seg[SEG_TR].attr |= VMCB_ATTR_TYPE_BUSY;
}

static __attribute__((noinline)) enum run_result store_rest(struct vcpu *vcpu, uint32_t groups, enum run_result result)
{
    struct vcpu_state *state = vcpu->state;
    const struct vmcb_save *save = &((const struct vmcb *)vcpu->vendor)->save;
    if (groups & GROUP_SEG)
        segments_store(state, save);
    if (groups & GROUP_TABLE) {
        state->gdtr = (struct table_register){ save->gdtr.base, save->gdtr.limit & TABLE_LIMIT_MASK, 0 };
        state->idtr = (struct table_register){ save->idtr.base, save->idtr.limit & TABLE_LIMIT_MASK, 0 };
    }
    if (groups & GROUP_MSR) {
        COPY_MSRS(COPY_STORE)
    }
    if (groups & GROUP_DEBUG) {
        read_breakpoints(state->dr);
        COPY_DEBUG(COPY_STORE)
    }
    return result;
}

/* Where the CPU does not tell an instruction's length, CR and CODE are wanted with every exit to decode it: these
 * are the short way. */
enum run_result svm_state_store(struct vcpu *vcpu, uint32_t groups, enum run_result result)
{
    struct vcpu_state *state = vcpu->state;
    const struct vmcb_save *save = &((const struct vmcb *)vcpu->vendor)->save;
    if (groups & GROUP_CR)
        cr_store(state, save);
    if (groups & GROUP_CODE)
        code_store(state, save);
    if (__builtin_expect(groups & (GROUP_SEG | GROUP_TABLE | GROUP_MSR | GROUP_DEBUG), 0))
        return store_rest(vcpu, groups, result);
    return result;
}

/* The TLB knows nothing of a VMCB: what a MOV to a control register would flush is flushed here. */
static void cr_load(struct vcpu *vcpu, struct vmcb *vmcb)
{
    const struct vcpu_state *state = vcpu->state;
    struct vmcb_save *save = &vmcb->save;
    uint64_t cr0 = state->cr0, cr3 = state->cr3, cr4 = state->cr4, efer = state->efer | EFER_SVME;
    if (cr0 != save->cr0 || cr3 != save->cr3 || cr4 != save->cr4 || efer != save->efer)
        svm_flush_guest_tlb(vcpu);
    save->cr0 = cr0;
    save->cr2 = state->cr2;
    save->cr3 = cr3;
    save->cr4 = cr4;
    save->efer = efer;
    vmcb->control.clean &= ~(CLEAN_CRX | CLEAN_CR2);
}

/* Privilege is the DPL of SS; real and virtual-8086 mode have theirs. */
static void cpl_load(struct vmcb_save *save)
{
    save->cpl = save->ss.attr >> VMCB_ATTR_DPL_SHIFT & 3;
    if (!(save->cr0 & CR0_PE))
        save->cpl = 0;
    else if (save->rflags & RFLAGS_VM)
        save->cpl = RFLAGS_VM_DPL;
}

static void segments_load(const struct vcpu_state *state, struct vmcb *vmcb)
{
    struct vmcb_save *save = &vmcb->save;
    segment_load(&save->es, &state->seg[SEG_ES]);
    segment_load(&save->ds, &state->seg[SEG_DS]);
    segment_load(&save->fs, &state->seg[SEG_FS]);
    segment_load(&save->gs, &state->seg[SEG_GS]);
    segment_load(&save->ldtr, &state->seg[SEG_LDTR]);
    /* Whether the task register in use says busy is the CPU's own affair: some keep the bit here, some do not. */
    uint16_t busy = save->tr.attr & VMCB_ATTR_P ? save->tr.attr & VMCB_ATTR_TYPE_BUSY : 0;
    segment_load(&save->tr, &state->seg[SEG_TR]);
    save->tr.attr = (uint16_t)((save->tr.attr & ~VMCB_ATTR_TYPE_BUSY) | busy);
    vmcb->control.clean &= ~CLEAN_SEG;
}

static void control_load(struct vcpu *vcpu, struct vmcb *vmcb)
{
    struct svm_vcpu *svm = vcpu->vendor_state;
    vmcb->control.tsc_offset = vcpu->state->tsc_offset;
    vmcb->save.g_pat = vcpu->state->pat; /* its writes are the monitor's, so the page always has it */
    vmcb->control.clean &= ~(CLEAN_I | CLEAN_NP);
    svm->tpr_threshold = vcpu->state->tpr_threshold & 0xf;
    svm->attention = ATTENTION_CONTROLS;
}

static void blocking_load(struct vcpu *vcpu, struct vmcb *vmcb)
{
    struct svm_vcpu *svm = vcpu->vendor_state;
    uint32_t blocking = vcpu->state->blocking;
    vmcb->control.interrupt_shadow = blocking & BLOCKING_SHADOW ? INTERRUPT_SHADOW : 0;
    svm->blocking_nmi = blocking & BLOCKING_NMI;
    svm->attention = ATTENTION_CONTROLS;
}

/* A task register that LTR could have left. */
static bool tr_legal(uint32_t attr)
{
    uint32_t type = attr & ATTR_TYPE & ~VMCB_ATTR_TYPE_BUSY;
    return (attr & (VMCB_ATTR_P | SEG_ATTR_S)) == VMCB_ATTR_P && (type == TYPE_TSS16 || type == TYPE_TSS32);
}

/* The combinations that 15.5.1 calls illegal, and those that no guest can reach by itself and that not every CPU
 * refuses: paging without protection, EFER.LMA that contradicts LME and PG, virtual-8086 mode in long mode. */
static bool mode_legal(const struct vmcb_save *save)
{
    uint64_t cr0 = save->cr0, efer = save->efer;
    bool paging = cr0 & CR0_PG, longmode = paging && (efer & EFER_LME);
    if (cr0 >> 32 || (save->cr4 & ~CR4_ALLOWED) || (efer & ~(EFER_GUEST | EFER_SVME)))
        return false;
    if ((cr0 & CR0_NW) && !(cr0 & CR0_CD))
        return false;
    if ((paging && !(cr0 & CR0_PE)) || longmode != !!(efer & EFER_LMA))
        return false;
    if (longmode && (!(save->cr4 & CR4_PAE) || (save->cr3 & CR3_RESERVED_LONG) || (save->rflags & RFLAGS_VM)))
        return false;
    return !longmode || (save->cs.attr & (VMCB_ATTR_L | VMCB_ATTR_D)) != (VMCB_ATTR_L | VMCB_ATTR_D);
}

/* 0, or the first MSR that a WRMSR would have refused. */
static uint32_t msr_refused(const struct vmcb_save *save)
{
    const struct { uint32_t msr; uint64_t value; } addresses[] = {
        { MSR_LSTAR, save->lstar }, { MSR_CSTAR, save->cstar }, { MSR_KERNEL_GS_BASE, save->kernel_gs_base },
        { MSR_SYSENTER_ESP, save->sysenter_esp }, { MSR_SYSENTER_EIP, save->sysenter_eip },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(addresses); i++)
        if (!canonical(addresses[i].value, ADDRESS_BITS))
            return addresses[i].msr;
    return 0;
}

uint64_t svm_state_load(struct vcpu *vcpu, uint32_t groups)
{
    const struct vcpu_state *state = vcpu->state;
    struct vmcb *vmcb = vcpu->vendor;
    struct vmcb_save *save = &vmcb->save;
    if (groups & GROUP_CR)
        cr_load(vcpu, vmcb);
    if (groups & GROUP_CODE) {
        segment_load(&save->cs, &state->seg[SEG_CS]);
        segment_load(&save->ss, &state->seg[SEG_SS]);
        vmcb->control.clean &= ~CLEAN_SEG;
    }
    if (groups & GROUP_SEG)
        segments_load(state, vmcb);
    if (groups & GROUP_TABLE) {
        save->gdtr.base = state->gdtr.base;
        save->gdtr.limit = state->gdtr.limit & TABLE_LIMIT_MASK;
        save->idtr.base = state->idtr.base;
        save->idtr.limit = state->idtr.limit & TABLE_LIMIT_MASK;
        vmcb->control.clean &= ~CLEAN_DT;
    }
    if (groups & GROUP_MSR) {
        COPY_MSRS(COPY_LOAD)
        vmcb->control.clean &= ~CLEAN_NP;
    }
    if (groups & GROUP_DEBUG) {
        write_breakpoints(state->dr);
        COPY_DEBUG(COPY_LOAD)
        vmcb->control.clean &= ~CLEAN_DRX;
    }
    if (groups & GROUP_CONTROL)
        control_load(vcpu, vmcb);
    if (groups & GROUP_BLOCKING)
        blocking_load(vcpu, vmcb);
    if (groups & MODE_GROUPS) {
        cpl_load(save);
        if (!mode_legal(save))
            return ENTRY_FAILED_STATE;
    }
    if ((groups & GROUP_SEG) && !tr_legal(save->tr.attr))
        return ENTRY_FAILED_STATE;
    if ((groups & GROUP_DEBUG) && (save->dr6 >> 32 || save->dr7 >> 32))
        return ENTRY_FAILED_STATE;
    uint32_t msr = groups & GROUP_MSR ? msr_refused(save) : 0;
    return msr ? ENTRY_FAILED_MSR | msr : 0;
}
