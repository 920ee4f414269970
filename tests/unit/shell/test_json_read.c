/* SPDX-License-Identifier: MIT
 * The JSON reader: what is JSON, what is not, and walking through it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "json_read.h"

/* Exactly as many bytes as the text has, so that a read behind them is seen. */
static char *exact(const char *text) { return memcpy(malloc(strlen(text) + 1), text, strlen(text) + 1); }

static bool reads(const char *text)
{
    size_t size = strlen(text);
    char *copy = malloc(size > 0 ? size : 1);
    struct json_value value;
    memcpy(copy, text, size);
    bool good = json_read(&value, copy, size);
    free(copy);
    return good;
}

static void test_accepted(void **state)
{
    static const char *const good[] = {
        "null",
        "true",
        " false ",
        "0",
        "-0",
        "12",
        "-1.5",
        "1e9",
        "1.25E-7",
        "\"\"",
        "\"a\\n\\u00e9\\\"\\\\\\/\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1,2 , 3]",
        "{\"a\":1,\"a\":2}",
        "\t[{\"a\":[{}]},[]]\r\n",
        "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
    };
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!reads(good[i])) {
            fail_msg("%s", good[i]);
        }
    }
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "",           " ",
        "nul",        "nulll",
        "True",       "01",
        "-",          "+1",
        ".5",         "1.",
        "1e",         "1e+",
        "0x1",        "\"",
        "\"a",        "\"\\",
        "\"\\u12",    "\"\\u123g\"",
        "\"\\x\"",    "\"\n\"",
        "\"\x7f\"",   "\"\xc3\xa9\"",
        "[",          "]",
        "[1",         "[1,",
        "[1,]",       "[,]",
        "[1 2]",      "{",
        "{\"a\"",     "{\"a\":",
        "{\"a\":1",   "{\"a\":1,",
        "{\"a\":1,}", "{a:1}",
        "{1:1}",      "{\"a\" 1}",
        "[}",         "{]",
        "[1}",        "{\"a\":1]",
        "1 2",        "[] []",
        "null,",      "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]",
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (reads(bad[i])) {
            fail_msg("%s", bad[i]);
        }
    }
    struct json_value value;
    assert_false(json_read(&value, "\"a\0b\"", 5));
}

static void test_walking(void **state)
{
    char *text = exact(" { \"a\" : [ 1 , \"]}\\\"\" , {\"b\":[]} ] , \"c\":-2.5e3,\"d\":null}");
    struct json_value root, key, value, member;
    uint64_t number;
    assert_true(json_read(&root, text, strlen(text)));
    assert_int_equal(json_type(root), JSON_OBJECT);
    assert_true(json_get(root, "d", &member));
    assert_int_equal(json_type(member), JSON_NULL);
    assert_false(json_get(root, "b", &member));
    assert_true(json_get(root, "c", &member));
    assert_int_equal(json_type(member), JSON_NUMBER);
    assert_false(json_to_number(member, &number));
    assert_true(json_get(root, "a", &member));
    struct json_walk walk = json_walk(member);
    assert_true(json_next(&walk, &key, &value));
    assert_true(json_to_number(value, &number) && number == 1);
    assert_true(json_next(&walk, NULL, &value));
    assert_true(json_equals(value, "]}\""));
    assert_false(json_equals(value, "]}") || json_equals(value, "]}\"x"));
    assert_true(json_next(&walk, NULL, &value));
    assert_int_equal(value.end - value.text, 8);
    assert_false(json_next(&walk, NULL, &value));
    walk = json_walk(value);
    assert_true(json_next(&walk, &key, &value));
    assert_true(json_equals(key, "b"));
    walk = json_walk(value);
    assert_false(json_next(&walk, NULL, &value));
    free(text);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t number;
    } cases[] = { { "0", true, 0 },
                  { "18446744073709551615", true, UINT64_MAX },
                  { "18446744073709551616", false, 0 },
                  { "-1", false, 0 },
                  { "1e3", false, 0 } };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_value value;
        uint64_t number;
        assert_true(json_read(&value, cases[i].text, strlen(cases[i].text)));
        assert_int_equal(json_to_number(value, &number), cases[i].good);
        assert_true(!cases[i].good || number == cases[i].number);
    }
}

static void test_strings(void **state)
{
    static const char text[] = "\"a\\u0041\\u00e9\\u20ac\\ud83d\\u0000\\b\\f\\n\\r\\t\\/\"";
    struct json_value value;
    char out[32];
    assert_true(json_read(&value, text, strlen(text)));
    json_copy(value, out, sizeof(out));
    assert_string_equal(out, "aA\xe9???\b\f\n\r\t/");
    json_copy(value, out, 3);
    assert_string_equal(out, "aA");
    json_copy(value, out, 0);
    assert_true(json_read(&value, "[1]", 3));
    json_copy(value, out, sizeof(out));
    assert_string_equal(out, "[1]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused), cmocka_unit_test(test_walking),
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
