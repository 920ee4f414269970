/* SPDX-License-Identifier: MIT
 * JSON (RFC 8259) as the control channel speaks it: checked once as a whole, then walked in place. Strict, ASCII only,
 * nesting at most JSON_DEPTH, no recursion, no memory. A struct json_value that came from json_read() or a walk is
 * well-formed; the text must stay. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH 16u

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_value {
    const char *text; /* first character of the value: never white space */
    const char *end;  /* behind its last */
};

struct json_walk {
    const char *at;
    bool object;
};

/* text is exactly one value, with white space around it: it is put into *value. */
bool json_read(struct json_value *value, const char *text, size_t size);
enum json_type json_type(struct json_value value);

/* The members of an object or the elements of an array, one after the other; any other value has none. key may be null,
 * and is untouched in arrays. */
struct json_walk json_walk(struct json_value container);
bool json_next(struct json_walk *walk, struct json_value *key, struct json_value *value);
/* The first member that is called `name`; false: there is none, or this is no object. */
bool json_get(struct json_value object, const char *name, struct json_value *member);

/* Of a string the next byte from *at on (first: value.text + 1), or -1 at its end. Characters above U+00FF come as '?'.
 */
int json_char(const char **at);
/* The decoded string, cut to size - 1 bytes, with a final zero; zero bytes in it come as '?'. Of another value: its
 * JSON. */
void json_copy(struct json_value value, char *out, size_t size);
bool json_equals(struct json_value value, const char *text);
/* A whole number from 0 to 2^64 - 1, written without fraction and exponent. */
bool json_to_number(struct json_value value, uint64_t *number);
