/* SPDX-License-Identifier: MIT
 * The terminal's output (output.h). */
#include <stdio.h>
#include <string.h>
#include "output.h"

uint32_t output_room(const struct output *output) { return OUTPUT_SIZE - (output->head - output->tail); }

void output_put(struct output *output, const char *text, size_t size)
{
    size_t need = size;
    for (size_t i = 0; i < size; i++) {
        need += text[i] == '\n';
    }
    if (need > output_room(output)) {
        output->lost = true;
        return;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n') {
            output->ring[output->head++ % OUTPUT_SIZE] = '\r';
        }
        output->ring[output->head++ % OUTPUT_SIZE] = text[i];
    }
    output->inside = size > 0 ? text[size - 1] != '\n' : output->inside;
}

void output_text(struct output *output, const char *text) { output_put(output, text, strlen(text)); }

void output_arguments(struct output *output, const char *format, va_list args)
{
    char text[300];
    vsnprintf(text, sizeof(text), format, args);
    output_text(output, text);
}

void output_format(struct output *output, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    output_arguments(output, format, args);
    va_end(args);
}

bool output_flush(struct output *output)
{
    while (output->head != output->tail) {
        uint32_t from = output->tail % OUTPUT_SIZE, used = output->head - output->tail;
        uint32_t size = used < OUTPUT_SIZE - from ? used : OUTPUT_SIZE - from;
        size_t taken = output->host->write(output->context, output->ring + from, size);
        if (taken == 0) {
            return false;
        }
        output->tail += taken < size ? (uint32_t)taken : size;
    }
    return true;
}

void output_clear(struct output *output)
{
    output->tail = output->head;
    output->lost = false;
}
