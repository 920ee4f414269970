/* SPDX-License-Identifier: MIT
 * Enter the guest; the next exit returns to C. */
#include "registers.h"
#include "vmx.h"

#define HOST_RSP_FIELD 0x6c14 /* enum vmcs_field */
#define EXIT_REASON_FIELD 0x4402

    .section .text, "ax"

/* uint32_t vmx_enter(struct vcpu_state *, struct vmx_vcpu *). The guest's RSP is in the VMCS. */
    .globl vmx_enter
    .align 16
vmx_enter:
    push_callee_saved
    pushq %rsi
    pushq %rdi
    cmpq %rsp, VMX_HOST_RSP(%rsi)
    jne 2f
1:  cmpl $0, VMX_LAUNCHED(%rsi)
    movq GPR(0)(%rdi), %rax
    load_gprs %rdi
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
    store_gprs %rdi
    popq GPR(7)(%rdi)
    popq %rdi
    popq %rsi
    lgdt VMX_HOST_GDTR(%rsi)
    movl $EXIT_REASON_FIELD, %eax
    vmread %rax, %rax
    zero_registers ecx, edx, r8d, r9d, r10d, r11d
5:  pop_callee_saved
    ret

    .section .note.GNU-stack, "", @progbits
