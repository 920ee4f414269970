/* SPDX-License-Identifier: MIT
 * The interrupt descriptor table: one for all CPUs, read-only once the kernel runs on its own page tables. */
#include "idt.h"
#include "gdt.h"
#include "x86.h"

#define GATE_INTERRUPT 0x8e00u /* present, DPL 0, 64-bit interrupt gate (SDM 3A 6.14.1) */

struct gate {
    uint16_t offset_low, selector, type, offset_middle;
    uint32_t offset_high, reserved;
};

extern const uint64_t trap_entry_table[256]; /* entry.S */
static struct gate idt[256] __attribute__((section(".boot_ro"), aligned(4096)));

void idt_init(void)
{
    static const uint8_t ist[32] = { [VECTOR_NMI] = IST_NMI, [VECTOR_DF] = IST_DF, [VECTOR_MC] = IST_MC };
    for (uint32_t i = 0; i < 256; i++) {
        uint64_t entry = trap_entry_table[i];
        idt[i] = (struct gate){ (uint16_t)entry, SEL_KERNEL_CODE, (uint16_t)(GATE_INTERRUPT | (i < 32 ? ist[i] : 0)),
                                (uint16_t)(entry >> 16), (uint32_t)(entry >> 32), 0 };
    }
}

void idt_load(void)
{
    struct table_pointer pointer = { sizeof(idt) - 1, (uint64_t)idt };
    lidt(&pointer);
}
