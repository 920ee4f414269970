/* SPDX-License-Identifier: MIT
 * The guest side of a vcpu: entering guest mode, and whose guest state is in the hardware. */
#pragma once

#include "vcpu.h"

/* SYS_VCPU_RUN, from entry.S and from the scheduler: runs the guest until an exit for the monitor. */
_Noreturn void vcpu_run(struct vcpu *vcpu);
/* Takes the guest state out of this CPU's hardware if its vcpu is not current, and dead or paused. */
void guest_drop_idle(struct cpu *cpu);
/* Makes this vcpu's guest state (FPU, XCR0, vendor state) the one in the hardware; saves the one before. */
void guest_load(struct cpu *cpu, struct vcpu *vcpu);
