/* SPDX-License-Identifier: MIT
 * The protections of a CPU. */
#pragma once

#include "cpu.h"

/* This CPU: WP, NX, SMEP, SMAP, UMIP, XCR0. Null, or a sentence on what is missing that must be there. */
const char *hardening_enable(struct cpu *cpu);
/* For the console: what this CPU does not have of what would be nice. */
const char *hardening_missing(void);
/* Branch predictors learn nothing across this: the indirect branch predictor barrier (SDM 4, IA32_PRED_CMD). Called when the
 * address space changes. */
void speculation_barrier(void);
