/* SPDX-License-Identifier: MIT
 * Address types that the compiler keeps apart, and small helpers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi/layout.h"
#include "abi/status.h"

typedef struct { uint64_t v; } hpa_t; /* host-physical (machine) address */

#define HPA(x) ((hpa_t){ (uint64_t)(x) })

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a) (((x) + (a) - 1) & ~((uint64_t)(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((uint64_t)(a) - 1))

/* States a condition of the kernel's own; a guest or a process can never make one fail. Panics with file and line. */
#define assert(c) ((c) ? (void)0 : assert_failed(#c, __FILE__, __LINE__))
_Noreturn void assert_failed(const char *condition, const char *file, int line);
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
