/* SPDX-License-Identifier: MIT
 * I/O APIC: pins, redirection table, level-triggered interrupts and their EOI. */
#include <string.h>
#include "devices/ioapic.h"
#include "machine.h"

#define REG_SELECT 0x00
#define REG_WINDOW 0x10
#define REG_EOI 0x40

#define INDEX_ID 0x00
#define INDEX_VERSION 0x01
#define INDEX_ARBITRATION 0x02
#define INDEX_REDIRECTION 0x10
#define VERSION (0x20u | (IOAPIC_PINS - 1) << 16)

#define RTE_VECTOR(rte) ((uint8_t)(rte))
#define RTE_MODE(rte) ((enum lapic_delivery)((rte) >> 8 & 7))
#define RTE_LOGICAL (1ull << 11)
#define RTE_REMOTE_IRR (1ull << 14)
#define RTE_LEVEL (1ull << 15)
#define RTE_MASKED (1ull << 16)
#define RTE_DEST(rte) ((uint32_t)((rte) >> 56))
#define RTE_WRITABLE 0xff0000000001afffull /* not delivery status (12), not remote IRR (14) */

/* Remote IRR is set only when a local APIC took the message: an unclaimed level interrupt is tried again. */
static void deliver(struct ioapic *ioapic, unsigned pin)
{
    uint64_t *rte = &ioapic->s.redirection[pin];
    bool level = (*rte & RTE_LEVEL) != 0 && RTE_MODE(*rte) <= DELIVER_LOWEST; /* NMI, INIT, ... are always edges */

    if ((*rte & RTE_MASKED) != 0 || (level && (*rte & RTE_REMOTE_IRR) != 0))
        return;
    if (lapic_deliver(ioapic->machine, RTE_DEST(*rte), (*rte & RTE_LOGICAL) != 0, RTE_MODE(*rte), RTE_VECTOR(*rte), level) && level)
        *rte |= RTE_REMOTE_IRR;
}

void ioapic_set(struct ioapic *ioapic, unsigned pin, bool level)
{
    uint32_t bit = 1u << pin;
    bool rising = level && (ioapic->s.lines & bit) == 0;

    ioapic->s.lines = level ? ioapic->s.lines | bit : ioapic->s.lines & ~bit;
    if (rising || (level && (ioapic->s.redirection[pin] & RTE_LEVEL) != 0))
        deliver(ioapic, pin);
}

/* A level-triggered pin whose line is still high interrupts again. */
static void retrigger(struct ioapic *ioapic, unsigned pin)
{
    if ((ioapic->s.redirection[pin] & RTE_LEVEL) != 0 && (ioapic->s.lines >> pin & 1) != 0)
        deliver(ioapic, pin);
}

void ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t *rte = &ioapic->s.redirection[pin];

        if ((*rte & RTE_REMOTE_IRR) == 0 || RTE_VECTOR(*rte) != vector)
            continue;
        *rte &= ~RTE_REMOTE_IRR;
        retrigger(ioapic, pin);
    }
}

/* Changing a pin to edge-triggered clears its remote IRR: that is how an OS gets rid of a stale one. */
static void write_redirection(struct ioapic *ioapic, unsigned index, uint32_t value)
{
    unsigned pin = index / 2;
    unsigned shift = (index & 1) * 32;
    uint64_t writable = RTE_WRITABLE & (0xffffffffull << shift);
    uint64_t *rte = &ioapic->s.redirection[pin];

    *rte = (*rte & ~writable) | ((uint64_t)value << shift & writable);
    if ((*rte & RTE_LEVEL) == 0)
        *rte &= ~RTE_REMOTE_IRR;
    retrigger(ioapic, pin);
}

static uint32_t read_window(const struct ioapic *ioapic)
{
    unsigned index = ioapic->s.select;
    unsigned entry = index - INDEX_REDIRECTION;

    if (index == INDEX_ID || index == INDEX_ARBITRATION)
        return (uint32_t)ioapic->s.id << 24;
    if (index == INDEX_VERSION)
        return VERSION;
    if (entry < IOAPIC_PINS * 2)
        return (uint32_t)(ioapic->s.redirection[entry / 2] >> (entry & 1) * 32);
    return 0;
}

static void write_window(struct ioapic *ioapic, uint32_t value)
{
    unsigned entry = ioapic->s.select - (unsigned)INDEX_REDIRECTION;

    if (ioapic->s.select == INDEX_ID)
        ioapic->s.id = value >> 24 & 0xf;
    else if (entry < IOAPIC_PINS * 2)
        write_redirection(ioapic, entry, value);
}

static uint64_t mmio_read(void *device, uint64_t offset, unsigned size)
{
    const struct ioapic *ioapic = device;
    uint32_t value = 0;

    (void)size;
    if ((offset & ~3ull) == REG_SELECT)
        value = ioapic->s.select;
    else if ((offset & ~3ull) == REG_WINDOW)
        value = read_window(ioapic);
    return value >> (offset & 3) * 8;
}

static void mmio_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct ioapic *ioapic = device;

    if (offset == REG_SELECT)
        ioapic->s.select = (uint8_t)value;
    else if (offset == REG_WINDOW && size >= 4)
        write_window(ioapic, (uint32_t)value);
    else if (offset == REG_EOI)
        ioapic_eoi(ioapic, (uint8_t)value);
}

void ioapic_reset(struct ioapic *ioapic)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        ioapic->s.redirection[pin] = RTE_MASKED;
    ioapic->s.id = 0;
    ioapic->s.select = 0;
}

enum status ioapic_init(struct ioapic *ioapic, struct machine *machine)
{
    const struct mmio_range range = { .base = IOAPIC_BASE, .count = 0x1000, .read = mmio_read, .write = mmio_write,
                                      .device = ioapic, .name = "I/O APIC" };

    memset(ioapic, 0, sizeof *ioapic);
    ioapic->machine = machine;
    ioapic_reset(ioapic);
    return bus_add_mmio(&machine->bus, &range);
}
