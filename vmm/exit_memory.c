/* SPDX-License-Identifier: MIT
 * Exits of port and memory accesses to devices. */
#include "exit_memory.h"
#include "abi/syscall.h"
#include "bios.h"
#include "devices/lapic.h"
#include "emulate.h"
#include "exits.h"
#include "fetch.h"
#include "pc.h"
#include "vcpu_loop.h"
#include <stdio.h>

static uint64_t mmio_read(struct vcpu *vcpu, uint64_t gpa, unsigned size)
{
    if (lapic_owns(vcpu, gpa))
        return lapic_mmio_read(vcpu, gpa & 0xfff, size);
    machine_lock(vcpu->machine);
    uint64_t value = bus_mmio_read(&vcpu->machine->bus, gpa, size);
    machine_unlock(vcpu->machine);
    return value;
}

static void mmio_write(struct vcpu *vcpu, uint64_t gpa, unsigned size, uint64_t value)
{
    if (lapic_owns(vcpu, gpa)) {
        lapic_mmio_write(vcpu, gpa & 0xfff, size, value);
        return;
    }
    machine_lock(vcpu->machine);
    bus_mmio_write(&vcpu->machine->bus, gpa, size, value);
    machine_unlock(vcpu->machine);
}

static uint32_t port_read(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    machine_lock(vcpu->machine);
    uint32_t value = bus_port_read(&vcpu->machine->bus, port, size);
    machine_unlock(vcpu->machine);
    return value;
}

static void port_write(struct vcpu *vcpu, uint16_t port, unsigned size, uint32_t value)
{
    machine_lock(vcpu->machine);
    bus_port_write(&vcpu->machine->bus, port, size, value);
    machine_unlock(vcpu->machine);
}

/* A paravirtual guest has only what it was given: whatever else it touches it should not know. */
#define STRAYS_TOLD 4u
static void tell_stray(struct vcpu *vcpu, const struct exit_record *exit)
{
    struct machine *machine = vcpu->machine;
    if (!machine->start->paravirtual || lapic_owns(vcpu, exit->gpa) || machine->strays == STRAYS_TOLD)
        return;
    machine->strays++;
    printf("%s: vcpu %u at 0x%llx %s 0x%llx, which it was not given%s\n", machine->start->name, vcpu->index,
           (unsigned long long)vcpu->state->rip, exit->access & ACCESS_WRITE ? "writes to" : "reads",
           (unsigned long long)exit->gpa, machine->strays == STRAYS_TOLD ? "; more is not told" : "");
}

static const struct emulate_ops ops = { mmio_read, mmio_write, port_read, port_write };

static void run_emulator(struct vcpu *vcpu, const char *what)
{
    char text[160];
    const struct exit_record *exit = &vcpu->state->exit;
    if (emulate(vcpu, &ops) != EMULATE_UNKNOWN)
        return;
    emulate_describe(vcpu, text, sizeof(text));
    machine_end(vcpu->machine, END_GUEST_ERROR,
                "vcpu %u uses an instruction on %s 0x%llx that no device access can be made with: %s", vcpu->index,
                what, (unsigned long long)(exit->reason == EXIT_IO ? exit->io.port : exit->gpa), text);
}

/* Port exits bring few groups: one that may come from a BIOS stub is made again with all that are needed, just this
 * once. True: dealt with. */
static bool from_bios(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    if ((state->valid & BIOS_GROUPS) != BIOS_GROUPS) {
        state->wanted[EXIT_IO] |= BIOS_GROUPS;
        return true;
    }
    state->wanted[EXIT_IO] = exit_groups(state, EXIT_IO);
    return bios_serve(vcpu);
}

void exit_io(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    struct exit_io io = state->exit.io;
    if (io.port == PC_BIOS_CALL && !io.in && !io.string && from_bios(vcpu))
        return;
    if (io.string || !state->exit.length) {
        run_emulator(vcpu, "port");
        return;
    }
    if (io.in) {
        uint32_t value = port_read(vcpu, io.port, io.size);
        uint64_t *rax = &state->gpr[RAX];
        *rax = io.size == 4   ? value
               : io.size == 2 ? (*rax & ~0xffffull) | (uint16_t)value
                              : (*rax & ~0xffull) | (uint8_t)value;
    } else {
        port_write(vcpu, io.port, io.size, (uint32_t)state->gpr[RAX]);
    }
    insn_retire(vcpu, state->exit.length);
}

void exit_page(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    if (state->inject & INJECT_VALID)
        machine_end(vcpu->machine, END_GUEST_ERROR,
                    "vcpu %u at 0x%llx: the delivery of vector %u needs memory at 0x%llx, where the machine has none",
                    vcpu->index, (unsigned long long)state->rip, INJECT_VECTOR(state->inject), (unsigned long long)state->exit.gpa);
    if (state->exit.access & ACCESS_EXEC)
        machine_end(vcpu->machine, END_GUEST_ERROR, "vcpu %u at 0x%llx: executes code at 0x%llx, where the machine has no memory",
                    vcpu->index, (unsigned long long)state->rip, (unsigned long long)state->exit.gpa);
    tell_stray(vcpu, &state->exit);
    run_emulator(vcpu, "address");
}
