/* SPDX-License-Identifier: MIT
 * Exceptions of drivers-dom: tables, and the message before the end. */
#include "trap.h"
#include "service.h"

#define VECTORS 32
#define STUB_SIZE 16
#define GATE_INTERRUPT 0x8e00u /* present, DPL 0, 64-bit interrupt gate (SDM 3A 6.14.1) */
#define TRAP_IST 1
#define CODE_SELECTOR 8

struct gate {
    uint16_t offset_low, selector, attributes, offset_middle;
    uint32_t offset_high, reserved;
};

struct __attribute__((packed)) tss {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, io_map;
};

struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint64_t base;
};

struct trap_frame {
    uint64_t vector, error, rip, cs, rflags, rsp;
};

extern const char trap_stubs[];
void trap_load(const struct table_pointer *gdt, const struct table_pointer *idt);
_Noreturn void trap_fatal(const struct trap_frame *frame, uint64_t cr2);

static struct gate idt[VECTORS];
static struct tss tss;
static uint8_t trap_stack[8192] __attribute__((aligned(16)));
/* Null, code (64-bit, accessed: the table need not be written), data, TSS in two. */
static uint64_t gdt[5] = {0, 0x00209b0000000000, 0x0000930000000000};

void trap_init(void)
{
    for (unsigned i = 0; i < VECTORS; i++) {
        uint64_t stub = (uint64_t)trap_stubs + i * STUB_SIZE;
        uint16_t attributes = GATE_INTERRUPT | TRAP_IST;
        idt[i] = (struct gate){(uint16_t)stub, CODE_SELECTOR, attributes, (uint16_t)(stub >> 16),
                               (uint32_t)(stub >> 32), 0};
    }
    tss.ist[TRAP_IST - 1] = (uint64_t)(trap_stack + sizeof(trap_stack));
    tss.io_map = sizeof(tss);
    uint64_t base = (uint64_t)&tss;
    gdt[3] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[4] = base >> 32;
    struct table_pointer gdt_pointer = {sizeof(gdt) - 1, (uint64_t)gdt};
    struct table_pointer idt_pointer = {sizeof(idt) - 1, (uint64_t)idt};
    trap_load(&gdt_pointer, &idt_pointer);
}

_Noreturn void trap_fatal(const struct trap_frame *frame, uint64_t cr2)
{
    service_end("exception %lu (error 0x%lx) at 0x%lx, stack 0x%lx, address 0x%lx", frame->vector, frame->error,
                frame->rip, frame->rsp, cr2);
}
