/* SPDX-License-Identifier: MIT
 * The virtual machine control block: every field and bit by its name in APM vol. 2 appendix B (tables B-1 and B-2), and
 * the exit codes of appendix C. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A segment or table register. attr: type 3:0, S 4, DPL 6:5, P 7, AVL 8, L 9, D/B 10, G 11. */
struct vmcb_segment {
    uint16_t selector;
    uint16_t attr;
    uint32_t limit;
    uint64_t base;
};
#define VMCB_ATTR_TYPE_BUSY (1u << 1)
#define VMCB_ATTR_DPL_SHIFT 5
#define VMCB_ATTR_P (1u << 7)
#define VMCB_ATTR_L (1u << 9)
#define VMCB_ATTR_D (1u << 10)

struct vmcb_control {
    uint16_t intercept_cr_read;    /* 000h, bit n: CRn */
    uint16_t intercept_cr_write;   /* 002h */
    uint32_t intercept_dr;         /* 004h */
    uint32_t intercept_exception;  /* 008h, bit n: vector n */
    uint32_t intercept1;           /* 00ch, INTERCEPT1_* */
    uint32_t intercept2;           /* 010h, INTERCEPT2_* */
    uint8_t reserved_014[0x03c - 0x014];
    uint16_t pause_filter_threshold; /* 03ch */
    uint16_t pause_filter_count;   /* 03eh */
    uint64_t iopm_base_pa;         /* 040h */
    uint64_t msrpm_base_pa;        /* 048h */
    uint64_t tsc_offset;           /* 050h */
    uint32_t guest_asid;           /* 058h */
    uint8_t tlb_control;           /* 05ch, TLB_CONTROL_* */
    uint8_t reserved_05d[3];
    uint8_t v_tpr;                 /* 060h */
    uint8_t v_irq;                 /* 061h, V_IRQ */
    uint8_t v_intr_prio;           /* 062h, V_INTR_PRIO_*, V_IGN_TPR */
    uint8_t v_intr_masking;        /* 063h, V_INTR_MASKING */
    uint8_t v_intr_vector;         /* 064h */
    uint8_t reserved_065[3];
    uint64_t interrupt_shadow;     /* 068h, INTERRUPT_SHADOW */
    uint64_t exitcode;             /* 070h, enum vmexit */
    uint64_t exitinfo1;            /* 078h */
    uint64_t exitinfo2;            /* 080h */
    uint32_t exitintinfo;          /* 088h, as eventinj */
    uint32_t exitintinfo_error;    /* 08ch */
    uint64_t np_enable;            /* 090h, NP_ENABLE */
    uint8_t reserved_098[0x0a8 - 0x098];
    uint32_t eventinj;             /* 0a8h, EVENTINJ_* */
    uint32_t eventinj_error;       /* 0ach */
    uint64_t n_cr3;                /* 0b0h */
    uint64_t reserved_0b8;
    uint32_t clean;                /* 0c0h, CLEAN_* */
    uint32_t reserved_0c4;
    uint64_t nrip;                 /* 0c8h */
    uint8_t reserved_0d0[0x400 - 0x0d0];
};

/* Bits of intercept1 (00ch). */
enum {
    INTERCEPT1_INTR = 1u << 0, INTERCEPT1_NMI = 1u << 1, INTERCEPT1_SMI = 1u << 2, INTERCEPT1_INIT = 1u << 3,
    INTERCEPT1_VINTR = 1u << 4, INTERCEPT1_RDPMC = 1u << 15, INTERCEPT1_CPUID = 1u << 18, INTERCEPT1_IRET = 1u << 20,
    INTERCEPT1_INVD = 1u << 22, INTERCEPT1_PAUSE = 1u << 23, INTERCEPT1_HLT = 1u << 24, INTERCEPT1_INVLPGA = 1u << 26,
    INTERCEPT1_IOIO_PROT = 1u << 27, INTERCEPT1_MSR_PROT = 1u << 28, INTERCEPT1_SHUTDOWN = 1u << 31,
};

/* Bits of intercept2 (010h). */
enum {
    INTERCEPT2_VMRUN = 1u << 0, INTERCEPT2_VMMCALL = 1u << 1, INTERCEPT2_VMLOAD = 1u << 2, INTERCEPT2_VMSAVE = 1u << 3,
    INTERCEPT2_STGI = 1u << 4, INTERCEPT2_CLGI = 1u << 5, INTERCEPT2_SKINIT = 1u << 6, INTERCEPT2_WBINVD = 1u << 9,
    INTERCEPT2_MONITOR = 1u << 10, INTERCEPT2_MWAIT = 1u << 11, INTERCEPT2_XSETBV = 1u << 13, INTERCEPT2_RDPRU = 1u << 14,
};

#define TLB_CONTROL_NONE 0
#define TLB_CONTROL_FLUSH_ALL 1  /* every ASID */
#define TLB_CONTROL_FLUSH_ASID 3 /* this guest's; needs FlushByAsid */

#define V_IRQ (1u << 0)          /* of v_irq */
#define V_INTR_PRIO_MAX 0xfu     /* of v_intr_prio */
#define V_IGN_TPR (1u << 4)
#define V_INTR_MASKING (1u << 0) /* of v_intr_masking */
#define INTERRUPT_SHADOW (1u << 0)
#define NP_ENABLE (1u << 0)

