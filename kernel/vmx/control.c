/* SPDX-License-Identifier: MIT
 * What exits and what does not: the part of a VMCS that only the kernel decides on. */
#include "vmx.h"
#include <string.h>
#include "reset.h"

/* Vectors that exit. #DB and #AC: a guest can make their delivery cause the next one without end, and no interrupt gets
 * in between (CVE-2015-5307, CVE-2015-8104); the monitor injects them again. #MC: the host's own. */
#define EXCEPTIONS (1u << VECTOR_DB | 1u << VECTOR_AC | 1u << VECTOR_MC)
#define VECTOR_AC 17

/* A spin loop: PAUSEs at most this many ticks apart, for this long in all (SDM 3C 26.1.3). */
#define SPIN_GAP 128
#define SPIN_WINDOW 4096

#define MSR_TSC 0x10u

/* The MSR bitmaps: a set bit exits. Low MSRs 0 to 0x1fff, high ones from 0xc0000000; all others exit always (SDM 3C
 * 25.6.9). */
struct msr_bitmap {
    uint8_t read_low[1024], read_high[1024], write_low[1024], write_high[1024];
} __attribute__((aligned(4096)));
static struct msr_bitmap bitmap, bitmap_x2apic; /* of every guest; the second one with WANT_X2APIC */

enum { PASS_READ = 1, PASS_WRITE = 2, PASS = 3 };
struct passed {
    uint32_t first, last;
    uint8_t how;
};
/* Registers that an entry and an exit switch, or that are the guest's own while its vcpu is loaded. */
static const struct passed passed[] = {
    { MSR_TSC, MSR_TSC, PASS_READ }, /* with tsc_offset added */
    { MSR_SYSENTER_CS, MSR_SYSENTER_EIP, PASS },
    { MSR_PAT, MSR_PAT, PASS },
    { MSR_STAR, MSR_FMASK, PASS },
    { MSR_FS_BASE, MSR_KERNEL_GS_BASE, PASS },
};
/* x2APIC registers that exist, but the timer's current count, which is not in the page (SDM 3A table 11-6, SDM 3C
 * 30.5). */
static const struct passed passed_x2apic[] = {
    { 0x808, 0x808, PASS }, { 0x80b, 0x80b, PASS_WRITE }, { 0x83f, 0x83f, PASS_WRITE }, /* TPR, EOI, self-IPI */
    { 0x802, 0x803, PASS_READ }, { 0x80a, 0x80a, PASS_READ }, { 0x80d, 0x80d, PASS_READ }, /* ID, version; PPR; LDR */
    { 0x80f, 0x828, PASS_READ }, { 0x830, 0x830, PASS_READ }, /* SVR, ISR, TMR, IRR, ESR; ICR */
    { 0x832, 0x838, PASS_READ }, { 0x83e, 0x83e, PASS_READ }, /* LVT, initial count; divide configuration */
};

static void bitmap_pass(struct msr_bitmap *map, const struct passed *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        for (uint32_t msr = list[i].first; msr <= list[i].last; msr++) {
            bool high = msr >= 0xc0000000;
            uint32_t n = msr & 0x1fff;
            if (list[i].how & PASS_READ)
                (high ? map->read_high : map->read_low)[n / 8] &= ~(1u << n % 8);
            if (list[i].how & PASS_WRITE)
                (high ? map->write_high : map->write_low)[n / 8] &= ~(1u << n % 8);
        }
    }
}

void vmx_bitmaps_init(void)
{
    static bool done;
    if (done)
        return;
    memset(&bitmap, 0xff, sizeof(bitmap));
    bitmap_pass(&bitmap, passed, ARRAY_COUNT(passed));
    bitmap_x2apic = bitmap;
    bitmap_pass(&bitmap_x2apic, passed_x2apic, ARRAY_COUNT(passed_x2apic));
    done = true;
}

enum status vmx_vcpu_create(struct vcpu *vcpu)
{
    struct vmx_vcpu *v = vcpu->vendor_state;
    vcpu->vendor = pool_alloc(&vcpu->domain->quota);
    if (!vcpu->vendor)
        return ERR_MEMORY;
    vcpu->vendor_hpa = pool_hpa(vcpu->vendor);
    *(uint32_t *)vcpu->vendor = vmx_caps.revision;
    v->vpid = 1 + vcpu->domain->id * MAX_VCPUS + vcpu->index;
    v->eptp = pool_hpa(vcpu->domain->guest.root).v | EPTP_WRITE_BACK | EPTP_4_LEVELS;
    if (vmx_caps.ept & EPT_CAP_ACCESSED_DIRTY)
        v->eptp |= EPTP_ACCESSED_DIRTY;
    vcpu_state_reset(vcpu->state);
    vcpu->state->features |= STATE_FEATURE_LENGTH;
    if (vmx_caps.apicv)
        vcpu->state->features |= STATE_FEATURE_APICV;
    return OK;
}

