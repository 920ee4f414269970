/* SPDX-License-Identifier: MIT
 * All devices of the virtual machine. Each is a plain struct; vmm/platform.c initialises them. */
#pragma once

#include "abi/status.h"
#include "bios.h"
#include "devices/acpi_pm.h"
#include "devices/debug_exit.h"
#include "devices/debug_text.h"
#include "devices/fw_cfg.h"
#include "devices/hpet.h"
#include "devices/i8042.h"
#include "devices/ide.h"
#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "devices/pci.h"
#include "devices/pic.h"
#include "devices/pit.h"
#include "devices/pvclock.h"
#include "devices/rtc.h"
#include "devices/test_device.h"
#include "devices/uart.h"
#include "devices/vga.h"
#include "devices/virtio.h"
#include "devices/watchdog.h"
#include "irq.h"

struct platform {
    struct irq_state irq;
    struct bios bios;
    struct pic pic;
    struct ioapic ioapic;
    struct pit pit;
    struct hpet hpet;
    struct lapic lapics[MAX_VCPUS];
    struct uart uart;
    struct rtc rtc;
    struct i8042 i8042;
    struct acpi_pm acpi_pm;
    struct pci pci;
    struct pvclock pvclock;
    struct debug_exit debug_exit;
    struct test_device test_device;
    struct vga vga;
    struct ide ide;
    struct fw_cfg fw_cfg;
    struct debug_text debug_text;
    struct watchdog watchdog;
    struct virtio virtio;
};

/* Builds all devices, as firmware hands them to an operating system, and writes the firmware's tables into guest memory. Of a
 * paravirtual guest (machine->start): only the local APICs and the clock.
 * machine: start, memory, clock, timers, vcpu_count and vcpus[] (index, machine, state, vapic) are set, with channels
 * also channels and virtio_ops; the bus is empty.
 * Sets machine->platform (allocated here unless it is set) and every vcpu's lapic. ERR_MEMORY: heap, a bus table or an
 * address window is exhausted, or the guest has less than 1 MiB of RAM. ERR_FORMAT: virtio_init. */
must_use enum status platform_create(struct machine *machine);
/* Every device to the state that platform_create left; guest memory other than the firmware's tables stays. Device lock held. */
must_use enum status platform_reset(struct machine *machine);
