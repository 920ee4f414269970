/* SPDX-License-Identifier: MIT
 * Memory and strings, as the C library has them. */
#ifndef MACH_BYTES_H
#define MACH_BYTES_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
size_t strlen(const char *text);

#endif
