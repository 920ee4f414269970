/* SPDX-License-Identifier: MIT
 * libc-mini's string functions and number parser against the host's. */
#include <ctype.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The subject under other names, beside the host's. */
#define memcpy mini_memcpy
#define memmove mini_memmove
#define memset mini_memset
#define memcmp mini_memcmp
#define memchr mini_memchr
#define strlen mini_strlen
#define strnlen mini_strnlen
#define strcmp mini_strcmp
#define strncmp mini_strncmp
#define strchr mini_strchr
#define strrchr mini_strrchr
#define strstr mini_strstr
#define strspn mini_strspn
#define strcspn mini_strcspn
#define strcpy mini_strcpy
#define strncpy mini_strncpy
#define strcat mini_strcat
#define strtoull mini_strtoull
#define strtoul mini_strtoul
#define strtol mini_strtol
size_t mini_strnlen(const char *text, size_t max);
int mini_strncmp(const char *a, const char *b, size_t max);
char *mini_strchr(const char *text, int c);
size_t mini_strlen(const char *text);
char *mini_strcpy(char *restrict to, const char *restrict from);
void *mini_memcpy(void *restrict to, const void *restrict from, size_t size);
void *mini_memset(void *to, int byte, size_t size);
#include "../../libc-mini/string.c"
#include "../../libc-mini/stdlib.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr
#undef strstr
#undef strspn
#undef strcspn
#undef strcpy
#undef strncpy
#undef strcat
#undef strtoull
#undef strtoul
#undef strtol

static int sign(int value) { return (value > 0) - (value < 0); }

static void test_move(void **state)
{
    (void)state;
    char ours[128], theirs[128];
    for (unsigned from = 0; from < 24; from++) {
        for (unsigned to = 0; to < 24; to++) {
            for (unsigned size = 0; size < 80; size += 3) {
                for (unsigned i = 0; i < sizeof(ours); i++) {
                    ours[i] = theirs[i] = (char)(i * 7);
                }
                assert_ptr_equal(mini_memmove(ours + to, ours + from, size), ours + to);
                memmove(theirs + to, theirs + from, size);
                assert_memory_equal(ours, theirs, sizeof(ours));
            }
        }
    }
    assert_ptr_equal(mini_memcpy(ours, theirs + 1, 100), ours);
    assert_memory_equal(ours, theirs + 1, 100);
    assert_ptr_equal(mini_memset(ours, 0x1ff, 100), ours);
    assert_int_equal((unsigned char)ours[99], 0xff);
}

static void test_compare(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "a", "b", "ab", "abc", "abd", "ab\xff", "bulkhead", "bulk", "head"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++) {
            const char *a = texts[i], *b = texts[j];
            assert_int_equal(sign(mini_strcmp(a, b)), sign(strcmp(a, b)));
            for (size_t n = 0; n < 5; n++) {
                assert_int_equal(sign(mini_strncmp(a, b, n)), sign(strncmp(a, b, n)));
            }
            size_t shorter = strlen(a) < strlen(b) ? strlen(a) : strlen(b);
            assert_int_equal(sign(mini_memcmp(a, b, shorter)), sign(memcmp(a, b, shorter)));
            assert_ptr_equal(mini_strstr(a, b), strstr(a, b));
            assert_int_equal(mini_strspn(a, b), strspn(a, b));
            assert_int_equal(mini_strcspn(a, b), strcspn(a, b));
        }
    }
}

static void test_find(void **state)
{
    (void)state;
    const char *text = "hypervisor";
    for (int c = 0; c < 256; c++) {
        assert_ptr_equal(mini_strchr(text, c), strchr(text, c));
        assert_ptr_equal(mini_strrchr(text, c), strrchr(text, c));
        assert_ptr_equal(mini_memchr(text, c, 7), memchr(text, c, 7));
    }
    assert_int_equal(mini_strlen(text), 10);
    assert_int_equal(mini_strnlen(text, 4), 4);
    assert_int_equal(mini_strnlen(text, 40), 10);
}

static void test_copy(void **state)
{
    (void)state;
    char ours[32], theirs[32];
    memset(ours, '~', sizeof(ours));
    memset(theirs, '~', sizeof(theirs));
    mini_strncpy(ours, "guest", 12);
    strncpy(theirs, "guest", 12);
    assert_memory_equal(ours, theirs, sizeof(ours));
    mini_strncpy(ours, "monitor", 3);
    assert_memory_equal(ours, "monst", 6);
    mini_strcpy(ours, "bulk");
    mini_strcat(ours, "head");
    assert_string_equal(ours, "bulkhead");
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "0",
                                        "1",
                                        "42",
                                        " 42x",
                                        "0x1f",
                                        "0X",
                                        "0xg",
                                        "0777",
                                        "089",
                                        "-1",
                                        "+5",
                                        "-",
                                        "z",
                                        "zz",
                                        "\t 0x7fffffffffffffff",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "-9223372036854775809",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "99999999999999999999999",
                                        "ffffffffffffffffff",
                                        "-18446744073709551616"};
    static const int bases[] = {0, 2, 8, 10, 16, 36};
    for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
        for (size_t b = 0; b < sizeof(bases) / sizeof(bases[0]); b++) {
            char *ours, *theirs;
            assert_true(mini_strtoull(texts[t], &ours, bases[b]) == strtoull(texts[t], &theirs, bases[b]));
            assert_ptr_equal(ours, theirs);
            assert_true(mini_strtol(texts[t], &ours, bases[b]) == strtol(texts[t], &theirs, bases[b]));
            assert_ptr_equal(ours, theirs);
        }
    }
    assert_int_equal(mini_strtoul("12", NULL, 10), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_move), cmocka_unit_test(test_compare), cmocka_unit_test(test_find),
        cmocka_unit_test(test_copy), cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
