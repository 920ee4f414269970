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

    /* The stack protector's value: RDRAND where there is one (CPUID.1:ECX[30]), mixed with the time. Its lowest byte
     * is 0, so that a string function cannot write it. */
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    movabs $0x9e3779b97f4a7c15, %r8
    imul %rax, %r8
    mov $1, %eax
    xor %ecx, %ecx
    cpuid
    bt $30, %ecx
    jnc 2f
    mov $10, %ecx
1:  rdrand %rax
    jc 3f
    loop 1b
2:  mov %r8, %rax
    ror $29, %rax
3:  xor %r8, %rax
    xor %al, %al
    mov %rax, __stack_chk_guard(%rip)

    mov %r12, %rdi
    call guest_main
    ud2
    .size _start, . - _start

    .bss
    .balign 8
    .globl __stack_chk_guard
    .type __stack_chk_guard, @object
    .size __stack_chk_guard, 8
__stack_chk_guard:
    .skip 8

    .section .stack, "aw", @nobits
    .balign 4096
    .skip STACK_SIZE
stack_top:

    .section .note.GNU-stack, "", @progbits
