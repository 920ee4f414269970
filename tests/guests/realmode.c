/* SPDX-License-Identifier: MIT
 * Real mode: 16-bit code with interrupts, devices, string I/O and descriptor-table instructions. */
#include "lib/guest.h"

/* Each piece is copied to 0:7000 and called there; registers come and go in struct real_registers. */
#define PIECE(name, text) \
    __asm__(".pushsection .rodata\n.code16\n" #name ":\n" text "\nlret\n" #name "_end:\n.code64\n.popsection"); \
    extern const uint8_t name[], name##_end[]

PIECE(arithmetic, "add %bx, %ax\n mul %cx\n mov $0x1234, %si\n mov %si, %di");
PIECE(segments, "mov $0x900, %ax\n mov %ax, %es\n movw $0xbeef, %es:0x10\n mov 0x9010, %bx\n mov $0xffff, %ax\n mov %ax, %es\n mov %es:0x110, %ecx");
PIECE(cpuid16, "mov $1, %eax\n cpuid");
PIECE(ports16, "mov $0x71, %dx\n mov $0x0d, %al\n out %al, $0x70\n in %dx, %al\n movzx %al, %ebx\n mov $0x8000, %dx\n in %dx, %ax\n movzx %ax, %ecx");
PIECE(strings16, "push %es\n push %ds\n pop %es\n cld\n mov $0x6e00, %di\n mov $4, %cx\n mov $0x1234, %dx\n rep insb\n mov 0x6e00, %eax\n movzx %cx, %ecx\n movzx %di, %edi\n pop %es");
PIECE(far_jump, "ljmp $0x700, $far1 - far_jump\n far1: mov %cs, %ax\n movzx %ax, %ebx\n ljmp $0, $0x7000 + far2 - far_jump\n far2: mov $0x55, %al");
PIECE(msr16, "mov $0xc0000080, %ecx\n rdmsr");
PIECE(interrupt, "push %ds\n xor %ax, %ax\n mov %ax, %ds\n movw $0x7000 + handler - interrupt, 0x80*4\n movw $0, 0x80*4+2\n mov $1, %ebx\n int $0x80\n jmp 1f\n"
      "handler: inc %ebx\n pushf\n pop %cx\n iret\n 1: pop %ds");
/* The 8254 through the 8259: IRQ 0 at vector 8, five ticks of 1 ms. */
PIECE(tick, "xor %bx, %bx\n movw $0x7000 + on_tick - tick, 8*4\n movw $0, 8*4+2\n mov $0x11, %al\n out %al, $0x20\n mov $8, %al\n out %al, $0x21\n"
      "mov $4, %al\n out %al, $0x21\n mov $1, %al\n out %al, $0x21\n mov $0xfe, %al\n out %al, $0x21\n mov $0x34, %al\n out %al, $0x43\n mov $0xa9, %al\n out %al, $0x40\n"
      "mov $4, %al\n out %al, $0x40\n sti\n 1: hlt\n cmp $5, %bx\n jb 1b\n cli\n mov $0xff, %al\n out %al, $0x21\n movzx %bx, %ebx\n jmp 2f\n"
      "on_tick: inc %bx\n push %ax\n mov $0x20, %al\n out %al, $0x20\n pop %ax\n iret\n 2:");
/* Into protected mode with flat segments, back with DS still large: the HPET can be reached from real mode. */
PIECE(unreal, "push %ds\n lgdtl 0x7000 + ugdt - unreal\n mov %cr0, %eax\n or $1, %al\n mov %eax, %cr0\n mov $8, %bx\n mov %bx, %ds\n and $0xfe, %al\n mov %eax, %cr0\n"
      "jmp 1f\n 1: xor %bx, %bx\n mov %bx, %ds\n mov $0xfed00000, %ebx\n addr32 mov (%ebx), %eax\n addr32 mov 4(%ebx), %edx\n pop %ds\n jmp 2f\n .balign 8\n"
      "ugdt: .short 15\n .long 0x7000 + ugdt - unreal\n .short 0\n .quad 0x00cf93000000ffff\n 2:");
PIECE(tables16, "sgdt 0x6e00\n sidt 0x6e08\n smsw %ax\n movzx %ax, %eax\n mov 0x6e08, %bx\n movzx %bx, %ebx");

static struct real_registers call(const uint8_t *start, const uint8_t *end)
{
    struct real_registers r = { .eax = 2, .ebx = 3, .ecx = 7 };
    real_mode_call(start, end, &r);
    return r;
}
#define CALL(name) call(name, name##_end)

void main(void)
{
    struct real_registers r = CALL(arithmetic);
    ok((r.eax & 0xffff) == 35 && (r.edi & 0xffff) == 0x1234, "arithmetic: %x %x", r.eax, r.edi);
    r = CALL(segments);
    ok((r.ebx & 0xffff) == 0xbeef, "segment base: %x", r.ebx & 0xffff);
    ok(r.ecx == read32(0x100100), "ffff:0110 is above 1 MiB: %x", r.ecx);
    r = CALL(cpuid16);
    ok(r.edx == cpuid(1, 0).edx, "CPUID: %x", r.edx);
    r = CALL(ports16);
    ok((r.ebx & 0x80) && r.ecx == 0xffff, "ports: %x %x", r.ebx, r.ecx);
    r = CALL(strings16);
    ok(r.eax == 0xffffffff && r.ecx == 0 && r.edi == 0x6e04, "REP INSB: %x, DI %x", r.eax, r.edi);
    r = CALL(far_jump);
    ok(r.ebx == 0x700 && (r.eax & 0xff) == 0x55, "far jumps: CS %x", r.ebx);
    r = CALL(msr16);
    ok(!(r.eax & 0x500), "EFER in real mode: %x", r.eax);
    r = CALL(interrupt);
    ok(r.ebx == 2 && !(r.ecx & 0x200), "INT 0x80 through the vector table");
    r = CALL(tick);
    ok(r.ebx == 5, "timer interrupts and HLT: %u ticks", r.ebx);
    r = CALL(unreal);
    ok(r.eax == read32(0xfed00000) && r.edx == read32(0xfed00004), "a large data segment reaches the HPET: %x", r.eax);
    r = CALL(tables16);
    ok(r.ebx == 0x3ff && !(r.eax & 1), "SIDT limit %x, MSW %x", r.ebx, r.eax);
    for (unsigned i = 0; i < 20; i++)
        r = CALL(arithmetic);
    ok((r.eax & 0xffff) == 35, "20 more times there and back");
    done();
}
