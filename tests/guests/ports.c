/* SPDX-License-Identifier: MIT
 * Every device of the PC answers at its ports, and nobody at the others. */
#include "lib/guest.h"

static void check_pic(void)
{
    pic_init(0x20, 0xff, 0xff);
    outb(0x21, 0xa5);
    outb(0xa1, 0x5a);
    ok(inb(0x21) == 0xa5 && inb(0xa1) == 0x5a, "8259: masks %x %x", inb(0x21), inb(0xa1));
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    outb(0x20, 0x0b);
    ok(inb(0x20) == 0, "8259: nothing in service");
    outb(0x4d0, 0);
    outb(0x4d1, 0x0c);
    ok(inb(0x4d1) == 0x0c, "8259: edge/level register %x", inb(0x4d1));
    outb(0x4d1, 0);
}

static uint16_t pit_latch(unsigned channel)
{
    outb(0x43, channel << 6);
    uint8_t low = inb(0x40 + channel);
    return low | inb(0x40 + channel) << 8;
}

static void check_pit(void)
{
    outb(0x43, 0x34); /* channel 0, both bytes, mode 2 */
    outb(0x40, 0xff);
    outb(0x40, 0xff);
    uint16_t first = pit_latch(0);
    delay_us(2000);
    uint16_t second = pit_latch(0), gone = first - second;
    ok(gone > 1000 && gone < 40000, "8254: %u ticks in 2 ms", gone);
    outb(0x43, 0xe2); /* read-back: status of channel 0 */
    uint8_t status = inb(0x40);
    ok((status & 0x3f) == 0x34, "8254: status %x", status);
    uint8_t was = inb(0x61);
    outb(0x61, (was & ~3) | 1);
    ok((inb(0x61) & 3) == 1, "port 0x61 keeps its gate bit");
    outb(0x61, was & 0xf);
}

static uint8_t cmos(uint8_t i)
{
    outb(0x70, i);
    return inb(0x71);
}

static void check_rtc(void)
{
    uint8_t b = cmos(0x0b);
    for (unsigned i = 0; i < 100000 && (cmos(0x0a) & 0x80); i++)
        pause();
    uint8_t seconds = cmos(0), month = cmos(8), year = cmos(9);
    ok((b & 4) || ((seconds & 0xf) < 10 && (month & 0xf) < 10 && (year & 0xf) < 10), "RTC: %x seconds, month %x, year %x", seconds, month, year);
    ok(cmos(0x0d) & 0x80, "RTC: battery is good");
    outb(0x70, 0x3f);
    outb(0x71, 0x5a);
    ok(cmos(0x3f) == 0x5a, "CMOS memory keeps a byte");
}

static bool i8042_wait(uint8_t mask, uint8_t value)
{
    for (unsigned i = 0; i < 10000; i++)
        if ((inb(0x64) & mask) == value)
            return true;
    return false;
}

static void check_i8042(void)
{
    for (unsigned i = 0; i < 16 && (inb(0x64) & 1); i++)
        inb(0x60);
    ok(i8042_wait(2, 0), "i8042: ready, status %x", inb(0x64));
    outb(0x64, 0xaa);
    bool answered = i8042_wait(1, 1);
    uint8_t answer = answered ? inb(0x60) : 0;
    ok(answer == 0x55, "i8042: self-test answers %x", answer);
}

static void check_serial(void)
{
    outb(0x3ff, 0xa5);
    ok(inb(0x3ff) == 0xa5, "COM1: scratch register");
    uint8_t mcr = inb(0x3fc);
    outb(0x3fc, 0x1a); /* loop back, RTS, OUT2 */
    uint8_t msr = inb(0x3fe) & 0xf0;
    outb(0x3fc, mcr);
    ok(msr == 0x90, "COM1: modem lines in loop-back %x", msr);
    ok((inb(0x3fd) & 0x20) || (inb(0x3fd) & 0x20), "COM1: transmitter is empty");
}

