/* SPDX-License-Identifier: MIT
 * What Bulkhead wants of VT-x against what a CPU has: each control bit with the wish and, if it is a must, the
 * sentence that refuses a CPU without it. */
#include "vmx.h"

enum word { PIN, PROC, PROC2, EXIT, ENTRY, WORDS };
enum wish {
    ON,      /* must be possible, set from the start */
    DYNAMIC, /* must be possible, set and cleared while running */
    MAYBE,   /* set if possible */
    OFF,     /* must be possible to have it clear */
};

struct control {
    uint8_t word, wish;
    uint32_t bit;
    const char *sentence;
};
#define NEEDS ": Bulkhead needs an Intel CPU of 2010 (Westmere) or later"
#define LACKS(what) "this CPU's VT-x lacks " what NEEDS
#define FORCES(what) "this CPU's VT-x cannot let guests " what " without an exit" NEEDS

static const struct control controls[] = {
    { PIN, ON, PIN_EXTERNAL_INTERRUPT, LACKS("external-interrupt exiting") },
    { PIN, ON, PIN_NMI, LACKS("NMI exiting") },
    { PIN, ON, PIN_VIRTUAL_NMI, LACKS("virtual NMIs") },
    { PIN, DYNAMIC, PIN_PREEMPTION_TIMER, LACKS("the VMX-preemption timer") },

    { PROC, ON, PROC_SECONDARY, LACKS("secondary controls (EPT, VPID, unrestricted guest)") },
    { PROC, ON, PROC_TSC_OFFSET, LACKS("TSC offsetting") },
    { PROC, ON, PROC_HLT, LACKS("HLT exiting") },
    { PROC, ON, PROC_MWAIT, LACKS("MWAIT exiting") },
    { PROC, ON, PROC_MONITOR, LACKS("MONITOR exiting") },
    { PROC, ON, PROC_RDPMC, LACKS("RDPMC exiting") },
    { PROC, ON, PROC_TPR_SHADOW, LACKS("the TPR shadow") },
    { PROC, ON, PROC_IO, LACKS("unconditional I/O exiting") },
    { PROC, ON, PROC_MSR_BITMAP, LACKS("MSR bitmaps") },
    { PROC, DYNAMIC, PROC_IRQ_WINDOW, LACKS("interrupt-window exiting") },
    { PROC, DYNAMIC, PROC_NMI_WINDOW, LACKS("NMI-window exiting") },
    { PROC, OFF, PROC_CR3_LOAD, FORCES("write CR3") },
    { PROC, OFF, PROC_CR3_STORE, FORCES("read CR3") },
    { PROC, OFF, PROC_INVLPG, FORCES("execute INVLPG") },
    { PROC, OFF, PROC_RDTSC, FORCES("read the TSC") },
    { PROC, OFF, PROC_CR8_LOAD, FORCES("write CR8") },
    { PROC, OFF, PROC_CR8_STORE, FORCES("read CR8") },
    { PROC, OFF, PROC_MOV_DR, FORCES("use debug registers") },

    { PROC2, ON, PROC2_EPT, LACKS("EPT (extended page tables)") },
    { PROC2, ON, PROC2_UNRESTRICTED, LACKS("unrestricted guest (real mode)") },
    { PROC2, ON, PROC2_VPID, LACKS("VPID (tagged TLB)") },
    { PROC2, ON, PROC2_WBINVD, LACKS("WBINVD exiting") },
    { PROC2, MAYBE, PROC2_PAUSE_LOOP, NULL },
    { PROC2, MAYBE, PROC2_ENCLS, NULL }, /* with bitmaps of ones: there is no SGX in the CPU model */
    { PROC2, MAYBE, PROC2_ENCLV, NULL },

    { EXIT, ON, EXIT_HOST_64, LACKS("64-bit hosts") },
    { EXIT, ON, EXIT_SAVE_DEBUG, LACKS("saving debug controls on exit") },
    { EXIT, ON, EXIT_SAVE_PAT, LACKS("saving IA32_PAT on exit") },
    { EXIT, ON, EXIT_LOAD_PAT, LACKS("loading IA32_PAT on exit") },
    { EXIT, ON, EXIT_SAVE_EFER, LACKS("saving IA32_EFER on exit") },
    { EXIT, ON, EXIT_LOAD_EFER, LACKS("loading IA32_EFER on exit") },
    { EXIT, OFF, EXIT_ACKNOWLEDGE, LACKS("exits that leave the interrupt pending") },

    { ENTRY, ON, ENTRY_LOAD_DEBUG, LACKS("loading debug controls on entry") },
    { ENTRY, ON, ENTRY_LOAD_PAT, LACKS("loading IA32_PAT on entry") },
    { ENTRY, ON, ENTRY_LOAD_EFER, LACKS("loading IA32_EFER on entry") },
    { ENTRY, DYNAMIC, ENTRY_IA32E, LACKS("64-bit guests") },
};

