/* SPDX-License-Identifier: MIT
 * Entry by a PVH loader: the note names the 32-bit entry point. */
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad _start

    .text
    .code32
    .globl _start
_start:
    mov $3, %ecx
    jmp start32
