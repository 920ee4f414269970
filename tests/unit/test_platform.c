/* SPDX-License-Identifier: MIT
 * The whole machine: all devices on one bus, interrupts from a device's register to a local APIC, reset. */
#include "pc_fixture.h"

#define VCPUS 2
#define RAM 0x400000ull

static struct vcpu_state states[VCPUS];
static _Alignas(4096) uint8_t vapics[VCPUS][4096];

static int setup(void **state)
{
    (void)state;
    start.debug_exit = 1;
    pc_make(RAM, 1767225600, VCPUS, states, vapics);
    lapic_virtual_wire(&pc->vcpus[0]);
    return 0;
}

static uint8_t inb(uint16_t port) { return (uint8_t)bus_port_read(&pc->bus, port, 1); }
static void outb(uint16_t port, uint8_t value) { bus_port_write(&pc->bus, port, 1, value); }

static void advance(uint64_t ns)
{
    uint64_t end = clock_now(&pc->clock) + ns, next;
    while ((next = timer_next(&pc->timers)) != 0 && next <= end) {
        tsc = clock_tsc_at(&pc->clock, next);
        timer_expire(&pc->timers, clock_now(&pc->clock));
    }
    tsc = clock_tsc_at(&pc->clock, end);
}

static void ioapic_write(unsigned index, uint32_t value)
{
    bus_mmio_write(&pc->bus, PC_IOAPIC, 4, index);
    bus_mmio_write(&pc->bus, PC_IOAPIC + 0x10, 4, value);
}

