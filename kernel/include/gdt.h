/* SPDX-License-Identifier: MIT
 * Segments and TSS of a CPU. */
#pragma once

#include "cpu.h"

enum { IST_NMI = 1, IST_DF = 2, IST_MC = 3 }; /* TSS.IST entries: these traps may come when RSP is not the kernel's */

void gdt_fill(struct cpu *cpu);
/* On the CPU itself. The TSS descriptor must not be busy: once per gdt_fill. */
void gdt_load(struct cpu *cpu);
