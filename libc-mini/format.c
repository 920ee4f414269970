/* SPDX-License-Identifier: MIT
 * Formatted text. Also linked into the kernel. */
#include "format.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* One conversion: %[flags][width][.precision][length]type */
struct conversion {
    bool left, zero, plus, space, alternate;
    int width;
    int precision; /* -1: not given */
    char length;   /* 0, 'H' for hh, 'h', 'l', 'L' for ll, 'z', 'j', 't' */
    char type;
};

static void put(struct format_sink *sink, const char *text, size_t length)
{
    if (length > 0) {
        sink->put(sink, text, length);
        sink->total += length;
    }
}

static void put_repeated(struct format_sink *sink, char c, int count)
{
    char block[16];
    memset(block, c, sizeof(block));
    for (; count > 0; count -= (int)sizeof(block)) {
        put(sink, block, count < (int)sizeof(block) ? (size_t)count : sizeof(block));
    }
}

static bool set_flag(struct conversion *c, char flag)
{
    switch (flag) {
    case '-': c->left = true; return true;
    case '0': c->zero = true; return true;
    case '+': c->plus = true; return true;
    case ' ': c->space = true; return true;
    case '#': c->alternate = true; return true;
    default: return false;
    }
}

/* Digits, saturating far above every useful width. */
static const char *parse_number(const char *at, int *number)
{
    *number = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (*number < 100000) {
            *number = *number * 10 + (*at - '0');
        }
    }
    return at;
}

static const char *parse_length(const char *at, char *length)
{
    if (*at == 0 || strchr("hlzjt", *at) == NULL) {
        return at;
    }
    *length = *at++;
    if ((*length == 'h' || *length == 'l') && *at == *length) {
        *length = *length == 'h' ? 'H' : 'L';
        at++;
    }
    return at;
}

/* va_list may be an array type, so it travels inside a struct. */
struct arguments {
    va_list list;
};

static const char *parse(const char *at, struct conversion *c, struct arguments *args)
{
    *c = (struct conversion){.precision = -1};
    while (set_flag(c, *at)) {
        at++;
    }
    if (*at == '*') {
        c->width = va_arg(args->list, int);
        c->left |= c->width < 0;
        c->width = c->width < 0 ? -c->width : c->width;
        at++;
    } else {
        at = parse_number(at, &c->width);
    }
    if (*at == '.' && at[1] == '*') {
        c->precision = va_arg(args->list, int);
        at += 2;
    } else if (*at == '.') {
        at = parse_number(at + 1, &c->precision);
    }
    at = parse_length(at, &c->length);
    c->type = *at;
    return *at == 0 ? at : at + 1;
}

static uint64_t take_unsigned(struct conversion *c, struct arguments *args)
{
    switch (c->length) {
    case 'H': return (unsigned char)va_arg(args->list, unsigned);
    case 'h': return (unsigned short)va_arg(args->list, unsigned);
    case 0: return va_arg(args->list, unsigned);
    default: return va_arg(args->list, uint64_t);
    }
}

static int64_t take_signed(struct conversion *c, struct arguments *args)
{
    switch (c->length) {
    case 'H': return (signed char)va_arg(args->list, int);
    case 'h': return (short)va_arg(args->list, int);
    case 0: return va_arg(args->list, int);
    default: return va_arg(args->list, int64_t);
    }
}

/* Pads `body` (behind `prefix` and `zeros` zeros) to the width. */
static void put_padded(struct format_sink *sink, const struct conversion *c, const char *prefix, int zeros,
                       const char *body, size_t size)
{
    int padding = c->width - (int)strlen(prefix) - zeros - (int)size;
    if (!c->left) {
        put_repeated(sink, ' ', padding);
    }
    put(sink, prefix, strlen(prefix));
    put_repeated(sink, '0', zeros);
    put(sink, body, size);
    if (c->left) {
        put_repeated(sink, ' ', padding);
    }
}

