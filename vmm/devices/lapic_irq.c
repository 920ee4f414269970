/* SPDX-License-Identifier: MIT
 * Local APIC: interrupt requests, priorities, end of interrupt (SDM 3A 11.8). */
#include <stddef.h>
#include "devices/ioapic.h"
#include "devices/lapic_parts.h"
#include "platform.h"

#define WORD_OF(vector) ((uint32_t)(vector) >> 5)
#define BIT_OF(vector) (1u << ((vector) & 31))
#define ALL_WORDS 0xffu
#define REGISTER_OF(base, vector) ((base) + WORD_OF(vector) * 16)

static inline uint32_t *word_at(const struct vcpu *vcpu, uint32_t offset)
{
    return (uint32_t *)(vcpu->vapic + offset);
}

/* The highest vector of a 256-bit register whose non-zero words are `words`, -1 if there is none. */
static inline int highest(const struct vcpu *vcpu, uint32_t base, uint32_t words)
{
    while (words != 0) {
        uint32_t index = 31u - (uint32_t)__builtin_clz(words);
        uint32_t word = lapic_get(vcpu, base + index * 16);

        if (word != 0)
            return (int)(index * 32 + 31u - (uint32_t)__builtin_clz(word));
        words &= ~(1u << index);
    }
    return -1;
}

static inline bool hardware(const struct vcpu *vcpu)
{
    return __atomic_load_n(&vcpu->lapic->s.hardware, __ATOMIC_RELAXED) != 0;
}

static inline int highest_irr(const struct vcpu *vcpu)
{
    uint32_t words = hardware(vcpu) ? ALL_WORDS : __atomic_load_n(&vcpu->lapic->s.irr_words, __ATOMIC_ACQUIRE);

    return highest(vcpu, APIC_IRR, words);
}

static inline int highest_isr(const struct vcpu *vcpu)
{
    return highest(vcpu, APIC_ISR, hardware(vcpu) ? ALL_WORDS : vcpu->lapic->s.isr_words);
}

uint32_t lapic_ppr(const struct vcpu *vcpu)
{
    uint32_t tpr = lapic_get(vcpu, APIC_TPR) & 0xff;
    int isr = highest_isr(vcpu);

    if (isr < 0 || (tpr & 0xf0) >= ((uint32_t)isr & 0xf0))
        return tpr;
    return (uint32_t)isr & 0xf0;
}

void lapic_recheck(struct vcpu *vcpu)
{
    if (__atomic_load_n(&vcpu->lapic->s.irr_words, __ATOMIC_RELAXED) != 0)
        lapic_request(vcpu, REQUEST_IRQ, true);
}

static uint32_t *pv_eoi_word(const struct vcpu *vcpu)
{
    return memory_at(&vcpu->machine->memory, vcpu->lapic->s.pv_eoi_address, sizeof(uint32_t));
}

/* Takes the permission to skip the EOI back: the guest will write it. */
static void pv_eoi_disarm(struct vcpu *vcpu)
{
    uint32_t *word = pv_eoi_word(vcpu);

    if (vcpu->lapic->s.pv_eoi_armed && word != NULL)
        __atomic_fetch_and(word, ~1u, __ATOMIC_RELAXED);
    vcpu->lapic->s.pv_eoi_armed = false;
}

/* The CPU runs this APIC: the kernel moves pir[] to IRR at the next entry. The EOI of a level-triggered vector must exit. */
static void post(struct vcpu *vcpu, uint8_t vector, bool level, bool own)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t bit = 1ull << (vector & 63);
    unsigned word = vector >> 6;

    if (level && (__atomic_load_n(&state->eoi_exit[word], __ATOMIC_RELAXED) & bit) == 0) {
        __atomic_fetch_or(&state->eoi_exit[word], bit, __ATOMIC_RELAXED);
        __atomic_store_n(&vcpu->lapic->s.control_changed, 1, __ATOMIC_RELEASE);
    }
    if ((__atomic_fetch_or(&state->pir[word], bit, __ATOMIC_RELEASE) & bit) == 0)
        lapic_request(vcpu, REQUEST_IRQ, own);
}

/* What other threads changed that the CPU must be told: EOI exits, and requests that they put into the page while the mode changed. */
static void hardware_sync(struct vcpu *vcpu)
{
    struct lapic_state *s = &vcpu->lapic->s;

    if (__atomic_load_n(&s->control_changed, __ATOMIC_RELAXED) != 0 || __atomic_load_n(&s->irr_words, __ATOMIC_RELAXED) != 0) {
        __atomic_store_n(&s->control_changed, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&s->irr_words, 0, __ATOMIC_RELAXED);
        vcpu->state->dirty |= GROUP_CONTROL;
    }
}

