/* SPDX-License-Identifier: MIT
 * Attacks on and by interrupt controllers and timers. */
#include "hostile.h"

#define HPET 0xfed00000ul

static void ignore(struct frame *f)
{
    (void)f;
    lapic_eoi();
}

static void ignore_all(void)
{
    for (unsigned v = 32; v < 256; v++)
        irq_set_handler(v, ignore);
    irq_set_handler(NMI, ignore);
}

struct register_write { unsigned reg; uint32_t value; };

static void do_lapic(void *p)
{
    const struct register_write *w = p;
    lapic_write(w->reg, w->value);
}

static void do_icr(void *p)
{
    uint64_t value = *(uint64_t *)p;
    lapic_icr(value >> 32, value);
}

/* All delivery modes but INIT, which is attack_init_self. */
static void icr_garbage(unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t value = hostile_random();
        if ((value >> 8 & 7) != 5)
            try_call(do_icr, &value);
    }
}

static void lvt_garbage(void)
{
    for (unsigned i = 0; i < 600; i++) {
        struct register_write w = { (hostile_random() & 0x3f) << 4, hostile_random() };
        if (w.reg != LAPIC_ICR)
            try_call(do_lapic, &w);
    }
    for (unsigned offset = 0; offset < 0x1000; offset += 4)
        if (offset != LAPIC_ICR && !x2apic)
            write32(LAPIC_BASE + offset, hostile_random());
    for (unsigned i = 0; i < 300; i++)
        lapic_eoi();
}

static void ioapic_garbage(void)
{
    for (unsigned i = 0; i < 600; i++) {
        uint32_t value = hostile_random();
        if ((value >> 8 & 7) == 5)
            value ^= 0x100; /* not INIT */
        ioapic_write(hostile_random() & 0xff, value);
    }
    for (unsigned offset = 0; offset < 0x100; offset += 4)
        write32(IOAPIC_BASE + offset, hostile_random() & ~0x500);
}

static void quiet(void)
{
    for (unsigned pin = 0; pin < 24; pin++)
        ioapic_route(pin, 1 << 16, 0);
    lapic_write(LAPIC_SVR, 0x1ff);
    for (unsigned reg = LAPIC_LVT_TIMER; reg <= LAPIC_LVT_ERROR; reg += 0x10)
        lapic_write(reg, 0x10000);
    lapic_write(LAPIC_TIMER_INITIAL, 0);
    write32(HPET + 0x10, 0);
    outb(0x43, 0x30);
    pic_init(0x20, 0xff, 0xff);
}

void attack_apic(void)
{
    ignore_all();
    for (unsigned mode = 0; mode < 2; mode++) {
        sti();
        icr_garbage(300);
        lvt_garbage();
        cli(); /* a level-triggered line that stays high would keep this program from going on */
        ioapic_garbage();
        quiet();
        if (mode == 0 && !x2apic_enable())
            break;
    }
}

/* Every timer as fast as it goes, all routed to this CPU. */
void attack_storm(void)
{
    ignore_all();
    lapic_write(LAPIC_SVR, 0x1ff);
    lapic_write(LAPIC_TPR, 0);
    lapic_write(LAPIC_TIMER_DIVIDE, 0xb);
    lapic_write(LAPIC_LVT_TIMER, 0x20000 | 0x40);
    ioapic_route(2, 0x41, 0);
    ioapic_route(8, 0x42, 0);
    outb(0x43, 0x34);
    outb(0x40, 2);
    outb(0x40, 0);
    outb(0x70, 0x0a);
    outb(0x71, 0x23);
    outb(0x70, 0x0b);
    outb(0x71, 0x72);
    write32(HPET + 0x10, 0);
    write32(HPET + 0xf0, 0);
    write32(HPET + 0xf4, 0);
    write32(HPET + 0x100, 2 << 9 | 0x4c); /* periodic, its value is set */
    write32(HPET + 0x108, 1);
    write32(HPET + 0x108, 1);
    write32(HPET + 0x10, 1);
    lapic_write(LAPIC_TIMER_INITIAL, 1);
    sti();
    for (unsigned i = 0; i < 20000; i++) {
        pause();
        if (i % 100 == 0)
            cpuid(0, 0);
    }
    cli();
    quiet();
}

void attack_init_self(void)
{
    lapic_icr(lapic_id(), 0x4500);
    for (volatile unsigned i = 0; i < 1000000; i++)
        ;
}