static void every_port_answers(void **state)
{
    (void)state;
    static const uint16_t owned[] = { 0x20, 0x21, 0x40, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x92, 0xa0, 0xa1, 0xf4, 0x3f8, 0x3ff,
                                      0x3c0, 0x3d4, 0x3da, 0x4d0, 0x510, 0x514, 0x600, 0x608, 0x620, 0xcf8, 0xcfc };
    for (unsigned i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
        assert_int_not_equal(pc->bus.port_index[owned[i]], 0);
    for (uint32_t port = 0; port < 0x10000; port++) {
        if (pc->bus.port_index[port] == 0)
            assert_int_equal(inb((uint16_t)port), 0xff);
        else
            (void)inb((uint16_t)port);
    }
    assert_int_equal(inb(0x2f8 + 7), 0xff);
    assert_int_equal(inb(0x1f7), 0); /* no drive, but not busy either */
    assert_int_equal(ends, 0);
}

/* A PC kernel of the old school: 8259 in virtual wire mode, one keyboard byte. */
static void keyboard_interrupts_through_the_8259(void **state)
{
    (void)state;
    assert_int_equal(inb(0x21), 0xf8);
    assert_int_equal(inb(0x4d1), 0x0e);
    outb(0x21, 0xf9);
    outb(0x60, 0xee); /* echo */
    assert_true(pic_pending(&pc->platform->pic));
    assert_true(lapic_accepts_extint(&pc->vcpus[0]));
    assert_false(lapic_accepts_extint(&pc->vcpus[1]));
    assert_int_equal(pic_acknowledge(&pc->platform->pic, &(struct pic_taken){ 0 }), 0x09);
    assert_int_equal(inb(0x60), 0xee);
    outb(0x20, 0x20);
    assert_false(pic_pending(&pc->platform->pic));
}

/* A modern one: I/O APIC, SCI as a level-triggered line to the second processor. */
static void power_button_interrupts_through_the_ioapic(void **state)
{
    (void)state;
    lapic_put(&pc->vcpus[1], APIC_SVR, APIC_SVR_ENABLE | 0xff);
    ioapic_write(0x10 + 2 * 9 + 1, 1u << 24);
    ioapic_write(0x10 + 2 * 9, 0x51 | 1u << 15);
    bus_port_write(&pc->bus, PC_PM_BASE + 2, 2, 1 << 8);
    acpi_pm_power_button(&pc->platform->acpi_pm);
    assert_int_equal(lapic_pending(&pc->vcpus[1]), 0x51);
    lapic_accept(&pc->vcpus[1], 0x51);
    assert_int_equal(lapic_pending(&pc->vcpus[1]), -1);
    lapic_eoi(&pc->vcpus[1]); /* the status is not cleared: the line is still high */
    assert_int_equal(lapic_pending(&pc->vcpus[1]), 0x51);
    lapic_accept(&pc->vcpus[1], 0x51);
    bus_port_write(&pc->bus, PC_PM_BASE, 2, 1 << 8);
    lapic_eoi(&pc->vcpus[1]);
    assert_int_equal(lapic_pending(&pc->vcpus[1]), -1);
}

/* INTA of slot 3 is GSI 19, and input 11 of the 8259 pair. */
static void pci_interrupt_takes_both_ways(void **state)
{
    (void)state;
    static struct pci_function card;
    const struct pci_identity identity = { .vendor = 0x1af4, .device = 0x1042, .class_code = 0x018000, .interrupt_pin = 1, .name = "card" };
    pci_function_init(&card, &identity);
    assert_int_equal(pci_add(&pc->platform->pci, &card, PCI_DEVFN(3, 0)), OK);
    ioapic_write(0x10 + 2 * 19 + 1, 0);
    ioapic_write(0x10 + 2 * 19, 0x63 | 1u << 15 | 1u << 13);
    outb(0x21, 0xfb);
    outb(0xa1, 0xf7);
    pci_set_intx(&card, true);
    assert_int_equal(lapic_pending(&pc->vcpus[0]), 0x63);
    assert_int_equal(pic_acknowledge(&pc->platform->pic, &(struct pic_taken){ 0 }), 0x73);
    pci_set_intx(&card, false);
    assert_int_equal(pc->platform->irq.lines & ~1u, 0); /* line 0 is the timer */
}

static void rtc_and_com1_share_nothing(void **state)
{
    (void)state;
    outb(0x70, 0x0b);
    outb(0x71, 0x12); /* update-ended interrupt */
    outb(0x3f9, 0x02);
    assert_int_equal(pc->platform->irq.lines & ~1u, 1u << 4);
    advance(1000000000);
    assert_int_equal(pc->platform->irq.lines & ~1u, 1u << 4 | 1u << 8);
}

static void reset_restores_everything(void **state)
{
    (void)state;
    outb(0x3f9, 0x0f);
    outb(0x21, 0x00);
    outb(0x60, 0xff);
    memset(pc->memory.base, 0xff, 0x1000);
    bus_port_write(&pc->bus, PC_PM_BASE + 2, 2, 0x100);
    assert_int_equal(platform_reset(pc), OK);
    assert_int_equal(inb(0x3f9), 0);
    assert_int_equal(inb(0x21), 0xf8);
    assert_int_equal(inb(0x64) & 1, 0);
    assert_int_equal(bus_port_read(&pc->bus, PC_PM_BASE + 2, 2), 0);
    assert_int_equal(pc->memory.base[0x413] | pc->memory.base[0x414] << 8, 639);
    assert_int_equal(pc->platform->irq.lines & ~1u, 0);
}

static void any_access_is_survived(void **state)
{
    (void)state;
    static const uint64_t pages[] = { PC_ECAM, PC_ECAM + 0x8000, PC_IOAPIC, PC_HPET, PC_PCI_MMIO, 0xffff0000 };
    srand(8);
    for (unsigned i = 0; i < 300000; i++) {
        uint16_t port = (uint16_t)(rand() % 0xd00);
        unsigned size = 1u << rand() % 3;
        if (rand() & 1)
            bus_port_write(&pc->bus, port, size, (uint32_t)rand());
        else
            (void)bus_port_read(&pc->bus, port, size);
        uint64_t address = pages[rand() % 6] + (uint64_t)(rand() % 0x400);
        if (rand() & 1)
            bus_mmio_write(&pc->bus, address, 1u << rand() % 4, (uint64_t)rand() << 12);
        else
            (void)bus_mmio_read(&pc->bus, address, 1u << rand() % 4);
        if (i % 64 == 0)
            advance(10000);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(every_port_answers), CASE(keyboard_interrupts_through_the_8259), CASE(power_button_interrupts_through_the_ioapic),
        CASE(pci_interrupt_takes_both_ways), CASE(rtc_and_com1_share_nothing), CASE(reset_restores_everything),
        CASE(any_access_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
