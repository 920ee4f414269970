/* SPDX-License-Identifier: MIT
 * Text on its way to a terminal that takes only so much at a time. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include "shell.h"

#define OUTPUT_SIZE 4096u /* power of two; a line of any width with what surrounds it fits several times */

struct output {
    const struct shell_host *host;
    void *context;
    uint32_t head, tail; /* bytes put and taken; they run free */
    bool lost;           /* something did not fit since output_flush() last emptied it */
    bool inside;         /* the last character put was not a newline */
    char ring[OUTPUT_SIZE];
};

uint32_t output_room(const struct output *output);
/* A newline becomes CR LF. A text that does not fit is dropped as a whole, so that no control sequence is cut, and
 * `lost` set. */
void output_put(struct output *output, const char *text, size_t size);
void output_text(struct output *output, const char *text);
void output_format(struct output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* up to 300 bytes */
void output_arguments(struct output *output, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* Offers the host what there is. True: nothing is left. */
bool output_flush(struct output *output);
void output_clear(struct output *output);
