/* SPDX-License-Identifier: MIT
 * Enter the guest; the next exit returns to C. */
#include "vmx.h"

#define HOST_RSP_FIELD 0x6c14 /* enum vmcs_field */
#define EXIT_REASON_FIELD 0x4402
#define GPR(n) (8 * n)        /* in struct vcpu_state */

    .section .text, "ax"

/* uint32_t vmx_enter(struct vcpu_state *, struct vmx_vcpu *). The guest's RSP is in the VMCS. */
    .globl vmx_enter
    .align 16
vmx_enter:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rsi
    pushq %rdi
    cmpq %rsp, VMX_HOST_RSP(%rsi)
    jne 2f
1:  cmpl $0, VMX_LAUNCHED(%rsi)
    movq GPR(0)(%rdi), %rax
    movq GPR(1)(%rdi), %rcx
    movq GPR(2)(%rdi), %rdx
    movq GPR(3)(%rdi), %rbx
    movq GPR(5)(%rdi), %rbp
    movq GPR(6)(%rdi), %rsi
    movq GPR(8)(%rdi), %r8
    movq GPR(9)(%rdi), %r9
    movq GPR(10)(%rdi), %r10
    movq GPR(11)(%rdi), %r11
    movq GPR(12)(%rdi), %r12
    movq GPR(13)(%rdi), %r13
    movq GPR(14)(%rdi), %r14
    movq GPR(15)(%rdi), %r15
    movq GPR(7)(%rdi), %rdi
    je 3f
    vmresume
    jmp 4f

2:  movl $HOST_RSP_FIELD, %eax
    movq %rsp, VMX_HOST_RSP(%rsi)
    vmwrite %rsp, %rax
    jmp 1b
3:  vmlaunch
    /* VMfail: the guest's registers are still loaded. */
4:  movl $-1, %eax
    addq $16, %rsp
    jmp 5f

/* HOST_RIP. Nothing of the guest's stays in a register: those that C may use are overwritten here, the rest popped. */
    .globl vmx_exit
    .align 16
vmx_exit:
    pushq %rdi
    movq 8(%rsp), %rdi
    movq %rax, GPR(0)(%rdi)
    movq %rcx, GPR(1)(%rdi)
    movq %rdx, GPR(2)(%rdi)
    movq %rbx, GPR(3)(%rdi)
    movq %rbp, GPR(5)(%rdi)
    movq %rsi, GPR(6)(%rdi)
    movq %r8, GPR(8)(%rdi)
    movq %r9, GPR(9)(%rdi)
    movq %r10, GPR(10)(%rdi)
    movq %r11, GPR(11)(%rdi)
    movq %r12, GPR(12)(%rdi)
    movq %r13, GPR(13)(%rdi)
    movq %r14, GPR(14)(%rdi)
    movq %r15, GPR(15)(%rdi)
    popq GPR(7)(%rdi)
    popq %rdi
    popq %rsi
    lgdt VMX_HOST_GDTR(%rsi)
    movl $EXIT_REASON_FIELD, %eax
    vmread %rax, %rax
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
5:  popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

    .section .note.GNU-stack, "", @progbits
