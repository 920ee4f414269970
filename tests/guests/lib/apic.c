/* SPDX-License-Identifier: MIT
 * Local APIC in both modes, I/O APIC, 8259 pair. */
#include "guest.h"

#define MSR_APIC_BASE 0x1b
#define MSR_X2APIC 0x800
#define MSR_KVM_PV_EOI 0x4b564d04

bool x2apic;

uint32_t lapic_read(unsigned reg)
{
    return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + reg / 16) : read32(LAPIC_BASE + reg);
}

void lapic_write(unsigned reg, uint32_t value)
{
    if (x2apic)
        wrmsr(MSR_X2APIC + reg / 16, value);
    else
        write32(LAPIC_BASE + reg, value);
}

void lapic_icr(uint32_t dest, uint32_t low)
{
    if (x2apic) {
        wrmsr(MSR_X2APIC + LAPIC_ICR / 16, (uint64_t)dest << 32 | low);
        return;
    }
    write32(LAPIC_BASE + LAPIC_ICR_HIGH, dest << 24);
    write32(LAPIC_BASE + LAPIC_ICR, low);
    for (unsigned spin = 0; spin < 20000 && (read32(LAPIC_BASE + LAPIC_ICR) & (1 << 12)); spin++)
        pause();
}

/* The hypervisor sets bit 0 when it can do without the EOI. */
static volatile uint32_t pv_eoi;

bool pv_eoi_enable(void)
{
    if (!(cpuid(1, 0).ecx >> 31) || cpuid(0x40000000, 0).ebx != 0x4b4d564b || !(cpuid(0x40000001, 0).eax >> 6 & 1))
        return false;
    wrmsr(MSR_KVM_PV_EOI, (uint64_t)&pv_eoi | 1);
    return true;
}

void lapic_eoi(void)
{
    if (__atomic_exchange_n(&pv_eoi, 0, __ATOMIC_RELAXED) & 1)
        return;
    lapic_write(LAPIC_EOI, 0);
}

uint32_t lapic_id(void)
{
    return x2apic ? lapic_read(LAPIC_ID) : lapic_read(LAPIC_ID) >> 24;
}

void lapic_init(void)
{
    if (rdmsr(MSR_APIC_BASE) & 0x100) /* the boot CPU's business: while the 8259s are set up anew, they are not masked */
        pic_init(0x20, 0xff, 0xff);
    lapic_write(LAPIC_TPR, 0);
    lapic_write(LAPIC_SVR, 0x1ff);
}

bool x2apic_enable(void)
{
    if (!(cpuid(1, 0).ecx & CPUID1_ECX_X2APIC))
        return false;
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0xc00);
    x2apic = true;
    return true;
}

uint32_t ioapic_read(unsigned reg)
{
    write32(IOAPIC_BASE, reg);
    return read32(IOAPIC_BASE + 0x10);
}

void ioapic_write(unsigned reg, uint32_t value)
{
    write32(IOAPIC_BASE, reg);
    write32(IOAPIC_BASE + 0x10, value);
}

void ioapic_route(unsigned pin, uint32_t low, uint8_t dest)
{
    ioapic_write(0x10 + 2 * pin, 1 << 16);
    ioapic_write(0x11 + 2 * pin, (uint32_t)dest << 24);
    ioapic_write(0x10 + 2 * pin, low);
}

void pic_init(uint8_t base, uint8_t mask_master, uint8_t mask_slave)
{
    outb(0x20, 0x11);
    outb(0xa0, 0x11);
    outb(0x21, base);
    outb(0xa1, base + 8);
    outb(0x21, 4);
    outb(0xa1, 2);
    outb(0x21, 1);
    outb(0xa1, 1);
    outb(0x21, mask_master);
    outb(0xa1, mask_slave);
}
