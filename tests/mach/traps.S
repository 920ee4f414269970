/* SPDX-License-Identifier: MIT
 * Where GNU Mach's bootstrap task begins, and the kernel's traps: a stub for each, as the packaged header lists
 * them. */
#include <mach/syscall_sw.h>

    .globl _start
_start:                         /* the stack: argc, the arguments' addresses, 0 */
    movl %esp, %eax
    andl $-16, %esp
    subl $8, %esp
    leal 4(%eax), %ecx
    pushl %ecx
    pushl (%eax)
    call main
    ud2

    .section .note.GNU-stack, "", @progbits
