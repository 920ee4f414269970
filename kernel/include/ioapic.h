/* SPDX-License-Identifier: MIT
 * I/O APIC set-up; routing is in api.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Boot CPU: maps all I/O APICs of the MADT, masks every input, silences the 8259s. Null or a sentence. */
const char *ioapic_init(void);
/* Routes a GSI, unmasked; level_low: level-triggered, active low (PCI INTx), else edge-triggered, active high. False: no I/O APIC has it. */
bool ioapic_route_gsi(uint32_t gsi, uint8_t vector, uint32_t apic_id, bool level_low);
void ioapic_mask_gsi(uint32_t gsi, bool masked);
