/* SPDX-License-Identifier: MIT
 * JSON as text: commas, escapes, what does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "json_write.h"

static void test_structure(void **state)
{
    (void)state;
    char out[300];
    struct json json;
    json_init(&json, out, sizeof(out));
    json_begin_object(&json);
    json_key_text(&json, "a", "b");
    json_key(&json, "list");
    json_begin_array(&json);
    json_number(&json, 0);
    json_number(&json, UINT64_MAX);
    json_begin_object(&json);
    json_end_object(&json);
    json_begin_array(&json);
    json_end_array(&json);
    json_null(&json);
    json_end_array(&json);
    json_key_bool(&json, "yes", true);
    json_key(&json, "rate");
    json_tenths(&json, 123);
    json_key(&json, "text");
    json_format(&json, "%u of %s", 1, "two");
    json_end_object(&json);
    assert_string_equal(out, "{\"a\":\"b\",\"list\":[0,18446744073709551615,{},[],null],\"yes\":true,\"rate\":12.3,"
                             "\"text\":\"1 of two\"}");
    assert_int_equal(json.used, strlen(out));
    assert_false(json.overflow);
}

static void test_escapes(void **state)
{
    (void)state;
    char out[100];
    struct json json;
    json_init(&json, out, sizeof(out));
    json_bytes(&json, "\"\\\n\r\t\0\x1b\x7f\x80\xff/", 11);
    assert_string_equal(out, "\"\\\"\\\\\\n\\r\\t\\u0000\\u001b\\u007f\\u0080\\u00ff/\"");
}

/* Whatever the size: never beyond it, always terminated, and overflow tells. */
static void test_overflow(void **state)
{
    (void)state;
    char out[64];
    for (size_t size = 1; size < 40; size++) {
        struct json json;
        memset(out, 0x55, sizeof(out));
        json_init(&json, out, size);
        json_begin_object(&json);
        json_key_text(&json, "key", "\x01\x02\x03");
        json_end_object(&json);
        assert_int_equal(out[size], 0x55);
        assert_true(strlen(out) < size);
        assert_int_equal(json.overflow, size <= strlen("{'key':'\\u0001\\u0002\\u0003'}"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
