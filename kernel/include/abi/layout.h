/* SPDX-License-Identifier: MIT
 * The address space of a ring-3 process (manager or monitor), and the limits of the ABI. */
#pragma once

#define PAGE_SIZE 4096ul
#define PAGE_SHIFT 12
#define PAGE_MASK (PAGE_SIZE - 1)

#define LAYOUT_IMAGE 0x0000000000400000ul   /* ELF image, linked here */
#define LAYOUT_GUEST 0x0000100000000000ul   /* monitor: guest-physical address 0 of its domain */
#define LAYOUT_GUEST_SIZE 0x0000100000000000ul
#define LAYOUT_MODULES 0x0000200000000000ul /* boot modules, read-only: LAYOUT_MODULES + machine address */
#define LAYOUT_WINDOW 0x0000300000000000ul  /* manager: temporary mappings of memory being handed out */
#define LAYOUT_HEAP 0x0000400000000000ul    /* process heap (mapped by whoever creates the process) */
#define LAYOUT_START 0x00007d0000000000ul   /* start page(s): struct boot_info (manager) or struct start (monitor) */
#define LAYOUT_STATE 0x00007e0000000000ul   /* struct vcpu_state of vcpu i at + i * LAYOUT_STATE_STRIDE, its vAPIC page behind */
#define LAYOUT_STATE_STRIDE (2 * PAGE_SIZE)
#define LAYOUT_STACK 0x00007f0000000000ul   /* stack of vcpu i: top at + (i + 1) * LAYOUT_STACK_STRIDE; below it a guard gap */
#define LAYOUT_STACK_STRIDE 0x100000ul
#define LAYOUT_STACK_SIZE 0x8000ul          /* what is mapped at the top of a stride */
#define LAYOUT_USER_END 0x0000800000000000ul

#define MAX_CPUS 64         /* host CPUs */
#define MAX_DOMAINS 64      /* including the manager */
#define MAX_VCPUS 32        /* of one domain */
#define MAX_HANDLES 256     /* of one process */
#define NAME_SIZE 32        /* of a domain, with the final zero */
#define PRIORITIES 8        /* 0 = lowest */
