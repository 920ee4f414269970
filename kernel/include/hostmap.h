/* SPDX-License-Identifier: MIT
 * The kernel's own address space. Nothing but the image (W^X), the pool, the CPUs' stacks and device pages is in it. */
#pragma once

#include "types.h"

/* Builds the kernel's table from the pool. Until hostmap_finish it also shows the low 4 GiB, for the boot code. Null or a sentence. */
const char *hostmap_init(void);
uint64_t hostmap_cr3(void);
/* Maps the stacks and the struct cpu of CPU `index`; returns the latter, null if the pool is exhausted. */
void *hostmap_cpu_slot(uint32_t index);
/* Takes the boot mappings away. This CPU; the others reload CR3 before they schedule. */
void hostmap_finish(void);

/* A device register block that lies within one page, uncached. Boot CPU, during boot only; the same page gives the same address.
 * Null if the pool or the room is exhausted. */
volatile void *device_map(uint64_t hpa, uint64_t size);
/* The screen, uncached, at most SCREEN_MAX bytes; once. Null if the pool is exhausted. */
volatile void *hostmap_screen(uint64_t hpa, uint64_t size);
/* True if the kernel has mapped a page of [base, base + size) by device_map. */
bool device_mapped(uint64_t base, uint64_t size);
