/* SPDX-License-Identifier: MIT
 * Serial output, TAP lines, the end of a test, and what the compiler calls. */
#include "guest.h"

#define COM1 0x3f8
#define DEBUG_EXIT 0xf4

static unsigned count, failures;
static char command[1024];

void *memcpy(void *to, const void *from, size_t n)
{
    void *result = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return result;
}

void *memset(void *to, int value, size_t n)
{
    void *result = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *p = a, *q = b;
    for (; n; n--, p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

void serial_reset(void)
{
    outb(COM1 + 3, 0x80);
    outb(COM1, 1);
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 3);
    outb(COM1 + 1, 0);
    outb(COM1 + 4, 3);
}

static void put(char c)
{
    static bool set_up;
    if (!set_up) {
        set_up = true;
        serial_reset();
    }
    for (unsigned spin = 0; spin < 100000 && !(inb(COM1 + 5) & 0x20); spin++)
        pause();
    outb(COM1, c);
}

static void put_number(uint64_t value, unsigned base, unsigned width, char fill)
{
    char text[24];
    unsigned n = 0;
    do
        text[n++] = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    while (n < width && n < sizeof text)
        text[n++] = fill;
    while (n)
        put(text[--n]);
}

static void print_list(const char *f, va_list list)
{
    for (; *f; f++) {
        if (*f != '%') {
            if (*f == '\n')
                put('\r');
            put(*f);
            continue;
        }
        char fill = *++f == '0' ? '0' : ' ';
        unsigned width = 0;
        for (; *f >= '0' && *f <= '9'; f++)
            width = width * 10 + *f - '0';
        bool wide = *f == 'l';
        f += wide;
        if (*f == 's') {
            for (const char *s = va_arg(list, const char *); *s; s++)
                put(*s);
        } else if (*f == 'c') {
            put(va_arg(list, int));
        } else if (*f == '%') {
            put('%');
        } else if (*f == 'd') {
            int64_t v = wide ? va_arg(list, int64_t) : va_arg(list, int);
            if (v < 0)
                put('-');
            put_number(v < 0 ? -v : v, 10, width, fill);
        } else {
            uint64_t v = wide || *f == 'p' ? va_arg(list, uint64_t) : va_arg(list, uint32_t);
            put_number(v, *f == 'u' ? 10 : 16, width, fill);
        }
    }
}

void print(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_list(format, list);
    va_end(list);
}

bool ok(bool condition, const char *format, ...)
{
    va_list list;
    print("%sok %u - ", condition ? "" : "not ", ++count);
    va_start(list, format);
    print_list(format, list);
    va_end(list);
    print("\n");
    failures += !condition;
    return condition;
}

void skip(const char *name, const char *reason)
{
    bool strict = boot_option("strict");
    print("%sok %u - %s # SKIP %s\n", strict ? "not " : "", ++count, name, reason);
    failures += strict;
}

_Noreturn void finish(int status)
{
    while (!(inb(COM1 + 5) & 0x40))
        pause();
    outb(DEBUG_EXIT, status);
    for (;;)
        __asm__ volatile("cli; hlt");
}

_Noreturn void done(void)
{
    print("1..%u\n# %s: %u failed\n", count, failures ? "FAILED" : "passed", failures);
    finish(failures != 0);
}

/* Multiboot 2 information: a list of tags; tag 1 is the command line. */
static const char *multiboot2_cmdline(void)
{
    for (uint64_t tag = boot_info + 8ul; read32(tag) != 0; tag += (read32(tag + 4) + 7) & ~7ul)
        if (read32(tag) == 1)
            return (const char *)(tag + 8);
    return "";
}

const char *boot_cmdline(void)
{
    if (command[0])
        return command;
    const char *text = "";
    if (boot_kind == BOOT_MULTIBOOT1 && boot_magic == 0x2badb002 && (read32(boot_info) & 4))
        text = (const char *)(uint64_t)read32(boot_info + 16);
    else if (boot_kind == BOOT_MULTIBOOT2 && boot_magic == 0x36d76289)
        text = multiboot2_cmdline();
    else if (boot_kind == BOOT_PVH && read32(boot_info) == 0x336ec578 && read32(boot_info + 24))
        text = (const char *)(uint64_t)read32(boot_info + 24);
    for (unsigned i = 0; i < sizeof command - 1 && text[i]; i++)
        command[i] = text[i];
    return command;
}

bool boot_option(const char *word)
{
    size_t n = strlen(word);
    for (const char *p = boot_cmdline(); *p;) {
        size_t m = 0;
        while (p[m] && p[m] != ' ')
            m++;
        if (m == n && !memcmp(p, word, n))
            return true;
        for (p += m; *p == ' '; p++)
            ;
    }
    return false;
}

uint64_t boot_value(const char *name, uint64_t otherwise)
{
    size_t n = strlen(name);
    for (const char *p = boot_cmdline(); *p; p++) {
        if ((p != boot_cmdline() && p[-1] != ' ') || memcmp(p, name, n) || p[n] != '=')
            continue;
        uint64_t value = 0;
        for (p += n + 1; *p >= '0' && *p <= '9'; p++)
            value = value * 10 + (uint64_t)(*p - '0');
        return value;
    }
    return otherwise;
}
