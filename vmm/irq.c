/* SPDX-License-Identifier: MIT
 * Interrupt wiring: from device lines to the 8259 pair and the I/O APIC, and messages. */
#include <string.h>
#include "devices/lapic.h"
#include "irq.h"
#include "machine.h"
#include "platform.h"

#define LINE_TIMER 0
#define LINE_CASCADE 2
#define LINE_RTC 8
#define PIN_TIMER 2 /* I/O APIC pin of ISA line 0 */
#define LEGACY_LINES (1u << LINE_TIMER | 1u << LINE_RTC)

#define MESSAGE_WINDOW 0xfee00000ull
#define MESSAGE_WINDOW_SIZE 0x100000ull
#define MESSAGE_LOGICAL (1u << 2)
#define MESSAGE_LEVEL (1u << 15) /* data: trigger mode */

static uint32_t levels(const struct irq_state *irq)
{
    uint32_t lines = irq->legacy_replacement ? irq->lines & ~LEGACY_LINES : irq->lines;

    return lines | irq->hpet_lines;
}

static void drive_pic(struct machine *machine, uint32_t lines, unsigned input)
{
    const struct irq_state *irq = &machine->platform->irq;
    bool level = (lines >> input & 1) != 0;

    for (unsigned i = 0; i < IRQ_PCI_LINES; i++)
        level |= irq->pci_route[i] == input && (lines >> (IRQ_ISA_LINES + i) & 1) != 0;
    pic_set(&machine->platform->pic, input, level);
}

static void drive(struct machine *machine, unsigned line)
{
    struct platform *platform = machine->platform;
    uint32_t lines = levels(&platform->irq);
    bool level = (lines >> line & 1) != 0;

    if (line < IRQ_ISA_LINES)
        drive_pic(machine, lines, line);
    else if (platform->irq.pci_route[line - IRQ_ISA_LINES] != 0)
        drive_pic(machine, lines, platform->irq.pci_route[line - IRQ_ISA_LINES]);
    ioapic_set(&platform->ioapic, line == LINE_TIMER ? PIN_TIMER : line, level);
}

/* Devices say their level after every access; most of the time it is the old one. */
static void set_line(struct machine *machine, uint32_t *lines, unsigned line, bool level)
{
    if (line >= IRQ_LINES || line == LINE_CASCADE || (*lines >> line & 1) == level)
        return;
    *lines ^= 1u << line;
    drive(machine, line);
}

void irq_set(struct machine *machine, unsigned line, bool level)
{
    set_line(machine, &machine->platform->irq.lines, line, level);
}

void irq_set_hpet(struct machine *machine, unsigned line, bool level)
{
    set_line(machine, &machine->platform->irq.hpet_lines, line, level);
}

void irq_legacy_replacement(struct machine *machine, bool on)
{
    machine->platform->irq.legacy_replacement = on;
    drive(machine, LINE_TIMER);
    drive(machine, LINE_RTC);
}

void irq_route_pci(struct machine *machine, unsigned line, unsigned isa_line)
{
    uint8_t *route;
    unsigned before;

    if (line < IRQ_ISA_LINES || line >= IRQ_LINES)
        return;
    route = &machine->platform->irq.pci_route[line - IRQ_ISA_LINES];
    before = *route;
    *route = isa_line > LINE_CASCADE && isa_line < IRQ_ISA_LINES ? (uint8_t)isa_line : 0;
    if (before != 0)
        drive_pic(machine, levels(&machine->platform->irq), before);
    if (*route != 0)
        drive_pic(machine, levels(&machine->platform->irq), *route);
}

void irq_intr(struct machine *machine, bool level)
{
    for (uint32_t i = 0; i < machine->vcpu_count; i++)
        lapic_lint(&machine->vcpus[i], 0, level);
}

void irq_reset(struct machine *machine)
{
    memset(&machine->platform->irq, 0, sizeof machine->platform->irq);
}

bool irq_message_direct(const struct machine *machine, uint64_t address, uint32_t data, uint32_t *vcpu, uint8_t *vector)
{
    *vcpu = (uint32_t)(address >> 12) & 0xff; /* physical: the APIC ID, which is the index */
    *vector = (uint8_t)data;
    return address - MESSAGE_WINDOW < MESSAGE_WINDOW_SIZE && !(address & MESSAGE_LOGICAL) && !(data & MESSAGE_LEVEL) &&
           (data >> 8 & 7) == DELIVER_FIXED && *vector >= 16 && *vcpu < machine->vcpu_count;
}

void irq_message(struct machine *machine, uint64_t address, uint32_t data)
{
    if (address - MESSAGE_WINDOW >= MESSAGE_WINDOW_SIZE)
        return;
    lapic_deliver(machine, (uint32_t)(address >> 12) & 0xff, (address & MESSAGE_LOGICAL) != 0, data >> 8 & 7, (uint8_t)data,
                  (data & MESSAGE_LEVEL) != 0);
}