void lapic_hardware_set(struct vcpu *vcpu, bool on)
{
    struct lapic_state *s = &vcpu->lapic->s;
    struct vcpu_state *state = vcpu->state;

    if (on == hardware(vcpu))
        return;
    __atomic_store_n(&s->hardware, on, __ATOMIC_RELAXED);
    state->want = on ? state->want | WANT_X2APIC : state->want & ~WANT_X2APIC;
    state->dirty |= GROUP_CONTROL;
    if (!on)
        return;
    pv_eoi_disarm(vcpu); /* an EOI costs no exit from now on */
    /* What is in service already was level-triggered or not: the TMR knows. */
    for (unsigned i = 0; i < 4; i++) {
        uint64_t low = lapic_get(vcpu, APIC_TMR + i * 32), high = lapic_get(vcpu, APIC_TMR + i * 32 + 16);

        __atomic_store_n(&state->eoi_exit[i], low | high << 32, __ATOMIC_RELAXED);
    }
}

/* Order: TMR, IRR, irr_words, request. Whoever sees the later one sees the earlier ones. */
bool lapic_raise(struct vcpu *vcpu, uint8_t vector, bool level, bool own)
{
    uint32_t bit = BIT_OF(vector);
    uint32_t *tmr = word_at(vcpu, REGISTER_OF(APIC_TMR, vector));

    if (!lapic_enabled(vcpu) || (lapic_get(vcpu, APIC_SVR) & APIC_SVR_ENABLE) == 0)
        return false;
    if (vector < 16) {
        lapic_error(vcpu, APIC_ESR_RECEIVE_ILLEGAL, own);
        return true;
    }
    if (((__atomic_load_n(tmr, __ATOMIC_RELAXED) & bit) != 0) != level)
        __atomic_fetch_xor(tmr, bit, __ATOMIC_RELAXED);
    if (hardware(vcpu)) {
        post(vcpu, vector, level, own);
        return true;
    }
    if ((__atomic_fetch_or(word_at(vcpu, REGISTER_OF(APIC_IRR, vector)), bit, __ATOMIC_RELEASE) & bit) != 0)
        return true; /* merged with the one that waits already; its sender made the request */
    __atomic_fetch_or(&vcpu->lapic->s.irr_words, 1u << WORD_OF(vector), __ATOMIC_RELEASE);
    lapic_request(vcpu, REQUEST_IRQ, own);
    return true;
}

void lapic_error(struct vcpu *vcpu, uint32_t bits, bool own)
{
    uint32_t lvt = lapic_get(vcpu, APIC_LVT_ERROR);

    __atomic_fetch_or(&vcpu->lapic->s.esr_pending, bits, __ATOMIC_RELAXED);
    if ((lvt & APIC_LVT_MASKED) == 0 && (lvt & 0xff) >= 16)
        lapic_raise(vcpu, (uint8_t)lvt, false, own);
}

void lapic_local(struct vcpu *vcpu, uint32_t lvt_offset, bool own)
{
    uint32_t lvt = lapic_get(vcpu, lvt_offset);
    /* Bits 8 to 10 of the timer's and the error's entry are reserved: always fixed. */
    uint32_t mode = APIC_LVT_MODE(lvt);

    if ((lvt & APIC_LVT_MASKED) != 0)
        return;
    if (mode == DELIVER_FIXED)
        lapic_raise(vcpu, (uint8_t)lvt, (lvt & APIC_LVT_LEVEL) != 0, own);
    else if (mode == DELIVER_NMI)
        lapic_request(vcpu, REQUEST_NMI, own);
    else if (mode == DELIVER_EXTINT)
        lapic_request(vcpu, REQUEST_IRQ, own);
    else if (mode == DELIVER_INIT)
        lapic_request(vcpu, REQUEST_INIT, own);
}

/* A level-triggered fixed LINT waits for the EOI before it is delivered again, like an I/O APIC pin. */
void lapic_lint_changed(struct vcpu *vcpu, unsigned pin, bool own)
{
    uint32_t offset = pin == 0 ? APIC_LVT_LINT0 : APIC_LVT_LINT1;
    uint32_t lvt = lapic_get(vcpu, offset);

    if (vcpu->lapic->s.lint[pin] == 0 || (lvt & APIC_LVT_MASKED) != 0)
        return;
    if ((lvt & APIC_LVT_LEVEL) != 0 && APIC_LVT_MODE(lvt) == DELIVER_FIXED) {
        if ((lvt & APIC_LVT_REMOTE_IRR) != 0)
            return;
        lapic_put(vcpu, offset, lvt | APIC_LVT_REMOTE_IRR);
    }
    lapic_local(vcpu, offset, own);
}

