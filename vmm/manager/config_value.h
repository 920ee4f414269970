/* SPDX-License-Identifier: MIT
 * What the values of keys are made of. Each function returns false if the value is not allowed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copies a text that fits into `size` bytes with its final zero. */
bool config_value_text(char *out, size_t size, const char *text);
/* "yes" or "no". */
bool config_value_flag(const char *value, bool *flag);
/* A decimal number in [low, high] at the start of the text; *end is set behind it. */
bool config_value_number_at(const char *text, uint64_t low, uint64_t high, const char **end, uint64_t *number);
/* The same, and nothing behind it. */
bool config_value_number(const char *value, uint64_t low, uint64_t high, uint64_t *number);
