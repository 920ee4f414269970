/* SPDX-License-Identifier: MIT
 * I/O APIC set-up; routing is in api.h. */
#pragma once

/* Boot CPU: maps all I/O APICs of the MADT, masks every input, silences the 8259s. Null or a sentence. */
const char *ioapic_init(void);
