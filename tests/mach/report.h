/* SPDX-License-Identifier: MIT
 * Lines of the tests, by the kernel's own output on its console. */
#ifndef MACH_REPORT_H
#define MACH_REPORT_H

#include <stdbool.h>

/* Prints; conversions: %s, %u, %x, %%. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line "ok" or "not ok", numbered. Returns the condition. */
bool ok(bool condition, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The last line: how many failed. */
void report_end(void);

#endif
