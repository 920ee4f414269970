/* SPDX-License-Identifier: MIT
 * On which CPUs vcpus run. */
#pragma once

#include "domain.h"

/* domain_start(): chooses domain->cpus. Pinned where the configuration says; else on the CPU with the fewest vcpus that
 * belongs to nobody. On an error domain->reason says why. */
must_use enum status placement_choose(const struct manager *manager, struct domain *domain);
/* SYS_VCPU_CREATE's placement of a vcpu. */
uint32_t placement_word(const struct domain *domain, unsigned vcpu);
/* The domain's vcpus run now, or no more. */
void placement_load(struct manager *manager, const struct domain *domain, int by);
/* Where a vcpu runs, for as long as the domain exists; cpu -1: as its key `cpus` says, from its next start on. False:
 * *why is a sentence. */
bool placement_pin(struct manager *manager, struct domain *domain, unsigned vcpu, int cpu, char *why, size_t size);
/* The priority of all its vcpus, the same way. */
bool placement_priority(const struct manager *manager, struct domain *domain, unsigned priority, char *why,
                        size_t size);
