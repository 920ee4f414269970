/* SPDX-License-Identifier: MIT
 * Watches running domains: does what the configuration says when one ends, and ends the machine when all have. */
#pragma once

#include "domain.h"

/* Does not return. */
_Noreturn void watch(struct manager *manager);
/* There is nothing left to do, and the machine is on. */
_Noreturn void watch_nothing(void);
