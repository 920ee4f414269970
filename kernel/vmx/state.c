/* SPDX-License-Identifier: MIT
 * Registers: what a CPU holds for its loaded vcpu, and loading and storing by group. */
#include "vmx.h"

/* What a guest changes without an exit. CD, NW, NE and the reserved bits of CR0 are the host's: caching is never
 * off, and VMX wants NE (SDM 3C 24.8). ET is constant. */
#define CR0_GUEST (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_WP | CR0_AM | CR0_PG)
/* Bits of the CPU model that every CPU with VT-x has, that guests write often and that no kernel state hangs on. A
 * write that changes another bit exits, and the monitor decides by its model. MCE is the host's: without it a
 * machine check in the guest would be a shutdown. */
#define CR4_GUEST (CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT)
#define DR6_WRITABLE 0xffffffffu /* a one above faults */
#define ATTR_MASK 0x1f0ffu

static const uint32_t switched_msrs[SWITCHED_COUNT] = { MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK, MSR_KERNEL_GS_BASE };

/* What is copied as it is: F(in the state page, field of the VMCS). */
#define COPY_TABLES(F)                                                                                                \
    F(gdtr.base, GUEST_GDTR_BASE) F(gdtr.limit, GUEST_GDTR_LIMIT)                                                     \
    F(idtr.base, GUEST_IDTR_BASE) F(idtr.limit, GUEST_IDTR_LIMIT)
#define COPY_MSRS(F)                                                                                                  \
    F(sysenter_cs, GUEST_SYSENTER_CS) F(sysenter_esp, GUEST_SYSENTER_ESP) F(sysenter_eip, GUEST_SYSENTER_EIP)         \
    F(pat, GUEST_PAT)
#define COPY_STORE(to, field) s->to = vmread(field);
#define COPY_LOAD(from, field) vmwrite(field, s->from);

