/* SPDX-License-Identifier: MIT
 * A guest that means harm: the attack named on the command line, or all that can be survived. Whatever it does, at most its own
 * domain ends. Prints "attack NAME" and, if it comes back, "survived NAME". */
#include "lib/hostile.h"

static uint64_t seed = 88172645463325252ull;

uint64_t hostile_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static const uint64_t values[] = { 0, ~0ull, 0x8000000000000001, 0x5555555555555555 };

struct msr_write { uint32_t index; uint64_t value; };

static void do_wrmsr(void *p)
{
    const struct msr_write *w = p;
    wrmsr(w->index, w->value);
}

static bool put_msr(uint32_t index, uint64_t value)
{
    struct msr_write w = { index, value };
    return try_call(do_wrmsr, &w) == -1;
}

/* Every MSR of the architectural ranges, several values each; what the program itself lives on is put back. */
static void attack_msr(void)
{
    static const struct { uint32_t first, last; } ranges[] = {
        { 0, 0x82f }, { 0x831, 0x8ff }, { 0xd00, 0xfff }, { 0x40000000, 0x400000ff }, { 0x4b564d00, 0x4b564d0f }, { 0xc0000000, 0xc00001ff }, { 0xc0010000, 0xc00101ff },
    };
    uint64_t efer = rdmsr(0xc0000080), base = rdmsr(0x1b);
    for (unsigned r = 0; r < COUNT(ranges); r++)
        for (uint32_t i = ranges[r].first; i <= ranges[r].last; i++)
            for (unsigned v = 0; v <= COUNT(values); v++) {
                if (!put_msr(i, v < COUNT(values) ? values[v] : hostile_random()))
                    continue;
                put_msr(0xc0000080, efer);
                put_msr(0x1b, base & ~0x400ul);
                put_msr(0x1b, base);
            }
}

/* Every port but those whose purpose is to end the machine. */
#define WATCHDOG 0x640 /* its ports, as the table WDAT says */
static void attack_port(void)
{
    const uint8_t *fadt = acpi_find("FACP");
    uint32_t pm1 = fadt ? read32((uint64_t)fadt + 64) : 0;
    for (unsigned v = 0; v < 3; v++)
        for (uint32_t port = 0; port < (v ? 0x1000 : 0x10000); port++) {
            if ((port >= 0xf1 && port <= 0xf4) || (port >= 0xcf6 && port <= 0xcf9) || (port >= 0x8f && port <= 0x92) || (pm1 && port + 3 >= pm1 && port <= pm1 + 1) ||
                (port >= 0x61 && port <= 0x64) || (port + 3 >= WATCHDOG && port < WATCHDOG + 16)) /* these end the domain, as they should */
                continue;
            outb(port, values[v]);
            outw(port, values[v]);
            outl(port, values[v]);
            inl(port);
        }
    for (unsigned v = 0; v < 256; v++)
        if (v < 0xf0 || (v & 1)) /* even from 0xf0: a reset */
            outb(0x64, v);
    serial_reset();
}

static uint64_t table[512] __attribute__((aligned(4096)));

/* A window of 1 GiB at 512 GiB on any guest-physical address. */
static volatile uint8_t *window(uint64_t gpa)
{
    pml4[1] = (uint64_t)table | 3;
    table[0] = (gpa & ~0x3ffffffful) | 0x83;
    WRITE_CR(3, READ_CR(3));
    return (volatile uint8_t *)(0x8000000000 + (gpa & 0x3fffffff));
}

static void do_touch(void *p)
{
    volatile uint8_t *at = p;
    *(volatile uint64_t *)at = ~0ull;
    *(volatile uint32_t *)(at + 1) = *(volatile uint32_t *)(at + 3);
    at[5] = at[6];
    __asm__ volatile("lock addl $1, (%0); lock cmpxchg16b (%0)" : : "r"((uint64_t)at & ~15ul), "a"(0), "b"(0), "c"(0), "d"(0) : "memory");
    __asm__ volatile("rep movsb" : : "S"(at), "D"(at + 4090), "c"(20) : "memory");
}

