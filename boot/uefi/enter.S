/* SPDX-License-Identifier: MIT
 * From the firmware's long mode to the kernel's entry in 32-bit protected mode without paging (Multiboot2 3.3; SDM 3A
 * 9.8.5.4). This code is copied to a page below 4 GiB that the
 * firmware maps to itself, and called with its own address in %rdi. */
#define MULTIBOOT2_LOADER_MAGIC 0x36d76289
#define CODE32 0x08
#define DATA32 0x10
#define CR4_KEPT 0x1020 /* PAE, LA57: these cannot change in long mode; above all PCIDE has to go */

    .section .rodata, "a"
    .balign 16
    .globl enter_code, enter_code_end, enter_parameters
    .code64
enter_code:
    cli
    cld
    movq %cr4, %rax
    andl $CR4_KEPT, %eax
    movq %rax, %cr4
    leaq (gdt - enter_code)(%rdi), %rax
    movq %rax, (gdt_pointer + 2 - enter_code)(%rdi)
    lgdt (gdt_pointer - enter_code)(%rdi)
    leaq (protected_mode - enter_code)(%rdi), %rax
    pushq $CODE32
    pushq %rax
    lretq

    .code32
protected_mode:
    movl $DATA32, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl %cr0, %eax
    andl $0x7fffffff, %eax    /* PG */
    movl %eax, %cr0
    movl $0xc0000080, %ecx    /* EFER.LME */
    rdmsr
    andl $0xfffffeff, %eax
    wrmsr
    leal (enter_parameters - enter_code)(%edi), %ebp
    movl 0(%ebp), %esi
    movl 4(%ebp), %edi
    movl 8(%ebp), %ecx
    rep movsb
    movl 16(%ebp), %ebx
    movl $MULTIBOOT2_LOADER_MAGIC, %eax
    jmp *12(%ebp)

    .balign 8
gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    .word 23
    .quad 0
    .balign 8
enter_parameters: /* struct enter_parameters */
    .long 0, 0, 0, 0, 0
enter_code_end:

    .section .note.GNU-stack, "", @progbits