void lapic_lint(struct vcpu *vcpu, unsigned pin, bool level)
{
    if (vcpu->lapic->s.lint[pin] == (uint8_t)level)
        return;
    vcpu->lapic->s.lint[pin] = (uint8_t)level;
    if (!lapic_enabled(vcpu)) {
        /* A disabled local APIC passes INTR and NMI through (SDM 3A 11.4.3). */
        if (level)
            vcpu_request(vcpu, pin == 0 ? REQUEST_IRQ : REQUEST_NMI);
        return;
    }
    lapic_lint_changed(vcpu, pin, false);
}

static void lint_eoi(struct vcpu *vcpu, unsigned pin, uint8_t vector)
{
    uint32_t offset = pin == 0 ? APIC_LVT_LINT0 : APIC_LVT_LINT1;
    uint32_t lvt = lapic_get(vcpu, offset);

    if ((lvt & APIC_LVT_REMOTE_IRR) == 0 || (uint8_t)lvt != vector)
        return;
    lapic_put(vcpu, offset, lvt & ~APIC_LVT_REMOTE_IRR);
    lapic_lint_changed(vcpu, pin, true);
}

static void eoi_level(struct vcpu *vcpu, uint8_t vector)
{
    lint_eoi(vcpu, 0, vector);
    lint_eoi(vcpu, 1, vector);
    machine_lock(vcpu->machine);
    ioapic_eoi(&vcpu->machine->platform->ioapic, vector);
    machine_unlock(vcpu->machine);
}

static void end_of_interrupt(struct vcpu *vcpu)
{
    struct lapic_state *s = &vcpu->lapic->s;
    int vector = highest_isr(vcpu);
    uint32_t *isr;

    if (vector < 0)
        return;
    isr = word_at(vcpu, REGISTER_OF(APIC_ISR, vector));
    *isr &= ~BIT_OF(vector);
    if (hardware(vcpu))
        vcpu->state->dirty |= GROUP_CONTROL;
    else if (*isr == 0)
        s->isr_words &= ~(1u << WORD_OF(vector));
    if ((lapic_get(vcpu, REGISTER_OF(APIC_TMR, vector)) & BIT_OF(vector)) != 0)
        eoi_level(vcpu, (uint8_t)vector);
    lapic_recheck(vcpu);
}

void lapic_eoi(struct vcpu *vcpu)
{
    lapic_pv_eoi_sync(vcpu);
    end_of_interrupt(vcpu);
}

void lapic_eoi_exit(struct vcpu *vcpu, uint8_t vector)
{
    if ((lapic_get(vcpu, REGISTER_OF(APIC_TMR, vector)) & BIT_OF(vector)) != 0)
        eoi_level(vcpu, vector);
}

bool lapic_wakes(struct vcpu *vcpu)
{
    const uint64_t *pir = vcpu->state->pir;
    int irr;

    if (!hardware(vcpu))
        return lapic_pending(vcpu) >= 0;
    irr = highest_irr(vcpu);
    for (int i = 3; i >= 0; i--) {
        uint64_t word = __atomic_load_n(&pir[i], __ATOMIC_ACQUIRE);
        int top = word != 0 ? i * 64 + 63 - __builtin_clzll(word) : -1;

        irr = top > irr ? top : irr;
    }
    return irr >= 0 && ((uint32_t)irr & 0xf0) > (lapic_ppr(vcpu) & 0xf0);
}

int lapic_pending(struct vcpu *vcpu)
{
    int irr;

    if (hardware(vcpu)) {
        hardware_sync(vcpu);
        return -1;
    }
    lapic_pv_eoi_sync(vcpu);
    irr = highest_irr(vcpu);
    if (irr < 0 || ((uint32_t)irr & 0xf0) <= (lapic_ppr(vcpu) & 0xf0) || !lapic_enabled(vcpu))
        return -1;
    return irr;
}

/* The word's hint is cleared first and set again if the word is not empty: a sender that comes between sets both. */
static void clear_irr(struct vcpu *vcpu, uint8_t vector)
{
    uint32_t *irr = word_at(vcpu, REGISTER_OF(APIC_IRR, vector));
    uint32_t hint = 1u << WORD_OF(vector);

    if ((__atomic_and_fetch(irr, ~BIT_OF(vector), __ATOMIC_ACQ_REL)) != 0)
        return;
    __atomic_fetch_and(&vcpu->lapic->s.irr_words, ~hint, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(irr, __ATOMIC_SEQ_CST) != 0)
        __atomic_fetch_or(&vcpu->lapic->s.irr_words, hint, __ATOMIC_SEQ_CST);
}