/* Ring 3 may change the state page at any time: what is checked must be what is used. */
static uint64_t load_once(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* --- load, unload, flush --- */

/* The host to come back to: this CPU, in this domain's process. */
static void host_load(struct vcpu *vcpu)
{
    struct vmx_vcpu *v = vcpu->vendor_state;
    struct cpu *cpu = this_cpu();
    struct table_pointer idtr;
    store_gdtr(&v->host_gdtr);
    store_idtr(&idtr);
    vmwrite(HOST_TR_BASE, (uint64_t)&cpu->tss);
    vmwrite(HOST_GDTR_BASE, v->host_gdtr.base);
    vmwrite(HOST_IDTR_BASE, idtr.base);
    vmwrite(HOST_CR0, read_cr0());
    vmwrite(HOST_CR3, pool_hpa(vcpu->domain->process.root).v);
    vmwrite(HOST_CR4, read_cr4());
    vmwrite(HOST_EFER, rdmsr(MSR_EFER));
    vmwrite(HOST_PAT, rdmsr(MSR_PAT));
    vmwrite(HOST_SYSENTER_ESP, (uint64_t)cpu);
    vmwrite(HOST_SYSENTER_EIP, (uint64_t)entry_sysenter);
    vmwrite(HOST_RIP, (uint64_t)vmx_exit);
    vmwrite(HOST_RSP, 0);
    v->host_rsp = 0;
    v->cpu = cpu;
}

void vmx_load(struct vcpu *vcpu)
{
    struct vmx_vcpu *v = vcpu->vendor_state;
    if (!v->initialized && !vmclear(vcpu->vendor_hpa.v))
        panic("VMCLEAR of a new VMCS failed");
    if (!vmptrld(vcpu->vendor_hpa.v))
        panic("VMPTRLD failed");
    if (!v->initialized) {
        vmx_controls_init(vcpu);
        invvpid(INVALIDATE_SINGLE, v->vpid); /* the number may have been another's */
        vmx_flush_guest_tlb(vcpu);
        v->initialized = true;
    }
    if (v->cpu != this_cpu())
        host_load(vcpu);
    for (unsigned i = 0; i < SWITCHED_COUNT; i++)
        wrmsr(switched_msrs[i], v->msr[i]);
    write_dr6(v->dr6);
}

/* VMCLEAR every time: then no CPU holds a part of the VMCS, and it may be loaded elsewhere or freed. */
void vmx_unload(struct vcpu *vcpu)
{
    struct vmx_vcpu *v = vcpu->vendor_state;
    for (unsigned i = 0; i < SWITCHED_COUNT; i++)
        v->msr[i] = rdmsr(switched_msrs[i]);
    v->dr6 = read_dr6();
    if (!vmclear(vcpu->vendor_hpa.v))
        panic("VMCLEAR failed");
    v->launched = 0;
}

void vmx_flush_guest_tlb(struct vcpu *vcpu)
{
    const struct vmx_vcpu *v = vcpu->vendor_state;
    if (vmx_caps.ept & EPT_CAP_INVEPT_SINGLE)
        invept(INVALIDATE_SINGLE, v->eptp);
    else
        invept(INVEPT_ALL, 0);
}

/* --- groups, monitor to hardware --- */

static void segment_load(unsigned i, const struct segment *segment)
{
    uint32_t attr = segment->attr & ATTR_MASK;
    if (!(attr & SEG_ATTR_P))
        attr |= SEG_ATTR_UNUSABLE; /* as AMD-V has it: what is not present is not usable */
    vmwrite(GUEST_SELECTOR + 2 * i, segment->selector);
    vmwrite(GUEST_LIMIT + 2 * i, segment->limit);
    vmwrite(GUEST_ACCESS_RIGHTS + 2 * i, attr);
    vmwrite(GUEST_BASE + 2 * i, segment->base);
}

static void segments_load(const struct vcpu_state *s, uint32_t groups)
{
    for (unsigned i = 0; i < SEG_COUNT; i++)
        if (groups & (i == SEG_CS || i == SEG_SS ? GROUP_CODE : GROUP_SEG))
            segment_load(i, &s->seg[i]);
}

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

/* True if the field had another value. */
static bool replace(uint32_t field, uint64_t value)
{
    bool changed = vmread(field) != value;
    vmwrite(field, value);
    return changed;
}

static uint64_t cr_load(struct vcpu *vcpu)
{
    struct vmx_vcpu *v = vcpu->vendor_state;
    const struct vcpu_state *s = vcpu->state;
    uint64_t cr0 = load_once(&s->cr0), cr4 = load_once(&s->cr4), efer = load_once(&s->efer) & ~EFER_LMA;
    if (cr4 & ~CR4_ALLOWED)
        return ENTRY_FAILED_STATE;
    if ((cr0 & CR0_PG) && (efer & EFER_LME))
        efer |= EFER_LMA;
    v->cr0_shadow = cr0;
    v->cr4_shadow = cr4;
    v->cr2 = s->cr2;
    vmwrite(CR0_MASK, ~CR0_GUEST);
    vmwrite(CR4_MASK, ~CR4_GUEST);
    vmwrite(CR0_SHADOW, cr0);
    vmwrite(CR4_SHADOW, cr4);
    bool changed = replace(GUEST_CR0, (cr0 & CR0_GUEST) | CR0_NE | CR0_ET);
    changed |= replace(GUEST_CR4, cr4 | CR4_VMXE | (read_cr4() & CR4_MCE));
    changed |= replace(GUEST_CR3, load_once(&s->cr3));
    changed |= replace(GUEST_EFER, efer);
    vmwrite(ENTRY_CONTROLS, vmx_caps.entry | (efer & EFER_LMA ? ENTRY_IA32E : 0));
    if (pae_paging(cr0, cr4, efer))
        for (unsigned i = 0; i < 4; i++)
            changed |= replace(GUEST_PDPTE + 2 * i, load_once(&s->pdpte[i]));
    if (changed) /* an entry flushes nothing, but a change of mode must (SDM 3C 29.4.3.1) */
        invvpid(INVALIDATE_SINGLE, v->vpid);
    return 0;
}

/* WRMSR of an address that is not canonical faults. */
static uint64_t msr_load(const struct vcpu_state *s)
{
    const uint64_t values[SWITCHED_COUNT] = {
        load_once(&s->star), load_once(&s->lstar), load_once(&s->cstar), (uint32_t)load_once(&s->fmask),
        load_once(&s->kernel_gs_base),
    };
    for (unsigned i = 0; i < SWITCHED_COUNT; i++) {
        if (switched_msrs[i] != MSR_STAR && !canonical(values[i], vmx_caps.address_bits))
            return ENTRY_FAILED_MSR | switched_msrs[i];
        wrmsr(switched_msrs[i], values[i]);
    }
    COPY_MSRS(COPY_LOAD)
    return 0;
}

void vmx_blocking_load(struct vcpu *vcpu, uint32_t groups)
{
    struct vmx_vcpu *v = vcpu->vendor_state;
    uint32_t shadow = v->interruptibility & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS);
    uint32_t nmi = v->interruptibility & INTERRUPTIBILITY_NMI;
    uint64_t rflags = vmread(GUEST_RFLAGS);
    if (groups & GROUP_BLOCKING) {
        uint32_t blocking = vcpu->state->blocking;
        nmi = blocking & BLOCKING_NMI ? INTERRUPTIBILITY_NMI : 0;
        shadow = !(blocking & BLOCKING_SHADOW) ? 0 : shadow ? shadow : INTERRUPTIBILITY_STI;
    }
    /* The entry checks (SDM 3C 27.3.1.5): a shadow of STI needs IF; a shadow with TF needs a single step pending,
     * and only then. */
    if (shadow && !(rflags & RFLAGS_IF))
        shadow = INTERRUPTIBILITY_MOV_SS;
    if (shadow) {
        uint64_t pending = vmread(GUEST_PENDING_DEBUG) & ~PENDING_DEBUG_BS;
        vmwrite(GUEST_PENDING_DEBUG, pending | (rflags & RFLAGS_TF ? PENDING_DEBUG_BS : 0));
    }
    v->interruptibility = shadow | nmi;
    vmwrite(GUEST_INTERRUPTIBILITY, v->interruptibility);
}

