/* SPDX-License-Identifier: MIT
 * Interrupts of devices that are given to domains: each signals an event. */
#pragma once

#include "event.h"

enum irq_kind { IRQ_MESSAGE, IRQ_LINE }; /* a line's trigger and polarity: of an ISA interrupt as the MADT says, else level, active low */

struct message { uint32_t address, data; }; /* what a device writes where, to interrupt */
/* Takes a host vector for the event on that CPU; for a line, routes the GSI. *number: for the hypercalls. Manage lock held. ERR_PARAM, ERR_MEMORY (vectors), ERR_EXISTS (the line is taken), ERR_NONE (no such GSI). */
must_use enum status interrupt_create(struct event *event, uint32_t cpu, enum irq_kind kind, uint32_t gsi, uint32_t *number,
                                      struct message *message);
/* The device that sends the message. Where interrupts are remapped nothing arrives before, and from nobody else. ERR_HANDLE: not the domain's
 * message, ERR_DENIED: the devices are not its, or it was masked for a storm. Manage lock held. */
must_use enum status interrupt_source(const struct domain *domain, uint64_t number, uint64_t source);
/* A level-triggered line of the domain may fire again. ERR_HANDLE: not this domain's. */
must_use enum status interrupt_unmask(const struct domain *domain, uint64_t number);
/* Masks and frees all interrupts that signal events of the domain. Manage lock held; sync_cpus must follow. */
void interrupt_release(const struct domain *domain);
/* Interrupt handler, before EOI: true if the vector is a device's. */
bool interrupt_deliver(uint64_t vector);
