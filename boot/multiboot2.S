/* SPDX-License-Identifier: MIT
 * The Multiboot2 header and the way from GRUB's 32-bit entry to kernel_main in long mode (Multiboot2 specification 3.1
 * and 3.3; SDM 3A 9.8.5). The tables here map the first 4 GiB to themselves and the image to its place; they
 * are left behind when hostmap.c has built the kernel's own. */
#include "layout.h"
#include "registers.h"

#define MB2_MAGIC 0xe85250d6
#define MB2_LOADER_MAGIC 0x36d76289
#define COM1 0x3f8
#define VGA_TEXT 0xb8000
#define PT_TABLE 0x003 /* present, writable */
#define PT_LARGE 0x083 /* the same, 2 MiB */
#define IMAGE_PAGES 8  /* of 2 MiB: more than the image has */

    .section .boot.header, "a"
    .balign 8
header:
    .long MB2_MAGIC, 0, header_end - header, -(MB2_MAGIC + (header_end - header))
    .balign 8
information_request:          /* memory map is a must; the others where the firmware has them */
    .word 1, 0
    .long information_end - information_request, 6
information_end:
    .balign 8
information_optional:
    .word 1, 1
    .long information_optional_end - information_optional, 3, 12, 14, 15
information_optional_end:
    .balign 8
    .word 5, 1                /* a screen, any, if there is one */
    .long 20, 0, 0, 0
    .balign 8
    .word 6, 0                /* modules on page borders */
    .long 8
    .balign 8
    .word 0, 0
    .long 8
header_end:

    .section .boot.text, "ax"
    .code32
    .globl boot_entry
boot_entry:
    cli
    cld
    movl $boot_stack_top, %esp
    movl %ebx, %edi           /* kernel_main(information, ...) */
    movl $message_loader, %esi
    cmpl $MB2_LOADER_MAGIC, %eax
    jne fail
    movl $message_cpu, %esi
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb fail
    movl $0x80000001, %eax
    cpuid
    andl $(1 << 29 | 1 << 20), %edx /* long mode and NX */
    cmpl $(1 << 29 | 1 << 20), %edx
    jne fail

    movl $0x20, %eax          /* CR4.PAE */
    movl %eax, %cr4
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx    /* EFER.LME and NXE */
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl $0x80010031, %eax    /* CR0: PG WP NE ET PE */
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $SEL_KERNEL_CODE, $long_mode

    .code64
long_mode:
    clear_segments
    xorl %ebp, %ebp
    movl %edi, %edi
    movabsq $kernel_main, %rax
    call *%rax
    ud2

/* %esi = sentence. There is no console yet, so: as it is, to COM1 and to the VGA's text memory, if there is any. */
    .code32
fail:
    movl $VGA_TEXT, %edi
    movb $7, %ah              /* grey */
    movw $(COM1 + 3), %dx
    movb $3, %al              /* 8N1 */
    outb %al, %dx
4:  movw $(COM1 + 5), %dx
    inb %dx, %al
    testb $0x20, %al
    jz 4b
    movw $COM1, %dx
    lodsb
    testb %al, %al
    jz 5f
    outb %al, %dx
    stosw
    jmp 4b
5:  hlt
    jmp 5b

message_loader:
    .asciz "bulkhead: cannot run here: not started by a Multiboot2 boot loader (use GRUB's multiboot2 command)\r\n"
message_cpu:
    .asciz "bulkhead: cannot run here: this CPU lacks long mode or NX (no-execute may be off in the firmware's set-up)\r\n"
    .balign 8
boot_gdt:
    .quad 0, 0x00af9b000000ffff
boot_gdt_pointer:
    .word 15
    .long boot_gdt

    .section .boot.data, "aw"
    .globl boot_pml4, boot_pd_high
    .balign 4096
boot_pml4:
    .quad boot_pdpt_low + PT_TABLE
    .fill 510, 8, 0
    .quad boot_pdpt_high + PT_TABLE
boot_pdpt_low:
    .quad boot_pd_low + PT_TABLE, boot_pd_low + 0x1000 + PT_TABLE, boot_pd_low + 0x2000 + PT_TABLE, boot_pd_low + 0x3000 + PT_TABLE
    .fill 508, 8, 0
boot_pdpt_high:
    .fill 510, 8, 0
    .quad boot_pd_high + PT_TABLE, 0
.macro large_pages count
    .set page, 0
    .rept \count
    .quad page + PT_LARGE
    .set page, page + 0x200000
    .endr
.endm
boot_pd_low:
    large_pages 4*512
boot_pd_high:
    large_pages IMAGE_PAGES
    .fill 512 - IMAGE_PAGES, 8, 0

    .section .boot.bss, "aw", @nobits
    .skip 0x4000
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
