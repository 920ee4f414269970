/* SPDX-License-Identifier: MIT
 * The state page: what the kernel and a monitor share for one vcpu. One 4 KiB page from the kernel's pool, mapped
 * writable in both. The next page in the monitor's address space is the vcpu's virtual-APIC page.
 *
 * The kernel trusts nothing in it: it copies what it uses, once, and lets the hardware check the rest; a state the
 * hardware refuses comes back as EXIT_ENTRY_FAILED.
 *
 * Registers are organised in groups. GPRs, RIP, RFLAGS and RSP are current after every exit. The other groups are
 * current after an exit only if `valid` says so: the kernel stores the groups in wanted[exit.reason]. Before
 * vcpu_run the monitor sets in `dirty` the groups that it changed; the kernel loads them and clears the mask.
 * GROUP_RIP must be set in `dirty` if RIP, RSP or RFLAGS changed; the GPRs are always loaded.
 *
 * A part of GROUP_CR is always current, because the guest cannot change it without an exit: EFER but LMA, and the bits of
 * CR4 but TSD, DE, PSE, PAE, PGE, OSFXSR and OSXMMEXCPT. */
#pragma once

#include <stdint.h>

/* Index in vcpu_state.gpr: the number in the instruction encoding. */
enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* Index in vcpu_state.seg; the first six are the number in the instruction encoding. */
enum seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

enum group {
    GROUP_RIP = 1u << 0,      /* rip, rflags, gpr[RSP]: always valid after an exit */
    GROUP_CR = 1u << 1,       /* cr0 cr2 cr3 cr4 efer, pdpte[] when PAE paging is on. Dirty: if cr0, cr3, cr4 or efer
                                 differ from what is loaded, the guest's TLB entries are flushed too */
    GROUP_CODE = 1u << 2,     /* seg[SEG_CS] and seg[SEG_SS]: mode and privilege */
    GROUP_SEG = 1u << 3,      /* all of seg[] except CS and SS */
    GROUP_TABLE = 1u << 4,    /* gdtr idtr */
    GROUP_MSR = 1u << 5,      /* star lstar cstar fmask kernel_gs_base sysenter_* pat */
    GROUP_DEBUG = 1u << 6,    /* dr6 dr7 dr[]; the guest writes them without exits */
    GROUP_CONTROL = 1u << 7,  /* tsc_offset, tpr_threshold, xcr0, eoi_exit[], and pat where its MSR exits (AMD-V):
                               * monitor to kernel only */
    GROUP_BLOCKING = 1u << 8, /* blocking: always valid after an exit */
    GROUP_ALL = (1u << 9) - 1,
};

/* A segment register. attr in the VMCS layout (SDM 3C 25.4.1): type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15,
 * unusable 16. */
struct segment {
    uint64_t base;
    uint32_t limit;
    uint32_t attr;
    uint16_t selector;
    uint16_t reserved[3];
};
#define SEG_ATTR_S (1u << 4)
#define SEG_ATTR_DPL_SHIFT 5
#define SEG_ATTR_P (1u << 7)
#define SEG_ATTR_L (1u << 13)
#define SEG_ATTR_DB (1u << 14)
#define SEG_ATTR_G (1u << 15)
#define SEG_ATTR_UNUSABLE (1u << 16)

struct table_register {
    uint64_t base;
    uint32_t limit;
    uint32_t reserved;
};

/* Bits of vcpu_state.blocking. */
#define BLOCKING_SHADOW (1u << 0) /* behind STI, MOV SS or POP SS: no interrupt before the next instruction has ended */
#define BLOCKING_NMI (1u << 1)    /* an NMI handler has not executed IRET yet */

/* An event to inject (and, after an exit, one whose delivery the exit interrupted: it is left here for the next
 * run). */
#define INJECT_VALID (1u << 31)
#define INJECT_ERROR_CODE (1u << 11)
#define INJECT_VECTOR(i) ((i) & 0xffu)
#define INJECT_TYPE(i) (((i) >> 8) & 7u)
#define INJECT_TYPE_SHIFT 8
enum inject_type {
    INJECT_IRQ = 0, INJECT_NMI = 2, INJECT_EXCEPTION = 3, INJECT_SOFT_INT = 4, INJECT_PRIV_SOFT = 5,
    INJECT_SOFT_EXCEPTION = 6,
};

/* vcpu_state.offer: INJECT_VALID | priority << OFFER_PRIORITY_SHIFT | vector, an external interrupt for the guest. It takes it as soon
 * as it can: RFLAGS.IF is set, there is no shadow, `inject` is delivered, and bits 7:4 of the TPR are below the priority (at
 * OFFER_ANY_TPR they do not matter). Where the hardware cannot wait for that, EXIT_IRQ_WINDOW comes instead. Still valid after
 * an exit: it was not taken, and may be replaced or withdrawn. */
#define OFFER_PRIORITY_SHIFT 8
#define OFFER_ANY_TPR 16u
#define OFFER_PASSES(offer, tpr) (((offer) >> OFFER_PRIORITY_SHIFT & 31) > (uint32_t)(tpr) >> 4)