static void attack_memory(void)
{
    static const uint64_t places[] = {
        0xa0000, 0xc0000, 0xf0000, 0x3ff0000, 0x8000000, 0x40000000, 0x7fffff00, 0xb0000000, 0xe0000000, 0xf0000000, 0xfec00000, 0xfec00ff0, 0xfed00000,
        0xfed003f0, 0xfed40000, 0xfee00000, 0xfee00ff0, 0xfff00000, 0xfffffff0, 0x100000000, 0x17ffffff8, 0x200000000, 0x1000000000, 0x7ffffffff0, 0x8000000000,
        0xfd00000000, 0xfffffffff0, 0x3fffffffff0, 0xfffffffffff0, 0xffffffffff000,
    };
    for (unsigned i = 0; i < COUNT(places); i++)
        for (unsigned n = 0; n < 4; n++)
            try_call(do_touch, (void *)window(places[i] + n * 4093));
    for (unsigned i = 0; i < 300; i++)
        try_call(do_touch, (void *)window(0x40000000 + hostile_random() % (1ull << (30 + i % 22))));
    pml4[1] = 0;
    WRITE_CR(3, READ_CR(3));
}

static void attack_exits(void)
{
    for (uint64_t end = rdtsc() + 2000 * tsc_khz; rdtsc() < end;) {
        cpuid(hostile_random(), hostile_random());
        inb(0x80);
        outb(0x80, 1);
        read32(0xfed000f0);
        read32(0xfee00020);
        pause();
    }
}

/* No exits at all, interrupts off: only the host's own timer gets the CPU back. */
static void attack_spin(void)
{
    cli();
    for (uint64_t end = rdtsc() + 3000 * tsc_khz; rdtsc() < end;)
        ;
}

static void attack_console(void)
{
    for (unsigned i = 0; i < 3000; i++)
        outb(0x3f8, hostile_random());
    outb(0x3f8, '\n');
    print("bulkhead: all domains ended: success\n");
    print("domain good: ended: not true\n");
}

/* An instruction fetch from a device: nothing can go on behind it. */
static void attack_fetch(void)
{
    ((void (*)(void))0xfed00000)();
}

static void attack_stack(void)
{
    __asm__ volatile("mov $0xfed000f8, %eax; mov %rax, %rsp; push %rax; ud2");
}

static const struct attack attacks[] = {
    { "msr", attack_msr, true }, { "port", attack_port, true }, { "memory", attack_memory, true }, { "exits", attack_exits, true }, { "spin", attack_spin, true },
    { "console", attack_console, true }, { "instructions", attack_instructions, true }, { "debug", attack_debug, true }, { "registers", attack_registers, true },
    { "apic", attack_apic, true }, { "storm", attack_storm, true }, { "tables", attack_tables, false }, { "paging", attack_paging, true },
    { "fetch", attack_fetch, false }, { "stack", attack_stack, false }, { "idt-mmio", attack_idt_mmio, false }, { "gdt-mmio", attack_gdt_mmio, false },
    { "cr3-mmio", attack_cr3_mmio, false }, { "cr3-wild", attack_cr3_wild, false }, { "init-self", attack_init_self, false }, { "real", attack_real, false },
    { "task", attack_task, false }, { "state", attack_state, true },
};

void main(void)
{
    time_init();
    lapic_init();
    bool found = false;
    for (unsigned i = 0; i < COUNT(attacks); i++)
        found |= boot_option(attacks[i].name);
    for (unsigned i = 0; i < COUNT(attacks); i++)
        if (found ? boot_option(attacks[i].name) : attacks[i].survivable) {
            print("attack %s\n", attacks[i].name);
            attacks[i].run();
            print("survived %s\n", attacks[i].name);
        }
    finish(0);
}
