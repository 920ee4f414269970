/* SPDX-License-Identifier: MIT
 * Writes JSON (RFC 8259) into a buffer, in ASCII: what is not printable ASCII becomes \u00XX, byte by byte. Pure.
 * Commas are put where they belong; that begins and ends match is the caller's business. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
    char *out;
    size_t size, used; /* `used` is never more than size - 1: the text is always terminated */
    bool overflow;     /* something did not fit: the text is of no use */
    bool comma;        /* the next value or key is not the first one */
};

/* size > 0. */
void json_init(struct json *json, char *out, size_t size);
void json_begin_object(struct json *json);
void json_end_object(struct json *json);
void json_begin_array(struct json *json);
void json_end_array(struct json *json);
/* The value follows. */
void json_key(struct json *json, const char *key);
void json_bytes(struct json *json, const char *bytes, size_t length);
void json_text(struct json *json, const char *text);
void json_format(struct json *json, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* a string of up to 255 bytes */
void json_number(struct json *json, uint64_t number);
void json_tenths(struct json *json, uint64_t tenths); /* 123: 12.3 */
void json_bool(struct json *json, bool value);
void json_null(struct json *json);

/* Key and value. */
void json_key_text(struct json *json, const char *key, const char *text);
void json_key_number(struct json *json, const char *key, uint64_t number);
void json_key_bool(struct json *json, const char *key, bool value);

/* Room that `length` bytes take as a string at the worst. */
#define JSON_WORST(length) ((length)*6 + 2)
