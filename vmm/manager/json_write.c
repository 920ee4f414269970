/* SPDX-License-Identifier: MIT
 * JSON as text. */
#include "json_write.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void put(struct json *json, const char *text, size_t length)
{
    if (length > json->size - 1 - json->used) {
        json->overflow = true;
        return;
    }
    memcpy(json->out + json->used, text, length);
    json->used += length;
    json->out[json->used] = 0;
}

static void put_text(struct json *json, const char *text) { put(json, text, strlen(text)); }

/* Before a value or a key. */
static void separate(struct json *json)
{
    if (json->comma) {
        put(json, ",", 1);
    }
    json->comma = true;
}

static void open(struct json *json, const char *bracket)
{
    separate(json);
    put_text(json, bracket);
    json->comma = false;
}

static void close(struct json *json, const char *bracket)
{
    put_text(json, bracket);
    json->comma = true;
}

void json_init(struct json *json, char *out, size_t size)
{
    *json = (struct json){ .out = out, .size = size };
    out[0] = 0;
}

void json_begin_object(struct json *json) { open(json, "{"); }
void json_end_object(struct json *json) { close(json, "}"); }
void json_begin_array(struct json *json) { open(json, "["); }
void json_end_array(struct json *json) { close(json, "]"); }

static void put_byte(struct json *json, unsigned char byte)
{
    static const struct {
        char byte, name;
    } short_forms[] = { { '"', '"' }, { '\\', '\\' }, { '\n', 'n' }, { '\r', 'r' }, { '\t', 't' } };
    for (unsigned i = 0; i < sizeof(short_forms) / sizeof(short_forms[0]); i++) {
        if (byte == (unsigned char)short_forms[i].byte) {
            const char text[2] = { '\\', short_forms[i].name };
            put(json, text, sizeof(text));
            return;
        }
    }
    if (byte >= ' ' && byte < 0x7f) {
        const char text = (char)byte;
        put(json, &text, 1);
        return;
    }
    char text[8];
    snprintf(text, sizeof(text), "\\u%04x", byte);
    put_text(json, text);
}

void json_bytes(struct json *json, const char *bytes, size_t length)
{
    separate(json);
    put(json, "\"", 1);
    for (size_t i = 0; i < length && !json->overflow; i++) {
        put_byte(json, (unsigned char)bytes[i]);
    }
    put(json, "\"", 1);
}

void json_text(struct json *json, const char *text) { json_bytes(json, text, strlen(text)); }

void json_format(struct json *json, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_text(json, text);
}

void json_key(struct json *json, const char *key)
{
    json_text(json, key);
    put(json, ":", 1);
    json->comma = false;
}

void json_number(struct json *json, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    separate(json);
    put_text(json, text);
}

void json_tenths(struct json *json, uint64_t tenths)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu.%llu", (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10));
    separate(json);
    put_text(json, text);
}

void json_bool(struct json *json, bool value)
{
    separate(json);
    put_text(json, value ? "true" : "false");
}

void json_null(struct json *json)
{
    separate(json);
    put_text(json, "null");
}

void json_key_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_text(json, text);
}

void json_key_number(struct json *json, const char *key, uint64_t number)
{
    json_key(json, key);
    json_number(json, number);
}

void json_key_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}
