/* SPDX-License-Identifier: MIT
 * Operations of the local APIC and the I/O APICs that only the machine layer needs; the others are in api.h. */
#pragma once

#include "types.h"

/* Boot CPU: is there an APIC, which mode, map its page. Null or a sentence. */
const char *lapic_init(void);
/* Boot CPU, once tsc_hz is known: TSC-deadline mode, or the counter's frequency. */
void lapic_timer_init(void);
uint32_t lapic_id(void);
bool lapic_reaches(uint32_t apic_id);                 /* can this id be addressed in the mode the machine has? */
void lapic_nmi_others(void);                          /* NMI to all other CPUs; nothing before lapic_init */
const char *lapic_mode(void);                         /* for the console */

/* --- ioapic.c --- */
/* Boot CPU: maps all I/O APICs of the MADT, masks every input, silences the 8259s. Null or a sentence. */
const char *ioapic_init(void);
/* Routes a line, unmasked. Below 16: the ISA interrupt of that number, wherever and however the MADT says that it arrives; else
 * the GSI, level-triggered, active low (PCI INTx). *level: it is level-triggered. False: no I/O APIC has it. */
bool ioapic_route_gsi(uint32_t gsi, uint8_t vector, uint32_t apic_id, bool *level);
void ioapic_mask_gsi(uint32_t gsi, bool masked);
