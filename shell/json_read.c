/* SPDX-License-Identifier: MIT
 * The JSON reader of json_read.h. */
#include <ctype.h>
#include <string.h>
#include "json_read.h"

struct reader {
    const char *at, *end;
};

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
        at++;
    }
    return at;
}

static bool take(struct reader *reader, char c)
{
    reader->at = skip_space(reader->at, reader->end);
    if (reader->at == reader->end || *reader->at != c) {
        return false;
    }
    reader->at++;
    return true;
}

/* --- checking --- */

static bool check_escape(struct reader *reader)
{
    if (reader->at == reader->end) {
        return false;
    }
    char c = *reader->at++;
    if (c != 'u') {
        return c != 0 && strchr("\"\\/bfnrt", c) != NULL;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (reader->at == reader->end || !isxdigit((unsigned char)*reader->at++)) {
            return false;
        }
    }
    return true;
}

/* Behind the opening quote. */
static bool check_string(struct reader *reader)
{
    while (reader->at < reader->end) {
        unsigned char c = (unsigned char)*reader->at++;
        if (c == '"') {
            return true;
        }
        if (c < 0x20 || c > 0x7e || (c == '\\' && !check_escape(reader))) {
            return false;
        }
    }
    return false;
}

static bool check_digits(struct reader *reader)
{
    const char *first = reader->at;
    while (reader->at < reader->end && isdigit((unsigned char)*reader->at)) {
        reader->at++;
    }
    return reader->at > first;
}

static bool next_is(const struct reader *reader, char a, char b)
{
    return reader->at < reader->end && (*reader->at == a || *reader->at == b);
}

static bool check_number(struct reader *reader)
{
    reader->at += next_is(reader, '-', '-');
    bool zero = next_is(reader, '0', '0');
    const char *first = reader->at;
    if (!check_digits(reader) || (zero && reader->at > first + 1)) {
        return false;
    }
    if (next_is(reader, '.', '.')) {
        reader->at++;
        if (!check_digits(reader)) {
            return false;
        }
    }
    if (next_is(reader, 'e', 'E')) {
        reader->at++;
        reader->at += next_is(reader, '+', '-');
        return check_digits(reader);
    }
    return true;
}

static bool check_word(struct reader *reader, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0) {
        return false;
    }
    reader->at += length;
    return true;
}

static bool check_scalar(struct reader *reader)
{
    if (reader->at == reader->end) {
        return false;
    }
    switch (*reader->at) {
    case '"':
        reader->at++;
        return check_string(reader);
    case 'n':
        return check_word(reader, "null");
    case 't':
        return check_word(reader, "true");
    case 'f':
        return check_word(reader, "false");
    default:
        return check_number(reader);
    }
}

static bool check_key(struct reader *reader) { return take(reader, '"') && check_string(reader) && take(reader, ':'); }

/* One value; `objects` has a bit for each open container, set if it is an object. */
static bool check_value(struct reader *reader)
{
    uint32_t objects = 0;
    unsigned depth = 0;
    for (;;) {
        bool object = take(reader, '{');
        bool empty = false;
        if (object || take(reader, '[')) {
            if (depth++ == JSON_DEPTH) {
                return false;
            }
            objects = objects << 1 | object;
            empty = take(reader, object ? '}' : ']');
            if (!empty) {
                if (object && !check_key(reader)) {
                    return false;
                }
                continue;
            }
            objects >>= 1;
            depth--;
        } else if (!check_scalar(reader)) {
            return false;
        }
        while (depth > 0 && !take(reader, ',')) {
            if (!take(reader, objects & 1 ? '}' : ']')) {
                return false;
            }
            objects >>= 1;
            depth--;
        }
        if (depth == 0) {
            return true;
        }
        if ((objects & 1) && !check_key(reader)) {
            return false;
        }
    }
}

bool json_read(struct json_value *value, const char *text, size_t size)
{
    struct reader reader = { text, text + size };
    reader.at = value->text = skip_space(text, reader.end);
    if (!check_value(&reader)) {
        return false;
    }
    value->end = reader.at;
    return skip_space(reader.at, reader.end) == reader.end;
}

/* --- walking: what is read here has been checked --- */

