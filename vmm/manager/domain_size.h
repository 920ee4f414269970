/* SPDX-License-Identifier: MIT
 * How much memory and how many vcpus a domain has, and that commands can change it. */
#pragma once

#include "domain.h"

/* Gives the key `memory` or `vcpus` another value, for as long as the domain exists: of one that holds no memory at
 * once, of another one from its next start on. False: `why` (LIFECYCLE_WHY bytes) is a sentence, and nothing is
 * changed. */
bool domain_size_change(struct manager *manager, struct domain *domain, const char *key, const char *value, char *why);
/* It is about to be started: what was changed applies. */
void domain_size_apply(struct domain *domain);