/* Bits of vcpu_state.want. */
#define WANT_IRQ_WINDOW (1u << 0) /* exit as soon as the guest can take an interrupt (EXIT_IRQ_WINDOW): one more, behind the offer */
#define WANT_NMI_WINDOW (1u << 1) /* exit as soon as the guest can take an NMI (EXIT_NMI_WINDOW) */
#define WANT_SINGLE_STEP (1u << 2) /* exit after each instruction (EXIT_STEP), if the hardware can */
#define WANT_X2APIC (1u << 3)     /* the local APIC is in x2APIC mode, and the hardware is to run it: see below */

/* Virtual APIC. Always: MOV CR8 reads and writes the TPR at offset 0x80 of the virtual-APIC page without an exit.
 * With STATE_FEATURE_APICV the monitor may set WANT_X2APIC. While it is set, the hardware (SDM 3C chapter 30)
 *  - reads every x2APIC register that exists from the page, at offset (MSR & 0xff) << 4, 8 bytes of ICR at 0x300
 *    (not 0x310); only the timer's current count (MSR 0x839) and registers that do not exist exit as EXIT_MSR_READ;
 *  - handles writes of TPR, EOI and SELF_IPI; all others exit as EXIT_MSR_WRITE and are the monitor's;
 *  - delivers the interrupts of IRR in the page by priority, keeps IRR, ISR and PPR there, and exits with EXIT_EOI
 *    after the EOI of a vector whose bit is set in eoi_exit[]. tpr_threshold is not used.
 * An interrupt is made pending by setting its bit in pir[] (atomically, any thread; to make the target look:
 * SYS_VCPU_POKE, if it is not the caller). The kernel moves pir[] to IRR before each entry. The monitor may change IRR,
 * ISR and TPR in the page itself between exits if it sets GROUP_CONTROL in dirty. TMR is the monitor's. Without
 * WANT_X2APIC pir[] is not looked at, and IRR and ISR are the monitor's: interrupts go through `offer` and
 * tpr_threshold. */

enum exit_reason {
    EXIT_NONE,
    EXIT_EVENT,        /* an event bit is pending (or arrived), the guest was not disturbed */
    EXIT_CPUID,
    EXIT_HLT,
    EXIT_IO,           /* exit.io */
    EXIT_MSR_READ,     /* the MSR's index is in RCX */
    EXIT_MSR_WRITE,
    EXIT_PAGE,         /* no or insufficient second-level mapping: exit.gpa, exit.access; gva if GVA_VALID */
    EXIT_CR,           /* access to a control register: exit.cr if VMX knows it, else to be decoded */
    EXIT_DR,           /* access to a debug register, to be decoded */
    EXIT_EXCEPTION,    /* exit.vector, exit.error, exit.gva (#PF address or DR6 bits of #DB) */
    EXIT_IRQ_WINDOW, EXIT_NMI_WINDOW,
    EXIT_TPR,          /* the TPR fell below tpr_threshold */
    EXIT_EOI,          /* virtual-interrupt delivery: EOI of vector exit.vector, chosen by eoi_exit[] */
    EXIT_APIC_WRITE,   /* APIC virtualization: the register at offset exit.gpa was written in the vAPIC page */
    EXIT_RDTSC, EXIT_RDTSCP, EXIT_RDPMC, EXIT_INVD, EXIT_WBINVD, EXIT_INVLPG, EXIT_MONITOR, EXIT_MWAIT, EXIT_PAUSE, EXIT_XSETBV,
    EXIT_HYPERCALL,    /* VMCALL / VMMCALL */
    EXIT_VIRT,         /* an instruction of VMX or SVM: the virtual CPU has none */
    EXIT_TASK_SWITCH,  /* exit.task */
    EXIT_SHUTDOWN,     /* triple fault */
    EXIT_DESCRIPTOR,
    EXIT_ENTRY_FAILED, /* the state was refused: exit.raw, see ENTRY_FAILED_*. vmm/entry_rules.c finds the rule */
    EXIT_UNKNOWN,      /* exit.raw is the vendor's code */
    EXIT_STEP,         /* WANT_SINGLE_STEP: an instruction (or the delivery of an event) has ended */
    EXIT_COUNT
};

/* exit.raw of EXIT_ENTRY_FAILED: below ENTRY_FAILED_STATE it is the VM-instruction error of VT-x (SDM 3C 31.4); else
 * the upper half names the check, the lower half is the exit qualification (VT-x, SDM 3C 27.8), 0 (AMD-V) or the
 * MSR. `inject` is left as it was; all groups are valid. */
#define ENTRY_FAILED_STATE (33ull << 32) /* guest state, or a bit of CR4 that the kernel does not give to guests */
#define ENTRY_FAILED_MSR (34ull << 32)   /* | MSR: not a canonical address */

/* Bits of exit.access. */
#define ACCESS_READ (1u << 0)
#define ACCESS_WRITE (1u << 1)
#define ACCESS_EXEC (1u << 2)
#define ACCESS_GVA_VALID (1u << 3)

