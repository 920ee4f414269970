/* SPDX-License-Identifier: MIT
 * From a stub's output to the service and back, and the reset vector. */
#include "bios.h"
#include "bios_parts.h"
#include "cr.h"
#include "fetch.h"
#include "linear.h"

#define CALL_LENGTH 2 /* OUT imm8, AL */

#define CMOS_PORT 0x70
#define CMOS_SHUTDOWN 0x0f /* how the firmware is to go on after a reset of the CPU (PC/AT Technical Reference) */
#define SHUTDOWN_EOI_JUMP 0x05
#define SHUTDOWN_JUMP 0x0a
#define PIC_COMMAND 0x20
#define PIC_EOI 0x20

static bios_fn reset_resume;
static bios_fn *const services[STUB_COUNT] = {
    [STUB_RESET] = reset_resume, [STUB_TICK] = bios_tick,
    [STUB_SERVICE + 0x0] = bios_video, [STUB_SERVICE + 0x1] = bios_equipment, [STUB_SERVICE + 0x2] = bios_memory_size,
    [STUB_SERVICE + 0x3] = bios_disk, [STUB_SERVICE + 0x4] = bios_serial, [STUB_SERVICE + 0x5] = bios_system,
    [STUB_SERVICE + 0x6] = bios_keyboard, [STUB_SERVICE + 0x7] = bios_printer, [STUB_SERVICE + 0x8] = bios_no_boot,
    [STUB_SERVICE + 0x9] = bios_no_boot, [STUB_SERVICE + 0xa] = bios_time,
};

void bios_reset(struct bios *bios)
{
    *bios = (struct bios){ 0 };
}

uint8_t bios_cmos(struct bios_call *call, uint8_t index)
{
    bios_out(call, CMOS_PORT, index);
    return bios_in(call, CMOS_PORT + 1);
}

void bios_cmos_set(struct bios_call *call, uint8_t index, uint8_t value)
{
    bios_out(call, CMOS_PORT, index);
    bios_out(call, CMOS_PORT + 1, value);
}

void bios_set_segment(struct bios_call *call, enum seg segment, uint16_t selector)
{
    call->state->seg[segment].selector = selector;
    call->state->seg[segment].base = (uint64_t)selector << 4;
    call->state->dirty |= segment == SEG_CS || segment == SEG_SS ? GROUP_CODE : GROUP_SEG;
}

static bool access(struct bios_call *call, const struct fault *fault, bool done)
{
    if (!done) {
        fault_inject(call->state, fault);
        call->faulted = true;
    }
    return done;
}

bool bios_read(struct bios_call *call, enum seg segment, uint16_t offset, void *to, unsigned size)
{
    struct fault fault;
    return access(call, &fault, linear_read(call->vcpu, call->state->seg[segment].base + offset, to, size, &fault));
}

bool bios_write(struct bios_call *call, enum seg segment, uint16_t offset, const void *from, unsigned size)
{
    struct fault fault;
    return access(call, &fault, linear_write(call->vcpu, call->state->seg[segment].base + offset, from, size, &fault));
}

/* The guest has left an address for the firmware to jump to after a reset; else the stub goes on to reset the machine.
 */
static void reset_resume(struct bios_call *call)
{
    uint8_t how = bios_cmos(call, CMOS_SHUTDOWN);
    bios_cmos_set(call, CMOS_SHUTDOWN, 0);
    if (how != SHUTDOWN_EOI_JUMP && how != SHUTDOWN_JUMP)
        return;
    if (how == SHUTDOWN_EOI_JUMP)
        bios_out(call, PIC_COMMAND, PIC_EOI);
    bios_set_segment(call, SEG_CS, bda16(call, BDA_RESUME + 2));
    call->state->rip = bda16(call, BDA_RESUME);
    call->state->dirty |= GROUP_RIP;
}

/* The stub whose output this is, or -1. */
static int stub_at(const struct vcpu_state *state)
{
    uint64_t offset = state->seg[SEG_CS].base + state->rip - PC_BIOS_CODE;
    bool real = !(state->cr0 & CR0_PE) || (state->rflags & RFLAGS_VM);
    if (!real || offset % PC_BIOS_STUB_SIZE || offset / PC_BIOS_STUB_SIZE >= STUB_COUNT)
        return -1;
    return services[offset / PC_BIOS_STUB_SIZE] ? (int)(offset / PC_BIOS_STUB_SIZE) : -1;
}

/* The stub looks at carry (call again) and zero (at once); see bios_area.c. */
static void finish(struct bios_call *call)
{
    struct vcpu_state *state = call->state;
    uint16_t at = (uint16_t)(state->gpr[RSP] + 4);
    if (call->result == BIOS_RETURN && !bios_write(call, SEG_SS, at, &call->flags, sizeof(call->flags)))
        return;
    insn_retire(call->vcpu, CALL_LENGTH);
    state->rflags &= ~(RFLAGS_CF | RFLAGS_ZF);
    if (call->result != BIOS_RETURN)
        state->rflags |= RFLAGS_CF | (call->result == BIOS_AGAIN ? RFLAGS_ZF : 0);
}

static void serve(struct vcpu *vcpu, unsigned stub, uint8_t *low)
{
    struct machine *machine = vcpu->machine;
    struct bios_call call = {
        .vcpu = vcpu, .state = vcpu->state, .machine = machine, .bios = &machine->platform->bios, .low = low,
    };
    if (stub != STUB_RESET &&
        !bios_read(&call, SEG_SS, (uint16_t)(call.state->gpr[RSP] + 4), &call.flags, sizeof(call.flags)))
        return;
    uint64_t rip = vcpu->state->rip;
    machine_lock(machine);
    services[stub](&call);
    machine_unlock(machine);
    if (stub == STUB_RESET) {
        if (vcpu->state->rip == rip)
            insn_retire(vcpu, CALL_LENGTH);
    } else if (!call.faulted) {
        finish(&call);
    }
}

bool bios_serve(struct vcpu *vcpu)
{
    int stub = stub_at(vcpu->state);
    uint8_t *low = memory_at(&vcpu->machine->memory, 0, PC_BIOS_END);
    if (stub < 0 || !low || machine_has_firmware(vcpu->machine))
        return false;
    serve(vcpu, (unsigned)stub, low);
    return true;
}
