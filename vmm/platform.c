/* SPDX-License-Identifier: MIT
 * The virtual PC: its devices, the order in which they are built, and what firmware would have done with them. */
#include <stddef.h>
#include <stdlib.h>
#include "acpi_tables.h"
#include "machine.h"
#include "pc.h"
#include "platform.h"

#define ELCR_SECOND 0x4d1
#define ELCR_LEVEL_LINES (1u << (9 - 8) | 1u << (10 - 8) | 1u << (11 - 8)) /* SCI and the routed PCI lines */

#define DEVICE(name)                                                                                     \
    static enum status name##_create(struct machine *machine)                                            \
    {                                                                                                    \
        return name##_init(&machine->platform->name, machine);                                           \
    }                                                                                                    \
    static void name##_restart(struct machine *machine) { name##_reset(&machine->platform->name); }

DEVICE(pic)
DEVICE(ioapic)
DEVICE(pit)
DEVICE(hpet)
DEVICE(uart)
DEVICE(rtc)
DEVICE(i8042)
DEVICE(acpi_pm)
DEVICE(pci)
DEVICE(pvclock)
DEVICE(debug_exit)
DEVICE(test_device)
DEVICE(vga)
DEVICE(ide)
DEVICE(fw_cfg)
DEVICE(debug_text)
DEVICE(watchdog)
DEVICE(virtio)

/* In the order of construction: the interrupt controllers come before whoever drives a line. */
static const struct {
    enum status (*create)(struct machine *machine);
    void (*restart)(struct machine *machine);
} devices[] = {
    { pic_create, pic_restart },
    { ioapic_create, ioapic_restart },
    { pit_create, pit_restart },
    { hpet_create, hpet_restart },
    { uart_create, uart_restart },
    { rtc_create, rtc_restart },
    { i8042_create, i8042_restart },
    { acpi_pm_create, acpi_pm_restart },
    { pci_create, pci_restart },
    { pvclock_create, pvclock_restart },
    { debug_exit_create, debug_exit_restart },
    { test_device_create, test_device_restart },
    { vga_create, vga_restart },
    { ide_create, ide_restart },
    { fw_cfg_create, fw_cfg_restart },
    { debug_text_create, debug_text_restart },
    { watchdog_create, watchdog_restart },
    { virtio_create, virtio_restart },
};
#define DEVICE_COUNT (sizeof(devices) / sizeof(devices[0]))

/* The guest's own firmware finds the machine as after a reset, and what it needs to know in fw_cfg. */
static enum status firmware_prepare(struct machine *machine)
{
    const void *rsdp;
    enum status status = acpi_tables_write(machine, &rsdp);
    return status == OK ? fw_cfg_offer(&machine->platform->fw_cfg, rsdp, ACPI_RSDP_SIZE) : status;
}

static enum status firmware_setup(struct machine *machine)
{
    struct platform *platform = machine->platform;
    const void *rsdp;
    if (machine_has_firmware(machine))
        return firmware_prepare(machine);
    pic_firmware_setup(&platform->pic);
    pit_firmware_setup(&platform->pit);
    bios_reset(&platform->bios);
    bus_port_write(&machine->bus, ELCR_SECOND, 1, ELCR_LEVEL_LINES);
    enum status status = bios_area_write(machine);
    if (status == OK)
        status = acpi_tables_write(machine, &rsdp);
    return status == OK ? mp_table_write(machine) : status;
}

/* A paravirtual guest has local APICs and the clock, and nothing on a bus: what it sees at an address or a port is a real device
 * that it was given, or nobody. */
static bool is_pc(const struct machine *machine)
{
    return !machine->start->paravirtual;
}

enum status platform_create(struct machine *machine)
{
    if (!machine->platform)
        machine->platform = calloc(1, sizeof(*machine->platform));
    if (!machine->platform)
        return ERR_MEMORY;
    irq_reset(machine);
    for (uint32_t i = 0; i < machine->vcpu_count; i++)
        lapic_init(&machine->platform->lapics[i], &machine->vcpus[i]);
    if (!is_pc(machine))
        return pvclock_create(machine);
    for (unsigned i = 0; i < DEVICE_COUNT; i++) {
        enum status status = devices[i].create(machine);
        if (status)
            return status;
    }
    return firmware_setup(machine);
}

enum status platform_reset(struct machine *machine)
{
    if (!is_pc(machine)) {
        pvclock_restart(machine);
        return OK;
    }
    for (unsigned i = 0; i < DEVICE_COUNT; i++)
        devices[i].restart(machine);
    return firmware_setup(machine);
}
