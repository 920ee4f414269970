/* SPDX-License-Identifier: MIT
 * Into the guest and back: C before, C behind, and between them only what C cannot say. */
#include "offsets.h"
#include "registers.h"

#define SVM_HOST_PA 0          /* struct svm_vcpu */

    .section .text, "ax"

/* enum run_result svm_run(struct vcpu *vcpu, uint64_t deadline)
 * RAX and RSP of the guest are loaded from and saved to the VMCB by VMRUN, the others here. While GIF is clear
 * neither interrupt nor NMI finds the guest's TR, FS, GS and MSRs in the CPU. IF is set meanwhile because with
 * V_INTR_MASKING it is the host's IF that lets interrupts end the guest's run (15.21.1). With STGI a pending NMI
 * is taken; interrupts wait for the core. */
    .globl svm_run
    .align 16
svm_run:
    push_callee_saved
    pushq %rdi
    call svm_entry
    testq %rax, %rax
    jz refused
    movq VCPU_STATE(%rax), %rdi
    movq VCPU_VENDOR_STATE(%rax), %rdx
    movq VCPU_VENDOR_HPA(%rax), %rax
    pushq SVM_HOST_PA(%rdx)
    pushq %rdi
    load_gprs %rdi
    movq GPR(7)(%rdi), %rdi
    clgi
    sti
    vmload %rax
    vmrun %rax
    vmsave %rax
    popq %rax
    store_gprs %rax
    movq %rdi, GPR(7)(%rax)
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
    zero_registers ecx, edx, esi, r8d, r9d, r10d, r11d
    pop_callee_saved
    jmp svm_exit

refused: /* the record is filled: RUN_EXIT */
    popq %rdi
    pop_callee_saved
    ret

    .section .note.GNU-stack, "", @progbits
