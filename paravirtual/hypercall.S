/* SPDX-License-Identifier: MIT
 * The way out of the guest: hypercalls (abi/hypercall.h). Both instructions are here; CPUID says which one this host
 * takes. */

#define CPUID_BULKHEAD 0x40000100
#define SIGNATURE_EBX 0x6b6c7542 /* "Bulk" */
#define SIGNATURE_ECX 0x64616568 /* "head" */

    .text
/* void hypercall_select(void): once, before the first hypercall. Without Bulkhead below there is nobody to tell: an
 * invalid instruction ends the guest. */
    .globl hypercall_select
    .type hypercall_select, @function
hypercall_select:
    push %rbx
    mov $CPUID_BULKHEAD, %eax
    xor %ecx, %ecx
    cpuid
    cmp $SIGNATURE_EBX, %ebx
    jne 1f
    cmp $SIGNATURE_ECX, %ecx
    jne 1f
    and $1, %dl
    mov %dl, by_vmmcall(%rip)
    pop %rbx
    ret
1:  ud2
    .size hypercall_select, . - hypercall_select

/* enum status hypercall(uint64_t number, uint64_t first, uint64_t second) */
    .globl hypercall
    .type hypercall, @function
    .balign 16
hypercall:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    cmpb $0, by_vmmcall(%rip)
    je 1f
    vmmcall
    ret
1:  vmcall
    ret
    .size hypercall, . - hypercall

/* enum status hypercall_value(uint64_t number, uint64_t *value): a hypercall without arguments and with a second
 * result. */
    .globl hypercall_value
    .type hypercall_value, @function
    .balign 16
hypercall_value:
    push %rsi
    xor %esi, %esi
    xor %edx, %edx
    call hypercall
    pop %rsi
    mov %rdi, (%rsi)
    ret
    .size hypercall_value, . - hypercall_value

    .bss
by_vmmcall:
    .skip 1

    .section .note.GNU-stack, "", @progbits