uint64_t vmx_state_load(struct vcpu *vcpu, uint32_t groups)
{
    const struct vcpu_state *s = vcpu->state;
    uint64_t failed = 0;
    if (groups & GROUP_CR)
        failed = cr_load(vcpu);
    if (groups & (GROUP_CODE | GROUP_SEG))
        segments_load(s, groups);
    if (groups & GROUP_TABLE) {
        COPY_TABLES(COPY_LOAD)
    }
    if ((groups & GROUP_MSR) && !failed)
        failed = msr_load(s);
    if (groups & GROUP_DEBUG) {
        write_breakpoints(s->dr);
        write_dr6(s->dr6 & DR6_WRITABLE);
        vmwrite(GUEST_DR7, s->dr7);
    }
    if (groups & GROUP_CONTROL) {
        vmwrite(TSC_OFFSET, s->tsc_offset);
        vmx_apic_control(vcpu);
    }
    if (groups & GROUP_BLOCKING)
        vmx_blocking_load(vcpu, groups);
    return failed;
}

/* --- groups, hardware to monitor --- */

static inline void segment_store(struct segment *segment, unsigned i)
{
    uint32_t attr = vmread(GUEST_ACCESS_RIGHTS + 2 * i);
    if (attr & SEG_ATTR_UNUSABLE)
        attr &= ~SEG_ATTR_P;
    segment->selector = vmread(GUEST_SELECTOR + 2 * i);
    segment->limit = vmread(GUEST_LIMIT + 2 * i);
    segment->attr = attr;
    segment->base = vmread(GUEST_BASE + 2 * i);
}

static void cr_store(const struct vmx_vcpu *v, struct vcpu_state *s)
{
    uint64_t cr0 = (vmread(GUEST_CR0) & CR0_GUEST) | (v->cr0_shadow & ~CR0_GUEST);
    uint64_t cr4 = (vmread(GUEST_CR4) & CR4_GUEST) | (v->cr4_shadow & ~CR4_GUEST);
    uint64_t efer = vmread(GUEST_EFER);
    if (pae_paging(cr0, cr4, efer))
        for (unsigned i = 0; i < 4; i++)
            s->pdpte[i] = vmread(GUEST_PDPTE + 2 * i);
    s->cr0 = cr0;
    s->cr2 = v->cr2;
    s->cr3 = vmread(GUEST_CR3);
    s->cr4 = cr4;
    s->efer = efer;
}

void vmx_state_store(struct vcpu *vcpu, uint32_t groups)
{
    struct vcpu_state *s = vcpu->state;
    if (groups & GROUP_CR)
        cr_store(vcpu->vendor_state, s);
    if (groups & GROUP_CODE) {
        segment_store(&s->seg[SEG_CS], SEG_CS);
        segment_store(&s->seg[SEG_SS], SEG_SS);
    }
    if (groups & GROUP_SEG) { /* no loop: every MMIO access comes here */
        segment_store(&s->seg[SEG_ES], SEG_ES);
        segment_store(&s->seg[SEG_DS], SEG_DS);
        segment_store(&s->seg[SEG_FS], SEG_FS);
        segment_store(&s->seg[SEG_GS], SEG_GS);
        segment_store(&s->seg[SEG_LDTR], SEG_LDTR);
        segment_store(&s->seg[SEG_TR], SEG_TR);
    }
    if (groups & GROUP_TABLE) {
        COPY_TABLES(COPY_STORE)
    }
    if (groups & GROUP_MSR) {
        s->star = rdmsr(MSR_STAR);
        s->lstar = rdmsr(MSR_LSTAR);
        s->cstar = rdmsr(MSR_CSTAR);
        s->fmask = rdmsr(MSR_FMASK);
        s->kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
        COPY_MSRS(COPY_STORE)
    }
    if (groups & GROUP_DEBUG) {
        read_breakpoints(s->dr);
        s->dr6 = read_dr6();
        s->dr7 = vmread(GUEST_DR7);
    }
}
