/* SPDX-License-Identifier: MIT
 * 256 interrupt stubs, and the call that an exception may leave. */
    .text
    .macro stub vector
    .balign 16
    .if (\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17) || (\vector == 21)
    .else
    push $0
    .endif
    push $\vector
    jmp common
    .endm

    .balign 16
    .globl trap_stubs
trap_stubs:
    .altmacro
    .set i, 0
    .rept 256
    stub %i
    .set i, i + 1
    .endr
    .noaltmacro

common:
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, %rdi
    cld
    call trap
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp
    iretq

/* int try_call(void (*function)(void *), void *argument) */
    .globl try_call
try_call:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov try_rsp(%rip), %rax
    push %rax
    mov %rsp, try_rsp(%rip)
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    mov $-1, %eax
    .globl try_recover
try_recover: /* the trap handler comes back here with the vector in RAX and RSP = try_rsp */
    pop %rcx
    mov %rcx, try_rsp(%rip)
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .bss
    .balign 8
    .globl try_rsp
try_rsp: .quad 0
