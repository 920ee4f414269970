/* SPDX-License-Identifier: MIT
 * The value of the stack protector, for ring 3 and for paravirtual guests. */

    .text
/* void stack_guard_seed(void), before any C code: RDRAND where there is one (CPUID.1:ECX[30]), mixed with the time. The lowest byte is 0, so
 * that a string function cannot write it. Changes RAX, RBX, RCX, RDX, R8. */
    .globl stack_guard_seed
    .type stack_guard_seed, @function
stack_guard_seed:
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
    ret
    .size stack_guard_seed, . - stack_guard_seed

    .bss
    .balign 8
    .globl __stack_chk_guard
    .type __stack_chk_guard, @object
    .size __stack_chk_guard, 8
__stack_chk_guard:
    .skip 8

    .section .note.GNU-stack, "", @progbits