static void put_number(struct format_sink *sink, const struct conversion *c, uint64_t value, unsigned base,
                       const char *prefix)
{
    const char *digits = c->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24]; /* 2^64 in octal has 22 digits */
    char *at = text + sizeof(text);
    for (uint64_t rest = value; rest != 0; rest /= base) {
        *--at = digits[rest % base];
    }
    size_t size = (size_t)(text + sizeof(text) - at);
    int zeros = (c->precision < 0 ? 1 : c->precision) - (int)size;
    if (base == 8 && c->alternate && zeros <= 0 && (size == 0 || *at != '0')) {
        zeros = 1;
    }
    if (c->precision < 0 && c->zero && !c->left) {
        int room = c->width - (int)strlen(prefix) - (int)size;
        zeros = room > zeros ? room : zeros;
    }
    put_padded(sink, c, prefix, zeros > 0 ? zeros : 0, at, size);
}

static void put_signed(struct format_sink *sink, const struct conversion *c, int64_t value)
{
    const char *sign = value < 0 ? "-" : c->plus ? "+" : c->space ? " " : "";
    put_number(sink, c, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, sign);
}

static void put_pointer(struct format_sink *sink, struct conversion *c, const void *pointer)
{
    if (pointer == NULL) {
        put_padded(sink, c, "", 0, "(nil)", 5);
    } else {
        put_number(sink, c, (uintptr_t)pointer, 16, "0x");
    }
}

static void put_string(struct format_sink *sink, const struct conversion *c, const char *text)
{
    text = text != NULL ? text : "(null)";
    put_padded(sink, c, "", 0, text, strnlen(text, c->precision < 0 ? SIZE_MAX : (size_t)c->precision));
}

/* False if there is no such conversion. */
static bool convert(struct format_sink *sink, struct conversion *c, struct arguments *args)
{
    char character;
    uint64_t value;
    switch (c->type) {
    case 'd':
    case 'i': put_signed(sink, c, take_signed(c, args)); return true;
    case 'u': put_number(sink, c, take_unsigned(c, args), 10, ""); return true;
    case 'o': put_number(sink, c, take_unsigned(c, args), 8, ""); return true;
    case 'x':
    case 'X':
        value = take_unsigned(c, args);
        put_number(sink, c, value, 16, !c->alternate || value == 0 ? "" : c->type == 'x' ? "0x" : "0X");
        return true;
    case 'p': put_pointer(sink, c, va_arg(args->list, void *)); return true;
    case 's': put_string(sink, c, va_arg(args->list, const char *)); return true;
    case 'c':
        character = (char)va_arg(args->list, int);
        put_padded(sink, c, "", 0, &character, 1);
        return true;
    case '%': put(sink, "%", 1); return true;
    default: return false;
    }
}

int format_to(struct format_sink *sink, const char *format, va_list list)
{
    struct arguments args;
    va_copy(args.list, list);
    while (*format != 0) {
        size_t plain = strcspn(format, "%");
        put(sink, format, plain);
        format += plain;
        if (*format == '%') {
            struct conversion conversion;
            const char *end = parse(format + 1, &conversion, &args);
            if (!convert(sink, &conversion, &args)) {
                put(sink, format, (size_t)(end - format));
            }
            format = end;
        }
    }
    va_end(args.list);
    return (int)sink->total;
}

struct buffer_sink {
    struct format_sink sink;
    char *out;
    size_t size;
};

static void put_buffer(struct format_sink *sink, const char *text, size_t length)
{
    struct buffer_sink *buffer = (struct buffer_sink *)sink;
    if (sink->total < buffer->size) {
        size_t room = buffer->size - sink->total;
        memcpy(buffer->out + sink->total, text, length < room ? length : room);
    }
}

int format_text(char *out, size_t size, const char *format, va_list args)
{
    struct buffer_sink buffer = {.sink = {.put = put_buffer}, .out = out, .size = size};
    int length = format_to(&buffer.sink, format, args);
    if (size > 0) {
        out[(size_t)length < size ? (size_t)length : size - 1] = 0;
    }
    return length;
}

int vsnprintf(char *out, size_t size, const char *format, va_list args) { return format_text(out, size, format, args); }

int snprintf(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = format_text(out, size, format, args);
    va_end(args);
    return length;
}
