/* SPDX-License-Identifier: MIT
 * MSR policy. MSRs that the hardware switches (FS/GS base, SYSCALL, SYSENTER; on VT-x PAT) never exit. Sources: SDM 4 chapter 2;
 * APM 2 appendix A; asm/kvm_para.h. */
#include "msr.h"
#include <string.h>
#include "cpuid.h"
#include "cr.h"
#include "devices/lapic.h"
#include "devices/pvclock.h"

#define MSR_KVM_PV_EOI_EN 0x4b564d04u

typedef bool read_fn(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
typedef bool write_fn(struct vcpu *vcpu, uint32_t msr, uint64_t value);

static bool read_zero(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu, (void)msr;
    *value = 0;
    return true;
}

static bool write_ignore(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)vcpu, (void)msr, (void)value;
    return true;
}

static bool write_zero_only(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)vcpu, (void)msr;
    return value == 0;
}

/* --- time --- */

static uint64_t host_tsc(const struct vcpu *vcpu)
{
    return vcpu->machine->clock.read_tsc();
}

static bool tsc_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)msr;
    *value = host_tsc(vcpu) + vcpu->state->tsc_offset;
    return true;
}

static bool tsc_set_offset(struct vcpu *vcpu, uint64_t offset)
{
    vcpu->msr.tsc_adjust += offset - vcpu->state->tsc_offset;
    vcpu->state->tsc_offset = offset;
    vcpu->state->dirty |= GROUP_CONTROL;
    lapic_timer_tsc_changed(vcpu);
    pvclock_tsc_changed(vcpu);
    return true;
}

static bool tsc_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    return tsc_set_offset(vcpu, value - host_tsc(vcpu));
}

static bool tsc_adjust_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)msr;
    *value = vcpu->msr.tsc_adjust;
    return true;
}

static bool tsc_adjust_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    return tsc_set_offset(vcpu, vcpu->state->tsc_offset + value - vcpu->msr.tsc_adjust);
}

/* --- EFER --- */

static bool efer_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)msr;
    *value = vcpu->state->efer;
    return true;
}

static bool efer_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    struct vcpu_state *state = vcpu->state;
    if (value & ~MODEL_EFER_ALLOWED)
        return false;
    if ((state->cr0 & CR0_PG) && ((value ^ state->efer) & EFER_LME))
        return false;
    state->efer = (value & ~EFER_LMA) | (state->efer & EFER_LMA); /* LMA is read-only */
    state->dirty |= GROUP_CR;
    return true;
}

/* --- memory types: stored, without effect (second-level paging decides) --- */

#define MTRR_VARIABLE 8u
static const uint16_t mtrr_fixed[] = { 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f };

static bool mtrr_type_valid(uint64_t type)
{
    return type == 0 || type == 1 || type == 4 || type == 5 || type == 6;
}

static bool mtrr_cap_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu, (void)msr;
    *value = MTRR_VARIABLE | 1u << 8 | 1u << 10; /* fixed ranges, write combining */
    return true;
}

static uint64_t *mtrr_slot(struct vcpu *vcpu, uint32_t msr)
{
    if (msr == 0x2ff)
        return &vcpu->msr.mtrr_default;
    if (msr >= 0x200 && msr < 0x200 + 2 * MTRR_VARIABLE)
        return &vcpu->msr.mtrr_variable[msr - 0x200];
    for (unsigned i = 0; i < sizeof(mtrr_fixed) / sizeof(mtrr_fixed[0]); i++)
        if (mtrr_fixed[i] == msr)
            return &vcpu->msr.mtrr_fixed[i];
    return NULL;
}

static bool mtrr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    const uint64_t *slot = mtrr_slot(vcpu, msr);
    if (slot)
        *value = *slot;
    return slot != NULL;
}

static bool mtrr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    uint64_t *slot = mtrr_slot(vcpu, msr);
    const uint64_t address_reserved = ~((1ull << MODEL_PHYS_BITS) - 1);
    if (!slot)
        return false;
    if (msr == 0x2ff && ((value & ~0xcffull) || !mtrr_type_valid(value & 0xff)))
        return false;
    if (msr < 0x210 && !(msr & 1) && ((value & (address_reserved | 0xf00)) || !mtrr_type_valid(value & 0xff)))
        return false;
    if (msr < 0x210 && (msr & 1) && (value & (address_reserved | 0x7ff)))
        return false;
    for (unsigned i = 0; msr >= 0x250 && msr < 0x2ff && i < 8; i++)
        if (!mtrr_type_valid((value >> (8 * i)) & 0xff))
            return false;
    *slot = value;
    return true;
}

