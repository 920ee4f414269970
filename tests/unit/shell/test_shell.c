/* SPDX-License-Identifier: MIT
 * The shell between a person and the manager: requests, answers of every kind, time, focus, channel, completion, top.
 */
#include "terminal.h"

#define OK_NULL "\"ok\":true,\"result\":null"
#define HELP                                                                                                           \
    "\"ok\":true,\"result\":[{\"command\":\"list\",\"arguments\":\"\",\"help\":\"h\"},"                                \
    "{\"command\":\"log\",\"arguments\":\"NAME [FROM]\",\"help\":\"h\"},{\"command\":\"create\",\"arguments\":\"NAME " \
    "[KEY=VALUE...]\",\"help\":\"h\"},"                                                                                \
    "{\"command\":\"pin\",\"arguments\":\"NAME VCPU "                                                                  \
    "CPU\",\"help\":\"h\"},{\"command\":\"poweroff\",\"arguments\":\"[reset|off] [SECONDS]\",\"help\":\"h\"},7]"
#define NAMES                                                                                                          \
    "\"ok\":true,\"result\":[{\"name\":\"linux\"},{\"name\":\"linux-two\"},{\"name\":\"rt\"},{\"name\":\"a "           \
    "b\"},{\"x\":1}]"
#define KEYS "\"ok\":true,\"result\":{\"keys\":[{\"key\":\"kernel\"},{\"key\":\"memory\"}]}"

static void expect_prompt(struct world *world, const char *line)
{
    char text[COLUMNS + 1];
    snprintf(text, sizeof(text), "bulkhead>%s%s", *line != 0 ? " " : "", line);
    assert_string_equal(line_at(world, 0), text);
}

static void test_answers(void **state)
{
    struct world *world = world_new(&world_host_stays);
    assert_string_equal(line_at(world, 1), "Bulkhead. \"help\" lists the commands.");
    type(world, "  info  \"a b\" \r");
    assert_string_equal(world->request, "@1 info  \"a b\" ");
    answer(world, "\"ok\":true,\"result\":{\"state\":\"running\",\"vcpus\":2}");
    assert_string_equal(line_at(world, 2), "state: running");
    assert_string_equal(line_at(world, 1), "vcpus: 2");
    type(world, "start x\r");
    answer(world, "\"ok\":false,\"error\":\"there is no domain \\\"x\\\"\"");
    assert_string_equal(line_at(world, 1), "error: there is no domain \"x\"");
    type(world, "list -j\r");
    assert_string_equal(asked(world), "list");
    answer(world, "\"ok\":true,\"result\":[ ]");
    assert_string_equal(line_at(world, 1), "{\"ok\":true,\"result\":[ ]}");
    type(world, "x -j\r");
    answer(world, "\"ok\":false,\"error\":\"no\"");
    assert_string_equal(line_at(world, 1), "{\"ok\":false,\"error\":\"no\"}");
    type(world, "x \"a -j b\"\r");
    assert_string_equal(asked(world), "x \"a -j b\"");
    answer(world, OK_NULL);
    assert_int_equal(world->requests, 5);
    type(world, "@7 list\r");
    assert_string_equal(line_at(world, 1), "error: a command cannot begin with @");
    assert_int_equal(world->requests, 5);
    world_free(world);
}

static void test_broken_answers(void **state)
{
    static const char *const broken[] = { "\n",
                                          "garbage\n",
                                          "[]\n",
                                          "{\"tag\":\"%u\",\"ok\":true}\n",
                                          "{\"tag\":\"%u\",\"result\":1}\n",
                                          "{\"tag\":\"%u\",\"ok\":true,\"result\":1}}\n",
                                          "\x1b[2J\xff\n" };
    struct world *world = world_new(&world_host_stays);
    for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        char text[100];
        type(world, "list\r");
        snprintf(text, sizeof(text), broken[i], world->requests);
        shell_answer(world->shell, text, strlen(text));
        assert_memory_equal(line_at(world, 1), "error: the manager's answer ", 28);
        expect_prompt(world, "");
        shell_answer(world->shell, text, strlen(text)); /* nobody has asked */
        expect_prompt(world, "");
    }
    type(world, "list\r");
    for (unsigned i = 0; i < 100000; i++) {
        shell_answer(world->shell, "x", 1);
    }
    shell_answer(world->shell, "\n", 1);
    assert_string_equal(line_at(world, 1), "error: the manager's answer is longer than 60000 bytes");
    type(world, "list\r");
    answer(world, OK_NULL);
    assert_string_equal(line_at(world, 1), "ok");
    world_free(world);
}

