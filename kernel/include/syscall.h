/* SPDX-License-Identifier: MIT
 * System calls: the kernel's side. */
#pragma once

#include "vcpu.h"

/* Every call but SYS_VCPU_RUN, from entry.S: arguments[0..4]. Does not return; the result goes to the caller's registers. */
_Noreturn void syscall(struct vcpu *caller, uint64_t number, const uint64_t *arguments);
