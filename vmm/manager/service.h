/* SPDX-License-Identifier: MIT
 * drivers-dom as the manager sees it: its control area, its devices, and the channels between it and the other domains. */
#pragma once

#include "domain.h"

/* Starts drivers-dom, if the boot image has it. On an error it prints a sentence and the domains that need it fail by themselves. */
void service_start(struct manager *manager);

/* domain_start() of drivers-dom, before it has memory: devices see it, and nothing else, where there is an IOMMU. */
must_use enum status service_claim(const struct manager *manager, const struct domain *domain);
/* domain_start() of drivers-dom: devices, interrupts, control area. */
must_use enum status service_equip(struct manager *manager, struct domain *domain);
/* domain_start() of a domain with devices: a channel for each, its memory granted to drivers-dom. */
must_use enum status service_connect(struct manager *manager, struct domain *domain);
/* domain_free(): takes the channels and the grants back. drivers-dom has SERVICE_DETACH_MS to let go; after that it is restarted, since it must
 * not touch memory that changes hands. If that fails too, the domain's memory stays unused for good. */
void service_disconnect(struct manager *manager, struct domain *domain);
#define SERVICE_DETACH_MS 2000

/* drivers-dom's handle while it runs, else HANDLE_NONE. */
handle_t service_handle(const struct manager *manager);
/* Sets a bit of drivers-dom's pv page. */
void service_signal(const struct manager *manager, unsigned bit);
/* The control area has changed. */
void service_announce(const struct manager *manager);
/* Ends it for good: the machine goes off. */
void service_stop(struct manager *manager);

/* The event loop: drivers-dom itself may have ended; then it is started again and serves the same channels. */
void service_look(struct manager *manager);
/* Host TSC at which service_look() wants to be called again, 0: it does not. */
uint64_t service_deadline(const struct manager *manager);
/* At the end: how often it was restarted, and how long the pauses were. Nothing if it never was. */
void service_report(struct manager *manager);
