/* SPDX-License-Identifier: MIT
 * I/O APIC with 24 pins and an EOI register (82093AA data sheet; version 0x20 as in ICH and in QEMU's pc). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"

struct machine;

#define IOAPIC_BASE 0xfec00000ull
#define IOAPIC_PINS 24

struct ioapic_state {
    uint64_t redirection[IOAPIC_PINS];
    uint32_t lines;  /* levels of the pins */
    uint8_t id;
    uint8_t select;
};

struct ioapic {
    struct ioapic_state s;
    struct machine *machine;
};

must_use enum status ioapic_init(struct ioapic *ioapic, struct machine *machine);
void ioapic_reset(struct ioapic *ioapic); /* all pins masked; the levels stay */

/* Device lock held. */
void ioapic_set(struct ioapic *ioapic, unsigned pin, bool level);
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector); /* a local APIC's EOI of a level-triggered vector */
