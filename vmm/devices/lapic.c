/* SPDX-License-Identifier: MIT
 * Local APIC: registers, as MMIO (xAPIC) and as MSRs (x2APIC), reset and mode changes (SDM 3A 11.4, 11.12). */
#include <string.h>
#include "devices/lapic_parts.h"

/* Access rights of a register. MSR: in x2APIC mode; MMIO: in xAPIC mode. */
enum access {
    MMIO_R = 1, MMIO_W = 2, MSR_R = 4, MSR_W = 8,
    BOTH_R = MMIO_R | MSR_R, BOTH_RW = MMIO_R | MMIO_W | MSR_R | MSR_W,
};

struct register_rule {
    uint32_t allowed; /* bits that may be set in a write as MSR, else #GP */
    uint32_t stored;  /* bits that a plain write changes */
    uint8_t access;
    uint32_t (*read)(struct vcpu *vcpu);
    void (*write)(struct vcpu *vcpu, uint32_t value);
};

static uint32_t read_id(struct vcpu *vcpu)
{
    return lapic_x2apic(vcpu) ? vcpu->index : vcpu->index << 24;
}

static uint32_t read_ppr(struct vcpu *vcpu)
{
    return lapic_ppr(vcpu);
}

static void write_tpr(struct vcpu *vcpu, uint32_t value)
{
    lapic_put(vcpu, APIC_TPR, value & 0xff);
    lapic_recheck(vcpu);
}

static void write_eoi(struct vcpu *vcpu, uint32_t value)
{
    (void)value;
    lapic_eoi(vcpu);
}

static void write_dfr(struct vcpu *vcpu, uint32_t value)
{
    lapic_put(vcpu, APIC_DFR, value | 0x0fffffff);
}

/* Disabling by software masks all LVT entries, and they stay masked. Requests and interrupts in service are kept. */
static void write_svr(struct vcpu *vcpu, uint32_t value)
{
    lapic_put(vcpu, APIC_SVR, value & 0x3ff);
    if ((value & APIC_SVR_ENABLE) == 0)
        for (uint32_t lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt += 0x10)
            lapic_put(vcpu, lvt, lapic_get(vcpu, lvt) | APIC_LVT_MASKED);
    lapic_recheck(vcpu);
}

static void write_esr(struct vcpu *vcpu, uint32_t value)
{
    (void)value;
    lapic_put(vcpu, APIC_ESR, __atomic_exchange_n(&vcpu->lapic->s.esr_pending, 0, __ATOMIC_RELAXED));
}

static void write_icr(struct vcpu *vcpu, uint32_t value)
{
    lapic_put(vcpu, APIC_ICR, value & 0xccfff);
    lapic_icr_write(vcpu, value, lapic_get(vcpu, APIC_ICR_HIGH) >> 24);
}

static void write_self_ipi(struct vcpu *vcpu, uint32_t value)
{
    if (value < 16)
        lapic_error(vcpu, APIC_ESR_SEND_ILLEGAL, true);
    else
        lapic_raise(vcpu, (uint8_t)value, false, true);
}

static void write_lvt(struct vcpu *vcpu, uint32_t lvt, uint32_t value)
{
    if ((lapic_get(vcpu, APIC_SVR) & APIC_SVR_ENABLE) == 0)
        value |= APIC_LVT_MASKED;
    lapic_put(vcpu, lvt, value);
}

static void write_thermal(struct vcpu *vcpu, uint32_t value) { write_lvt(vcpu, APIC_LVT_THERMAL, value & 0x107ff); }
static void write_perf(struct vcpu *vcpu, uint32_t value) { write_lvt(vcpu, APIC_LVT_PERF, value & 0x107ff); }
static void write_error(struct vcpu *vcpu, uint32_t value) { write_lvt(vcpu, APIC_LVT_ERROR, value & 0x100ff); }

/* Remote IRR is the hardware's; leaving level mode drops it. A line that is high now counts at once if level-triggered. */
static void write_lint(struct vcpu *vcpu, unsigned pin, uint32_t value)
{
    uint32_t lvt = pin == 0 ? APIC_LVT_LINT0 : APIC_LVT_LINT1;
    uint32_t kept = (value & APIC_LVT_LEVEL) != 0 ? lapic_get(vcpu, lvt) & APIC_LVT_REMOTE_IRR : 0;

    write_lvt(vcpu, lvt, (value & 0x1a7ff) | kept);
    if ((value & APIC_LVT_LEVEL) != 0 || APIC_LVT_MODE(value) == DELIVER_EXTINT)
        lapic_lint_changed(vcpu, pin, true);
}

