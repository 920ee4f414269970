/* SPDX-License-Identifier: MIT
 * Keys in, screen out: line editor and history. */
#include "terminal.h"

#define PROMPT "bulkhead> "

static void expect(struct world *world, const char *line, unsigned cursor)
{
    char text[COLUMNS + 1];
    snprintf(text, sizeof(text), "%s%s", PROMPT, line);
    for (size_t size = strlen(text); text[size - 1] == ' '; size--) {
        text[size - 1] = 0;
    }
    assert_string_equal(line_at(world, 0), text);
    assert_int_equal(world->column, strlen(PROMPT) + cursor);
}

/* Runs `keys` on an empty line. */
static void keys(const char *typed, const char *line, unsigned cursor)
{
    struct world *world = world_new(&world_host_stays);
    type(world, typed);
    expect(world, line, cursor);
    world_free(world);
}

static void test_editing(void **state)
{
    keys("list", "list", 4);
    keys("lst\x1b[D\x1b[Di", "list", 2);
    keys("abc\x1b[Hx", "xabc", 1);
    keys("abc\x1bOHx\x1bOFy", "xabcy", 5);
    keys("abc\x1b[1~x\x1b[4~y", "xabcy", 5);
    keys("abc\x01x\x05y", "xabcy", 5);
    keys("abc\x7f", "ab", 2);
    keys("abc\b\b\b\b", "", 0);
    keys("abc\x01\x1b[3~", "bc", 0);
    keys("abc\x01\x04", "bc", 0);
    keys("abc\x1b[D\x0b", "ab", 2);
    keys("abc\x1b[D\x15", "c", 0);
    keys("one two  \x17", "one ", 3 + 1);
    keys("one two\x1b[1;5D\x0b", "one ", 4);
    keys("one two\x01\x1b[1;5Cx", "onex two", 4);
    keys("one two\x1b"
         "b\x1b"
         "bx",
         "xone two", 1);
    keys("a\x1b[Zb", "ab", 2); /* unknown sequences do nothing */
    keys("a\x1b[200~b\x1b[?9;9;9;99999999999x", "ab", 2);
    keys("a\x80\xff"
         "b",
         "ab", 2);
}

static void test_scrolling(void **state)
{
    struct world *world = world_new(&world_host_stays);
    for (unsigned i = 0; i < 200; i++) {
        type(world, i % 10 == 9 ? "X" : ".");
    }
    assert_true(world->column < COLUMNS);
    assert_int_equal(strlen(line_at(world, 0)), COLUMNS - 1);
    assert_memory_equal(line_at(world, 0), PROMPT, strlen(PROMPT));
    type(world, "\x01");
    assert_int_equal(world->column, strlen(PROMPT));
    assert_int_equal(strlen(line_at(world, 0)), COLUMNS - 1);
    type(world, "\x0b");
    expect(world, "", 0);
    world_free(world);
}

static void test_full_line(void **state)
{
    struct world *world = world_new(&world_host_stays);
    for (unsigned i = 0; i < SHELL_LINE_SIZE + 10; i++) {
        type(world, "x");
    }
    assert_int_equal(world->bells, 11);
    type(world, "\r");
    assert_int_equal(strlen(asked(world)), SHELL_LINE_SIZE - 1);
    world_free(world);
}

static void test_enter(void **state)
{
    struct world *world = world_new(&world_host_stays);
    type(world, "\r\n\r\n\n"); /* a LF behind a CR is the same key */
    assert_int_equal(world->row, 1 + 3);
    type(world, "li\x1b[Dx\r");
    assert_string_equal(asked(world), "lxi");
    answer(world, "\"ok\":true,\"result\":null");
    assert_string_equal(line_at(world, 1), "ok");
    expect(world, "", 0);
    type(world, "abc\x03");
    assert_string_equal(line_at(world, 1), PROMPT "abc^C");
    expect(world, "", 0);
    type(world, "abc\x0c");
    expect(world, "abc", 3);
    assert_int_equal(world->row, world->top);
    assert_int_equal(world->bells, 0);
    type(world, "\x15\x04");
    assert_int_equal(world->bells, 1);
    world_free(world);
}

static void test_history(void **state)
{
    struct world *world = world_new(&world_host_stays);
    for (unsigned i = 0; i < 40; i++) {
        char line[16];
        snprintf(line, sizeof(line), "list %u\r", i);
        type(world, line);
        answer(world, "\"ok\":true,\"result\":null");
        type(world, line);
        answer(world, "\"ok\":true,\"result\":null");
    }
    type(world, "draft\x1b[A");
    expect(world, "list 39", 7);
    type(world, "\x1b[A\x10");
    expect(world, "list 37", 7);
    type(world, "\x1b[B\x1b[B\x0e\x0e");
    expect(world, "draft", 5);
    for (unsigned i = 0; i < 33; i++) {
        type(world, "\x1bOA");
    }
    expect(world, "list 8", 6); /* the 32 last ones, each once */
    assert_int_equal(world->bells, 1);
    type(world, "1\r");
    assert_string_equal(asked(world), "list 81");
    answer(world, "\"ok\":true,\"result\":null");
    type(world, "history\r");
    assert_string_equal(line_at(world, 1), "  history");
    assert_string_equal(line_at(world, 2), "  list 81");
    world_free(world);
}

static void test_history_of_long_lines(void **state)
{
    struct world *world = world_new(&world_host_stays);
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned j = 0; j < 1800; j++) {
            type(world, i % 2 ? "a" : "b");
        }
        type(world, "\r");
        answer(world, "\"ok\":true,\"result\":null");
    }
    for (unsigned i = 0; i < 4; i++) {
        type(world, "\x1b[A");
    }
    assert_int_equal(world->bells, 0);
    type(world, "\x1b[A");
    assert_int_equal(world->bells, 1); /* only four fit */
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_editing), cmocka_unit_test(test_scrolling), cmocka_unit_test(test_full_line),
        cmocka_unit_test(test_enter),   cmocka_unit_test(test_history),   cmocka_unit_test(test_history_of_long_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
