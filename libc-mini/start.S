/* SPDX-License-Identifier: MIT
 * Ring-3 entry of every thread: RDI = argument, RSI = vcpu index, RSP = top of its stack.
 * Thread 0 prepares what all threads need before any C code runs; the others wait for it. */
#include "syscall_numbers.h"

    .text
    .globl _start
    .type _start, @function
_start:
    xor %ebp, %ebp
    and $-16, %rsp
    cld
    test %rsi, %rsi
    jnz 4f

    /* Which system-call instruction. */
    movabs $STATE_FEATURES_ADDRESS, %rax
    mov (%rax), %eax
    and $STATE_FEATURE_SYSENTER_BIT, %al
    mov %al, syscall_by_sysenter(%rip)

    call stack_guard_seed
    movb $1, thread_ready(%rip)
    xor %esi, %esi
    jmp 6f

    /* Round robin lets thread 0 run even where it shares this CPU. */
4:  cmpb $0, thread_ready(%rip)
    jnz 6f
    pause
    jmp 4b

6:  call thread_main
    call thread_returned
    ud2
    .size _start, . - _start

    .bss
    .balign 8
    .globl syscall_by_sysenter
syscall_by_sysenter:
    .skip 1
thread_ready:
    .skip 1

    .section .note.GNU-stack, "", @progbits