static void write_lint0(struct vcpu *vcpu, uint32_t value) { write_lint(vcpu, 0, value); }
static void write_lint1(struct vcpu *vcpu, uint32_t value) { write_lint(vcpu, 1, value); }

#define RULE(offset) [(offset) >> 4]
#define EIGHT_WORDS(offset) [(offset) >> 4 ... ((offset) >> 4) + 7] = { .access = BOTH_R }

static const struct register_rule rules[64] = {
    RULE(APIC_ID) = { .access = BOTH_R | MMIO_W, .read = read_id },
    RULE(APIC_VERSION) = { .access = BOTH_R | MMIO_W },
    RULE(APIC_TPR) = { .access = BOTH_RW, .allowed = 0xff, .write = write_tpr },
    RULE(APIC_APR) = { .access = MMIO_R | MMIO_W },
    RULE(APIC_PPR) = { .access = BOTH_R | MMIO_W, .read = read_ppr },
    RULE(APIC_EOI) = { .access = MMIO_R | MMIO_W | MSR_W, .allowed = 0, .write = write_eoi },
    RULE(APIC_LDR) = { .access = BOTH_R | MMIO_W, .stored = 0xff000000 },
    RULE(APIC_DFR) = { .access = MMIO_R | MMIO_W, .write = write_dfr },
    RULE(APIC_SVR) = { .access = BOTH_RW, .allowed = 0x3ff, .write = write_svr },
    EIGHT_WORDS(APIC_ISR),
    EIGHT_WORDS(APIC_TMR),
    EIGHT_WORDS(APIC_IRR),
    RULE(APIC_ESR) = { .access = BOTH_RW, .allowed = 0, .write = write_esr },
    RULE(APIC_ICR) = { .access = BOTH_RW, .allowed = 0xcdfff, .write = write_icr },
    RULE(APIC_ICR_HIGH) = { .access = MMIO_R | MMIO_W, .stored = 0xff000000 },
    RULE(APIC_LVT_TIMER) = { .access = BOTH_RW, .allowed = 0x710ff, .write = lapic_timer_lvt_write },
    RULE(APIC_LVT_THERMAL) = { .access = BOTH_RW, .allowed = 0x117ff, .write = write_thermal },
    RULE(APIC_LVT_PERF) = { .access = BOTH_RW, .allowed = 0x117ff, .write = write_perf },
    RULE(APIC_LVT_LINT0) = { .access = BOTH_RW, .allowed = 0x1f7ff, .write = write_lint0 },
    RULE(APIC_LVT_LINT1) = { .access = BOTH_RW, .allowed = 0x1f7ff, .write = write_lint1 },
    RULE(APIC_LVT_ERROR) = { .access = BOTH_RW, .allowed = 0x110ff, .write = write_error },
    RULE(APIC_TMICT) = { .access = BOTH_RW, .allowed = 0xffffffff, .write = lapic_timer_initial_write },
    RULE(APIC_TMCCT) = { .access = BOTH_R | MMIO_W, .read = lapic_timer_current },
    RULE(APIC_TDCR) = { .access = BOTH_RW, .allowed = 0xb, .write = lapic_timer_divide_write },
    RULE(APIC_SELF_IPI) = { .access = MSR_W, .allowed = 0xff, .write = write_self_ipi },
};

static inline uint32_t read_register(struct vcpu *vcpu, const struct register_rule *rule, uint32_t offset)
{
    return rule->read != NULL ? rule->read(vcpu) : lapic_get(vcpu, offset);
}

static inline void write_register(struct vcpu *vcpu, const struct register_rule *rule, uint32_t offset, uint32_t value)
{
    if (rule->write != NULL)
        rule->write(vcpu, value);
    else if (rule->stored != 0)
        lapic_put(vcpu, offset, (lapic_get(vcpu, offset) & ~rule->stored) | (value & rule->stored));
}