/* An unloaded VMCS is in no CPU: see vmx_unload. */
void vmx_vcpu_destroy(struct vcpu *vcpu)
{
    pool_free(&vcpu->domain->quota, vcpu->vendor);
    vcpu->vendor = NULL;
}

static const struct { uint32_t field, value; } initial[] = {
    { PAGE_FAULT_MASK, 0 }, { PAGE_FAULT_MATCH, 0 }, { CR3_TARGET_COUNT, 0 },
    { EXIT_MSR_STORE_COUNT, 0 }, { EXIT_MSR_LOAD_COUNT, 0 }, { ENTRY_MSR_LOAD_COUNT, 0 }, { ENTRY_INTERRUPTION, 0 },
    { TPR_THRESHOLD, 0 }, { GUEST_DEBUGCTL, 0 }, { GUEST_INTERRUPTIBILITY, 0 }, { GUEST_ACTIVITY, 0 },
    { GUEST_PENDING_DEBUG, 0 }, { EXCEPTION_BITMAP, EXCEPTIONS },
    { HOST_CS_SELECTOR, SEL_KERNEL_CODE }, { HOST_SS_SELECTOR, SEL_KERNEL_DATA }, { HOST_TR_SELECTOR, SEL_TSS },
    { HOST_DS_SELECTOR, 0 }, { HOST_ES_SELECTOR, 0 }, { HOST_FS_SELECTOR, 0 }, { HOST_GS_SELECTOR, 0 },
    { HOST_FS_BASE, 0 }, { HOST_GS_BASE, 0 }, { HOST_SYSENTER_CS, SEL_KERNEL_CODE },
};

void vmx_controls_init(struct vcpu *vcpu)
{
    struct vmx_vcpu *v = vcpu->vendor_state;
    for (unsigned i = 0; i < ARRAY_COUNT(initial); i++)
        vmwrite(initial[i].field, initial[i].value);
    v->proc2 = vmx_caps.proc2;
    vmwrite(PIN_CONTROLS, vmx_caps.pin);
    vmwrite(PROC_CONTROLS, vmx_caps.proc);
    vmwrite(PROC2_CONTROLS, v->proc2);
    vmwrite(EXIT_CONTROLS, vmx_caps.exit);
    vmwrite(ENTRY_CONTROLS, vmx_caps.entry);
    vmwrite(VMCS_LINK_POINTER, ~0ull); /* no shadow VMCS */
    vmwrite(MSR_BITMAP, image_hpa(&bitmap));
    vmwrite(VPID, v->vpid);
    vmwrite(EPT_POINTER, v->eptp);
    vmwrite(VIRTUAL_APIC_PAGE, pool_hpa(vcpu->vapic).v);
    if (v->proc2 & PROC2_PAUSE_LOOP) {
        vmwrite(PLE_GAP, SPIN_GAP);
        vmwrite(PLE_WINDOW, SPIN_WINDOW);
    }
    if (v->proc2 & PROC2_ENCLS)
        vmwrite(ENCLS_EXITING_BITMAP, ~0ull);
    if (v->proc2 & PROC2_ENCLV)
        vmwrite(ENCLV_EXITING_BITMAP, ~0ull);
}

void vmx_controls_want(struct vcpu *vcpu, uint32_t want)
{
    struct vmx_vcpu *v = vcpu->vendor_state;
    uint32_t proc = vmx_caps.proc;
    if (want & WANT_IRQ_WINDOW)
        proc |= PROC_IRQ_WINDOW;
    if (want & WANT_NMI_WINDOW)
        proc |= PROC_NMI_WINDOW;
    if (want & WANT_SINGLE_STEP)
        proc |= vmx_caps.step;
    vmwrite(PROC_CONTROLS, proc);
    if ((want ^ v->want) & WANT_X2APIC) {
        bool on = (want & WANT_X2APIC) && vmx_caps.apicv;
        v->proc2 = vmx_caps.proc2 | (on ? vmx_caps.apicv : 0);
        vmwrite(PROC2_CONTROLS, v->proc2);
        vmwrite(MSR_BITMAP, image_hpa(on ? &bitmap_x2apic : &bitmap));
        vmx_apic_control(vcpu);
    }
    v->want = want;
}

void vmx_timer_switch(struct vmx_vcpu *v, bool on)
{
    v->timer = on;
    vmwrite(PIN_CONTROLS, vmx_caps.pin | (on ? PIN_PREEMPTION_TIMER : 0));
}