static void test_time(void **state)
{
    struct world *world = world_new(&world_host_stays);
    type(world, "list\r");
    assert_int_equal(world->wake, world->now + SHELL_PATIENCE_MS);
    type(world, "next"); /* typed ahead */
    world->now = world->wake - 1;
    shell_tick(world->shell);
    assert_string_equal(line_at(world, 0), "");
    world->now++;
    shell_tick(world->shell);
    assert_string_equal(line_at(world, 1), "error: no answer from the manager within 10 seconds");
    expect_prompt(world, "next");
    assert_int_equal(world->wake, SHELL_NEVER);
    answer(world, "\"ok\":true,\"result\":\"late\"");
    expect_prompt(world, "next");
    type(world, "\r");
    shell_answer(world->shell, "{\"tag\":\"1\",\"ok\":true,\"result\":\"late\"}\n", 38);
    answer(world, "\"ok\":true,\"result\":\"good\"");
    assert_string_equal(line_at(world, 1), "good");
    type(world, "wait linux\r");
    assert_int_equal(world->wake, SHELL_NEVER);
    type(world, "abc\x03");
    assert_string_equal(line_at(world, 1), "^C");
    expect_prompt(world, "");
    world_free(world);
}

static void test_typed_ahead(void **state)
{
    struct world *world = world_new(&world_host_stays);
    type(world, "list\rinfo\rhelp clear\rlo");
    assert_string_equal(asked(world), "list");
    answer(world, OK_NULL);
    assert_string_equal(asked(world), "info");
    answer(world, OK_NULL);
    assert_string_equal(line_at(world, 1), "empties the screen (also Ctrl-L)");
    expect_prompt(world, "lo");
    type(world, "\x15list\r");
    for (unsigned i = 0; i < 3000; i++) {
        type(world, "y");
    }
    assert_true(world->bells >= 3000 - 2048);
    answer(world, OK_NULL);
    type(world, "\x03");
    expect_prompt(world, "");
    world_free(world);
}

static void test_channel(void **state)
{
    struct world *world = world_new(&world_host_stays);
    shell_channel(world->shell, false);
    type(world, "list\r");
    assert_string_equal(line_at(world, 1), "error: the manager cannot be reached");
    shell_channel(world->shell, true);
    world->deaf = true;
    type(world, "list\r");
    assert_string_equal(line_at(world, 1), "error: the manager takes no commands at the moment; try again");
    world->deaf = false;
    type(world, "list\r");
    shell_answer(world->shell, "{\"tag\":", 7);
    shell_channel(world->shell, false);
    assert_memory_equal(line_at(world, 1), "error: the connection to the manager was lost", 45);
    shell_channel(world->shell, true);
    type(world, "list\r");
    answer(world, OK_NULL);
    assert_string_equal(line_at(world, 1), "ok");
    world_free(world);
}

static void test_focus(void **state)
{
    struct world *world = world_new(&world_host_stays);
    type(world, "console nobody\r");
    assert_string_equal(line_at(world, 1), "error: there is no console of a domain \"nobody\"; list shows the domains");
    type(world, "console\r");
    assert_memory_equal(line_at(world, 1), "error: console needs", 20);
    type(world, "console linux\r");
    assert_string_equal(world->focused, "linux");
    unsigned row = world->row;
    shell_tick(world->shell);
    shell_redraw(world->shell);
    assert_int_equal(world->row, row);
    shell_shown(world->shell, true);
    expect_prompt(world, "");
    type(world, "info\r"); /* the answer comes while it is away */
    shell_shown(world->shell, false);
    row = world->row;
    answer(world, "\"ok\":true,\"result\":\"later\"");
    assert_int_equal(world->row, row);
    shell_shown(world->shell, true);
    assert_string_equal(line_at(world, 1), "later");
    type(world, "info\r");
    shell_shown(world->shell, false);
    shell_channel(world->shell, false);
    shell_shown(world->shell, true);
    assert_memory_equal(line_at(world, 1), "error: the connection to the manager was lost", 45);
    type(world, "half");
    shell_shown(world->shell, false);
    shell_shown(world->shell, true);
    expect_prompt(world, "half");
    world_free(world);
}

