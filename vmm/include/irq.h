/* SPDX-License-Identifier: MIT
 * Interrupt wiring of the virtual machine: lines to the 8259 pair and the I/O APIC, messages to local APICs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct machine;

/* Drives an interrupt line (GSI 0 to 23). ISA line n (0 to 15) drives input n of the 8259 pair and I/O APIC pin n, except ISA
 * line 0, which drives pin 2 (MADT override). Lines 16 to 23 (PCI INTx) drive the I/O APIC only, and the 8259 as the PCI
 * interrupt router says. Device lock held. */
void irq_set(struct machine *machine, unsigned line, bool level);
static inline void irq_pulse(struct machine *machine, unsigned line) { irq_set(machine, line, true); irq_set(machine, line, false); }

/* A message-signalled interrupt: address and data as a PCI device writes them (SDM 3A 11.11). */
void irq_message(struct machine *machine, uint64_t address, uint32_t data);

enum lapic_delivery { DELIVER_FIXED, DELIVER_LOWEST, DELIVER_SMI, DELIVER_RESERVED, DELIVER_NMI, DELIVER_INIT, DELIVER_STARTUP, DELIVER_EXTINT };
/* Delivers to the local APICs that (dest, logical) names: 8-bit xAPIC or 32-bit x2APIC destinations. True if at least
 * one accepted it. */
bool lapic_deliver(struct machine *machine, uint32_t dest, bool logical, enum lapic_delivery mode, uint8_t vector, bool level);
