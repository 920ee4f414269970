/* SPDX-License-Identifier: MIT
 * Hardware task switches in 32-bit protected mode: by call, jump, IRET, task gates of both tables, with an error code, with the
 * debug trap. On VT-x each is the monitor's work. */
#include "lib/guest.h"

#define STACK 4096u

struct tss {
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t es, cs, ss, ds, fs, gs, ldt;
    uint16_t trap, io_map;
};
_Static_assert(sizeof(struct tss) == 104, "SDM 3A figure 8-2");

enum { CODE64 = 0x08, DATA = 0x10, CODE32 = 0x18, TSS_MAIN = 0x20, TSS_B = 0x28, TSS_C = 0x30, TSS_D = 0x38, GATE_B = 0x40 };
enum result { R_ENTERED, R_B, R_B_FLAGS, R_B_LINK, R_B_MSW, R_B_EBX, R_JUMPED, R_JUMP_FLAGS, R_C, R_D, R_D_ERROR, R_DB, R_DB_DR6, R_REGISTERS, R_COUNT };

uint64_t tasks_gdt[9], tasks_idt[256];
struct tss tasks_tss[4]; /* main, B, C, D */
volatile uint32_t tasks_result[R_COUNT];
static uint8_t stacks[4][STACK] __attribute__((aligned(16)));
struct __attribute__((packed)) { uint16_t limit; uint64_t base; } tasks_gdtr, tasks_idtr;
extern const uint8_t task_b[], task_c[], task_d[], on_trap[], faulting_end[];
void tasks_run(void);

/* Leaves long mode, makes the switches, and comes back. The layout of tasks_result is enum result. */
__asm__(".text\n.code64\ntasks_run:\n"
    "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n mov %rsp, saved_rsp(%rip)\n"
    "lgdt tasks_gdtr(%rip)\n lidt tasks_idtr(%rip)\n pushq $0x18\n pushq $1f\n lretq\n.code32\n"
    "1: mov %cr0, %eax\n and $0x7fffffff, %eax\n mov %eax, %cr0\n mov $0xc0000080, %ecx\n rdmsr\n and $~0x100, %eax\n wrmsr\n"
    "mov $0x10, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n mov %eax, %fs\n mov %eax, %gs\n"
    "mov $0x20, %eax\n ltr %ax\n incl tasks_result\n"
    /* two calls: the second one enters behind B's IRET */
    "mov $0x11111111, %ebx\n mov $0x22222222, %esi\n mov $0x33333333, %edi\n mov $0x44444444, %ebp\n"
    "lcall $0x28, $0\n lcall $0x28, $0\n lcall $0x40, $0\n"
    "cmp $0x11111111, %ebx\n jne 2f\n cmp $0x22222222, %esi\n jne 2f\n cmp $0x33333333, %edi\n jne 2f\n cmp $0x44444444, %ebp\n jne 2f\n"
    "incl tasks_result + 13 * 4\n 2:\n"
    /* a jump there and back */
    "movl $1, jump_mode\n ljmp $0x28, $0\n movl $0, jump_mode\n"
    /* an interrupt through a task gate, twice */
    "int $0x30\n int $0x30\n"
    /* a fault through a task gate; D moves EIP behind it */
    "mov $0x1230, %eax\n mov %ax, %fs\n faulting_end:\n"
    /* the debug trap of B's TSS */
    "movw $1, tasks_tss + 104 + 100\n lcall $0x28, $0\n movw $0, tasks_tss + 104 + 100\n"
    /* back to long mode */
    "mov %cr4, %eax\n or $0x20, %eax\n mov %eax, %cr4\n mov $pml4, %eax\n mov %eax, %cr3\n mov $0xc0000080, %ecx\n rdmsr\n or $0x100, %eax\n wrmsr\n"
    "mov %cr0, %eax\n or $0x80000000, %eax\n and $~8, %eax\n mov %eax, %cr0\n ljmp $0x08, $3f\n.code64\n"
    "3: mov saved_rsp(%rip), %rsp\n lgdt gdt_pointer(%rip)\n mov $0x10, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n"
    "pushq $0x08\n pushq $4f\n lretq\n 4: pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"
    ".code32\n"
    "task_b: incl tasks_result + 1 * 4\n mov %ebx, tasks_result + 5 * 4\n pushf\n pop %eax\n smsw %edx\n mov %edx, tasks_result + 4 * 4\n clts\n"
    "cmpl $0, jump_mode\n jne 5f\n mov %eax, tasks_result + 2 * 4\n mov tasks_tss + 104, %eax\n mov %eax, tasks_result + 3 * 4\n iret\n jmp task_b\n"
    "5: incl tasks_result + 6 * 4\n mov %eax, tasks_result + 7 * 4\n ljmp $0x20, $0\n jmp task_b\n"
    "task_c: incl tasks_result + 8 * 4\n iret\n jmp task_c\n"
    "task_d: incl tasks_result + 9 * 4\n pop tasks_result + 10 * 4\n movl $faulting_end, tasks_tss + 32\n iret\n jmp task_d\n"
    "on_trap: push %eax\n incl tasks_result + 11 * 4\n mov %dr6, %eax\n mov %eax, tasks_result + 12 * 4\n mov $0xffff0ff0, %eax\n mov %eax, %dr6\n pop %eax\n iret\n"
    ".data\n.balign 8\nsaved_rsp: .quad 0\njump_mode: .long 0\n.text\n.code64\n");

static uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t attr)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)attr << 40 | (uint64_t)(limit >> 16 & 15) << 48 |
           (uint64_t)(base >> 24) << 56;
}

static void task(unsigned index, const void *code)
{
    tasks_tss[index] = (struct tss){ .eip = (uint32_t)(uint64_t)code, .eflags = 2, .esp = (uint32_t)(uint64_t)(stacks[index] + STACK),
        .ebx = 0xb0b0b0b0 + index, .es = DATA, .cs = CODE32, .ss = DATA, .ds = DATA, .fs = DATA, .gs = DATA, .io_map = sizeof(struct tss) };
    tasks_gdt[TSS_MAIN / 8 + index] = descriptor((uint32_t)(uint64_t)&tasks_tss[index], sizeof(struct tss) - 1, 0x89);
}

static void build(void)
{
    tasks_gdt[CODE64 / 8] = 0x00af9b000000ffff;
    tasks_gdt[DATA / 8] = 0x00cf93000000ffff;
    tasks_gdt[CODE32 / 8] = 0x00cf9b000000ffff;
    tasks_gdt[GATE_B / 8] = (uint64_t)TSS_B << 16 | 0x85ull << 40;
    task(0, NULL);
    task(1, task_b);
    task(2, task_c);
    task(3, task_d);
    uint32_t trap = (uint32_t)(uint64_t)on_trap;
    tasks_idt[DB] = (trap & 0xffff) | (uint64_t)CODE32 << 16 | 0x8eull << 40 | (uint64_t)(trap >> 16) << 48;
    tasks_idt[GP] = (uint64_t)TSS_D << 16 | 0x85ull << 40;
    tasks_idt[0x30] = (uint64_t)TSS_C << 16 | 0x85ull << 40;
    tasks_gdtr.limit = sizeof tasks_gdt - 1;
    tasks_gdtr.base = (uint64_t)tasks_gdt;
    tasks_idtr.limit = sizeof tasks_idt - 1;
    tasks_idtr.base = (uint64_t)tasks_idt;
}

void main(void)
{
    build();
    tasks_run();
    idt_load();
    const volatile uint32_t *r = tasks_result;
    ok(r[R_ENTERED] == 1, "32-bit mode without paging");
    ok(r[R_B] == 5, "task B ran %u times", r[R_B]);
    ok((r[R_B_FLAGS] & 0x4000) && (r[R_B_LINK] & 0xffff) == TSS_MAIN, "a called task is nested: flags %x, link %x", r[R_B_FLAGS], r[R_B_LINK]);
    ok(r[R_B_MSW] & 8, "a switch sets CR0.TS");
    ok(r[R_B_EBX] == 0xb0b0b0b1, "its registers are its own: %x", r[R_B_EBX]);
    ok(r[R_REGISTERS] == 1, "the caller's are as they were");
    ok(r[R_JUMPED] == 1 && !(r[R_JUMP_FLAGS] & 0x4000), "a jump does not nest: flags %x", r[R_JUMP_FLAGS]);
    ok(r[R_C] == 2, "INT through a task gate: %u", r[R_C]);
    ok(r[R_D] == 1 && r[R_D_ERROR] == 0x1230, "#GP through a task gate: %u, error code %x", r[R_D], r[R_D_ERROR]);
    if (!boot_option("tcg")) /* QEMU's TCG does not know the bit */
        ok(r[R_DB] == 1 && (r[R_DB_DR6] & 0x8000), "debug trap of a TSS: %u, DR6 %x", r[R_DB], r[R_DB_DR6]);
    ok((tasks_gdt[TSS_MAIN / 8] >> 41 & 1) && !(tasks_gdt[TSS_B / 8] >> 41 & 1), "busy bits");
    done();
}
