/* SPDX-License-Identifier: MIT
 * Barriers against speculation. */
#pragma once

/* Looks what the CPU has; once, on the boot CPU. */
void speculation_init(void);
/* Branch predictors learn nothing across this: the indirect branch predictor barrier (SDM 4, IA32_PRED_CMD). Called when the address space changes. */
void speculation_barrier(void);
