/* SPDX-License-Identifier: MIT
 * Interrupts: every source and every path of a PC without PCI devices. */
#include "lib/guest.h"

enum { V_PIC = 0x20, V_IOAPIC = 0x50, V_TIMER = 0x60, V_SELF = 0x70, V_LOW = 0x48, V_HIGH = 0x88 };
#define HPET 0xfed00000ul

static volatile uint32_t pic_count, spurious_count, ioapic_count, timer_count, self_count, nmi_count, low_count, high_count, nested;

static void on_pic(struct frame *f)
{
    (void)f;
    pic_count++;
    outb(0x20, 0x20);
}

static void on_pic_slave(struct frame *f)
{
    (void)f;
    outb(0x70, 0x0c);
    inb(0x71);
    pic_count++;
    outb(0xa0, 0x20);
    outb(0x20, 0x20);
}

static void on_ioapic(struct frame *f) { (void)f; ioapic_count++; lapic_eoi(); }
static void on_timer(struct frame *f) { (void)f; timer_count++; lapic_eoi(); }
static void on_self(struct frame *f) { (void)f; self_count++; lapic_eoi(); }
static void on_nmi(struct frame *f) { (void)f; nmi_count++; }
static void on_spurious(struct frame *f) { (void)f; spurious_count++; }

static void on_low(struct frame *f)
{
    (void)f;
    if (++low_count > 1) {
        lapic_eoi();
        return;
    }
    lapic_icr(lapic_id(), 0x4000 | V_HIGH);
    sti();
    for (unsigned i = 0; i < 1000 && !high_count; i++)
        pause();
    cli();
    nested = high_count;
    lapic_eoi();
}

static void on_high(struct frame *f)
{
    (void)f;
    high_count++;
    lapic_icr(lapic_id(), 0x4000 | V_LOW); /* waits until both are done */
    lapic_eoi();
}

static void pit_periodic(unsigned hz)
{
    uint32_t divisor = 1193182 / hz;
    outb(0x43, 0x34);
    outb(0x40, divisor);
    outb(0x40, divisor >> 8);
}

static void pit_stop(void)
{
    outb(0x43, 0x30); /* mode 0, count never written */
}

static void check_pic(void)
{
    irq_set_handler(V_PIC, on_pic);
    irq_set_handler(V_PIC + 8, on_pic_slave);
    lapic_write(LAPIC_LVT_LINT0, 0x700); /* ExtINT */
    pic_init(V_PIC, 0xfe, 0xff);
    pit_periodic(1000);
    sti();
    ok_wait(&pic_count, 20, 2000, "8254 through the 8259");
    uint64_t begin = rdtsc();
    uint32_t base = pic_count;
    wait_for(&pic_count, base + 50, 2000);
    uint64_t ms = (rdtsc() - begin) / tsc_khz;
    ok(ms >= 30 && ms <= 2000, "50 periods of 1 ms took %lu ms", ms);
    cli();
    pit_stop();
    outb(0x21, 0xff);

    pic_count = 0;
    pic_init(V_PIC, 0xfb, 0xfe); /* cascade, IRQ 8 */
    outb(0x70, 0x0a);
    outb(0x71, 0x26); /* 1024 Hz */
    outb(0x70, 0x0b);
    uint8_t b = inb(0x71);
    outb(0x70, 0x0b);
    outb(0x71, b | 0x40); /* periodic interrupt */
    outb(0x70, 0x0c);
    inb(0x71);
    sti();
    ok_wait(&pic_count, 10, 2000, "RTC's periodic interrupt through the second 8259");
    cli();
    outb(0x70, 0x0b);
    outb(0x71, b);
    outb(0x70, 0x0c);
    inb(0x71);
    pic_init(V_PIC, 0xff, 0xff);
    lapic_write(LAPIC_LVT_LINT0, 0x10700);
}

static void check_serial(void)
{
    irq_set_handler(V_IOAPIC, on_ioapic);
    ioapic_count = 0;
    ioapic_route(4, V_IOAPIC, lapic_id());
    outb(0x3fc, 0x0b); /* OUT2 lets the interrupt through */
    sti();
    outb(0x3f9, 2); /* transmitter empty */
    ok_wait(&ioapic_count, 1, 500, "UART's transmitter interrupt through the I/O APIC");
    cli();
    outb(0x3f9, 0);
    ioapic_route(4, 1 << 16, 0);
}

static void check_ioapic(void)
{
    ioapic_count = 0;
    ioapic_route(2, V_IOAPIC, lapic_id());
    pit_periodic(1000);
    sti();
    ok_wait(&ioapic_count, 20, 2000, "8254 through the I/O APIC, pin 2");
    cli();
    pit_stop();
    ioapic_route(2, 1 << 16, 0);

    ioapic_count = 0;
    uint32_t period = read32(HPET + 4); /* femtoseconds */
    write32(HPET + 0x10, 0);
    write32(HPET + 0xf0, 0);
    write32(HPET + 0xf4, 0);
    uint32_t pins = read32(HPET + 0x104), pin = 0;
    while (pin < 24 && !(pins >> pin & 1))
        pin++;
    bool legacy = pin == 24;
    pin = legacy ? 2 : pin;
    ioapic_route(pin, V_IOAPIC, lapic_id());
    write32(HPET + 0x100, pin << 9 | 4); /* edge, one-shot, enabled */
    write32(HPET + 0x108, (uint32_t)(5000000000000ull / period)); /* 5 ms */
    write32(HPET + 0x10c, 0);
    sti();
    write32(HPET + 0x10, legacy ? 3 : 1);
    ok(wait_for(&ioapic_count, 1, 1000), "HPET comparator through the I/O APIC, pin %u", pin);
    cli();
    write32(HPET + 0x10, 0);
    write32(HPET + 0x100, 0);
    ioapic_route(pin, 1 << 16, 0);
}

