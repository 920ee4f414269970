/* SPDX-License-Identifier: MIT
 * The device for test suites: remembering ports, interrupt lines by port, memory on which any instruction works. */
#include "lib/guest.h"

#define MEMORY 0xff000000ul
#define MEMORY_SIZE 0x10000u

static volatile uint32_t high, low, low_after_high;

static void on_high(struct frame *f) { (void)f; high++; lapic_eoi(); }
static void on_low(struct frame *f) { (void)f; low++; low_after_high = high; lapic_eoi(); }

static void check_ports(void)
{
    outl(0xe0, 0x44332211);
    outb(0xe1, 0xaa);
    ok(inl(0xe0) == 0x4433aa11 && inw(0xe2) == 0x4433, "ports remember: %x", inl(0xe0));
    const char text[] = "string output";
    const char *from = text;
    uint64_t count = sizeof text - 1;
    __asm__ volatile("cld; rep outsb" : "+S"(from), "+c"(count) : "d"(0xe0) : "memory");
    ok(inb(0xe0) == 't' && from == text + sizeof text - 1, "string output leaves its last byte");
}

static void check_lines(void)
{
    irq_set_handler(0x78, on_high);
    irq_set_handler(0x66, on_low);
    ioapic_route(14, 0x78, (uint8_t)lapic_id());
    ioapic_route(15, 0x66, (uint8_t)lapic_id());
    sti();
    outb(0x200e, 1);
    outb(0x200e, 0);
    __asm__ volatile("nop");
    cli();
    ok(high == 1, "line 14 by its port: %u", high);
    outb(0x200f, 1);
    outb(0x200f, 0);
    outb(0x200e, 1);
    outb(0x200e, 0);
    sti();
    __asm__ volatile("nop");
    cli();
    ok(high == 2 && low == 1 && low_after_high == 2, "of two at once the higher vector is first: %u %u", high, low);
}

static void check_memory(void)
{
    volatile uint8_t *bytes = (volatile uint8_t *)MEMORY;
    uint64_t wrong = 0, zero = 0;
    for (unsigned i = 0; i < MEMORY_SIZE; i++)
        zero += bytes[i];
    ok(!zero, "its memory begins clear");
    for (unsigned i = 0; i < MEMORY_SIZE; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (unsigned i = 0; i < MEMORY_SIZE; i++)
        wrong += bytes[i] != (uint8_t)(i * 7);
    ok(!wrong, "%u bytes keep what is written", MEMORY_SIZE);
    /* By the monitor (string input), then read by the guest itself. */
    uint64_t to = MEMORY + 0xffc, count = 8;
    outb(0xe0, 0x99);
    __asm__ volatile("cld; rep insb" : "+D"(to), "+c"(count) : "d"(0xe0) : "memory");
    ok(read32(MEMORY + 0xffc) == 0x99999999 && read32(MEMORY + 0x1000) == 0x99999999, "string input across pages");
    /* Instructions that no monitor executes on a device. */
    WRITE_CR(4, READ_CR(4) | 0x600);
    uint64_t in[2] = { 0x1122334455667788, 0x99aabbccddeeff00 };
    __asm__ volatile("movups (%1), %%xmm0; movaps %%xmm0, (%0); movdqu (%0), %%xmm1; movupd %%xmm1, 16(%0)"
                     :
                     : "r"(MEMORY + 0x2000), "r"(in)
                     : "memory");
    ok(memcmp((void *)(MEMORY + 0x2010), in, 16) == 0, "SSE moves");
    uint64_t stack = MEMORY + 0x3000, popped;
    __asm__ volatile("mov %%rsp, %%rbx; mov %1, %%rsp; push $0x1234; call 1f; 1: pop %%rax; pop %0; mov %%rbx, %%rsp"
                     : "=&r"(popped)
                     : "r"(stack)
                     : "rax", "rbx", "memory");
    ok(popped == 0x1234, "a stack");
}

void main(void)
{
    lapic_init();
    check_ports();
    check_lines();
    check_memory();
    done();
}
