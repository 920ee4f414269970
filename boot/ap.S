/* SPDX-License-Identifier: MIT
 * The trampoline of application processors: copied to a page below 1 MiB, entered in real mode by the SIPI, goes to
 * long mode in one step (SDM 3A 8.4.4 and 9.8.5). kernel/smp.c fills ap_parameters of the copy. */
#include "layout.h"
#include "registers.h"

    .section .rodata, "a"
    .balign 16
    .globl ap_trampoline, ap_trampoline_end, ap_parameters
    .code16
ap_trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl ap_gdt_limit - ap_trampoline
    movl ap_boot_cr3 - ap_trampoline, %eax
    movl %eax, %cr3
    movl $0x20, %eax          /* CR4.PAE */
    movl %eax, %cr4
    movl $0xc0000080, %ecx    /* EFER.LME and NXE */
    xorl %edx, %edx
    movl $0x900, %eax
    wrmsr
    movl $0x80010031, %eax    /* CR0: PG WP NE ET PE; clears CD and NW that INIT has set */
    movl %eax, %cr0
    ljmpl *(ap_parameters - ap_trampoline)

    .code64
    .globl ap_long_mode
ap_long_mode:
    clear_segments
    xorl %ebp, %ebp
    xchgq %rax, ap_stack(%rip) /* a CPU that comes too late finds 0: its stack may be another's by now */
    testq %rax, %rax
    jz 1f
    movq ap_cr3(%rip), %rcx
    movq %rcx, %cr3
    movq %rax, %rsp
    movq ap_entry(%rip), %rax
    call *%rax
1:  hlt
    jmp 1b

    .balign 8
ap_gdt:
    .quad 0, 0x00af9b000000ffff
ap_parameters:                /* struct ap_parameters of kernel/smp.c */
    .long 0                   /* address of ap_long_mode in the copy */
    .word SEL_KERNEL_CODE
ap_gdt_limit:
    .word 15
    .long 0                   /* address of ap_gdt in the copy */
ap_boot_cr3:
    .long 0
ap_cr3:
    .quad 0
ap_stack:
    .quad 0
ap_entry:
    .quad 0
ap_trampoline_end:
    .globl ap_gdt

    .section .note.GNU-stack, "", @progbits
