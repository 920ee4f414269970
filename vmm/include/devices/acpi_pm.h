/* SPDX-License-Identifier: MIT
 * ACPI power management (ACPI 6.5, 4.8.3): PM1a event and control registers, the PM timer, one GPE block, the SCI.
 * The machine is always in ACPI mode: there is no SMI command port and SCI_EN reads as 1. */
#pragma once

#include <stdint.h>
#include "abi/status.h"
#include "timer.h"

struct machine;

#define ACPI_PM_TIMER_HZ 3579545ull
#define ACPI_PM_SLP_TYP_S5 0u     /* what \_S5 in the DSDT says */

/* Offsets in the block at PC_PM_BASE. */
#define ACPI_PM1_STATUS 0
#define ACPI_PM1_ENABLE 2
#define ACPI_PM1_CONTROL 4
#define ACPI_PM_TIMER 8
#define ACPI_PM_PORTS 16
/* The GPE block at PC_GPE_BASE: status, then enable, 16 events each. */
#define ACPI_GPE_BYTES 2
#define ACPI_GPE_PORTS (2 * ACPI_GPE_BYTES)

struct acpi_pm {
    struct machine *machine;
    uint16_t status, enable, control;
    uint16_t gpe_status, gpe_enable;
    uint64_t toggles_seen;   /* of the timer's top bit, when TMR_STS was last cleared */
    struct timer overflow;   /* armed while TMR_EN is set */
};

must_use enum status acpi_pm_init(struct acpi_pm *pm, struct machine *machine);
void acpi_pm_reset(struct acpi_pm *pm);
/* The user pressed the power button: an operating system that listens shuts down. Device lock held. */
void acpi_pm_power_button(struct acpi_pm *pm);
/* Raises general-purpose event `event` (0 to 15). Device lock held. */
void acpi_pm_gpe(struct acpi_pm *pm, unsigned event);
