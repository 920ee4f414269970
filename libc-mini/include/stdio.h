/* SPDX-License-Identifier: MIT
 * Formatted output: the part of C's <stdio.h> that has a meaning without files. Conversions d i u x X o c s p %, flags
 * - 0 + space #, width and precision (also *), lengths hh h l ll z j t. No floating point and no %n. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

int snprintf(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *out, size_t size, const char *format, va_list args) __attribute__((format(printf, 3, 0)));
/* To the console, through libc_write() (bulkhead/libc.h). */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
int puts(const char *text);
int putchar(int c);
