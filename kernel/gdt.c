/* SPDX-License-Identifier: MIT
 * A CPU's segments and TSS (SDM 3A 3.4.5 and 7.7), in its struct cpu. */
#include "gdt.h"
#include "x86.h"

#define CODE_KERNEL 0x00af9b000000ffffull /* present, accessed, 64-bit */
#define DATA_KERNEL 0x00cf93000000ffffull
#define CODE_USER 0x00affb000000ffffull
#define DATA_USER 0x00cff3000000ffffull
#define TSS_AVAILABLE 0x89ull
#define ENTRY(selector) ((selector) >> 3)

/* That IST entry gets the page of the CPU's slot as its stack. */
static void set_ist(struct cpu *cpu, uint32_t ist, uint32_t page)
{
    uint64_t top = ALIGN_DOWN((uint64_t)cpu, CPU_SLOT) + (page + 1) * PAGE_SIZE;
    cpu->tss.ist[2 * (ist - 1)] = (uint32_t)top;
    cpu->tss.ist[2 * (ist - 1) + 1] = (uint32_t)(top >> 32);
}

void gdt_fill(struct cpu *cpu)
{
    uint64_t *gdt = cpu->gdt.gdt, tss = (uint64_t)&cpu->tss;
    gdt[ENTRY(SEL_KERNEL_CODE)] = CODE_KERNEL;
    gdt[ENTRY(SEL_KERNEL_DATA)] = DATA_KERNEL;
    gdt[ENTRY(SEL_USER_DATA)] = DATA_USER;
    gdt[ENTRY(SEL_USER_CODE)] = CODE_USER;
    gdt[ENTRY(SEL_USER_DATA_SYSEXIT)] = DATA_USER;
    gdt[ENTRY(SEL_TSS)] = (sizeof(cpu->tss) - 1) | (tss & 0xffffff) << 16 | TSS_AVAILABLE << 40 | (tss >> 24 & 0xff) << 56;
    gdt[ENTRY(SEL_TSS) + 1] = tss >> 32;
    cpu->tss.rsp[0] = (uint32_t)cpu->stack_top;
    cpu->tss.rsp[1] = (uint32_t)(cpu->stack_top >> 32);
    set_ist(cpu, IST_NMI, CPU_NMI_PAGE);
    set_ist(cpu, IST_DF, CPU_DF_PAGE);
    set_ist(cpu, IST_MC, CPU_MC_PAGE);
    cpu->tss.io_map = sizeof(cpu->tss); /* beyond the limit: ring 3 has no port */
}

void gdt_load(struct cpu *cpu)
{
    struct table_pointer pointer = { sizeof(cpu->gdt.gdt) - 1, (uint64_t)cpu->gdt.gdt };
    lgdt(&pointer);
    __asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
                     "movl %1, %%eax; movl %%eax, %%ds; movl %%eax, %%es; movl %%eax, %%ss;"
                     "xorl %%eax, %%eax; movl %%eax, %%fs; movl %%eax, %%gs"
                     : : "i"(SEL_KERNEL_CODE), "i"(SEL_KERNEL_DATA) : "rax", "memory");
    lldt(0);
    ltr(SEL_TSS);
}
