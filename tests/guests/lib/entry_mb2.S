/* SPDX-License-Identifier: MIT
 * Entry by a multiboot 2 loader. */
    .section .header, "a"
    .balign 8
header:
    .long 0xe85250d6, 0, header_end - header, -(0xe85250d6 + header_end - header)
    .short 0, 0
    .long 8
header_end:

    .text
    .code32
    .globl _start
_start:
    mov $2, %ecx
    jmp start32
