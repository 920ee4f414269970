/* SPDX-License-Identifier: MIT
 * The formatter behind snprintf and printf: pure, no heap, no globals, no floating point. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Where the text goes. put() gets it piece by piece. */
struct format_sink {
    void (*put)(struct format_sink *sink, const char *text, size_t length);
    size_t total; /* bytes put so far */
};

/* Formats; the result is the number of bytes put. An unknown conversion is put as it stands. */
int format_to(struct format_sink *sink, const char *format, va_list args);

/* vsnprintf under another name, for the kernel. */
int format_text(char *out, size_t size, const char *format, va_list args);
