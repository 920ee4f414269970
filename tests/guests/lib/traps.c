/* SPDX-License-Identifier: MIT
 * The IDT of the test guests: interrupt handlers, and exceptions that a test expects. */
#include "guest.h"

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

struct __attribute__((packed)) tss {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, io_map;
};

extern const uint8_t trap_stubs[256][16], try_recover[];
extern uint64_t try_rsp, gdt[9];
void trap(struct frame *frame);

struct frame caught;
uint64_t caught_cr2;
static struct gate idt[256];
static struct tss tss;
static uint8_t double_fault_stack[4096] __attribute__((aligned(16)));
static irq_handler_t handlers[256];

static void build(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t stub = (uint64_t)trap_stubs[i];
        idt[i] = (struct gate){ .offset_low = stub, .selector = 0x08, .ist = i == DF, .type = 0x8e, .offset_middle = stub >> 16 };
    }
    uint64_t base = (uint64_t)&tss;
    tss.ist[0] = (uint64_t)(double_fault_stack + sizeof double_fault_stack);
    tss.io_map = sizeof tss;
    gdt[7] = (sizeof tss - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[8] = base >> 32;
    __asm__ volatile("ltr %w0" : : "r"(0x38));
}

void idt_load(void)
{
    struct __attribute__((packed)) { uint16_t limit; uint64_t base; } pointer = { sizeof idt - 1, (uint64_t)idt };
    if (!idt[0].type)
        build();
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void irq_set_handler(uint8_t vector, irq_handler_t handler)
{
    handlers[vector] = handler;
}

void trap(struct frame *frame)
{
    if (handlers[frame->vector]) {
        handlers[frame->vector](frame);
        return;
    }
    uint64_t cr2 = READ_CR(2);
    if (frame->vector < 32 && try_rsp) {
        caught = *frame;
        caught_cr2 = cr2;
        frame->rip = (uint64_t)try_recover;
        frame->rsp = try_rsp;
        frame->rflags &= ~0x10500ul; /* RF, DF, TF */
        frame->cs = 0x08;
        frame->ss = 0x10;
        frame->rax = frame->vector;
        return;
    }
    ok(false, "unexpected %s %lu, error %lx, rip %lx, cr2 %lx", frame->vector < 32 ? "exception" : "interrupt", frame->vector,
       frame->error, frame->rip, cr2);
    done();
}