enum json_type json_type(struct json_value value)
{
    switch (*value.text) {
    case 'n':
        return JSON_NULL;
    case 't':
    case 'f':
        return JSON_BOOL;
    case '"':
        return JSON_STRING;
    case '[':
        return JSON_ARRAY;
    case '{':
        return JSON_OBJECT;
    default:
        return JSON_NUMBER;
    }
}

static const char *behind_string(const char *at)
{
    for (at++; *at != '"'; at++) {
        at += *at == '\\';
    }
    return at + 1;
}

/* Behind the value that begins at `at`. */
static const char *behind(const char *at)
{
    if (*at != '[' && *at != '{' && *at != '"') {
        return at + strcspn(at, ",]} \t\r\n");
    }
    unsigned depth = 0;
    do {
        if (*at == '"') {
            at = behind_string(at);
            continue;
        }
        depth += *at == '[' || *at == '{';
        depth -= *at == ']' || *at == '}';
        at++;
    } while (depth > 0);
    return at;
}

static const char *skip(const char *at) { return at + strspn(at, " \t\r\n"); }

struct json_walk json_walk(struct json_value container)
{
    enum json_type type = json_type(container);
    if (type != JSON_ARRAY && type != JSON_OBJECT) {
        return (struct json_walk){ NULL, false };
    }
    const char *first = skip(container.text + 1);
    return (struct json_walk){ *first == ']' || *first == '}' ? NULL : first, type == JSON_OBJECT };
}

bool json_next(struct json_walk *walk, struct json_value *key, struct json_value *value)
{
    if (walk->at == NULL) {
        return false;
    }
    if (walk->object) {
        const char *end = behind_string(walk->at);
        if (key != NULL) {
            *key = (struct json_value){ walk->at, end };
        }
        walk->at = skip(skip(end) + 1);
    }
    *value = (struct json_value){ walk->at, behind(walk->at) };
    const char *next = skip(value->end);
    walk->at = *next == ',' ? skip(next + 1) : NULL;
    return true;
}

bool json_get(struct json_value object, const char *name, struct json_value *member)
{
    struct json_walk walk = json_walk(object);
    struct json_value key, value;
    while (walk.object && json_next(&walk, &key, &value)) {
        if (json_equals(key, name)) {
            *member = value;
            return true;
        }
    }
    return false;
}

static unsigned hex(char c)
{
    return isdigit((unsigned char)c) ? (unsigned)(c - '0') : (unsigned)(tolower((unsigned char)c) - 'a' + 10);
}

int json_char(const char **at)
{
    static const char names[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    char c = *(*at)++;
    if (c == '"') {
        --*at;
        return -1;
    }
    if (c != '\\') {
        return (unsigned char)c;
    }
    c = *(*at)++;
    if (c == 'u') {
        unsigned code = 0;
        for (unsigned i = 0; i < 4; i++) {
            code = code << 4 | hex(*(*at)++);
        }
        return code <= 0xff ? (int)code : '?';
    }
    const char *name = strchr(names, c);
    return name == NULL ? (unsigned char)c : meanings[name - names];
}

void json_copy(struct json_value value, char *out, size_t size)
{
    size_t used = 0;
    const char *at = value.text + 1;
    bool string = json_type(value) == JSON_STRING;
    for (int c = 0; size > 0 && used < size - 1; used++) {
        c = string ? json_char(&at) : value.text + used < value.end ? value.text[used] : -1;
        if (c < 0) {
            break;
        }
        out[used] = (char)(c == 0 ? '?' : c);
    }
    if (size > 0) {
        out[used] = 0;
    }
}

bool json_equals(struct json_value value, const char *text)
{
    if (json_type(value) != JSON_STRING) {
        return false;
    }
    const char *at = value.text + 1;
    int c = json_char(&at);
    while (c >= 0 && *text != 0 && c == (unsigned char)*text) {
        text++;
        c = json_char(&at);
    }
    return c < 0 && *text == 0;
}

bool json_to_number(struct json_value value, uint64_t *number)
{
    *number = 0;
    for (const char *at = value.text; at < value.end; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (digit > 9 || *number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        *number = *number * 10 + digit;
    }
    return true;
}
