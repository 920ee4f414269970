/* SPDX-License-Identifier: MIT
 * I/O APIC set-up; routing is in api.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Boot CPU: maps all I/O APICs of the MADT, masks every input, silences the 8259s. Null or a sentence. */
const char *ioapic_init(void);
/* Routes a line, unmasked. Below 16: the ISA interrupt of that number, wherever and however the MADT says that it arrives; else
 * the GSI, level-triggered, active low (PCI INTx). *level: it is level-triggered. False: no I/O APIC has it. */
bool ioapic_route_gsi(uint32_t gsi, uint8_t vector, uint32_t apic_id, bool *level);
void ioapic_mask_gsi(uint32_t gsi, bool masked);
