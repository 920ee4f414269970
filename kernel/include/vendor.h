/* SPDX-License-Identifier: MIT
 * The vendor seam: VT-x/EPT in kernel/vmx/, AMD-V/NPT in kernel/svm/, chosen at boot. Both have the same files with the
 * same functions in the same order, so that their diff teaches the seam:
 *   cpu.c     check, enable, entry of system calls     control.c  create, destroy, fixed controls
 *   state.c   registers: load, store, by group         exit.c     exit code -> neutral record
 *   run.S     enter the guest; returns to C on the next exit
 * Nothing outside those folders says VMCS or VMCB. All operations run with interrupts off on the vcpu's own CPU unless said. */
#pragma once

#include "vcpu.h"

enum run_result {
    RUN_EXIT,      /* for the monitor: state->exit, and the groups of state->wanted[reason], are filled */
    RUN_HOST,      /* a host interrupt or NMI arrived: take it (interrupts are enabled for an instruction by the core), go on */
    RUN_AGAIN,     /* consumed; enter again after the usual checks */
    /* With the last two, state->exit says EXIT_EVENT with its wanted groups: if the core finds an event pending, it hands it on as it is. */
};

struct vendor_ops {
    const char *name;                  /* "VT-x/EPT", "AMD-V/NPT" */
    const struct pt_format *guest_format;

    /* Is everything there that Bulkhead needs? Null if so, else a static sentence that names the missing feature and
     * what to do (e.g. enabled in firmware). Any CPU, before cpu_enable. */
    const char *(*cpu_check)(void);
    /* Turns virtualization on on this CPU and sets the system-call entry (entry_sysenter / entry_syscall of kernel/entry.S).
     * Null or a sentence, as above. Needs cpu->vendor_page (a pool page, allocated by the caller). */
    const char *(*cpu_enable)(struct cpu *cpu);
    uint8_t (*guest_max_leaf)(void);   /* page_table.max_leaf of second-level tables */

    /* Per vcpu: vcpu->vendor, vendor_state, initial controls; guest registers in the state page are set to the
     * architectural reset state (SDM 3A table 9-1) with dirty = GROUP_ALL. */
    must_use enum status (*vcpu_create)(struct vcpu *vcpu);
    void (*vcpu_destroy)(struct vcpu *vcpu);

    void (*vcpu_load)(struct vcpu *vcpu);   /* becomes the guest of this CPU */
    void (*vcpu_unload)(struct vcpu *vcpu); /* another will be loaded; may be null */
    void (*flush_guest_tlb)(struct vcpu *vcpu); /* before the next entry: all second-level translations of its domain */
    /* Loads the dirty groups, injects state->inject, enters, and on the exit fills the record. deadline: host TSC at which an
     * exit is due (0 = none); a vendor without a guest timer ignores it, the core's timer interrupt covers it. */
    enum run_result (*run)(struct vcpu *vcpu, uint64_t deadline);
    unsigned (*guest_cpl)(const struct vcpu *vcpu); /* the guest's privilege level, after an exit of it */
    bool sysenter;                     /* ring 3 enters the kernel by SYSENTER, else by SYSCALL */
    bool has_guest_timer;              /* run() honours deadline by itself (VMX preemption timer) */
};

extern const struct vendor_ops vmx_ops, svm_ops;
extern const struct vendor_ops *vendor; /* chosen at boot */

#define VAPIC_TPR 0x80 /* register of the virtual-APIC page (SDM 3A table 11-1) */

uint8_t host_max_leaf(void); /* page_table.max_leaf of the host's tables */

/* Bits of CR4 that a monitor may set for its guest. Not: LA57 (second-level tables have four levels), PKE and CET (their state
 * is not switched), those of VT-x and SMX. What the host's CPU lacks the hardware refuses. */
#define CR4_ALLOWED                                                                                                   \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |            \
     CR4_OSXMMEXCPT | CR4_UMIP | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP)

static inline bool canonical(uint64_t address, unsigned bits)
{
    return (uint64_t)((int64_t)(address << (64 - bits)) >> (64 - bits)) == address;
}

/* Machine address of a variable of the kernel's image. */
static inline uint64_t image_hpa(const void *p)
{
    return (uint64_t)p - KERNEL_BASE;
}

/* The host state to come back to after an exit is the same on every CPU but for GDT, TSS, stack and CR3. run.S is entered by a C call,
 * so the exit returns to C with the callee-saved registers restored. GPRs of the guest are loaded from and stored to
 * vcpu->state->gpr by run.S. On VT-x the host's RSP, CR3 and so on are VMCS host fields, written in vcpu_load. On AMD-V
 * VMRUN saves the host's state in the host save area, VMSAVE/VMLOAD bring back FS, GS, TR, LDTR, KernelGSBase and the SYSCALL MSRs. */
