/* SPDX-License-Identifier: MIT
 * Watches running domains: does what the configuration says when one ends, and ends the machine when all have. */
#pragma once

#include "domain.h"

/* Does not return. */
_Noreturn void watch(struct manager *manager);
