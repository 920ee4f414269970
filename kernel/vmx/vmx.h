/* SPDX-License-Identifier: MIT
 * What the files of this folder share. Offsets for run.S are at the top. */
#pragma once

#define VMX_HOST_RSP 0
#define VMX_LAUNCHED 8
#define VMX_HOST_GDTR 14 /* so that its base is aligned */

#ifndef __ASSEMBLY__
#include "vendor.h"
#include "insn.h"
#include "vmcs.h"

/* What the CPUs have, and the control words that follow from it: equal on all CPUs. */
/* Without padding: it is compared as a whole. */
struct vmx_caps {
    uint32_t revision;
    uint32_t pin, proc, proc2, exit, entry; /* with nothing of state->want, the deadline or the virtual APIC */
    uint32_t timer_rate;                    /* the preemption timer counts TSC >> timer_rate */
    uint32_t address_bits;                  /* of a canonical address in an MSR */
    uint64_t timer_range;                   /* TSC ticks that it can count */
    uint64_t ept;                           /* EPT_CAP_* */
    uint32_t apicv;                         /* PROC2_* that WANT_X2APIC sets; 0: the CPU lacks some */
    uint32_t step;                          /* PROC_TRAP_FLAG if the CPU has it, else 0 */
};
extern struct vmx_caps vmx_caps;

/* MSRs that guests own in the hardware while their vcpu is loaded. The kernel itself uses none of them: the host
 * runs with EFER.SCE = 0 and without SWAPGS. */
#define SWITCHED_COUNT 5

/* vcpu.vendor_state */
struct vmx_vcpu {
    uint64_t host_rsp; /* as in the VMCS */
    uint32_t launched; /* the VMCS is: VMRESUME */
    uint16_t reserved;
    struct table_pointer host_gdtr; /* a VM exit leaves a limit of 64 KiB behind; run.S repairs that */
    uint64_t cr2;          /* the guest's, from exit to entry: a fault in ring 3 would change the register */
    uint32_t want;         /* state->want as in the controls */
    uint32_t proc2;
    bool timer;            /* PIN_PREEMPTION_TIMER is on */
    bool initialized;      /* the VMCS holds everything that vcpu_create cannot write */
    uint8_t attention;     /* ATTENTION_*: what costs time on every entry */
    uint8_t tpr_threshold; /* as in the VMCS */
    uint16_t vpid;
    uint32_t injected;     /* state->inject at the last entry */
    uint32_t reason;       /* enum exit_reason of this exit, in private memory */
    uint32_t interruptibility; /* as in the VMCS */
    uint32_t vectoring;    /* IDT-vectoring information of this exit if it can have one, else 0 */
    uint64_t cr0_shadow, cr4_shadow;
    uint64_t eptp;
    struct cpu *cpu;       /* whose host state is in the VMCS */
    uint64_t msr[SWITCHED_COUNT]; /* while not loaded */
    uint64_t dr6;          /* while not loaded */
};
enum { ATTENTION_TPR = 1, ATTENTION_X2APIC = 2 };
_Static_assert(offsetof(struct vmx_vcpu, host_rsp) == VMX_HOST_RSP, "run.S");
_Static_assert(offsetof(struct vmx_vcpu, launched) == VMX_LAUNCHED, "run.S");
_Static_assert(offsetof(struct vmx_vcpu, host_gdtr) == VMX_HOST_GDTR, "run.S");
_Static_assert(sizeof(struct vmx_vcpu) <= 2048, "half a pool page");
_Static_assert(offsetof(struct vcpu_state, gpr) == 0, "run.S");

/* --- capability.c: pure --- */
/* The capability MSRs: allowed-0 settings in the lower half, allowed-1 in the upper (SDM 3D A.3). */
struct vmx_msrs {
    uint64_t basic, misc, ept_vpid;
    uint64_t pin, proc, proc2, exit, entry; /* the TRUE ones where the CPU has them */
};
/* Folds what Bulkhead wants with what the CPU allows. Null, or a sentence that names what is missing. */
const char *vmx_capabilities(const struct vmx_msrs *msrs, struct vmx_caps *caps);

/* --- control.c --- */
enum status vmx_vcpu_create(struct vcpu *vcpu);
void vmx_vcpu_destroy(struct vcpu *vcpu);
/* Fills the fields of a fresh, current VMCS that only the kernel decides on. */
void vmx_controls_init(struct vcpu *vcpu);
/* The MSR bitmaps, equal for all domains; once, on the boot CPU. */
void vmx_bitmaps_init(void);
/* Follows a change of state->want. */
void vmx_controls_want(struct vcpu *vcpu, uint32_t want);
void vmx_timer_switch(struct vmx_vcpu *v, bool on);

/* --- apic.c --- */
/* GROUP_CONTROL, or WANT_X2APIC changed: threshold, EOI exits, requesting and servicing vector. */
void vmx_apic_control(struct vcpu *vcpu);
/* What ATTENTION_* asks for before an entry. True: the TPR is below the threshold, exit instead of entering. */
bool vmx_apic_entry(struct vcpu *vcpu);
/* Nothing has been posted to the interrupt delivery of the hardware. */
static inline bool vmx_apic_idle(const struct vmx_vcpu *v, const struct vcpu_state *s)
{
    return v->attention == ATTENTION_X2APIC &&
           !(__atomic_load_n(&s->pir[0], __ATOMIC_RELAXED) | __atomic_load_n(&s->pir[1], __ATOMIC_RELAXED) |
             __atomic_load_n(&s->pir[2], __ATOMIC_RELAXED) | __atomic_load_n(&s->pir[3], __ATOMIC_RELAXED));
}

/* --- state.c --- */
void vmx_load(struct vcpu *vcpu);
void vmx_unload(struct vcpu *vcpu);
void vmx_flush_guest_tlb(struct vcpu *vcpu);
/* Loads these groups. 0, or the raw code of EXIT_ENTRY_FAILED: then what was refused is not loaded. */
uint64_t vmx_state_load(struct vcpu *vcpu, uint32_t groups);
/* Stores these groups to the state page. GROUP_RIP and GROUP_BLOCKING are done by run() on every exit. */
void vmx_state_store(struct vcpu *vcpu, uint32_t groups);
/* RIP or blocking were changed while an interrupt shadow is active, or are to change it. */
void vmx_blocking_load(struct vcpu *vcpu, uint32_t groups);

/* --- exit.c --- */
enum run_result vmx_run(struct vcpu *vcpu, uint64_t deadline);
unsigned vmx_guest_cpl(const struct vcpu *vcpu);
/* --- run.S: the exit reason, or VMX_NOT_ENTERED if VMLAUNCH or VMRESUME failed --- */
#define VMX_NOT_ENTERED 0xffffffffu
uint32_t vmx_enter(struct vcpu_state *state, struct vmx_vcpu *v);
extern const char vmx_exit[]; /* where an exit goes on */

/* --- kernel/entry.S --- */
void entry_sysenter(void);
#endif
