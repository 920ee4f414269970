/* SPDX-License-Identifier: MIT
 * What a vcpu does before it enters the guest: requests of other threads, and the choice of the interrupt to deliver.
 */
#include "interrupts.h"
#include "console.h"
#include "cr.h"
#include "platform.h"
#include "vcpu_reset.h"

/* --- time --- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return !a || (b && b < a) ? b : a;
}

/* The moment at which this thread has to look at its timers. The devices' queue is vcpu 0's. */
static void deadline_update(struct vcpu *vcpu)
{
    struct machine *machine = vcpu->machine;
    uint64_t next = lapic_timer_deadline(vcpu);
    if (vcpu->index == 0) {
        machine_lock(machine);
        next = earlier(next, timer_next(&machine->timers));
        machine_unlock(machine);
    }
    vcpu->state->deadline = next ? clock_tsc_at(&machine->clock, next) : 0;
}

static void timers_expire(struct vcpu *vcpu)
{
    struct machine *machine = vcpu->machine;
    uint64_t now = clock_now(&machine->clock);
    lapic_timer_expire(vcpu, now);
    if (vcpu->index == 0) {
        machine_lock(machine);
        timer_expire(&machine->timers, now);
        machine_unlock(machine);
    }
    atomic_fetch_or_explicit(&vcpu->requests, REQUEST_TIMER, memory_order_relaxed);
}

void events_take(struct vcpu *vcpu)
{
    uint64_t events = __atomic_exchange_n(&vcpu->state->events, 0, __ATOMIC_ACQUIRE);
    if (events & (1ull << EVENT_TIMER))
        timers_expire(vcpu);
    if (events & (1ull << EVENT_POSTED))
        lapic_posted(vcpu);
    if (events & (1ull << START_EVENT_CONSOLE))
        console_input(vcpu->machine);
    if (events & (1ull << START_EVENT_POWER))
        console_power(vcpu->machine);
    if (events >> EVENT_FIRST) {
        machine_lock(vcpu->machine);
        virtio_events(&vcpu->machine->platform->virtio, events);
        machine_unlock(vcpu->machine);
    }
}

/* --- delivery --- */

static void inject(struct vcpu_state *state, enum inject_type type, unsigned vector)
{
    state->inject = INJECT_VALID | type << INJECT_TYPE_SHIFT | vector;
}

static bool nmi_busy(const struct vcpu_state *state)
{
    bool injected = (state->inject & INJECT_VALID) && INJECT_TYPE(state->inject) == INJECT_NMI;
    return injected || (state->blocking & BLOCKING_NMI);
}

/* A CPU remembers one NMI besides the one that it handles; of more than these nothing is left. */
static void nmi_collect(struct vcpu *vcpu)
{
    uint32_t arrived = atomic_exchange_explicit(&vcpu->nmi_arrived, 0, memory_order_relaxed);
    uint32_t limit = nmi_busy(vcpu->state) ? 1 : 2;
    uint64_t waiting = (uint64_t)vcpu->nmi_waiting + (arrived ? arrived : 1);
    vcpu->nmi_waiting = waiting < limit ? (uint32_t)waiting : limit;
}

/* NMIs are waiting: one goes in if it can, for the others there will be an exit. */
static void nmi_deliver(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    if (!(state->blocking & BLOCKING_NMI))
        vcpu->activity = VCPU_RUNNING;
    if (!(state->blocking & (BLOCKING_NMI | BLOCKING_SHADOW)) && !(state->inject & INJECT_VALID)) {
        inject(state, INJECT_NMI, 2);
        vcpu->nmi_waiting--;
    }
    if (vcpu->nmi_waiting)
        state->want |= WANT_NMI_WINDOW;
    else
        state->want &= ~WANT_NMI_WINDOW;
}

/* The next vector for this vcpu: from its local APIC, else from the 8259 pair over the virtual wire. -1: none. The
 * vector is acknowledged only if `offer`. */
static int next_vector(struct vcpu *vcpu, bool offer)
{
    struct machine *machine = vcpu->machine;
    enum vcpu_offer from = OFFER_PIC;
    int vector = -1;
    if (lapic_accepts_extint(vcpu)) {
        machine_lock(machine);
        if (pic_pending(&machine->platform->pic))
            vector = offer ? pic_acknowledge(&machine->platform->pic, &vcpu->pic_taken) : 0;
        machine_unlock(machine);
    }
    if (vector < 0) {
        from = OFFER_LAPIC;
        vector = lapic_pending(vcpu);
        if (vector >= 0 && offer)
            lapic_accept(vcpu, (uint8_t)vector);
    }
    if (vector >= 0 && offer) {
        uint32_t priority = from == OFFER_PIC ? OFFER_ANY_TPR : (uint32_t)vector >> 4;
        vcpu->state->offer = INJECT_VALID | priority << OFFER_PRIORITY_SHIFT | (uint32_t)vector;
        vcpu->offer = from;
    }
    return vector;
}

