/* SPDX-License-Identifier: MIT
 * The loop of a vcpu's thread. */
#include "vcpu_loop.h"
#include "bulkhead/libc.h"
#include "bulkhead/syscall.h"
#include "cr.h"
#include "exits.h"
#include "fault.h"
#include "decode.h"
#include "fetch.h"
#include "interrupts.h"

void vcpu_request(struct vcpu *vcpu, uint32_t requests)
{
    uint32_t before = atomic_fetch_or_explicit(&vcpu->requests, requests, memory_order_release);
    if (vcpu->index != thread_index() && (before & requests) != requests)
        (void)sys_vcpu_poke(vcpu->index);
}

static bool contributory(unsigned vector)
{
    return vector == EXCEPTION_DE || (vector >= EXCEPTION_TS && vector <= EXCEPTION_GP);
}

void vcpu_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
    struct vcpu_state *state = vcpu->state;
    if ((state->inject & INJECT_VALID) && INJECT_TYPE(state->inject) == INJECT_EXCEPTION) {
        unsigned first = INJECT_VECTOR(state->inject);
        if (first == EXCEPTION_DF)
            machine_end(vcpu->machine, END_TRIPLE_FAULT, "triple fault of vcpu %u at 0x%llx", vcpu->index, (unsigned long long)state->rip);
        if ((contributory(first) && contributory(vector)) || (first == EXCEPTION_PF && (contributory(vector) || vector == EXCEPTION_PF))) {
            vector = EXCEPTION_DF;
            has_error = true;
            error = 0;
        }
    }
    state->inject = INJECT_VALID | INJECT_EXCEPTION << INJECT_TYPE_SHIFT | vector | (has_error ? INJECT_ERROR_CODE : 0);
    state->inject_error = error;
}

void vcpu_yield(void)
{
    (void)sys_yield();
}

void vcpu_halt(struct vcpu *vcpu)
{
    vcpu->activity = VCPU_HALTED;
    atomic_fetch_or_explicit(&vcpu->requests, REQUEST_IRQ, memory_order_relaxed);
}

/* Until the guest may run: serve requests, sleep when there are none. */
static __attribute__((noinline)) void before_entry(struct vcpu *vcpu)
{
    for (;;) {
        requests_serve(vcpu);
        if (atomic_load_explicit(&vcpu->requests, memory_order_acquire))
            continue;
        if (vcpu->activity == VCPU_RUNNING)
            return;
        (void)sys_event_wait();
        events_take(vcpu);
    }
}

static void step(void *context, enum status status)
{
    struct vcpu *vcpu = context;
    if (__builtin_expect(vcpu->offer, 0))
        offer_settle(vcpu);
    unsigned reason = vcpu->state->exit.reason;
    if (__builtin_expect(status != OK, 0))
        machine_end(vcpu->machine, END_MONITOR, "the kernel refused to run vcpu %u: status %d", vcpu->index, (int)status);
    if (__builtin_expect(vcpu->state->rflags & RFLAGS_TF, 0) && exit_lacks_debug(vcpu))
        return;
    vcpu->exits[reason]++;
    exit_table[reason].handle(vcpu);
    if (atomic_load_explicit(&vcpu->requests, memory_order_relaxed))
        before_entry(vcpu);
}

void vcpu_loop(struct vcpu *vcpu)
{
    atomic_fetch_or(&vcpu->requests, REQUEST_TIMER | REQUEST_IRQ);
    before_entry(vcpu);
    sys_vcpu_loop(step, vcpu);
}