static void test_logs(void **state)
{
    struct world *world = world_new(&world_host_stays);
    type(world, "log linux\r");
    answer(world, "\"ok\":true,\"result\":{\"text\":\"one\\r\\ntw\",\"next\":7,\"more\":true}");
    assert_string_equal(asked(world), "log linux 7");
    answer(world, "\"ok\":true,\"result\":{\"text\":\"o\\u001b[31m\\r\\nthree\",\"next\":20,\"more\":true}");
    assert_string_equal(asked(world), "log linux 20");
    answer(world, "\"ok\":true,\"result\":{\"text\":\"\",\"next\":20,\"more\":true}"); /* would never end */
    assert_string_equal(line_at(world, 3), "one");
    assert_string_equal(line_at(world, 2), "two");
    expect_prompt(world, "");
    type(world, "dmesg 5\r");
    answer(world, "\"ok\":true,\"result\":{\"text\":\"x\\n\",\"next\":7,\"more\":true}");
    assert_string_equal(asked(world), "dmesg 7");
    type(world, "\x03");
    expect_prompt(world, "");
    type(world, "log linux -j\r");
    unsigned before = world->requests;
    answer(world, "\"ok\":true,\"result\":{\"text\":\"x\\n\",\"next\":7,\"more\":true}");
    assert_string_equal(line_at(world, 1), "{\"ok\":true,\"result\":{\"text\":\"x\\n\",\"next\":7,\"more\":true}}");
    assert_int_equal(world->requests, before);
    world_free(world);
}

/* A terminal that takes a few bytes at a time gets the same text. */
static void test_slow_terminal(void **state)
{
    struct world *world = world_new(&world_host_stays);
    char *rows = malloc(60000);
    size_t used = (size_t)sprintf(rows, "\"ok\":true,\"result\":[");
    for (unsigned i = 0; i < 1000; i++) {
        used += (size_t)sprintf(rows + used, "%s{\"name\":\"domain%u\",\"number\":%u}", i > 0 ? "," : "", i, i);
    }
    strcpy(rows + used, "]");
    type(world, "list\r");
    world->room = 0;
    answer(world, rows);
    shell_answer(world->shell, "noise\nnoise", 11); /* while it is being shown */
    type(world, "echo");
    for (unsigned i = 0; i < 100000 && world->row < 1003; i++) {
        world->room = 7;
        shell_room(world->shell);
    }
    world->room = SIZE_MAX;
    shell_room(world->shell);
    assert_string_equal(line_at(world, 1), "domain999     999");
    assert_string_equal(line_at(world, 1000), "domain0         0");
    expect_prompt(world, "echo");
    shell_answer(world->shell, "end of noise\n", 13);
    type(world, "\r");
    answer(world, OK_NULL);
    assert_string_equal(line_at(world, 1), "ok");
    type(world, "list\r");
    world->room = 100;
    answer(world, rows);
    type(world, "\x03");
    world->room = SIZE_MAX;
    shell_room(world->shell);
    expect_prompt(world, "");
    free(rows);
    world_free(world);
}

/* Keys whose echo had no room: the line is drawn again. */
static void test_stuck_terminal(void **state)
{
    struct world *world = world_new(&world_host_stays);
    world->room = 0;
    for (unsigned i = 0; i < 3000; i++) {
        type(world, "ab\b");
    }
    type(world, "\x15left");
    world->room = SIZE_MAX;
    shell_room(world->shell);
    expect_prompt(world, "left");
    world_free(world);
}

static void test_help(void **state)
{
    struct world *world = world_new(&world_host_stays);
    type(world, "help\r");
    assert_string_equal(asked(world), "help");
    answer(world, HELP);
    assert_memory_equal(line_at(world, 1), "-j as a word", 12);
    type(world, "help top\r");
    assert_string_equal(line_at(world, 2), "top [SECONDS]");
    type(world, "help list\r");
    assert_string_equal(asked(world), "help list");
    answer(world, OK_NULL);
    type(world, "exit\r");
    assert_memory_equal(line_at(world, 1), "error: this shell does not end", 30);
    world_free(world);
    world = world_new(&world_host);
    type(world, "exit\r");
    assert_true(world->left);
    world->left = false;
    type(world, "\x04");
    assert_true(world->left);
    world_free(world);
}