/* PAT exits where the hardware does not switch it (AMD-V); then the page's value is the guest's. */
static bool pat_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)msr;
    *value = vcpu->state->pat;
    return true;
}

static bool pat_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t type = value >> i & 0xff;
        if (type != 7 && !mtrr_type_valid(type))
            return false;
    }
    vcpu->state->pat = value;
    vcpu->state->dirty |= GROUP_CONTROL;
    return true;
}

/* --- machine check: no bank, nothing ever happens --- */

/* Performance monitoring and the lack of trace stores are read-only (SDM 4 table 2-2). The rest is stored. */
#define MISC_ENABLE_READ_ONLY (1ull << 7 | 1ull << 11 | 1ull << 12)
#define MISC_ENABLE_RESET (1u << 0 | 1u << 11 | 1u << 12) /* fast strings; no branch trace, no PEBS */

static bool misc_enable_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)msr;
    *value = vcpu->msr.misc_enable;
    return true;
}

static bool misc_enable_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    vcpu->msr.misc_enable = (value & ~MISC_ENABLE_READ_ONLY) | (MISC_ENABLE_RESET & MISC_ENABLE_READ_ONLY);
    return true;
}

/* LBR and BTF, which every CPU has, are stored without effect: single steps go on to be single. */
#define DEBUGCTL_ALLOWED 3u

static bool debugctl_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)msr;
    *value = vcpu->msr.debugctl;
    return true;
}

static bool debugctl_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    if (value & ~(uint64_t)DEBUGCTL_ALLOWED)
        return false;
    vcpu->msr.debugctl = value;
    return true;
}

static bool feature_control_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu, (void)msr;
    *value = 1; /* locked, no VMX */
    return true;
}

static bool platform_info_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu, (void)msr;
    *value = 0;
    return true;
}

/* Microcode revision: high enough for guests that look whether it is outdated. */
static bool microcode_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu, (void)msr;
    *value = 0xffffffffull << 32;
    return true;
}

/* AMD HWCR: TscFreqSel, the TSC counts at the P0 frequency (BKDG/PPR, MSRC001_0015). */
static bool hwcr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu, (void)msr;
    *value = 1u << 24;
    return true;
}

/* AMD DE_CFG: LFENCE is dispatch serialising. */
static bool de_cfg_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu, (void)msr;
    *value = 1u << 1;
    return true;
}

static bool pv_eoi_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)msr;
    *value = vcpu->msr.pv_eoi;
    return true;
}

static bool pv_eoi_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    if ((value & 2) || !lapic_pv_eoi_set(vcpu, value & ~3ull, value & 1))
        return false;
    vcpu->msr.pv_eoi = value;
    return true;
}

