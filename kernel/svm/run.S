/* SPDX-License-Identifier: MIT
 * Into the guest and back: C before, C behind, and between them only what C cannot say. */
#include "offsets.h"

#define SVM_HOST_PA 0          /* struct svm_vcpu */
#define GPR(number) (8 * (number)) /* struct vcpu_state, by enum gpr */

    .section .text, "ax"

/* enum run_result svm_run(struct vcpu *vcpu, uint64_t deadline)
 * RAX and RSP of the guest are loaded from and saved to the VMCB by VMRUN, the others here. While GIF is clear
 * neither interrupt nor NMI finds the guest's TR, FS, GS and MSRs in the CPU. IF is set meanwhile because with
 * V_INTR_MASKING it is the host's IF that lets interrupts end the guest's run (15.21.1). With STGI a pending NMI
 * is taken; interrupts wait for the core. */
    .globl svm_run
    .align 16
svm_run:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdi
    call svm_entry
    testq %rax, %rax
    jz refused
    movq VCPU_STATE(%rax), %rdi
    movq VCPU_VENDOR_STATE(%rax), %rdx
    movq VCPU_VENDOR_HPA(%rax), %rax
    pushq SVM_HOST_PA(%rdx)
    pushq %rdi
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
    clgi
    sti
    vmload %rax
    vmrun %rax
    vmsave %rax
    popq %rax
    movq %rcx, GPR(1)(%rax)
    movq %rdx, GPR(2)(%rax)
    movq %rbx, GPR(3)(%rax)
    movq %rbp, GPR(5)(%rax)
    movq %rsi, GPR(6)(%rax)
    movq %rdi, GPR(7)(%rax)
    movq %r8, GPR(8)(%rax)
    movq %r9, GPR(9)(%rax)
    movq %r10, GPR(10)(%rax)
    movq %r11, GPR(11)(%rax)
    movq %r12, GPR(12)(%rax)
    movq %r13, GPR(13)(%rax)
    movq %r14, GPR(14)(%rax)
    movq %r15, GPR(15)(%rax)
    popq %rax
    vmload %rax
    cli
    stgi
    /* The guest may have filled the return stack buffer. Only svm_exit() returns to above this frame, so one harmless
     * entry on top is enough; and one for safety. */
    .rept 2
    call 2f
1:  pause
    lfence
    jmp 1b
2:
    .endr
    addq $16, %rsp
    popq %rdi
    /* Nothing of the guest's stays in a register for speculation to use. */
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    jmp svm_exit

refused: /* the record is filled: RUN_EXIT */
    popq %rdi
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

    .section .note.GNU-stack, "", @progbits
