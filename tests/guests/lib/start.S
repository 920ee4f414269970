/* SPDX-License-Identifier: MIT
 * From 32-bit protected mode to long mode, for the boot CPU and for the CPUs it starts (trampoline at 0x8000), and
 * the excursion back to real mode. */
#define TRAMPOLINE 0x8000
#define REAL 0x7000

    .text
    .code32
    .globl start32
start32:
    cli
    mov %ecx, boot_kind
    mov %eax, boot_magic
    mov %ebx, boot_info
    mov $stack_top, %esp
    /* Identity map: pml4 -> pdpt -> 4 page directories of 2 MiB pages. */
    mov $pdpt + 3, %eax
    mov %eax, pml4
    mov $pd + 3, %eax
    mov $pdpt, %edi
    mov $4, %ecx
1:  mov %eax, (%edi)
    add $0x1000, %eax
    add $8, %edi
    loop 1b
    mov $0x83, %eax
    mov $pd, %edi
    mov $2048, %ecx
2:  mov %eax, (%edi)
    cmp $0xc0000000, %eax
    jb 3f
    orl $0x18, (%edi) /* PCD, PWT */
3:  add $0x200000, %eax
    add $8, %edi
    loop 2b
    lgdt gdt_pointer
    call to_long
    .code64
    mov $stack_top, %rsp
    call idt_load
    call main
    mov $2, %edi
    call finish

/* In: 32-bit mode, GDT loaded; returns in 64-bit mode. */
    .code32
to_long:
    pop %edx
    mov %cr4, %eax
    or $0x20, %eax /* PAE */
    mov %eax, %cr4
    mov $pml4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    push %edx
    rdmsr
    or $0x900, %eax /* LME, NXE */
    wrmsr
    pop %edx
    mov %cr0, %eax
    and $~0x60000004, %eax /* CD, NW, EM */
    or $0x80010003, %eax   /* PG, WP, MP, PE */
    mov %eax, %cr0
    ljmp $0x08, $1f
    .code64
1:  mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov %edx, %edx
    jmp *%rdx

/* --- application processors: copied to TRAMPOLINE --- */
    .globl trampoline, trampoline_end
    .code16
trampoline:
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl TRAMPOLINE + trampoline_gdt - trampoline
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $0x18, $ap32
    .balign 8
trampoline_gdt:
    .short 0x47
    .long gdt
trampoline_end:

    .code32
ap32:
    mov $0x20, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov ap_stack, %esp
    call to_long
    .code64
    mov ap_stack(%rip), %rsp
    movl $1, ap_up(%rip)
    call idt_load
    call ap_main
1:  cli
    hlt
    jmp 1b

/* void real_call(void): runs the code at REAL in real mode; registers in real_in, out to the same. */
    .globl real_call
real_call:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    pushf
    cli
    mov %rsp, real_rsp(%rip)
    sidt real_saved_idt(%rip)
    ljmp *real_far(%rip)
real_far:
    .long real32
    .short 0x18
    .code32
real32:
    mov %cr0, %eax
    and $0x7fffffff, %eax
    mov %eax, %cr0
    mov $0xc0000080, %ecx
    rdmsr
    and $~0x100, %eax
    wrmsr
    mov %cr4, %eax
    and $~0x20, %eax
    mov %eax, %cr4
    /* Copy the 16-bit stub below 64 KiB. */
    mov $stub16, %esi
    mov $0x6000, %edi
    mov $stub16_end - stub16, %ecx
    cld
    rep movsb
    mov $0x30, %eax /* 16-bit data, limit 64 KiB */
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    ljmp $0x28, $0x6000

    .code16
stub16:
    lidtl %cs:0x6000 + stub_idt - stub16
    mov %cr0, %eax
    and $~1, %al
    mov %eax, %cr0
    ljmp $0, $0x6000 + 1f - stub16
1:  xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %fs
    mov %ax, %gs
    mov %ax, %ss
    mov $0x6000, %sp
    mov 0x6f00, %eax
    mov 0x6f04, %ebx
    mov 0x6f08, %ecx
    mov 0x6f0c, %edx
    mov 0x6f10, %esi
    mov 0x6f14, %edi
    lcall $0, $REAL
    cli
    push %ds
    push $0
    pop %ds
    mov %eax, 0x6f00
    mov %ebx, 0x6f04
    mov %ecx, 0x6f08
    mov %edx, 0x6f0c
    mov %esi, 0x6f10
    mov %edi, 0x6f14
    lgdtl 0x6000 + stub_gdt - stub16
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $0x18, $real_back
    .balign 8
stub_idt:
    .short 0x3ff
    .long 0
stub_gdt:
    .short 0x47
    .long gdt
stub16_end:

    .code32
real_back:
    mov $0x20, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov $0x5f00, %esp
    call to_long
    .code64
    mov real_rsp(%rip), %rsp
    lidt real_saved_idt(%rip)
    popf
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .data
    .balign 8
    .globl gdt, gdt_pointer
gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 08: 64-bit code */
    .quad 0x00cf93000000ffff /* 10: data */
    .quad 0x00cf9b000000ffff /* 18: 32-bit code */
    .quad 0x00cf93000000ffff /* 20: data */
    .quad 0x00009b000000ffff /* 28: 16-bit code */
    .quad 0x000093000000ffff /* 30: 16-bit data */
    .quad 0, 0               /* 38: TSS */
gdt_pointer:
    .short 0x47
    .quad gdt
    .globl boot_kind, boot_magic, boot_info, ap_stack, ap_up
boot_kind:  .long 0
boot_magic: .long 0
boot_info:  .long 0
ap_up:      .long 0
    .balign 8
ap_stack:   .quad 0
real_rsp:   .quad 0
real_saved_idt: .skip 16

    .bss
    .balign 4096
    .globl pml4, pdpt, pd
pml4:   .skip 4096
pdpt:   .skip 4096
pd:     .skip 4 * 4096
    .skip 32768
stack_top:
