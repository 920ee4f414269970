/* SPDX-License-Identifier: MIT
 * The kernel's own address space (upper half, equal in all processes). Nothing else is mapped there: no guest memory, no
 * process memory. Usable from assembly. */
#pragma once

#define KERNEL_BASE 0xffffffff80000000   /* image: KERNEL_BASE + machine address (1 MiB and up) */
#define KERNEL_POOL 0xffffffffa0000000   /* pool of pages for kernel objects, linear, not executable */
#define KERNEL_STACKS 0xffffffffc0000000 /* CPU i: slot at + i * CPU_SLOT, see below */
#define KERNEL_SCREEN 0xfffffffff0000000 /* the screen, uncached, up to SCREEN_MAX */
#define SCREEN_MAX 0x8000000             /* bytes: an 8K screen has less */
#define KERNEL_DEVICES 0xffffffffe0000000 /* uncached device pages: local APIC, I/O APICs; see device_map() */

/* A CPU's slot, aligned to its size, so RSP names the CPU. By page: 1 #MC stack, 3 #DF stack, 5 NMI stack, 11 to 14 stack,
 * 15 struct cpu; the others are guards, never mapped. */
#define CPU_SLOT 0x10000
#define CPU_STACK_PAGES 4
#define CPU_MC_PAGE 1
#define CPU_DF_PAGE 3
#define CPU_NMI_PAGE 5

#define SEL_KERNEL_CODE 0x08
#define SEL_KERNEL_DATA 0x10
/* SYSRET wants this order: [user code32], user data, user code; SYSEXIT: kernel code, kernel data, 2 unused, user code, user data.
 * So there are two equal descriptors of user data: SYSEXIT gives SS the one behind user code (SDM 2B, SYSEXIT). */
#define SEL_USER_CODE32 0x1b
#define SEL_USER_DATA 0x23
#define SEL_USER_CODE 0x2b
#define SEL_USER_DATA_SYSEXIT 0x33
#define SEL_TSS 0x38 /* 16 bytes */
#define GDT_ENTRIES 9