/* Ascending by first. */
static const struct {
    uint32_t first, last;
    read_fn *read;
    write_fn *write;
    const char *name;
} policy[] = {
    { 0x00000000, 0x00000001, read_zero, write_ignore, "IA32_P5_MC_ADDR/TYPE" },
    { 0x00000010, 0x00000010, tsc_read, tsc_write, "IA32_TIME_STAMP_COUNTER" },
    { 0x00000011, 0x00000012, pvclock_msr_read, pvclock_msr_write, "KVM_WALL_CLOCK/SYSTEM_TIME (old)" },
    { 0x00000017, 0x00000017, platform_info_read, NULL, "IA32_PLATFORM_ID" },
    { 0x0000001b, 0x0000001b, lapic_msr_read, lapic_msr_write, "IA32_APIC_BASE" },
    { 0x0000003a, 0x0000003a, feature_control_read, NULL, "IA32_FEATURE_CONTROL" },
    { 0x0000003b, 0x0000003b, tsc_adjust_read, tsc_adjust_write, "IA32_TSC_ADJUST" },
    { 0x00000079, 0x00000079, NULL, write_ignore, "IA32_BIOS_UPDT_TRIG" },
    { 0x0000008b, 0x0000008b, microcode_read, write_ignore, "IA32_BIOS_SIGN_ID" },
    { 0x000000fe, 0x000000fe, mtrr_cap_read, NULL, "IA32_MTRRCAP" },
    { 0x00000179, 0x00000179, read_zero, NULL, "IA32_MCG_CAP" },
    { 0x0000017a, 0x0000017a, read_zero, write_zero_only, "IA32_MCG_STATUS" },
    { 0x0000017b, 0x0000017b, read_zero, write_ignore, "IA32_MCG_CTL" },
    { 0x000001a0, 0x000001a0, misc_enable_read, misc_enable_write, "IA32_MISC_ENABLE" },
    { 0x000001d9, 0x000001d9, debugctl_read, debugctl_write, "IA32_DEBUGCTL" },
    { 0x000001db, 0x000001de, read_zero, NULL, "last branch and exception records (AMD)" },
    { 0x00000200, 0x0000026f, mtrr_read, mtrr_write, "IA32_MTRR_PHYS*, IA32_MTRR_FIX*" },
    { 0x00000277, 0x00000277, pat_read, pat_write, "IA32_PAT" },
    { 0x000002ff, 0x000002ff, mtrr_read, mtrr_write, "IA32_MTRR_DEF_TYPE" },
    { 0x000006e0, 0x000006e0, lapic_msr_read, lapic_msr_write, "IA32_TSC_DEADLINE" },
    { 0x00000800, 0x000008ff, lapic_msr_read, lapic_msr_write, "x2APIC" },
    { MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW, pvclock_msr_read, pvclock_msr_write, "KVM paravirtual clock" },
    { MSR_KVM_PV_EOI_EN, MSR_KVM_PV_EOI_EN, pv_eoi_read, pv_eoi_write, "KVM paravirtual EOI" },
    { 0xc0000080, 0xc0000080, efer_read, efer_write, "IA32_EFER" },
    /* Every AMD CPU has four counters, which no CPUID bit names: they stand at zero. */
    { 0xc0010000, 0xc0010007, read_zero, write_ignore, "PERF_CTL0-3, PERF_CTR0-3 (AMD)" },
    { 0xc0010010, 0xc0010010, read_zero, write_ignore, "SYSCFG (AMD)" },
    { 0xc0010015, 0xc0010015, hwcr_read, write_ignore, "HWCR (AMD)" },
    { 0xc001001f, 0xc001001f, read_zero, write_ignore, "NB_CFG (AMD)" },
    { 0xc0010055, 0xc0010055, read_zero, write_ignore, "interrupt pending message (AMD)" },
    { 0xc0011020, 0xc0011022, read_zero, write_ignore, "LS_CFG, IC_CFG, DC_CFG (AMD)" },
    { 0xc0011029, 0xc0011029, de_cfg_read, write_ignore, "DE_CFG (AMD)" },
};

static int find(uint32_t msr)
{
    int low = 0, high = (int)(sizeof(policy) / sizeof(policy[0])) - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        if (msr < policy[middle].first)
            high = middle - 1;
        else if (msr > policy[middle].last)
            low = middle + 1;
        else
            return middle;
    }
    return -1;
}

/* The local APIC's registers are what a guest accesses all the time: no search for them. */
static inline bool is_lapic(uint32_t msr)
{
    return msr - MSR_X2APIC_FIRST <= MSR_X2APIC_LAST - MSR_X2APIC_FIRST || msr == MSR_TSC_DEADLINE;
}

bool msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    if (is_lapic(msr))
        return lapic_msr_read(vcpu, msr, value);
    int i = find(msr);
    return i >= 0 && policy[i].read && policy[i].read(vcpu, msr, value);
}

bool msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    if (is_lapic(msr))
        return lapic_msr_write(vcpu, msr, value);
    int i = find(msr);
    return i >= 0 && policy[i].write && policy[i].write(vcpu, msr, value);
}

void msr_reset(struct vcpu *vcpu)
{
    memset(&vcpu->msr, 0, sizeof(vcpu->msr));
    vcpu->msr.misc_enable = MISC_ENABLE_RESET;
    vcpu->msr.mtrr_default = 1u << 11 | 6; /* enabled, write-back: as firmware leaves it */
}