/* Only for the sole interrupt: nothing else in service, nothing waiting, no I/O APIC to tell. */
static void pv_eoi_arm(struct vcpu *vcpu, uint8_t vector)
{
    struct lapic_state *s = &vcpu->lapic->s;
    uint32_t *word = pv_eoi_word(vcpu);

    if (word == NULL || __atomic_load_n(&s->irr_words, __ATOMIC_RELAXED) != 0 ||
        (lapic_get(vcpu, REGISTER_OF(APIC_TMR, vector)) & BIT_OF(vector)) != 0)
        return;
    __atomic_fetch_or(word, 1u, __ATOMIC_RELAXED);
    s->pv_eoi_armed = true;
}

void lapic_pv_eoi_settle(struct vcpu *vcpu)
{
    struct lapic_state *s = &vcpu->lapic->s;
    uint32_t *word = pv_eoi_word(vcpu);

    if (word == NULL || (__atomic_load_n(word, __ATOMIC_RELAXED) & 1u) == 0) {
        s->pv_eoi_armed = false;
        end_of_interrupt(vcpu);
    } else if (__atomic_load_n(&s->irr_words, __ATOMIC_RELAXED) != 0) {
        pv_eoi_disarm(vcpu); /* something waits behind it now, so the EOI must be seen */
    }
}

void lapic_posted(struct vcpu *vcpu)
{
    for (unsigned i = 0; i < 4 && !hardware(vcpu); i++) {
        uint64_t word = __atomic_exchange_n(&vcpu->state->pir[i], 0, __ATOMIC_ACQUIRE);

        for (; word != 0; word &= word - 1)
            (void)lapic_raise(vcpu, (uint8_t)(i * 64 + (unsigned)__builtin_ctzll(word)), false, true);
    }
    lapic_request(vcpu, REQUEST_IRQ, true); /* where the CPU does it, a halted vcpu still has to look */
}

bool lapic_pv_eoi_set(struct vcpu *vcpu, uint64_t gpa, bool enabled)
{
    struct lapic_state *s = &vcpu->lapic->s;

    lapic_pv_eoi_sync(vcpu);
    if (enabled && ((gpa & 3) != 0 || memory_at(&vcpu->machine->memory, gpa, sizeof(uint32_t)) == NULL))
        return false;
    pv_eoi_disarm(vcpu);
    s->pv_eoi_enabled = enabled;
    s->pv_eoi_address = gpa;
    return true;
}

void lapic_accept(struct vcpu *vcpu, uint8_t vector)
{
    struct lapic_state *s = &vcpu->lapic->s;
    bool sole = s->isr_words == 0;

    clear_irr(vcpu, vector);
    *word_at(vcpu, REGISTER_OF(APIC_ISR, vector)) |= BIT_OF(vector);
    s->isr_words |= 1u << WORD_OF(vector);
    if (s->pv_eoi_enabled && sole)
        pv_eoi_arm(vcpu, vector);
}

/* If the guest may skip the EOI, then this one's: nothing else was in service. */
void lapic_withdraw(struct vcpu *vcpu, uint8_t vector)
{
    uint32_t *isr = word_at(vcpu, REGISTER_OF(APIC_ISR, vector));

    pv_eoi_disarm(vcpu);
    *isr &= ~BIT_OF(vector);
    if (*isr == 0)
        vcpu->lapic->s.isr_words &= ~(1u << WORD_OF(vector));
    __atomic_fetch_or(word_at(vcpu, REGISTER_OF(APIC_IRR, vector)), BIT_OF(vector), __ATOMIC_RELEASE);
    __atomic_fetch_or(&vcpu->lapic->s.irr_words, 1u << WORD_OF(vector), __ATOMIC_RELEASE);
}

bool lapic_accepts_extint(const struct vcpu *vcpu)
{
    uint32_t lvt = lapic_get(vcpu, APIC_LVT_LINT0);

    if (!lapic_enabled(vcpu))
        return vcpu->index == 0; /* INTR is wired to the boot processor */
    if (__atomic_load_n(&vcpu->lapic->s.extint, __ATOMIC_RELAXED) != 0)
        return true;
    return (lvt & APIC_LVT_MASKED) == 0 && APIC_LVT_MODE(lvt) == DELIVER_EXTINT;
}

uint32_t lapic_tpr_threshold(struct vcpu *vcpu)
{
    int irr, isr;
    uint32_t class;

    if (hardware(vcpu)) {
        hardware_sync(vcpu);
        return 0;
    }
    irr = highest_irr(vcpu);
    if (irr < 0)
        return 0;
    isr = highest_isr(vcpu);
    class = (uint32_t)irr >> 4;
    if (class > (lapic_get(vcpu, APIC_TPR) >> 4 & 0xf) || (isr >= 0 && (uint32_t)isr >> 4 >= class))
        return 0;
    return class;
}
