/* SPDX-License-Identifier: MIT
 * Between lifecycle.c and lifecycle_end.c. */
#pragma once

#include "lifecycle.h"

/* Its last end was its own fault: not a power off, a reset, a command or a failure that it reported itself. */
bool lifecycle_crashed(const struct domain *domain);
/* Builds and starts it; false: domain->reason says why not. */
bool lifecycle_begin(struct manager *manager, struct domain *domain);
/* If the running domain has ended: what follows from that. */
void lifecycle_look_at(struct manager *manager, struct domain *domain);