static void check_timer(void)
{
    irq_set_handler(V_TIMER, on_timer);
    lapic_write(LAPIC_TIMER_DIVIDE, 3); /* by 16 */
    lapic_write(LAPIC_LVT_TIMER, 0x10000 | V_TIMER);
    lapic_write(LAPIC_TIMER_INITIAL, 0xffffffff);
    delay_us(10000);
    uint32_t ticks = 0xffffffff - lapic_read(LAPIC_TIMER_CURRENT);
    ok(ticks > 100, "local APIC timer: %u ticks in 10 ms", ticks);
    lapic_write(LAPIC_TIMER_INITIAL, 0);
    lapic_write(LAPIC_LVT_TIMER, V_TIMER);
    sti();
    lapic_write(LAPIC_TIMER_INITIAL, ticks / 5);
    ok_wait(&timer_count, 1, 1000, "one-shot");
    delay_us(10000);
    ok(timer_count == 1 && lapic_read(LAPIC_TIMER_CURRENT) == 0, "one-shot fires once: %u", timer_count);
    lapic_write(LAPIC_LVT_TIMER, 0x20000 | V_TIMER);
    lapic_write(LAPIC_TIMER_INITIAL, ticks / 10);
    ok_wait(&timer_count, 11, 2000, "periodic");
    lapic_write(LAPIC_LVT_TIMER, 0x10000 | V_TIMER);
    lapic_write(LAPIC_TIMER_INITIAL, 0);
    cli();
    timer_count = 0;
    lapic_write(LAPIC_LVT_TIMER, V_TIMER);
    lapic_write(LAPIC_TIMER_INITIAL, ticks / 5);
    sti_hlt();
    ok(timer_count == 1, "HLT wakes up for it");
    cli();
}

static void check_ipi(void)
{
    irq_set_handler(V_SELF, on_self);
    irq_set_handler(V_LOW, on_low);
    irq_set_handler(V_HIGH, on_high);
    irq_set_handler(NMI, on_nmi);
    irq_set_handler(0xff, on_spurious);
    sti();
    lapic_icr(0, 0x44000 | V_SELF); /* self shorthand */
    ok_wait(&self_count, 1, 500, "self-IPI by shorthand");
    lapic_icr(lapic_id(), 0x4000 | V_SELF);
    ok_wait(&self_count, 2, 500, "self-IPI by ID");
    lapic_icr(x2apic ? 0xffffffff : 0xff, 0x4000 | V_SELF);
    ok_wait(&self_count, 3, 500, "self-IPI by broadcast");
    lapic_icr(lapic_id(), 0x4400);
    ok_wait(&nmi_count, 1, 500, "NMI by ICR");
    lapic_write(LAPIC_TPR, 0x80);
    lapic_icr(lapic_id(), 0x4000 | V_SELF);
    delay_us(1000);
    ok(self_count == 3 && (lapic_read(LAPIC_IRR + (V_SELF / 32) * 16) >> (V_SELF % 32) & 1), "TPR holds it back, IRR shows it");
    lapic_write(LAPIC_TPR, 0);
    ok_wait(&self_count, 4, 500, "lower TPR lets it through");
    WRITE_CR(8, 8);
    lapic_icr(lapic_id(), 0x4000 | V_SELF);
    delay_us(1000);
    ok(self_count == 4 && lapic_read(LAPIC_TPR) == 0x80 && READ_CR(8) == 8, "CR8 is the TPR");
    WRITE_CR(8, 0);
    ok_wait(&self_count, 5, 500, "lower CR8 lets it through");
    lapic_icr(lapic_id(), 0x4000 | V_LOW);
    ok_wait(&low_count, 2, 500, "an equal one comes later");
    ok(nested == 1 && high_count == 1, "a higher priority nests, a lower one waits (%u, %u)", nested, low_count);
    cli();
}

static void shadow(void *p)
{
    (void)p;
    uint32_t before = self_count, in_shadow;
    lapic_icr(lapic_id(), 0x4000 | V_SELF);
    __asm__ volatile("sti; mov %1, %0; cli" : "=r"(in_shadow) : "m"(self_count));
    ok(in_shadow == before, "no interrupt in the shadow of STI");
    sti();
    ok_wait(&self_count, before + 1, 500, "it comes behind the shadow");
    cli();
}

static void check_errors(void)
{
    if (x2apic)
        return;
    lapic_write(LAPIC_ESR, 0);
    lapic_icr(lapic_id(), 0x4000 | 5); /* vectors below 16 are illegal */
    lapic_write(LAPIC_ESR, 0);
    ok(!boot_option("strict") || (lapic_read(LAPIC_ESR) & 0x60), "illegal vector: ESR %x", lapic_read(LAPIC_ESR));
}

void main(void)
{
    time_init();
    lapic_init();
    if (boot_option("x2apic")) {
        if (!x2apic_enable()) {
            skip("x2APIC", "not offered");
            done();
        }
        ok(x2apic_enable() && (rdmsr(0x1b) & 0xc00) == 0xc00, "x2APIC mode");
    }
    check_pic();
    check_serial();
    check_ioapic();
    check_timer();
    check_ipi();
    shadow(0);
    check_errors();
    done();
}