struct need {
    uint64_t bit;
    const char *sentence;
};
static const struct need ept_needs[] = {
    { EPT_CAP_4_LEVELS, LACKS("EPT with 4 levels") },
    { EPT_CAP_WRITE_BACK, LACKS("EPT in write-back memory") },
    { EPT_CAP_INVEPT, LACKS("INVEPT") },
    { EPT_CAP_INVEPT_ALL, LACKS("INVEPT of all contexts") },
    { EPT_CAP_INVVPID, LACKS("INVVPID") },
    { EPT_CAP_INVVPID_SINGLE, LACKS("INVVPID of a single context") },
};

#define APICV_ALL (PROC2_X2APIC | PROC2_APIC_REGISTER | PROC2_INTERRUPT_DELIVERY)

/* One control word: what must be one already is, then the wishes. */
static const char *fold(enum word word, uint64_t msr, uint32_t *out)
{
    uint32_t must_be_1 = (uint32_t)msr, can_be_1 = msr >> 32, value = must_be_1;
    for (unsigned i = 0; i < ARRAY_COUNT(controls); i++) {
        const struct control *c = &controls[i];
        if (c->word != word)
            continue;
        if ((c->wish == ON || c->wish == DYNAMIC) && !(can_be_1 & c->bit))
            return c->sentence;
        if ((c->wish == OFF || c->wish == DYNAMIC) && (must_be_1 & c->bit))
            return c->sentence;
        if (c->wish == ON || c->wish == MAYBE)
            value |= c->bit & can_be_1;
    }
    *out = value;
    return NULL;
}

const char *vmx_capabilities(const struct vmx_msrs *msrs, struct vmx_caps *caps)
{
    const uint64_t words[WORDS] = { msrs->pin, msrs->proc, msrs->proc2, msrs->exit, msrs->entry };
    uint32_t *out[WORDS] = { &caps->pin, &caps->proc, &caps->proc2, &caps->exit, &caps->entry };
    for (unsigned w = 0; w < WORDS; w++) {
        const char *sentence = fold(w, words[w], out[w]);
        if (sentence)
            return sentence;
    }
    for (unsigned i = 0; i < ARRAY_COUNT(ept_needs); i++)
        if (!(msrs->ept_vpid & ept_needs[i].bit))
            return ept_needs[i].sentence;
    if (!(msrs->misc & VMX_MISC_STORE_LMA))
        return LACKS("storing EFER.LMA on exit (IA32_VMX_MISC bit 5)");
    caps->revision = msrs->basic & 0x7fffffff;
    caps->timer_rate = msrs->misc & VMX_MISC_TIMER_RATE;
    caps->timer_range = (uint64_t)UINT32_MAX << caps->timer_rate;
    caps->ept = msrs->ept_vpid;
    caps->step = (msrs->proc >> 32) & PROC_TRAP_FLAG;
    caps->apicv = ((msrs->proc2 >> 32) & APICV_ALL) == APICV_ALL ? APICV_ALL : 0;
    return NULL;
}
