/* SPDX-License-Identifier: MIT
 * Power off and reset (ACPI 6.5, 4.8.3.2 and 4.8.3.6). */
#include "acpi.h"
#include "api.h"
#include "boot.h"
#include "hostmap.h"
#include "x86.h"

#define PM1_SCI_EN (1u << 0)
#define PM1_SLP_EN (1u << 13)
#define PM1_SLP_TYP(t) ((uint16_t)(t) << 10)
#define PM1_SLP_MASK (0xfu << 10)
#define PORT_BOCHS_OFF 0x8900
#define PORT_RESET_CONTROL 0xcf9
#define PORT_I8042 0x64
#define I8042_PULSE_RESET 0xfe
#define SETTLE_MICROSECONDS 50000
#define ACPI_ENABLE_MICROSECONDS 300000

static volatile uint8_t *reset_memory;

void poweroff_init(void)
{
    if (acpi.reset.address && acpi.reset.space == ACPI_SPACE_MEMORY)
        reset_memory = device_map(acpi.reset.address, 1);
}

/* The fixed hardware obeys in ACPI mode only; the firmware may have left it in legacy mode. */
static void acpi_mode(void)
{
    if (!acpi.smi_command || !acpi.acpi_enable || (inw(acpi.pm1a_control) & PM1_SCI_EN))
        return;
    outb(acpi.smi_command, acpi.acpi_enable);
    for (uint32_t i = 0; i < ACPI_ENABLE_MICROSECONDS / 100 && !(inw(acpi.pm1a_control) & PM1_SCI_EN); i++)
        tsc_delay(100);
}

static void sleep_off(uint16_t port, uint8_t type)
{
    if (port)
        outw(port, (uint16_t)((inw(port) & ~PM1_SLP_MASK) | PM1_SLP_TYP(type) | PM1_SLP_EN));
}

static void power_off(void)
{
    if (acpi.s5 && acpi.pm1a_control) {
        acpi_mode();
        sleep_off(acpi.pm1a_control, acpi.s5_type_a);
        sleep_off(acpi.pm1b_control, acpi.s5_type_b);
        tsc_delay(SETTLE_MICROSECONDS);
    }
    for (const char *p = "Shutdown"; *p; p++)
        outb(PORT_BOCHS_OFF, (uint8_t)*p);
    tsc_delay(SETTLE_MICROSECONDS);
}

static void reset(void)
{
    if (reset_memory)
        *reset_memory = acpi.reset_value;
    else if (acpi.reset.address && acpi.reset.space == ACPI_SPACE_IO && acpi.reset.address < 0x10000)
        outb((uint16_t)acpi.reset.address, acpi.reset_value);
    tsc_delay(SETTLE_MICROSECONDS);
    outb(PORT_RESET_CONTROL, 0x02); /* system reset, then: go */
    outb(PORT_RESET_CONTROL, 0x06);
    tsc_delay(SETTLE_MICROSECONDS);
    outb(PORT_I8042, I8042_PULSE_RESET);
    tsc_delay(SETTLE_MICROSECONDS);
}

void machine_off(unsigned how)
{
    console_flush();
    if (how == 0)
        power_off();
    else
        reset();
}