#define EVENTINJ_ERROR_CODE (1u << 11)
#define EVENTINJ_VALID (1u << 31)
#define EVENTINJ_VECTOR(e) ((e) & 0xffu)
#define EVENTINJ_TYPE(e) (((e) >> 8) & 7u)
#define EVENTINJ_TYPE_SHIFT 8
enum { EVENTINJ_INTR = 0, EVENTINJ_NMI = 2, EVENTINJ_EXCEPTION = 3, EVENTINJ_SOFTWARE = 4 };

/* VMCB clean bits (15.15.3): set = the CPU may go on with what it cached of that group. */
#define CLEAN_I (1u << 0)     /* intercepts, TSC offset, pause filter */
#define CLEAN_IOPM (1u << 1)  /* IOPM_BASE, MSRPM_BASE */
#define CLEAN_ASID (1u << 2)
#define CLEAN_TPR (1u << 3)   /* offsets 60h to 67h */
#define CLEAN_NP (1u << 4)    /* N_CR3, G_PAT */
#define CLEAN_CRX (1u << 5)   /* CR0, CR3, CR4, EFER */
#define CLEAN_DRX (1u << 6)   /* DR6, DR7 */
#define CLEAN_DT (1u << 7)    /* GDTR, IDTR */
#define CLEAN_SEG (1u << 8)   /* CS, DS, SS, ES, CPL */
#define CLEAN_CR2 (1u << 9)

struct vmcb_save {
    struct vmcb_segment es, cs, ss, ds, fs, gs; /* 400h */
    struct vmcb_segment gdtr, ldtr, idtr, tr;   /* 460h */
    uint8_t reserved_4a0[0x4cb - 0x4a0];
    uint8_t cpl;                                /* 4cbh */
    uint32_t reserved_4cc;
    uint64_t efer;                              /* 4d0h */
    uint8_t reserved_4d8[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip; /* 548h */
    uint8_t reserved_580[0x5d8 - 0x580];
    uint64_t rsp;                               /* 5d8h */
    uint8_t reserved_5e0[0x5f8 - 0x5e0];
    uint64_t rax;                               /* 5f8h */
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base; /* 600h */
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;    /* 628h */
    uint64_t cr2;                               /* 640h */
    uint8_t reserved_648[0x668 - 0x648];
    uint64_t g_pat;                             /* 668h */
};

struct vmcb {
    struct vmcb_control control;
    struct vmcb_save save;
    uint8_t reserved[0x1000 - 0x670];
};

/* Exit codes (appendix C). */
enum vmexit {
    VMEXIT_CR_WRITE = 0x010 /* + n */, VMEXIT_EXCEPTION = 0x040 /* + vector */, VMEXIT_INTR = 0x060, VMEXIT_NMI, VMEXIT_SMI,
    VMEXIT_INIT, VMEXIT_VINTR, VMEXIT_RDPMC = 0x06f, VMEXIT_CPUID = 0x072, VMEXIT_IRET = 0x074, VMEXIT_INVD = 0x076,
    VMEXIT_PAUSE, VMEXIT_HLT, VMEXIT_INVLPGA = 0x07a, VMEXIT_IOIO, VMEXIT_MSR, VMEXIT_SHUTDOWN = 0x07f, VMEXIT_VMRUN,
    VMEXIT_VMMCALL, VMEXIT_VMLOAD, VMEXIT_VMSAVE, VMEXIT_STGI, VMEXIT_CLGI, VMEXIT_SKINIT, VMEXIT_WBINVD = 0x089,
    VMEXIT_MONITOR, VMEXIT_MWAIT, VMEXIT_MWAIT_CONDITIONAL, VMEXIT_XSETBV, VMEXIT_RDPRU,
    VMEXIT_LOW_COUNT, /* size of a table of the codes above */
    VMEXIT_NPF = 0x400,
};
#define VMEXIT_INVALID 0xffffffffu /* compare the low 32 bits: not every CPU extends the sign */

/* EXITINFO1 of an IOIO exit (15.10.2). */
#define IOIO_IN (1u << 0)
#define IOIO_STRING (1u << 2)
#define IOIO_REP (1u << 3)
#define IOIO_SIZE_SHIFT 4 /* 3 bits, one of them set: the size in bytes */
#define IOIO_PORT_SHIFT 16
/* EXITINFO1 of a nested page fault (15.25.6). */
#define NPF_WRITE (1u << 1)
#define NPF_FETCH (1u << 4)
/* EXITINFO1 of a CR write with decode assists (15.8.1). */
#define CR_MOV (1ul << 63)
#define CR_GPR_MASK 0xfu
/* EXITINFO1 of an MSR exit. */
#define MSR_WRITE (1u << 0)

#define VMCB_AT(field, offset) _Static_assert(offsetof(struct vmcb, field) == (offset), #field)
VMCB_AT(control.intercept2, 0x010); /* the last field before each reserved run: what lies before it fits, too */
VMCB_AT(control.tlb_control, 0x05c);
VMCB_AT(control.v_intr_masking, 0x063);
VMCB_AT(control.np_enable, 0x090);
VMCB_AT(control.n_cr3, 0x0b0);
VMCB_AT(control.nrip, 0x0c8);
VMCB_AT(save.tr, 0x490);
VMCB_AT(save.efer, 0x4d0);
VMCB_AT(save.rip, 0x578);
VMCB_AT(save.rsp, 0x5d8);
VMCB_AT(save.cr2, 0x640);
VMCB_AT(save.g_pat, 0x668);
_Static_assert(sizeof(struct vmcb) == 4096, "struct vmcb");