/* A register is 32 bits on a 16-byte border; the twelve bytes behind it read as zeros. */
uint64_t lapic_mmio_read(struct vcpu *vcpu, uint32_t offset, unsigned size)
{
    const struct register_rule *rule = &rules[(offset >> 4) & 63];
    uint32_t value;

    lapic_pv_eoi_sync(vcpu);
    if (offset >= 0x400 || (rule->access & (MMIO_R | MMIO_W)) == 0) {
        lapic_error(vcpu, APIC_ESR_REGISTER, true);
        return 0;
    }
    if ((offset & 0xc) != 0)
        return 0;
    value = read_register(vcpu, rule, offset & ~0xfu) >> ((offset & 3) * 8);
    return size >= 4 ? value : value & ((1u << (size * 8)) - 1);
}

/* Only an aligned 32-bit write is defined (SDM 3A 11.4.1); the low half of a wider one counts. */
void lapic_mmio_write(struct vcpu *vcpu, uint32_t offset, unsigned size, uint64_t value)
{
    const struct register_rule *rule = &rules[(offset >> 4) & 63];

    if (offset == APIC_EOI && size == 4) {
        lapic_eoi(vcpu);
        return;
    }
    lapic_pv_eoi_sync(vcpu);
    if (offset >= 0x400 || (rule->access & (MMIO_R | MMIO_W)) == 0) {
        lapic_error(vcpu, APIC_ESR_REGISTER, true);
        return;
    }
    if ((rule->access & MMIO_W) != 0 && (offset & 0xf) == 0 && size >= 4)
        write_register(vcpu, rule, offset, (uint32_t)value);
}

static bool x2apic_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    const struct register_rule *rule = &rules[msr & 63];
    uint32_t offset = (msr & 63) << 4;

    if (!lapic_x2apic(vcpu) || msr - MSR_X2APIC_FIRST >= 64 || (rule->access & MSR_R) == 0)
        return false;
    lapic_pv_eoi_sync(vcpu);
    *value = read_register(vcpu, rule, offset);
    if (offset == APIC_ICR)
        *value |= (uint64_t)lapic_get(vcpu, APIC_ICR + 4) << 32;
    return true;
}

static bool x2apic_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    const struct register_rule *rule = &rules[msr & 63];
    uint32_t offset = (msr & 63) << 4;

    if (!lapic_x2apic(vcpu) || msr - MSR_X2APIC_FIRST >= 64 || (rule->access & MSR_W) == 0 || (uint32_t)value & ~rule->allowed)
        return false;
    if (offset == APIC_ICR) {
        /* The page holds all 64 bits at the ICR's offset: hardware that virtualizes the register reads them there. */
        lapic_put(vcpu, APIC_ICR, (uint32_t)value & ~(1u << 12));
        lapic_put(vcpu, APIC_ICR + 4, (uint32_t)(value >> 32));
        lapic_icr_write(vcpu, (uint32_t)value, (uint32_t)(value >> 32));
        return true;
    }
    if (value >> 32 != 0)
        return false;
    lapic_pv_eoi_sync(vcpu);
    write_register(vcpu, rule, offset, (uint32_t)value);
    return true;
}

/* The registers' values after reset (SDM 3A 11.4.7.1); IDs as the mode wants them. */
static void reset_registers(struct vcpu *vcpu)
{
    struct lapic_state *s = &vcpu->lapic->s;
    bool x2apic = (s->base & APIC_BASE_X2APIC) != 0;

    lapic_hardware_set(vcpu, false);
    for (unsigned i = 0; i < 4; i++)
        __atomic_store_n(&vcpu->state->pir[i], 0, __ATOMIC_RELAXED);
    __atomic_store_n(&s->irr_words, 0, __ATOMIC_RELAXED);
    s->isr_words = 0;
    s->esr_pending = 0;
    s->extint = 0;
    s->pv_eoi_armed = s->pv_eoi_enabled = false;
    lapic_timer_stop(vcpu);
    for (uint32_t offset = 0; offset < 0x400; offset += 4)
        lapic_put(vcpu, offset, 0);
    lapic_put(vcpu, APIC_ID, read_id(vcpu));
    lapic_put(vcpu, APIC_VERSION, LAPIC_VERSION);
    lapic_put(vcpu, APIC_LDR, x2apic ? (vcpu->index >> 4) << 16 | 1u << (vcpu->index & 15) : 0);
    lapic_put(vcpu, APIC_DFR, x2apic ? 0 : 0xffffffff);
    lapic_put(vcpu, APIC_SVR, 0xff);
    for (uint32_t lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt += 0x10)
        lapic_put(vcpu, lvt, APIC_LVT_MASKED);
    s->timer_shift = 1;
    lapic_hardware_set(vcpu, x2apic && (vcpu->state->features & STATE_FEATURE_APICV) != 0);
}

