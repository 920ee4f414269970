/* SPDX-License-Identifier: MIT
 * The instruction at CS:RIP: its bytes, its length, and the step behind it. For exits whose instruction length the
 * hardware does not give (AMD without NRIP save, EPT/NPT violations). All functions need GROUP_CR and GROUP_CODE
 * (FETCH_GROUPS). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "decode.h"
#include "fault.h"
#include "machine.h"

#define FETCH_GROUPS (GROUP_CR | GROUP_CODE)

enum fetch_result {
    FETCH_OK,
    FETCH_FAULT, /* *fault: the instruction cannot be fetched, or is none (#UD), or is too long (#GP) */
};

/* Copies the bytes at CS:RIP to bytes[INSN_BUFFER], as many as lie in the first page (at most 15), the rest zero.
 * Returns their number, 0 with *fault. */
unsigned fetch(struct vcpu *vcpu, uint8_t *bytes, struct fault *fault);

/* Fetches and decodes. Bytes of the second page are fetched only if the instruction needs them. */
enum fetch_result fetch_insn(struct vcpu *vcpu, struct insn *insn, struct fault *fault);

/* The same through a cache of decoded instructions. The result is valid until the next call for this vcpu; null:
 * *fault. */
const struct insn *fetch_decoded(struct vcpu *vcpu, struct fault *fault);

/* The length of the instruction that caused this exit, if it is one that causes this exit reason (so a guest that
 * rewrites its code meanwhile gains nothing), else 0: then the guest is to be run again, or *fault (may be null) is to
 * be injected if its vector is not FAULT_RETRY. */
unsigned insn_length(struct vcpu *vcpu, enum exit_reason reason, struct fault *fault);

/* The same for the frequent ones: CPUID, RDMSR, WRMSR, HLT, IN, OUT, RDTSC, VMCALL/VMMCALL, PAUSE and others without an
 * explicit operand, through a remembered translation. Falls back to insn_length(). reason = state->exit.reason. */
unsigned insn_length_fast(struct vcpu *vcpu);

/* Ends an instruction that the monitor executed: advances RIP, clears RF and the interrupt shadow, raises the
 * single-step trap if TF is set. Needs no group (but EIP wraps at 4 GiB only if FETCH_GROUPS are valid). */
void insn_retire(struct vcpu *vcpu, unsigned length);

/* The single-step trap itself: #DB; DR6.BS is written if GROUP_DEBUG is valid. */
void insn_step_trap(struct vcpu_state *state);