static void offer_withdraw(struct vcpu *vcpu)
{
    struct machine *machine = vcpu->machine;
    if (vcpu->offer == OFFER_LAPIC) {
        lapic_withdraw(vcpu, INJECT_VECTOR(vcpu->state->offer));
    } else if (vcpu->offer == OFFER_PIC) {
        machine_lock(machine);
        pic_withdraw(&machine->platform->pic, &vcpu->pic_taken);
        machine_unlock(machine);
    }
    vcpu->offer = OFFER_NONE;
    vcpu->state->offer = 0;
}

/* The handler of the exit may change which interrupt is due, so it is chosen anew. */
void offer_settle(struct vcpu *vcpu)
{
    if (vcpu->state->offer & INJECT_VALID) {
        offer_withdraw(vcpu);
        atomic_fetch_or_explicit(&vcpu->requests, REQUEST_IRQ, memory_order_relaxed);
    }
    vcpu->offer = OFFER_NONE;
}

/* There may be one more that the first one in service does not hold back: the other controller's, or the 8259's with
 * automatic EOI. That 8259 asks for a look at each acknowledgement, so at this one's, too: whatever asked until then is
 * seen by the look at the next one. */
static void offer_interrupt(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    bool more = false;
    if (vcpu->offer)
        offer_withdraw(vcpu);
    if (next_vector(vcpu, true) >= 0) {
        atomic_fetch_and_explicit(&vcpu->requests, ~(uint32_t)REQUEST_IRQ, memory_order_acquire);
        more = next_vector(vcpu, false) >= 0;
    }
    state->want = more ? state->want | WANT_IRQ_WINDOW : state->want & ~WANT_IRQ_WINDOW;
    uint32_t threshold = lapic_tpr_threshold(vcpu);
    if (threshold != state->tpr_threshold) {
        state->tpr_threshold = threshold;
        state->dirty |= GROUP_CONTROL;
    }
}

/* Would this vcpu leave HLT now? (An interrupt that IF masks does not wake it.) */
static bool wakes(struct vcpu *vcpu)
{
    return (vcpu->state->rflags & RFLAGS_IF) && (next_vector(vcpu, false) >= 0 || lapic_wakes(vcpu));
}

/* A start-up IPI may follow at once: its request must stay. */
static void serve_init(struct vcpu *vcpu)
{
    offer_withdraw(vcpu);
    reset_vcpu(vcpu, true);
    vcpu->activity = vcpu->index == 0 ? VCPU_RUNNING : VCPU_WAIT_STARTUP;
}

static void serve_startup(struct vcpu *vcpu)
{
    if (vcpu->activity != VCPU_WAIT_STARTUP)
        return;
    struct vcpu_state *state = vcpu->state;
    uint32_t vector = atomic_load(&vcpu->startup_vector);
    state->seg[SEG_CS].selector = (uint16_t)(vector << 8);
    state->seg[SEG_CS].base = (uint64_t)vector << 12;
    state->rip = 0;
    state->dirty |= GROUP_RIP | GROUP_CODE;
    vcpu->activity = VCPU_RUNNING;
}

void requests_serve(struct vcpu *vcpu)
{
    uint32_t requests = atomic_exchange_explicit(&vcpu->requests, 0, memory_order_acquire);
    if (requests & REQUEST_INIT) {
        serve_init(vcpu);
        requests |= atomic_exchange(&vcpu->requests, 0);
    }
    if (requests & REQUEST_STARTUP)
        serve_startup(vcpu);
    if (requests & REQUEST_TIMER)
        deadline_update(vcpu);
    if (vcpu->activity == VCPU_WAIT_STARTUP || requests == REQUEST_TIMER)
        return;
    if (requests & REQUEST_NMI)
        nmi_collect(vcpu);
    if (vcpu->nmi_waiting)
        nmi_deliver(vcpu);
    if (vcpu->activity == VCPU_HALTED && wakes(vcpu))
        vcpu->activity = VCPU_RUNNING;
    if (vcpu->activity == VCPU_RUNNING)
        offer_interrupt(vcpu);
}
