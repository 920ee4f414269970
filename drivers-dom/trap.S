/* SPDX-License-Identifier: MIT
 * Exceptions of drivers-dom itself: always a bug, never handled but told. Each stub leaves vector and error code on
 * the stack, as far as trap_fatal() wants to know. Runs on the trap stack (IST 1), for the fault may be the end of
 * the normal one. */

/* Vectors with an error code (SDM 3A table 6-1): 8, 10 to 14, 17, 21. */
#define ERROR_CODES (1 << 8 | 31 << 10 | 1 << 17 | 1 << 21)

    .text
.macro stub vector
    .balign 16
    .if !(1 & (ERROR_CODES >> \vector)) /* behind an argument, & would join words (altmacro) */
    push $0
    .endif
    push $\vector
    jmp trap_common
.endm

    .balign 16
    .globl trap_stubs
trap_stubs:
    .altmacro
    .set vector, 0
    .rept 32
    stub %vector
    .set vector, vector + 1
    .endr
    .noaltmacro

/* RSP: vector, error code, RIP, CS, RFLAGS, RSP. */
trap_common:
    cld
    mov %rsp, %rdi
    mov %cr2, %rsi
    and $-16, %rsp
    call trap_fatal
    ud2

/* void trap_load(const void *gdt_pointer, const void *idt_pointer): selectors 8 (code), 16 (data), 24 (TSS). */
    .globl trap_load
    .type trap_load, @function
trap_load:
    lgdt (%rdi)
    push $8
    lea 1f(%rip), %rax
    push %rax
    lretq
1:  mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    lidt (%rsi)
    mov $24, %eax
    ltr %ax
    ret
    .size trap_load, . - trap_load

    .section .note.GNU-stack, "", @progbits
