/* SPDX-License-Identifier: MIT
 * Lines of commands: words, quotes, tags, errors, answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "control_fixture.h"

static struct command_answer answer;

/* The answer to a line, without its newline. */
static const char *ask(const char *text)
{
    static char line[REQUEST_MAX + 1];
    struct command_line command = { 0 };
    snprintf(line, sizeof(line), "%s", text);
    command.wrong = request_parse(&command.request, line);
    assert_true(command_execute(NULL, &command, fixture_time, &answer));
    if (answer.length > 0) {
        assert_int_equal(answer.text[answer.length - 1], '\n');
        answer.text[answer.length - 1] = 0;
        assert_null(strchr(answer.text, '\n'));
    }
    return answer.length > 0 ? answer.text : "";
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(ask("echo"), "{\"ok\":true,\"result\":[]}");
    assert_string_equal(ask("  echo \t a  b "), "{\"ok\":true,\"result\":[\"a\",\"b\"]}");
    assert_string_equal(ask("echo \"a b\" cmdline=\"x \\\"y\\\" \\\\ z\"w \"\""),
                        "{\"ok\":true,\"result\":[\"a b\",\"cmdline=x \\\"y\\\" \\\\ zw\",\"\"]}");
    assert_string_equal(ask("echo \\n @x"), "{\"ok\":true,\"result\":[\"\\\\n\",\"@x\"]}");
    assert_string_equal(ask("@7 echo"), "{\"tag\":\"7\",\"ok\":true,\"result\":[]}");
    assert_string_equal(ask("@ null"), "{\"tag\":\"\",\"ok\":true,\"result\":null}");
    assert_string_equal(ask("echo \xc3\xa4"), "{\"ok\":true,\"result\":[\"\\u00c3\\u00a4\"]}");
    assert_string_equal(ask(""), "");
    assert_string_equal(ask("  \t"), "");
}

static void test_errors(void **state)
{
    (void)state;
    assert_string_equal(ask("@x"), "{\"tag\":\"x\",\"ok\":false,\"error\":\"there is no command behind the tag\"}");
    assert_string_equal(
        ask("@x @y"),
        "{\"tag\":\"x\",\"ok\":false,\"error\":\"there is no command \\\"@y\\\"; \\\"help\\\" lists the commands\"}");
    assert_string_equal(ask("ecko"), "{\"ok\":false,\"error\":\"there is no command \\\"ecko\\\"; did you mean "
                                     "\\\"echo\\\"?; \\\"help\\\" lists the commands\"}");
    assert_string_equal(ask("echo \"a"), "{\"ok\":false,\"error\":\"the closing \\\" of a word is missing\"}");
    assert_string_equal(ask("@1 echo \"a"),
                        "{\"tag\":\"1\",\"ok\":false,\"error\":\"the closing \\\" of a word is missing\"}");
    assert_string_equal(ask("echo \x01"),
                        "{\"ok\":false,\"error\":\"the line has a control character; a request is a line of text\"}");
    assert_string_equal(ask("fail"), "{\"ok\":false,\"error\":\"fail needs more arguments: fail WORD\"}");
    assert_string_equal(ask("null x"), "{\"ok\":false,\"error\":\"null needs fewer arguments: null\"}");
    assert_string_equal(ask("@t fail now"), "{\"tag\":\"t\",\"ok\":false,\"error\":\"it failed: now\"}");
    assert_string_equal(ask("long"),
                        "{\"ok\":false,\"error\":\"the answer is longer than 60000 bytes; ask for less\"}");
    char many[200] = "echo";
    for (unsigned i = 0; i < 64; i++) {
        strcat(many, " x");
    }
    assert_string_equal(ask(many), "{\"ok\":false,\"error\":\"the line has more than 64 words\"}");
}

static void test_help(void **state)
{
    (void)state;
    assert_string_equal(ask("help fail"),
                        "{\"ok\":true,\"result\":{\"command\":\"fail\",\"arguments\":\"WORD\",\"help\":\"an error\"}}");
    assert_non_null(
        strstr(ask("help"), "{\"command\":\"sleep\",\"arguments\":\"TICKS\",\"help\":\"a late answer\"}]}"));
    assert_non_null(strstr(ask("help x"), "there is no command \\\"x\\\""));
}

/* Where the result lies in the answer; a tag of the worst kind still leaves room for an error. */
static void test_parts(void **state)
{
    (void)state;
    char line[REQUEST_MAX + 1];
    ask("@1 echo a");
    assert_memory_equal(answer.text + answer.result, "[\"a\"]", answer.result_end - answer.result);
    assert_true(answer.ok);
    memset(line, 0xff, sizeof(line));
    line[0] = '@';
    line[REQUEST_MAX] = 0;
    assert_non_null(strstr(ask(line), "\"ok\":false,\"error\":\"there is no command behind the tag\"}"));
    assert_true(answer.length < ANSWER_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