/* Types keys and Tab; the manager answers what it is asked. */
static void complete(struct world *world, const char *keys, const char *line)
{
    type(world, "\x05\x15");
    type(world, keys);
    unsigned before = world->requests;
    type(world, "\t");
    while (world->requests > before) {
        before = world->requests;
        answer(world, strcmp(asked(world), "help") == 0          ? HELP
                      : strcmp(asked(world), "help create") == 0 ? KEYS
                                                                 : NAMES);
    }
    expect_prompt(world, line);
}

static void test_completion(void **state)
{
    struct world *world = world_new(&world_host_stays);
    complete(world, "li", "list");
    assert_int_equal(world->column, strlen("bulkhead> list "));
    assert_string_equal(asked(world), "help");
    unsigned asks = world->requests;
    complete(world, "po", "poweroff");
    assert_int_equal(world->requests, asks); /* known by now */
    complete(world, "h", "h");
    assert_string_equal(line_at(world, 1), "history  help");
    complete(world, "log r", "log rt");
    complete(world, "log -j r", "log -j rt");
    complete(world, "log l", "log linux");
    complete(world, "log linux", "log linux");
    assert_string_equal(line_at(world, 1), "linux      linux-two");
    complete(world, "console l", "console linux");
    complete(world, "help hi", "help history");
    complete(world, "poweroff r", "poweroff reset");
    complete(world, "create x m", "create x memory=");
    complete(world, "create x memory=1 k", "create x memory=1 kernel=");
    complete(world, "pin r 0\x1b[D\x1b[D", "pin rt  0");
    unsigned bells = world->bells;
    complete(world, "log x", "log x");
    complete(world, "log rt 1", "log rt 1");
    complete(world, "nothing x", "nothing x");
    complete(world, "list x", "list x");
    complete(world, "log \"r", "log \"r");
    assert_int_equal(world->bells, bells + 5);
    type(world, "\x15log r\tx");
    world->now += 2000;
    shell_tick(world->shell);
    expect_prompt(world, "log rx");
    shell_channel(world->shell, false);
    type(world, "\x15"
                "cle\t");
    expect_prompt(world, "clear");
    world_free(world);
}

static void test_top(void **state)
{
    struct world *world = world_new(&world_host_stays);
    type(world, "top 3\r");
    assert_string_equal(asked(world), "top");
    answer(world, "\"ok\":true,\"result\":[{\"name\":\"linux\",\"guest\":10.5},{\"name\":\"rt\",\"guest\":0.5}]");
    assert_memory_equal(world->screen[world->top], "Bulkhead; q ends this view      ", 32);
    assert_string_equal(line_at(world, 2), "linux   10.5");
    assert_int_equal(world->wake, 1000 + 3000);
    world->now = 4000;
    shell_tick(world->shell);
    answer(world, "\"ok\":true,\"result\":[{\"name\":\"rt\",\"guest\":7}]");
    assert_string_equal(line_at(world, 1), "rt        7");
    assert_string_equal(line_at(world, 2), "name  guest");
    assert_memory_equal(world->screen[world->row], "     ", 5); /* what stood there is gone */
    unsigned asks = world->requests;
    shell_shown(world->shell, false);
    world->now = 20000;
    shell_tick(world->shell);
    assert_int_equal(world->requests, asks);
    shell_shown(world->shell, true);
    assert_int_equal(world->requests, asks + 1);
    type(world, "xyq");
    expect_prompt(world, "");
    answer(world, "\"ok\":true,\"result\":[]");
    expect_prompt(world, "");
    type(world, "top\r");
    answer(world, "\"ok\":false,\"error\":\"no\"");
    assert_string_equal(line_at(world, 1), "error: no");
    expect_prompt(world, "");
    type(world, "top 0\r");
    assert_memory_equal(line_at(world, 1), "error: top needs", 16);
    type(world, "top\r");
    shell_channel(world->shell, false);
    expect_prompt(world, "");
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),        cmocka_unit_test(test_broken_answers),
        cmocka_unit_test(test_time),           cmocka_unit_test(test_typed_ahead),
        cmocka_unit_test(test_channel),        cmocka_unit_test(test_focus),
        cmocka_unit_test(test_logs),           cmocka_unit_test(test_slow_terminal),
        cmocka_unit_test(test_stuck_terminal), cmocka_unit_test(test_help),
        cmocka_unit_test(test_completion),     cmocka_unit_test(test_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
