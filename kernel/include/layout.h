/* SPDX-License-Identifier: MIT
 * The kernel's own address space (upper half, equal in all processes). Nothing else is mapped there: no guest memory, no
 * process memory. Usable from assembly. */
#pragma once

#define KERNEL_BASE 0xffffffff80000000   /* image: KERNEL_BASE + machine address (1 MiB and up) */
#define KERNEL_POOL 0xffffffffa0000000   /* pool of pages for kernel objects, linear, not executable */
#define KERNEL_STACKS 0xffffffffc0000000 /* CPU i: slot at + i * CPU_SLOT: guard, stack, struct cpu in the last page */
#define KERNEL_DEVICES 0xffffffffe0000000 /* uncached device pages: local APIC, I/O APICs; see device_map() */

#define CPU_SLOT 0x8000 /* aligned to its size, so RSP names the CPU */
#define CPU_STACK_PAGES 4

#define SEL_KERNEL_CODE 0x08
#define SEL_KERNEL_DATA 0x10
#define SEL_USER_CODE32 0x1b /* SYSEXIT/SYSRET want this order: code, data, [user code32], user data, user code */
#define SEL_USER_DATA 0x23
#define SEL_USER_CODE 0x2b
#define SEL_TSS 0x30
