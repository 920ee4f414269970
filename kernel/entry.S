/* SPDX-License-Identifier: MIT
 * Every way into and out of the kernel but guest exits (vmx/run.S, svm/run.S). Interrupts stay off from entry to exit.
 *
 * RSP0, SYSENTER_ESP and cpu.stack_top are all the address of struct cpu: the stack begins right below it. So at an
 * entry on a fresh stack (%rsp) *is* the struct cpu. */
#include "offsets.h"
#include "layout.h"
#include "registers.h"

#define RFLAGS_FIXED 0x2
#define RFLAGS_USER 0x202

    .section .text, "ax"

/* Clears DF, AC, NT and TF that ring 3 may have set. */
.macro clean_flags
    pushq $RFLAGS_FIXED
    popfq
.endm

/* --- traps and interrupts ------------------------------------------------------------------------------------ */

.macro trap_stub vector
    .align 16
trap_stub_\vector:
    .if (\vector != 8) && ((\vector < 10) || (\vector > 14)) && (\vector != 17) && (\vector != 21) && (\vector != 29) && (\vector != 30)
    pushq $0
    .endif
    pushq $\vector
    jmp trap_common
    .pushsection .rodata, "a"
    .quad trap_stub_\vector
    .popsection
.endm

    .pushsection .rodata, "a"
    .globl trap_entry_table
    .balign 8
trap_entry_table:             /* filled by trap_stub */
    .popsection

.altmacro
.set i, 0
.rept 256
    trap_stub %i
    .set i, i + 1
.endr
.noaltmacro

trap_common:
    push_registers rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    clean_flags
    xorl %ebp, %ebp
    movq %rsp, %rdi
    call trap
    movq %rsp, %rdi

/* void trap_return(struct trap_frame *): does not return. */
    .globl trap_return
trap_return:
    movq %rdi, %rsp
    pop_registers r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
    addq $16, %rsp
    iretq

/* --- system calls -------------------------------------------------------------------------------------------- */

/* SYSENTER (VT-x): RCX = user RSP, RDX = user RIP, RSP = struct cpu. */
    .globl entry_sysenter
    .align 16
entry_sysenter:
    movq CPU_CURRENT(%rsp), %r11
    clean_flags
    movq %rcx, VCPU_USER_RSP(%r11)
    movq %rdx, VCPU_USER_RIP(%r11)
    jmp syscall_common

/* SYSCALL (AMD-V): RCX = user RIP, RSP = user RSP. KERNEL_GS_BASE = struct cpu, used here only. FMASK has cleaned the flags. */
    .globl entry_syscall
    .align 16
entry_syscall:
    swapgs
    movq %rsp, %gs:CPU_SYSCALL_RSP
    movq %gs:CPU_STACK_TOP, %rsp
    swapgs
    movq CPU_CURRENT(%rsp), %r11
    movq CPU_SYSCALL_RSP(%rsp), %rdx
    movq %rcx, VCPU_USER_RIP(%r11)
    movq %rdx, VCPU_USER_RSP(%r11)

/* vcpu_run is number 0 and the hot path; the others get their arguments as an array on the stack. */
syscall_common:
    testq %rax, %rax
    jnz 1f
    movq %r11, %rdi
    call vcpu_run
    ud2
1:  subq $8, %rsp
    push_registers r10, r9, r8, rsi, rdi
    movq %r11, %rdi
    movq %rax, %rsi
    movq %rsp, %rdx
    call syscall
    ud2

/* Return from a system call: nothing of the kernel's stays in the registers. %rdi = vcpu. */
.macro clean_registers
    zero_registers ebx, ebp, esi, r8d, r9d, r10d, r12d, r13d, r14d, r15d
.endm

/* void return_sysexit(struct vcpu *) */
    .globl return_sysexit
    .align 16
return_sysexit:
    movq VCPU_RESULT(%rdi), %rax
    movq VCPU_USER_RSP(%rdi), %rcx
    movq VCPU_USER_RIP(%rdi), %rdx
    movq VCPU_RESULT2(%rdi), %rdi
    clean_registers
    xorl %r11d, %r11d
    sti
    .globl return_sysexit_fault
return_sysexit_fault: /* #GP here means that ring 3 passed a non-canonical address: trap.c ends the domain */
    sysexitq

/* void return_sysret(struct vcpu *). A user RIP that is not canonical faults in ring 3 on AMD (APM 3, SYSRET). */
    .globl return_sysret
    .align 16
return_sysret:
    movq VCPU_RESULT(%rdi), %rax
    movq VCPU_USER_RIP(%rdi), %rcx
    movq VCPU_USER_RSP(%rdi), %rsp
    movq VCPU_RESULT2(%rdi), %rdi
    clean_registers
    xorl %edx, %edx
    movl $RFLAGS_USER, %r11d
    sysretq

/* --- idle ---------------------------------------------------------------------------------------------------- */

/* void idle_wait(void): interrupts on, halt, interrupts off. */
    .globl idle_wait
idle_wait:
    sti
    hlt
    cli
    ret

/* void interrupts_take(void): lets pending host interrupts in. */
    .globl interrupts_take
interrupts_take:
    sti
    nop
    cli
    ret

/* void call_on_fresh_stack(void (*function)(void)): drops the current stack. Does not return. */
    .globl call_on_fresh_stack
call_on_fresh_stack:
    movq %rsp, %rax
    orq $(CPU_SLOT - 1), %rax
    subq $4095, %rax
    movq %rax, %rsp
    xorl %ebp, %ebp
    call *%rdi
    ud2

    .section .note.GNU-stack, "", @progbits
