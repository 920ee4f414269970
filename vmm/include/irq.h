/* SPDX-License-Identifier: MIT
 * Interrupt wiring of the virtual machine: lines to the 8259 pair and the I/O APIC, messages to local APICs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct machine;

#define IRQ_LINES 24
#define IRQ_ISA_LINES 16
#define IRQ_PCI_LINES 8

/* Levels and routes; no pointers. */
struct irq_state {
    uint32_t lines;               /* levels as the devices drive them */
    uint32_t hpet_lines;          /* levels as the HPET drives them */
    bool legacy_replacement;      /* the HPET has taken lines 0 and 8 from the 8254 and the RTC */
    uint8_t pci_route[IRQ_PCI_LINES]; /* 8259 input of line 16 + i, 0 = none */
};

/* Drives an interrupt line (GSI 0 to 23). ISA line n (0 to 15) drives input n of the 8259 pair and I/O APIC pin n, except ISA
 * line 0, which drives pin 2 (MADT override). Lines 16 to 23 (PCI INTx) drive the I/O APIC only, and the 8259 as the PCI
 * interrupt router says. Line 2 is the cascade: nobody drives it. Device lock held. */
void irq_set(struct machine *machine, unsigned line, bool level);
static inline void irq_pulse(struct machine *machine, unsigned line) { irq_set(machine, line, true); irq_set(machine, line, false); }

/* The HPET's own contribution to a line (wired-or with irq_set), and its legacy replacement mode. Device lock held. */
void irq_set_hpet(struct machine *machine, unsigned line, bool level);
void irq_legacy_replacement(struct machine *machine, bool on);

/* The PCI interrupt router (PIRQ registers): line 16 to 23 also drives this input of the 8259 pair (3 to 15; 0 = none).
 * Device lock held. */
void irq_route_pci(struct machine *machine, unsigned line, unsigned isa_line);

/* The 8259 pair's INTR output changed: LINT0 of the local APICs. Called by pic.c. Device lock held. */
void irq_intr(struct machine *machine, bool level);

/* All lines low, no routes. Before the devices are initialised. */
void irq_reset(struct machine *machine);

/* A message-signalled interrupt: address and data as a PCI device writes them (SDM 3A 11.11). What is not addressed to a
 * local APIC vanishes. */
void irq_message(struct machine *machine, uint64_t address, uint32_t data);

/* Does this message mean one edge-triggered interrupt of one vcpu, whatever the local APICs are set to? Then whose, and which. */
bool irq_message_direct(const struct machine *machine, uint64_t address, uint32_t data, uint32_t *vcpu, uint8_t *vector);

enum lapic_delivery { DELIVER_FIXED, DELIVER_LOWEST, DELIVER_SMI, DELIVER_RESERVED, DELIVER_NMI, DELIVER_INIT, DELIVER_STARTUP, DELIVER_EXTINT };
/* Delivers to the local APICs that (dest, logical) names: 8-bit xAPIC or 32-bit x2APIC destinations. True if at least
 * one accepted it. */
bool lapic_deliver(struct machine *machine, uint32_t dest, bool logical, enum lapic_delivery mode, uint8_t vector, bool level);
