/* SPDX-License-Identifier: MIT
 * ACPI fixed hardware: PM1a registers, PM timer, GPE block (ACPI 6.5, 4.8.3 and 4.8.4). */
#include <string.h>
#include "abi/syscall.h"
#include "devices/acpi_pm.h"
#include "machine.h"
#include "pc.h"

#define PM1_TMR (1u << 0)
#define PM1_GBL (1u << 5)
#define PM1_PWRBTN (1u << 8)
#define PM1_SLPBTN (1u << 9)
#define PM1_RTC (1u << 10)
#define PM1_WAK (1u << 15)
#define PM1_STATUS_MASK (PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_SLPBTN | PM1_RTC | PM1_WAK)
#define PM1_ENABLE_MASK (PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_SLPBTN | PM1_RTC)

#define CONTROL_SCI_EN (1u << 0)
#define CONTROL_SLP_TYP(value) (((value) >> 10) & 7u)
#define CONTROL_SLP_EN (1u << 13)
#define CONTROL_KEPT 0x1c02u /* BM_RLD and SLP_TYP; GBL_RLS and SLP_EN are write-only */

#define NS_PER_SECOND 1000000000ull
#define TIMER_TOP_BIT 31

static uint64_t timer_ticks(const struct acpi_pm *pm)
{
    return muldiv64(clock_now(&pm->machine->clock), ACPI_PM_TIMER_HZ, NS_PER_SECOND);
}

/* TMR_STS is set whenever the top bit of the 32-bit timer changes. */
static void update_timer_status(struct acpi_pm *pm)
{
    uint64_t toggles = timer_ticks(pm) >> TIMER_TOP_BIT;
    if (toggles != pm->toggles_seen) {
        pm->toggles_seen = toggles;
        pm->status |= PM1_TMR;
    }
}

static void update_sci(struct acpi_pm *pm)
{
    irq_set(pm->machine, PC_IRQ_SCI, (pm->status & pm->enable) || (pm->gpe_status & pm->gpe_enable));
    timer_cancel(&pm->machine->timers, &pm->overflow);
    if ((pm->enable & PM1_TMR) && !(pm->status & PM1_TMR)) {
        uint64_t tick = (pm->toggles_seen + 1) << TIMER_TOP_BIT;
        timer_arm(&pm->machine->timers, &pm->overflow, muldiv64(tick, NS_PER_SECOND, ACPI_PM_TIMER_HZ) + 1);
    }
}

static void timer_overflow(void *context, uint64_t deadline)
{
    struct acpi_pm *pm = context;
    (void)deadline;
    update_timer_status(pm);
    update_sci(pm);
}

static void write_control(struct acpi_pm *pm, uint16_t value)
{
    pm->control = (value & CONTROL_KEPT) | CONTROL_SCI_EN;
    if ((value & CONTROL_SLP_EN) && CONTROL_SLP_TYP(value) == ACPI_PM_SLP_TYP_S5)
        machine_end(pm->machine, END_POWEROFF, "power off (ACPI S5)");
}

/* The 16 bytes of the block as they read now. */
static void block_fill(struct acpi_pm *pm, uint8_t block[ACPI_PM_PORTS])
{
    uint32_t ticks = (uint32_t)timer_ticks(pm);
    memset(block, 0, ACPI_PM_PORTS);
    memcpy(block + ACPI_PM1_STATUS, &pm->status, sizeof(pm->status));
    memcpy(block + ACPI_PM1_ENABLE, &pm->enable, sizeof(pm->enable));
    memcpy(block + ACPI_PM1_CONTROL, &pm->control, sizeof(pm->control));
    memcpy(block + ACPI_PM_TIMER, &ticks, sizeof(ticks));
}

static uint32_t pm_read(void *device, uint16_t offset, unsigned size)
{
    struct acpi_pm *pm = device;
    if (offset == ACPI_PM_TIMER && size == 4)
        return (uint32_t)timer_ticks(pm);
    uint8_t block[ACPI_PM_PORTS + 4] = { 0 };
    uint32_t value = 0;
    update_timer_status(pm);
    block_fill(pm, block);
    memcpy(&value, block + offset, size);
    return value;
}

/* Writes the byte at offset of a register that `kept` says how to change; SLP_EN is in a high byte, so a byte-wise
 * writer of the control register works too. */
static void pm_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct acpi_pm *pm = device;
    uint8_t old[ACPI_PM_PORTS + 4] = { 0 }, clear[ACPI_PM_PORTS + 4] = { 0 };
    uint16_t cleared, enable, control;
    update_timer_status(pm);
    block_fill(pm, old);
    memcpy(old + offset, &value, size);
    memcpy(clear + offset, &value, size);
    memcpy(&cleared, clear + ACPI_PM1_STATUS, sizeof(cleared));
    memcpy(&enable, old + ACPI_PM1_ENABLE, sizeof(enable));
    memcpy(&control, old + ACPI_PM1_CONTROL, sizeof(control));
    pm->status &= (uint16_t)~cleared;
    pm->enable = enable & PM1_ENABLE_MASK;
    update_sci(pm);
    if (offset < ACPI_PM1_CONTROL + 2 && offset + size > ACPI_PM1_CONTROL)
        write_control(pm, control);
}

static uint32_t gpe_read(void *device, uint16_t offset, unsigned size)
{
    struct acpi_pm *pm = device;
    uint64_t both = pm->gpe_status | (uint32_t)pm->gpe_enable << 16;
    (void)size; /* the bus takes the low `size` bytes */
    return (uint32_t)(both >> (8 * offset));
}

static void gpe_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct acpi_pm *pm = device;
    uint64_t mask = ((1ull << (8 * size)) - 1) << (8 * offset);
    uint64_t both = (uint64_t)value << (8 * offset) & mask;
    pm->gpe_status &= (uint16_t)~both;
    pm->gpe_enable = (uint16_t)((pm->gpe_enable & ~(mask >> 16)) | both >> 16);
    update_sci(pm);
}

void acpi_pm_power_button(struct acpi_pm *pm)
{
    pm->status |= PM1_PWRBTN;
    update_sci(pm);
}

void acpi_pm_gpe(struct acpi_pm *pm, unsigned event)
{
    pm->gpe_status |= (uint16_t)(1u << (event & 15));
    update_sci(pm);
}

void acpi_pm_reset(struct acpi_pm *pm)
{
    pm->status = pm->enable = 0;
    pm->control = CONTROL_SCI_EN;
    pm->gpe_status = pm->gpe_enable = 0;
    pm->toggles_seen = timer_ticks(pm) >> TIMER_TOP_BIT;
    update_sci(pm);
}

enum status acpi_pm_init(struct acpi_pm *pm, struct machine *machine)
{
    memset(pm, 0, sizeof(*pm));
    pm->machine = machine;
    pm->overflow.fire = timer_overflow;
    pm->overflow.context = pm;
    acpi_pm_reset(pm);
    enum status status = bus_add_port(&machine->bus, &(struct port_range){
        .base = PC_PM_BASE, .count = ACPI_PM_PORTS, .read = pm_read, .write = pm_write, .device = pm,
        .name = "ACPI PM" });
    if (status)
        return status;
    return bus_add_port(&machine->bus, &(struct port_range){
        .base = PC_GPE_BASE, .count = ACPI_GPE_PORTS, .read = gpe_read, .write = gpe_write, .device = pm,
        .name = "ACPI GPE" });
}
