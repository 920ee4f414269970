/* SPDX-License-Identifier: MIT
 * Interrupts of devices that are given to domains: each signals an event. */
#pragma once

#include "event.h"

enum irq_kind { IRQ_MESSAGE, IRQ_LINE }; /* a line's trigger and polarity: of an ISA interrupt as the MADT says, else level, active low */

/* Takes a host vector for the event on that CPU; for a line, routes the GSI. *number: for irq_unmask; *data: of the message (its address is
 * 0xfee00000 | APIC ID << 12). Manage lock held. ERR_PARAM, ERR_MEMORY (vectors), ERR_EXISTS (the line is taken), ERR_NONE (no such GSI). */
must_use enum status interrupt_create(struct event *event, uint32_t cpu, enum irq_kind kind, uint32_t gsi, uint32_t *number, uint32_t *data);
/* A level-triggered line of the domain may fire again. ERR_HANDLE: not this domain's. */
must_use enum status interrupt_unmask(const struct domain *domain, uint64_t number);
/* Masks and frees all interrupts that signal events of the domain. Manage lock held; sync_cpus must follow. */
void interrupt_release(const struct domain *domain);
/* Interrupt handler, before EOI: true if the vector is a device's. */
bool interrupt_deliver(uint64_t vector);
