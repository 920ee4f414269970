/* SPDX-License-Identifier: MIT
 * What the files of the AMD-V side share. Section numbers are those of APM vol. 2, chapter 15. */
#pragma once

#include "vendor.h"
#include "vmcb.h"

/* CPUID Fn8000_000A_EDX: what this machine's AMD-V has beyond the first one. */
#define SVM_NP (1u << 0)
#define SVM_NRIPS (1u << 3)
#define SVM_CLEAN_BITS (1u << 5)
#define SVM_FLUSH_BY_ASID (1u << 6)
#define SVM_DECODE_ASSISTS (1u << 7)
#define SVM_PAUSE_FILTER (1u << 10)
#define SVM_PAUSE_THRESHOLD (1u << 12)
extern uint32_t svm_features; /* common to all CPUs that are enabled */
extern uint32_t svm_clean;    /* CLEAN_* to set after an exit: 0 without SVM_CLEAN_BITS */

/* Per CPU, cpu->vendor. VMSAVE and VMLOAD use nothing of a VMCB but FS, GS, LDTR, TR and the system-call MSRs in its
 * save area, so what lies before it is free. */
struct svm_cpu {
    uint64_t asid_generation; /* counts how often the ASIDs ran out; from 1 */
    uint32_t asid_next, asid_count;
    bool flush_all;           /* ASIDs are used again, and no entry has flushed all of them yet */
    uint8_t reserved[0x400 - 17];
    struct vmcb_save host;    /* the host's VMSAVE state */
};
_Static_assert(offsetof(struct svm_cpu, host) == offsetof(struct vmcb, save), "struct svm_cpu");

/* Why RFLAGS.TF is set by us for an entry. */
enum svm_step {
    STEP_NONE,
    STEP_IRET,   /* over the IRET that ends NMI blocking */
    STEP_CR8,    /* over a MOV to CR8, to see whether the TPR fell below the threshold */
    STEP_WINDOW, /* behind an interrupt shadow: WANT_NMI_WINDOW without NMI blocking, or an interrupt waits */
    STEP_WANTED, /* WANT_SINGLE_STEP */
};

enum {
    ATTENTION_CONTROLS = 1, /* the controls are, or have to be, built for more than a plain entry */
    ATTENTION_OFFER = 2,    /* only see whether the offer was taken; the intercept of CR8 that came with it may stay */
};

/* Per vcpu, vcpu->vendor_state (zeroed by the core). */
struct svm_vcpu {
    uint64_t host_pa;         /* of struct svm_cpu; first: run.S */
    uint64_t asid_generation; /* of the CPU when the ASID was assigned; 0 = none */
    uint64_t soft_rip;        /* RIP behind an injected software event */
    uint64_t guest_dr6;       /* under a step */
    uint64_t entry_rip;       /* RIP at an entry that window.c prepared */
    uint32_t want;            /* WANT_* that the controls are built for */
    uint8_t attention;        /* ATTENTION_*; 0: window.c need not look before and after the entry */
    uint8_t blocking_nmi;     /* BLOCKING_NMI or 0 */
    uint8_t step;             /* enum svm_step, of this entry */
    uint8_t step_next;        /* enum svm_step, of the next entry */
    bool guest_tf;            /* RFLAGS.TF of the guest, under a step */
    bool injected;            /* an event was injected for this entry */
    bool offered;             /* the virtual interrupt of this entry is state->offer */
    bool open;                /* the guest could take it at once */
    bool entry_blind;         /* learnt: this CPU overlooks it if an entry brings RFLAGS.IF along (Bochs) */
    bool soft;                /* it was a software event of soft_length bytes; RIP has moved to soft_rip */
    uint8_t soft_length;
    uint8_t tpr_threshold;
};
_Static_assert(offsetof(struct svm_vcpu, host_pa) == 0 && offsetof(struct vcpu_state, gpr) == 0, "run.S");

/* --- control.c --- */
/* The I/O and MSR bitmaps, equal for all domains; once, on the boot CPU. */
void svm_bitmaps_init(void);
enum status svm_vcpu_create(struct vcpu *vcpu);
void svm_vcpu_destroy(struct vcpu *vcpu);
void svm_vcpu_load(struct vcpu *vcpu);
void svm_flush_guest_tlb(struct vcpu *vcpu);
/* After an entry: what it flushed the next one need not. */
void svm_tlb_flushed(struct vcpu *vcpu);

/* --- state.c --- */
/* Copies groups from the VMCB to the state page. Returns result (for a tail call). */
enum run_result svm_state_store(struct vcpu *vcpu, uint32_t groups, enum run_result result);
/* Copies groups from the state page to the VMCB and checks the rules of 15.5.1 and the kernel's own. Returns 0 or the
 * ENTRY_FAILED_* value. */
uint64_t svm_state_load(struct vcpu *vcpu, uint32_t groups);

/* --- window.c: injection, windows, single steps; the part of an entry and of an exit that is seldom needed --- */
/* Sets EVENTINJ for `inject`. False if that is no event that can be injected. */
bool svm_inject(struct vcpu *vcpu, uint32_t inject);
/* Builds the controls for WANT_* bits, the interrupt that is offered, and the steps that are due. */
void svm_window_prepare(struct vcpu *vcpu, uint32_t want, uint32_t offer);
/* After an exit: events whose delivery was interrupted, the end of a step. EXIT_NONE: go on with the exit code;
 * EXIT_EVENT: enter again; else the reason for the monitor. */
enum exit_reason svm_window_exit(struct vcpu *vcpu);
#define EXCEPTIONS_FIXED (1u << 1 | 1u << 17 | 1u << 18) /* #DB and #AC (a guest could loop in their delivery), #MC */
#define INTERCEPT1_FIXED                                                                                              \
    (INTERCEPT1_INTR | INTERCEPT1_NMI | INTERCEPT1_SMI | INTERCEPT1_INIT | INTERCEPT1_RDPMC | INTERCEPT1_CPUID |     \
     INTERCEPT1_INVD | INTERCEPT1_HLT | INTERCEPT1_INVLPGA | INTERCEPT1_IOIO_PROT | INTERCEPT1_MSR_PROT |            \
     INTERCEPT1_SHUTDOWN)

/* --- run.S and the C on both sides of it, exit.c --- */
enum run_result svm_run(struct vcpu *vcpu, uint64_t deadline);
unsigned svm_guest_cpl(const struct vcpu *vcpu);
/* Loads what is dirty. Returns vcpu, or null: the state is refused, the record is filled. */
struct vcpu *svm_entry(struct vcpu *vcpu);
/* Fills the record and what the monitor wants with it. */
enum run_result svm_exit(struct vcpu *vcpu);