/* Legal transitions (SDM 3A 11.12.5): off -> xAPIC, xAPIC -> x2APIC, both -> off, and no change. */
static bool base_write(struct vcpu *vcpu, uint64_t value)
{
    struct lapic_state *s = &vcpu->lapic->s;
    const uint64_t mode_bits = APIC_BASE_ENABLE | APIC_BASE_X2APIC;
    uint64_t before = s->base & mode_bits, after = value & mode_bits;

    if ((value & ~(APIC_BASE_ADDRESS | APIC_BASE_BSP | mode_bits)) != 0 || after == APIC_BASE_X2APIC)
        return false;
    if ((before == mode_bits && after == APIC_BASE_ENABLE) || (before == 0 && after == mode_bits))
        return false;
    lapic_pv_eoi_sync(vcpu);
    __atomic_store_n(&s->base, value, __ATOMIC_RELAXED);
    if (before == after)
        return true;
    if (after == mode_bits) {
        lapic_put(vcpu, APIC_ID, vcpu->index);
        lapic_put(vcpu, APIC_LDR, (vcpu->index >> 4) << 16 | 1u << (vcpu->index & 15));
        lapic_put(vcpu, APIC_ICR + 4, lapic_get(vcpu, APIC_ICR_HIGH) >> 24);
        lapic_hardware_set(vcpu, (vcpu->state->features & STATE_FEATURE_APICV) != 0);
    } else {
        reset_registers(vcpu);
    }
    lapic_request(vcpu, REQUEST_IRQ, true); /* INTR may reach the processor now */
    return true;
}

bool lapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    if (msr >= MSR_X2APIC_FIRST)
        return x2apic_read(vcpu, msr, value);
    *value = msr == MSR_APIC_BASE ? vcpu->lapic->s.base : lapic_tsc_deadline_read(vcpu);
    return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE;
}

bool lapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    if (msr >= MSR_X2APIC_FIRST) {
        if (msr != MSR_X2APIC_FIRST + (APIC_EOI >> 4) || value != 0 || !lapic_x2apic(vcpu))
            return x2apic_write(vcpu, msr, value);
        lapic_eoi(vcpu);
        return true;
    }
    if (msr == MSR_APIC_BASE)
        return base_write(vcpu, value);
    if (msr != MSR_TSC_DEADLINE)
        return false;
    lapic_tsc_deadline_write(vcpu, value);
    return true;
}

uint8_t lapic_cr8_read(const struct vcpu *vcpu)
{
    return (uint8_t)(lapic_get(vcpu, APIC_TPR) >> 4 & 0xf);
}

void lapic_cr8_write(struct vcpu *vcpu, uint8_t value)
{
    write_tpr(vcpu, (uint32_t)(value & 0xf) << 4);
}

void lapic_reset(struct vcpu *vcpu, bool is_init)
{
    if (!is_init) {
        struct lapic_state *s = &vcpu->lapic->s;

        lapic_hardware_set(vcpu, false);
        memset(s, 0, sizeof *s);
        s->base = LAPIC_BASE | APIC_BASE_ENABLE | (vcpu->index == 0 ? APIC_BASE_BSP : 0);
    }
    reset_registers(vcpu);
}

void lapic_virtual_wire(struct vcpu *vcpu)
{
    lapic_put(vcpu, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    lapic_put(vcpu, APIC_LVT_LINT0, DELIVER_EXTINT << 8);
    lapic_put(vcpu, APIC_LVT_LINT1, DELIVER_NMI << 8);
    lapic_request(vcpu, REQUEST_IRQ, true);
}

void lapic_init(struct lapic *lapic, struct vcpu *vcpu)
{
    lapic->vcpu = vcpu;
    vcpu->lapic = lapic;
    lapic_reset(vcpu, false);
}
