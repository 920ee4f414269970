/* SPDX-License-Identifier: MIT
 * For assembly: several registers at a time. */
#pragma once

.macro push_registers list:vararg
    .irp register, \list
    pushq %\register
    .endr
.endm

.macro pop_registers list:vararg
    .irp register, \list
    popq %\register
    .endr
.endm

.macro zero_registers list:vararg
    .irp register, \list
    xorl %\register, %\register
    .endr
.endm

/* Long mode wants no data segment. */
.macro clear_segments
    xorl %eax, %eax
    .irp segment, ds, es, ss, fs, gs
    movl %eax, %\segment
    .endr
.endm

/* What a C function gives back as it was. */
.macro push_callee_saved
    push_registers rbp, rbx, r12, r13, r14, r15
.endm
.macro pop_callee_saved
    pop_registers r15, r14, r13, r12, rbx, rbp
.endm

/* A guest's registers but RAX, RSP and RDI, in struct vcpu_state (gpr[] is its first member, by enum gpr). */
#define GPR(number) (8 * (number))
.macro load_gprs state
    movq GPR(1)(\state), %rcx
    movq GPR(2)(\state), %rdx
    movq GPR(3)(\state), %rbx
    movq GPR(5)(\state), %rbp
    movq GPR(6)(\state), %rsi
    .irp number, 8, 9, 10, 11, 12, 13, 14, 15
    movq GPR(\number)(\state), %r\number
    .endr
.endm
.macro store_gprs state
    movq %rcx, GPR(1)(\state)
    movq %rdx, GPR(2)(\state)
    movq %rbx, GPR(3)(\state)
    movq %rbp, GPR(5)(\state)
    movq %rsi, GPR(6)(\state)
    .irp number, 8, 9, 10, 11, 12, 13, 14, 15
    movq %r\number, GPR(\number)(\state)
    .endr
.endm
