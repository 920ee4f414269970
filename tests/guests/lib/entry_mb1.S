/* SPDX-License-Identifier: MIT
 * Entry by a multiboot 1 loader. */
    .section .header, "a"
    .balign 4
header:
    .long 0x1badb002, 2, -(0x1badb002 + 2) /* flag 1: memory information */

    .text
    .code32
    .globl _start
_start:
    mov $1, %ecx
    jmp start32