struct exit_io {
    uint16_t port;
    uint8_t size;   /* 1, 2, 4 */
    uint8_t in;     /* 1 = IN/INS */
    uint8_t string; /* INS/OUTS: to be decoded */
    uint8_t rep;
};

struct exit_cr {
    uint8_t known;   /* 0: decode the instruction */
    uint8_t number;  /* of the control register */
    uint8_t kind;    /* 0 mov to cr, 1 mov from cr, 2 clts, 3 lmsw */
    uint8_t gpr;
    uint32_t lmsw;   /* source operand of lmsw */
};

struct exit_task {
    uint16_t selector;
    uint8_t source; /* 0 call, 1 iret, 2 jmp, 3 task gate in the IDT */
    uint8_t has_error;
    uint32_t error;
};

struct exit_record {
    uint32_t reason; /* enum exit_reason */
    uint8_t length;  /* of the instruction that exited; 0: the hardware does not say, decode it */
    uint8_t access;
    uint8_t vector;
    uint8_t reserved;
    uint64_t gpa;
    uint64_t gva;
    uint32_t error;
    uint32_t has_error;
    union {
        struct exit_io io;
        struct exit_cr cr;
        struct exit_task task;
    };
    uint64_t raw;    /* the vendor's exit code, for messages only */
};

/* Bits of vcpu_state.events that the kernel itself sets; the others belong to event objects. */
#define EVENT_TIMER 0 /* deadline has passed */
#define EVENT_POKE 1  /* vcpu_poke by another thread of this process */
#define EVENT_LOG 2   /* manager: the kernel has a message (SYS_LOG_READ) */
#define EVENT_POSTED 3 /* pir[] has new vectors and WANT_X2APIC is not set: move them to IRR */
#define EVENT_FIRST 8 /* first bit that event_create may bind */

#define STATE_TEXT_SIZE 1024

struct vcpu_state {
    uint64_t gpr[16];
    uint64_t rip, rflags;
    uint64_t cr0, cr2, cr3, cr4, efer;
    uint64_t pdpte[4];
    struct segment seg[SEG_COUNT];
    struct table_register gdtr, idtr;
    uint64_t star, lstar, cstar, fmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, pat;
    uint64_t dr[4], dr6, dr7;
    uint32_t blocking;
    uint32_t inject;       /* INJECT_*; cleared by the kernel when delivered */
    uint32_t inject_error;
    uint32_t inject_length; /* of the INT instruction, for software interrupts */
    uint32_t offer;        /* the external interrupt to take next; cleared by the kernel when the guest has taken it */
    uint32_t want;
    uint32_t dirty;         /* enum group: monitor to kernel */
    uint32_t valid;         /* enum group: kernel to monitor */
    uint32_t tpr_threshold; /* 0 to 15: exit when TPR 7:4 falls below (GROUP_CONTROL) */
    uint64_t tsc_offset;    /* guest TSC = host TSC + this (GROUP_CONTROL) */
    uint64_t xcr0;          /* loaded with GROUP_CONTROL; a value the host or the model cannot do is ERR_PARAM */
    uint64_t eoi_exit[4];   /* vectors whose EOI exits under virtual-interrupt delivery (GROUP_CONTROL) */
    struct exit_record exit;

    uint64_t events;        /* atomic: pending event bits; the kernel sets, the monitor clears */
    uint64_t pir[4];        /* atomic: vectors posted by the kernel or other threads */
    uint64_t deadline;      /* host TSC at which EVENT_TIMER is set; 0 = none. Read by vcpu_run and event_wait */
    uint64_t exits_kernel;  /* counter: exits that the kernel consumed (read-only for the monitor) */
    uint64_t exits_monitor; /* counter: exits handed to the monitor */
    uint16_t wanted[64];    /* enum group by exit reason */
    uint32_t index;         /* of this vcpu in its domain (kernel sets) */
    uint32_t features;      /* STATE_FEATURE_* (kernel sets) */
    uint64_t tsc_hz;        /* of the host (kernel sets) */
    char text[STATE_TEXT_SIZE]; /* names and console text of system calls */
};
#define STATE_FEATURE_LENGTH (1u << 2)   /* exit.length is given for every instruction (NRIP save, VT-x) */
/* pdpte[] is not used: with nested paging of AMD-V, PAE walks read the entries from memory (APM 2 15.25.10). */
#define STATE_FEATURE_PDPTE_MEMORY (1u << 3)
#define STATE_FEATURE_SYSENTER (1u << 0) /* enter the kernel by SYSENTER, else by SYSCALL */
#define STATE_FEATURE_APICV (1u << 1)    /* virtual-interrupt delivery and APIC-register virtualization (x2APIC mode) */

_Static_assert(sizeof(struct segment) == 24, "struct segment");
_Static_assert(sizeof(struct vcpu_state) <= 4096, "the state page is one page");
_Static_assert(EXIT_COUNT <= 64, "wanted[]");
