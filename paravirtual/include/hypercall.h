/* SPDX-License-Identifier: MIT
 * Hypercalls as C functions (hypercall.S). Numbers and meaning: abi/hypercall.h. */
#pragma once

#include <stdint.h>
#include "abi/hypercall.h"
#include "abi/status.h"

enum status hypercall(uint64_t number, uint64_t first, uint64_t second);
/* One without arguments whose result is a value: HYPERCALL_TIME. */
enum status hypercall_value(uint64_t number, uint64_t *value);
