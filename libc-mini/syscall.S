/* SPDX-License-Identifier: MIT
 * The way into the kernel. Convention: abi/syscall.h. The kernel preserves RSP only. */
#include "syscall_numbers.h"

/* SYSENTER keeps neither the return address nor RSP, so they travel in RDX and RCX (SDM 2B, SYSENTER). SYSCALL keeps the
 * address in RCX. Which one the host wants was read from the state page by start.S. */
.macro kernel_enter
    cmpb $0, syscall_by_sysenter(%rip)
    jz 8f
    mov %rsp, %rcx
    lea 9f(%rip), %rdx
    sysenter
8:  syscall
9:
.endm

.macro push_callee_saved
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
.endm

.macro pop_callee_saved
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
.endm

.macro function name
    .globl \name
    .type \name, @function
    .balign 16
\name:
.endm

    .text

/* A call without arguments whose only result is the status. */
.macro plain_call name, number
function \name
    push_callee_saved
    mov $\number, %eax
    kernel_enter
    pop_callee_saved
    ret
    .size \name, . - \name
.endm

plain_call sys_event_wait, SYS_EVENT_WAIT_NUMBER
plain_call sys_yield, SYS_YIELD_NUMBER

/* enum status syscall_raw(a1, a2, a3, a4, a5, number, uint64_t *result2): C puts the arguments into RDI, RSI, RDX, RCX, R8,
 * R9 and on the stack, behind six saved registers and the return address. */
function syscall_raw
    push_callee_saved
    mov %r9, %rax
    mov %r8, %r10
    mov %rcx, %r9
    mov %rdx, %r8
    kernel_enter
    mov 56(%rsp), %rcx
    test %rcx, %rcx
    jz 1f
    mov %rdi, (%rcx)
1:  pop_callee_saved
    ret
    .size syscall_raw, . - syscall_raw

/* void sys_vcpu_loop(handle, context): keeps its two values on the stack, so that nothing has to survive the call in a
 * register. RSP is 8 modulo 16 at entry: two pushes and 8 bytes more align it for the calls. One loop per way in. */
function sys_vcpu_loop
    push %rdi
    push %rsi
    sub $8, %rsp
    cmpb $0, syscall_by_sysenter(%rip)
    jz 3f
1:  mov $SYS_VCPU_RUN_NUMBER, %eax
    mov %rsp, %rcx
    lea 2f(%rip), %rdx
    sysenter
2:  mov 8(%rsp), %rdi
    mov %eax, %esi
    call *16(%rsp)
    jmp 1b
3:  mov $SYS_VCPU_RUN_NUMBER, %eax
    syscall
    mov 8(%rsp), %rdi
    mov %eax, %esi
    call *16(%rsp)
    jmp 3b
    .size sys_vcpu_loop, . - sys_vcpu_loop

    .section .note.GNU-stack, "", @progbits
