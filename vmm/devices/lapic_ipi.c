/* SPDX-License-Identifier: MIT
 * Local APIC: who a destination names (SDM 3A 11.6.2, 11.12.10), and interprocessor interrupts. */
#include <stddef.h>
#include "devices/lapic_parts.h"

#define XAPIC_BROADCAST 0xffu
#define X2APIC_BROADCAST 0xffffffffu

#define ICR_MODE(low) (((low) >> 8) & 7u)
#define ICR_LOGICAL (1u << 11)
#define ICR_ASSERT (1u << 14)
#define ICR_SHORTHAND(low) (((low) >> 18) & 3u)
#define ICR_NOT_PLAIN 0xc0f00u /* shorthand, logical or not fixed */
enum shorthand { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

/* 0 unless the processor takes part. */
static inline uint64_t base_of(const struct vcpu *vcpu)
{
    uint64_t base = __atomic_load_n(&vcpu->lapic->s.base, __ATOMIC_RELAXED);

    return (base & APIC_BASE_ENABLE) != 0 ? base : 0;
}

static bool match_logical(const struct vcpu *vcpu, uint64_t base, uint32_t dest)
{
    uint32_t ldr = lapic_get(vcpu, APIC_LDR);

    if ((base & APIC_BASE_X2APIC) != 0)
        return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff) != 0;
    ldr >>= 24;
    if (dest > XAPIC_BROADCAST)
        return dest == X2APIC_BROADCAST;
    if (dest == XAPIC_BROADCAST)
        return true;
    if (lapic_get(vcpu, APIC_DFR) >> 28 == 0xf) /* flat model */
        return (ldr & dest) != 0;
    return ldr >> 4 == dest >> 4 && (ldr & dest & 0xf) != 0;
}

/* An 8-bit destination of all ones is a broadcast in both modes: no processor has that ID. */
static bool match(const struct vcpu *vcpu, uint32_t dest, bool logical)
{
    uint64_t base = base_of(vcpu);

    if (base == 0)
        return false;
    if (dest == X2APIC_BROADCAST || (dest == XAPIC_BROADCAST && !logical))
        return true;
    return logical ? match_logical(vcpu, base, dest) : vcpu->index == dest;
}

/* Gives one processor a message. True if it was accepted. */
static bool deliver_one(struct vcpu *vcpu, enum lapic_delivery mode, uint8_t vector, bool level, bool own)
{
    uint32_t bits;

    switch (mode) {
    case DELIVER_FIXED:
    case DELIVER_LOWEST:
        return lapic_raise(vcpu, vector, level, own);
    case DELIVER_NMI:
        atomic_fetch_add_explicit(&vcpu->nmi_arrived, 1, memory_order_relaxed);
        bits = REQUEST_NMI;
        break;
    case DELIVER_INIT:
        bits = REQUEST_INIT;
        break;
    case DELIVER_STARTUP:
        atomic_store(&vcpu->startup_vector, vector);
        bits = REQUEST_STARTUP;
        break;
    case DELIVER_EXTINT:
        __atomic_store_n(&vcpu->lapic->s.extint, 1, __ATOMIC_RELAXED);
        bits = REQUEST_IRQ;
        break;
    default: /* SMI: the virtual machine has no system-management mode */
        return false;
    }
    lapic_request(vcpu, bits, own);
    return true;
}

/* The matching processor that runs at the lowest priority and takes interrupts, or null. */
static struct vcpu *arbitrate(struct machine *machine, uint32_t dest, bool logical)
{
    struct vcpu *winner = NULL;
    uint32_t lowest = UINT32_MAX;

    for (uint32_t i = 0; i < machine->vcpu_count; i++) {
        struct vcpu *vcpu = &machine->vcpus[i];
        uint32_t priority;

        if (!match(vcpu, dest, logical) || (lapic_get(vcpu, APIC_SVR) & APIC_SVR_ENABLE) == 0)
            continue;
        priority = lapic_ppr(vcpu);
        if (priority < lowest) {
            lowest = priority;
            winner = vcpu;
        }
    }
    return winner;
}

static bool deliver(struct machine *machine, const struct vcpu *self, uint32_t dest, bool logical,
                    enum lapic_delivery mode, uint8_t vector, bool level)
{
    bool accepted = false;

    if (mode == DELIVER_LOWEST) {
        struct vcpu *winner = arbitrate(machine, dest, logical);

        return winner != NULL && deliver_one(winner, mode, vector, level, winner == self);
    }
    if (!logical && dest < machine->vcpu_count) {
        struct vcpu *vcpu = &machine->vcpus[dest];

        return base_of(vcpu) != 0 && deliver_one(vcpu, mode, vector, level, vcpu == self);
    }
    for (uint32_t i = 0; i < machine->vcpu_count; i++) {
        struct vcpu *vcpu = &machine->vcpus[i];

        if (match(vcpu, dest, logical))
            accepted |= deliver_one(vcpu, mode, vector, level, vcpu == self);
    }
    return accepted;
}

bool lapic_deliver(struct machine *machine, uint32_t dest, bool logical, enum lapic_delivery mode, uint8_t vector, bool level)
{
    return deliver(machine, NULL, dest, logical, mode, vector, level);
}

static void deliver_shorthand(struct vcpu *self, uint32_t shorthand, enum lapic_delivery mode, uint8_t vector)
{
    struct machine *machine = self->machine;

    if (shorthand == SHORTHAND_SELF) {
        deliver_one(self, mode, vector, false, true);
        return;
    }
    for (uint32_t i = 0; i < machine->vcpu_count; i++) {
        struct vcpu *vcpu = &machine->vcpus[i];

        if (base_of(vcpu) != 0 && (vcpu != self || shorthand == SHORTHAND_ALL))
            deliver_one(vcpu, mode, vector, false, vcpu == self);
    }
}

/* An IPI is edge-triggered; the level bits mean something for INIT only, whose de-assertion does nothing since P6. */
void lapic_icr_write(struct vcpu *vcpu, uint32_t low, uint32_t dest)
{
    enum lapic_delivery mode = ICR_MODE(low);
    uint8_t vector = (uint8_t)low;

    if ((low & ICR_NOT_PLAIN) == 0 && vector >= 16 && dest < vcpu->machine->vcpu_count) {
        lapic_raise(&vcpu->machine->vcpus[dest], vector, false, dest == vcpu->index); /* nearly every IPI */
        return;
    }
    if (mode <= DELIVER_LOWEST && vector < 16) {
        lapic_error(vcpu, APIC_ESR_SEND_ILLEGAL, true);
        return;
    }
    if (mode == DELIVER_EXTINT || (mode == DELIVER_INIT && (low & ICR_ASSERT) == 0))
        return;
    if (ICR_SHORTHAND(low) == SHORTHAND_NONE)
        deliver(vcpu->machine, vcpu, dest, (low & ICR_LOGICAL) != 0, mode, vector, false);
    else
        deliver_shorthand(vcpu, ICR_SHORTHAND(low), mode, vector);
}
