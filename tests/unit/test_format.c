/* SPDX-License-Identifier: MIT
 * libc-mini's formatter against the host's snprintf, and printf's way through libc_write. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define snprintf mini_snprintf
#define vsnprintf mini_vsnprintf
#define vprintf mini_vprintf
#define printf mini_printf
#define puts mini_puts
#define putchar mini_putchar
int mini_snprintf(char *out, size_t size, const char *format, ...);
int mini_vsnprintf(char *out, size_t size, const char *format, va_list args);
int mini_vprintf(const char *format, va_list args);
int mini_printf(const char *format, ...);
#include "../../libc-mini/format.c"
#include "../../libc-mini/stdio.c"
#undef snprintf
#undef vsnprintf
#undef vprintf
#undef printf
#undef puts
#undef putchar

static char console[8192];
static size_t console_used;

void libc_write(const char *text, size_t length)
{
    memcpy(console + console_used, text, length);
    console_used += length;
}

/* The same format and arguments through both, into buffers of several sizes. */
#define SAME(...)                                                                                                      \
    do {                                                                                                               \
        static const size_t sizes[] = {0, 1, 2, 5, 16, 200};                                                           \
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {                                                \
            char ours[256], theirs[256];                                                                               \
            memset(ours, '~', sizeof(ours));                                                                           \
            memset(theirs, '~', sizeof(theirs));                                                                       \
            int a = mini_snprintf(ours, sizes[i], __VA_ARGS__);                                                        \
            int b = snprintf(theirs, sizes[i], __VA_ARGS__);                                                           \
            assert_int_equal(a, b);                                                                                    \
            assert_memory_equal(ours, theirs, sizeof(ours));                                                           \
        }                                                                                                              \
    } while (0)

#pragma GCC diagnostic ignored "-Wformat"

static const char *const flags[] = {"", "-", "0", "+", " ", "#", "-0", "0+", "-+", "#0", "- ", "+ 0#"};
static const char *const sizes[] = {"", "1", "7", "25", ".0", ".1", ".5", "12.7", "3.9", "1.", "*", ".*", "*.*"};

static void combine(const char *length, const char *types, int64_t value)
{
    for (const char *type = types; *type != 0; type++) {
        for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++) {
            for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
                char format[32];
                snprintf(format, sizeof(format), "<%%%s%s%s%c>", flags[f], sizes[s], length, *type);
                const char *star = strchr(sizes[s], '*');
                if (star == NULL) {
                    SAME(format, value);
                } else if (strchr(star + 1, '*') == NULL) {
                    SAME(format, 9, value);
                    SAME(format, -9, value);
                } else {
                    SAME(format, -11, 4, value);
                    SAME(format, 11, -4, value);
                }
            }
        }
    }
}

static void test_integers(void **state)
{
    (void)state;
    static const int64_t values[] = {0,     1,    -1,      9,       10,       255,       256,       -128,
                                     65535, 4096, INT_MAX, INT_MIN, UINT_MAX, INT64_MAX, INT64_MIN, 0x0123456789abcdef};
    static const char *const lengths[] = {"", "h", "hh", "l", "ll", "z", "j", "t"};
    for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
        for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
            combine(lengths[l], "diuxXo", values[v]);
        }
    }
}

static void test_strings(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "a", "bulkhead", "a text of more than twelve letters"};
    for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
        SAME("%s", texts[t]);
        SAME("[%10s]", texts[t]);
        SAME("[%-10s]", texts[t]);
        SAME("[%.3s]", texts[t]);
        SAME("[%-12.5s]", texts[t]);
        SAME("[%*.*s]", -9, 2, texts[t]);
        SAME("[%.*s]", -1, texts[t]);
    }
    SAME("%s", (char *)NULL);
    SAME("%c%5c%-5c|", 'a', 'b', 'c');
    SAME("%c", 0);
    SAME("100%%");
    SAME("plain text without conversions");
}

static void test_pointers(void **state)
{
    (void)state;
    SAME("%p", (void *)0x1234);
    SAME("%20p", (void *)UINTPTR_MAX);
    SAME("%-20p|", (void *)0xdeadbeef);
    SAME("%p", NULL);
    SAME("%10p", NULL);
}

static void test_mixed(void **state)
{
    (void)state;
    SAME("domain %s: %d of %u vcpus at %#llx, %5.2s|%-6lu|%06x\n", "linux", -1, 2u, 0xfee00000ull, "abc", 77ul,
         0xbeefu);
    /* More arguments than registers carry. */
    SAME("%d %d %d %d %d %d %d %d %d %d", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
}

static void test_unknown(void **state)
{
    (void)state;
    char text[32];
    mini_snprintf(text, sizeof(text), "a%yb");
    assert_string_equal(text, "a%yb");
    mini_snprintf(text, sizeof(text), "end%");
    assert_string_equal(text, "end%");
    mini_snprintf(text, sizeof(text), "end%-5l");
    assert_string_equal(text, "end%-5l");
}

static void test_printf(void **state)
{
    (void)state;
    char expected[2100];
    console_used = 0;
    int length = mini_printf("[%1500s|%-500d]\n", "x", 7);
    assert_int_equal(length, snprintf(expected, sizeof(expected), "[%1500s|%-500d]\n", "x", 7));
    assert_int_equal(console_used, length);
    assert_memory_equal(console, expected, length);
    mini_puts("line");
    mini_putchar('!');
    assert_memory_equal(console + length, "line\n!", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers), cmocka_unit_test(test_strings), cmocka_unit_test(test_pointers),
        cmocka_unit_test(test_mixed),    cmocka_unit_test(test_unknown), cmocka_unit_test(test_printf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
