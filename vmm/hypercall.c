/* SPDX-License-Identifier: MIT
 * The hypercalls of abi/hypercall.h that the monitor serves. */
#include "hypercall.h"
#include "abi/hypercall.h"
#include "abi/syscall.h"
#include "console.h"
#include "fault.h"
#include "fetch.h"
#include "vcpu_loop.h"
#include "walk.h"

#define HYPERCALL_RANGE 0x200u /* from HYPERCALL_BASE on: Bulkhead's */
#define KVM_ENOSYS_RESULT ((uint64_t)-1000)
#define NS_PER_SECOND 1000000000ull

static enum status console_out(struct vcpu *vcpu)
{
    const struct vcpu_state *state = vcpu->state;
    uint64_t length = state->gpr[RSI];
    const char *text = length <= PAGE_SIZE ? memory_at(&vcpu->machine->memory, state->gpr[RDI], length) : (const char *)0;
    if (!text)
        return ERR_PARAM;
    console_write(vcpu->machine, text, (uint32_t)length);
    return OK;
}

static enum status shut_down(struct vcpu *vcpu)
{
    uint64_t code = vcpu->state->gpr[RDI];
    if (code == 0)
        machine_end(vcpu->machine, END_POWEROFF, "shut down by the guest");
    else
        machine_end(vcpu->machine, END_GUEST_ERROR, "shut down by the guest with code %llu", (unsigned long long)code);
    return OK;
}

static enum status wall_clock(struct vcpu *vcpu)
{
    const struct machine *machine = vcpu->machine;
    const struct start *start = machine->start;
    uint64_t ticks = machine->clock.read_tsc() - start->boot_tsc;
    vcpu->state->gpr[RDI] = start->epoch * NS_PER_SECOND + muldiv64(ticks, NS_PER_SECOND, start->tsc_hz);
    return OK;
}

static enum status count_exits(struct vcpu *vcpu)
{
    uint64_t reason = vcpu->state->gpr[RDI];
    if (reason >= EXIT_COUNT)
        return ERR_PARAM;
    vcpu->state->gpr[RDI] = reason == EXIT_NONE ? vcpu->state->exits_kernel : vcpu->exits[reason];
    return OK;
}

/* Waiting may always end early; the others need the kernel. */
static enum status while_stepping(struct vcpu *vcpu)
{
    return vcpu->state->gpr[RAX] == HYPERCALL_EVENT_WAIT && vcpu->state->gpr[RSI] == 0 ? OK : ERR_BUSY;
}

#define INDEX(number) [(number) - HYPERCALL_BASE]
static enum status (*const calls[HYPERCALL_RANGE])(struct vcpu *vcpu) = {
    INDEX(HYPERCALL_EVENT_WAIT) = while_stepping,
    INDEX(HYPERCALL_EVENT_SIGNAL) = while_stepping,
    INDEX(HYPERCALL_IRQ_UNMASK) = while_stepping,
    INDEX(HYPERCALL_CONSOLE_WRITE) = console_out,
    INDEX(HYPERCALL_SHUTDOWN) = shut_down,
    INDEX(HYPERCALL_TIME) = wall_clock,
    INDEX(HYPERCALL_EXITS) = count_exits,
};

void exit_hypercall(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t index = state->gpr[RAX] - HYPERCALL_BASE;
    if ((state->valid & FETCH_GROUPS) != FETCH_GROUPS) { /* not asked for in advance: most hypercalls are the kernel's */
        state->wanted[EXIT_HYPERCALL] |= FETCH_GROUPS;
        return;
    }
    state->wanted[EXIT_HYPERCALL] &= ~(uint32_t)FETCH_GROUPS;
    if (walk_cpl(state) != 0) {
        vcpu_exception(vcpu, EXCEPTION_UD, false, 0);
        return;
    }
    if (!vcpu_skip(vcpu))
        return;
    if (index >= HYPERCALL_RANGE)
        state->gpr[RAX] = KVM_ENOSYS_RESULT;
    else
        state->gpr[RAX] = calls[index] ? calls[index](vcpu) : ERR_CALL;
}
