/* SPDX-License-Identifier: MIT
 * MSR policy: a table of ranges; what is not in it raises #GP. GROUP_CR must be valid. */
#pragma once

#include "machine.h"

/* False: #GP(0). */
bool msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);
/* Reset values. */
void msr_reset(struct vcpu *vcpu);
