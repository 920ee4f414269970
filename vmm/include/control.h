/* SPDX-License-Identifier: MIT
 * Writes to control registers on the guest's behalf, with the checks of SDM 3A 2.5. Groups GROUP_CR, GROUP_CODE. */
#pragma once

#include "machine.h"

/* XSETBV with ECX = index. False: #GP(0), nothing changed. */
bool control_write_xcr(struct vcpu *vcpu, uint32_t index, uint64_t value);
/* EXIT_CR: mov to/from CRn, CLTS, LMSW. EXIT_DR: mov to/from DRn. */
void control_exit_cr(struct vcpu *vcpu);
void control_exit_dr(struct vcpu *vcpu);
