/* SPDX-License-Identifier: MIT
 * Local APIC operations that only the machine layer needs; the others are in api.h. */
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
