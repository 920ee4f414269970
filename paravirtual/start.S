/* SPDX-License-Identifier: MIT
 * Entry of a paravirtual guest (abi/hypercall.h), drivers-dom too: RDI = guest-physical address of struct pv_start; long mode, the page tables
 * exist, interrupts are off and stay off. */

#define STACK_SIZE 0x10000

    .section .note.Bulkhead, "a", @note
    .balign 4
    .long 2f - 1f, 4f - 3f, 1
1:  .asciz "Bulkhead"
2:  .balign 4
3:  .long 1
4:  .balign 4

    .section .text.start, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    xor %ebp, %ebp
    mov $stack_top, %esp
    cld
    mov %rdi, %r12
    call hypercall_select

    call stack_guard_seed

    mov %r12, %rdi
    call guest_main
    ud2
    .size _start, . - _start

    .section .stack, "aw", @nobits
    .balign 4096
    .skip STACK_SIZE
stack_top:

    .section .note.GNU-stack, "", @progbits
