/* SPDX-License-Identifier: MIT
 * Heap, numbers and the end of the process. heap_init() (bulkhead/libc.h) must have been called before malloc. */
#pragma once

#include <stddef.h>

/* Blocks are aligned to 16 bytes. Null if nothing fits. Safe from all threads of the process. */
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void *aligned_alloc(size_t alignment, size_t size); /* alignment: a power of two */
void free(void *block);

/* As in C, but there is no errno: a value out of range saturates. */
unsigned long strtoul(const char *text, char **end, int base);
unsigned long long strtoull(const char *text, char **end, int base);
long strtol(const char *text, char **end, int base);

/* Ends the domain of this process with END_MONITOR. */
_Noreturn void abort(void);
