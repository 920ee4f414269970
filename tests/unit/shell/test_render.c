/* SPDX-License-Identifier: MIT
 * Results as people see them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "render.h"

/* In one window, and again in windows of every small size: the same text. */
static void expect_as(void (*render)(struct sink *, struct json_value), const char *json, const char *expected,
                      bool keep_blanks)
{
    struct json_value value;
    static char whole[4096], pieces[4096];
    assert_true(json_read(&value, json, strlen(json)));
    struct sink sink = { .out = whole, .size = sizeof(whole) - 1, .keep_blanks = keep_blanks };
    render(&sink, value);
    whole[sink.used] = 0;
    assert_string_equal(whole, expected);
    for (size_t size = 1; size < 20; size++) {
        size_t done = 0;
        do {
            sink = (struct sink){ .out = pieces + done, .size = size, .skip = done, .keep_blanks = keep_blanks };
            render(&sink, value);
            done += sink.used;
        } while (sink.full);
        pieces[done] = 0;
        assert_string_equal(pieces, expected);
    }
}

static void expect(const char *json, const char *expected) { expect_as(render_value, json, expected, false); }

static void test_scalars(void **state)
{
    expect("null", "ok\n");
    expect("\"it is done\"", "it is done\n");
    expect("\"a\\u001b[31mb\\nc\"", "a?[31mb?c\n");
    expect("12", "12\n");
    expect("true", "yes\n");
}

static void test_objects(void **state)
{
    expect("{}", "");
    expect("{\"name\":\"linux\",\"vcpus\":2,\"dedicated\":false,\"cpus\":[0,1],\"end\":null}",
           "name:      linux\nvcpus:     2\ndedicated: no\ncpus:      0, 1\nend:       -\n");
    expect("{\"name\":\"a\",\"disks\":[{\"name\":\"root\",\"size\":5},{\"name\":\"b\",\"size\":10}],\"limits\":{"
           "\"rate\":1,\"deep\":{\"x\":[1]}}}",
           "name:   a\ndisks:\n  name  size\n  root     5\n  b       10\nlimits:\n  rate: 1\n  deep: {\"x\":[1]}\n");
    expect("{\"none\":[]}", "none:\n");
}

static void test_tables(void **state)
{
    expect("[]", "none\n");
    expect("[1,\"two\",[3,4]]", "1\ntwo\n3, 4\n");
    expect(
        "[{\"name\":\"linux\",\"memory\":256,\"state\":\"running\"},{\"name\":\"b\",\"memory\":4096,\"state\":\"\"}]",
        "name   memory  state\nlinux     256  running\nb        4096\n");
    expect("[{\"a\":1},{\"b\":\"x\"},{\"b\":null,\"a\":22}]", " a  b\n 1\n    x\n22  -\n");
    expect("[{\"a\":1},7]", "a\n1\n\n");
    expect("[{}]", "\n\n");
    expect("[{\"text\":\"0123456789012345678901234567890123456789012345678901234567890123456789\",\"n\":1},{\"text\":"
           "\"a\",\"n\":2}]",
           "text                                              n\n"
           "0123456789012345678901234567890123456789012345678901234567890123456789  1\n"
           "a                                                 2\n");
}

static void test_logs(void **state)
{
    expect_as(render_log, "\"boot\\r\\n\\tup  \"", "boot\n        up  ", true);
    expect_as(render_log, "\"boot\"", "boot", true);
    expect_as(render_log, "\"boot\\n\"", "boot\n", true);
    expect_as(render_log, "\"\"", "", true);
    expect_as(render_log, "\"\\u001b[1;31mred\\u001b[0m \\u001bM\\u001b[2Jend\\u0007\\u0000\\u00c3\\u00a9\\u009b31m\"",
              "red end?31m", true);
    expect_as(render_log, "\"\\u001b[1;2\\nnext\\u001b\"", "\nnext", true);
}

static void test_json(void **state)
{
    expect_as(render_json, "[ 1,\n\t{ \"a b\":\"\\\"  x\" } ]", "[ 1,{ \"a b\":\"\\\"  x\" } ]", true);
    expect_as(render_answer, "{\"tag\":\"1\",\"ok\":true,\"result\":null}", "{\"ok\":true,\"result\":null}\n", true);
    expect_as(render_answer, "{\"tag\":\"1\",\"ok\":false,\"error\":\"no\"}", "{\"ok\":false,\"error\":\"no\"}\n",
              true);
}

static void test_limits(void **state)
{
    static const char json[] = "[{\"a\":\"long word\",\"b\":1},{\"a\":\"c\",\"b\":2},{\"a\":\"d\",\"b\":3}]";
    struct json_value value;
    char out[100];
    assert_true(json_read(&value, json, strlen(json)));
    struct sink sink = { .out = out, .size = sizeof(out) - 1, .width = 6, .height = 3 };
    render_value(&sink, value);
    out[sink.used] = 0;
    assert_string_equal(out, "a\nlong w\nc\n");
    assert_false(sink.full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars), cmocka_unit_test(test_objects), cmocka_unit_test(test_tables),
        cmocka_unit_test(test_logs),    cmocka_unit_test(test_json),    cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
