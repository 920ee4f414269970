/* SPDX-License-Identifier: MIT
 * Supervisor accesses of the CPU itself to guest-linear memory: descriptor tables and TSSs. All need GROUP_CR and
 * GROUP_CODE. What lies outside RAM reads as all ones and ignores writes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "walk.h"

/* Is [linear, linear + size) accessible? Sets accessed and dirty flags. False: *fault is the #PF. */
bool linear_check(struct vcpu *vcpu, uint64_t linear, unsigned size, unsigned access, struct fault *fault);
/* Copies; false: *fault, and then nothing was written. */
bool linear_read(struct vcpu *vcpu, uint64_t linear, void *to, unsigned size, struct fault *fault);
bool linear_write(struct vcpu *vcpu, uint64_t linear, const void *from, unsigned size, struct fault *fault);