static void check_pci(void)
{
    outl(0xcf8, 0x80000000);
    ok(inl(0xcf8) == 0x80000000, "PCI: address register");
    uint32_t id = inl(0xcfc);
    ok(id != 0xffffffff && id != 0, "PCI: host bridge %x", id);
    ok(inw(0xcfe) == id >> 16 && inb(0xcfd) == (id >> 8 & 0xff), "PCI: words and bytes of it");
    outl(0xcf8, 0x80000008);
    ok(inl(0xcfc) >> 16 == 0x0600, "PCI: its class %x", inl(0xcfc) >> 16);
    outl(0xcf8, 0x8000f800 | 0xff0000);
    ok(inl(0xcfc) == 0xffffffff, "PCI: no device on bus 255");
    outl(0xcf8, 0);
}

static void check_pm_timer(void)
{
    const uint8_t *fadt = acpi_find("FACP");
    if (!ok(fadt != 0, "ACPI: FADT found"))
        return;
    uint16_t port = read32((uint64_t)fadt + 76);
    uint32_t first = inl(port);
    delay_us(2000);
    uint32_t gone = (inl(port) - first) & 0xffffff;
    ok(gone > 3000 && gone < 200000, "PM timer at %x: %u ticks in 2 ms", port, gone);
    uint16_t control = read32((uint64_t)fadt + 64);
    uint16_t command = read32((uint64_t)fadt + 48);
    if (command && !(inw(control) & 1))
        outb(command, fadt[52]); /* ACPI_ENABLE */
    ok(inw(control) & 1, "PM1 control at %x: SCI_EN in %x", control, inw(control));
    static const char tables[][5] = { "APIC", "HPET" };
    for (unsigned i = 0; i < COUNT(tables); i++)
        ok(acpi_find(tables[i]) != 0, "ACPI: %s", tables[i]);
    uint64_t dsdt = read32((uint64_t)fadt + 40);
    ok(dsdt && !memcmp((const void *)dsdt, "DSDT", 4), "ACPI: DSDT at %lx", dsdt);
}

static void check_nobody(void)
{
    static const uint16_t ports[] = { 0x0a00, 0x1234, 0x2f0, 0x3e0, 0x5000, 0xfffe };
    for (unsigned i = 0; i < COUNT(ports); i++)
        ok(inb(ports[i]) == 0xff && inw(ports[i]) == 0xffff && inl(ports[i] & ~3) == 0xffffffff, "port %x is nobody's", ports[i]);
    for (unsigned i = 0; i < 100; i++)
        outb(0x80, i);
    ok(true, "port 0x80 takes POST codes");
}

static uint8_t text[] = "string output\r\n";
static uint16_t words[16];

/* INS and OUTS, with and without REP, backwards too. */
static void check_strings(void)
{
    void *from = text;
    uint64_t count = sizeof text - 1;
    __asm__ volatile("cld; rep outsb" : "+S"(from), "+c"(count) : "d"(0x3f8) : "memory");
    ok(count == 0 && from == text + sizeof text - 1, "REP OUTSB leaves RCX %lu", count);
    void *to = words;
    count = 8;
    __asm__ volatile("cld; rep insw" : "+D"(to), "+c"(count) : "d"(0x1234) : "memory");
    ok(count == 0 && to == words + 8 && words[7] == 0xffff && words[8] == 0, "REP INSW");
    to = words + 15;
    count = 2;
    __asm__ volatile("std; rep insw; cld" : "+D"(to), "+c"(count) : "d"(0x1234) : "memory");
    ok(to == words + 13 && words[15] == 0xffff && words[14] == 0xffff && words[13] == 0, "REP INSW downwards");
    uint32_t word = 0;
    to = &word;
    outl(0xcf8, 0x80000000);
    __asm__ volatile("insl" : "+D"(to) : "d"(0xcfc) : "memory");
    ok(word == inl(0xcfc), "INSL reads %x", word);
}

static void check_all(void)
{
    uint32_t answering = 0;
    for (uint32_t port = 0; port < 0x10000; port++)
        if (port != 0x60 && port != 0x3f8)
            answering += inb(port) != 0xff;
    ok(answering > 20 && answering < 30000, "%u ports answer", answering);
}

void main(void)
{
    time_init();
    ok(tsc_khz > 1000, "TSC runs at %lu kHz by the 8254", tsc_khz);
    check_pic();
    check_pit();
    check_rtc();
    check_i8042();
    check_serial();
    check_pci();
    check_pm_timer();
    check_nobody();
    check_strings();
    check_all();
    done();
}
