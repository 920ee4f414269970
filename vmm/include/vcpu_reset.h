/* SPDX-License-Identifier: MIT
 * Reset of a vcpu: power-up or INIT (SDM 3A 9.1.1, table 9-1). */
#pragma once

#include "machine.h"

/* Registers, local APIC, MSRs, pending events. INIT keeps what INIT keeps (FPU, most MSRs, APIC base). */
void reset_vcpu(struct vcpu *vcpu, bool is_init);
