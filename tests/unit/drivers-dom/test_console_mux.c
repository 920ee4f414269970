/* SPDX-License-Identifier: MIT
 * One terminal for many consoles: whose output comes when, whose line it is, who gets the input, and far or near ends that misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "console_mux.h"

#define ONE 2u
#define TWO 3u
#define SYSTEM 0u
#define SHELL 1u

static struct control *control;
static struct console *rings[4];
static struct mux mux;
static char screen[1 << 18], typed_shell[64];
static uint32_t shown, room_left, signals[4], shell_bytes;

static uint32_t room(void *context)
{
    (void)context;
    return room_left;
}

static void write_screen(void *context, const char *text, uint32_t size)
{
    (void)context;
    assert_true(size <= room_left && shown + size < sizeof(screen));
    memcpy(screen + shown, text, size);
    shown += size;
    screen[shown] = 0;
    if (room_left < 1u << 20) {
        room_left -= size;
    }
}

static void signal_near(void *context, unsigned index)
{
    (void)context;
    signals[index]++;
}

static void shell_input(void *context, const char *text, uint32_t size)
{
    (void)context;
    assert_true(shell_bytes + size < sizeof(typed_shell));
    memcpy(typed_shell + shell_bytes, text, size);
    shell_bytes += size;
}

static const struct mux_ops with_shell = {.room = room, .write = write_screen, .signal = signal_near, .shell_input = shell_input};
static const struct mux_ops without_shell = {.room = room, .write = write_screen, .signal = signal_near};

static void attach(unsigned index, uint32_t kind, const char *name)
{
    control->consoles[index].kind = kind;
    control->consoles[index].running = kind == CONSOLE_DOMAIN;
    snprintf(control->consoles[index].name, NAME_SIZE, "%s", name);
    mux_attach(&mux, index, rings[index]);
}

static int set_up(void **state)
{
    (void)state;
    control = aligned_alloc(4096, sizeof(*control));
    memset(control, 0, sizeof(*control));
    shown = shell_bytes = 0;
    screen[0] = 0;
    room_left = 1u << 20;
    memset(signals, 0, sizeof(signals));
    for (unsigned i = 0; i < 4; i++) {
        rings[i] = aligned_alloc(4096, sizeof(struct console));
        memset(rings[i], 0, sizeof(struct console));
    }
    mux_init(&mux, &with_shell, NULL, control);
    attach(SYSTEM, CONSOLE_SYSTEM, "manager");
    attach(SHELL, CONSOLE_CONTROL, "shell");
    attach(ONE, CONSOLE_DOMAIN, "one");
    attach(TWO, CONSOLE_DOMAIN, "two");
    control->focus = ONE;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        free(rings[i]);
    }
    free(control);
    return 0;
}

static void put(unsigned index, const char *text)
{
    struct console *ring = rings[index];
    for (; *text; text++) {
        ring->output[ring->near.produced++ % CONSOLE_OUTPUT] = *text;
    }
}

static void focused_comes_as_it_is(void **state)
{
    (void)state;
    put(ONE, "login: ");
    assert_false(mux_output(&mux));
    assert_string_equal(screen, "login: ");
    assert_int_equal(rings[ONE]->far.printed, 7);
    assert_int_equal(rings[ONE]->far.sleeping, 1);
}

static void others_come_in_whole_lines_with_a_name(void **state)
{
    (void)state;
    put(ONE, "login: ");
    (void)mux_output(&mux);
    put(TWO, "half");
    (void)mux_output(&mux);
    assert_string_equal(screen, "login: ");
    put(TWO, " whole\r\n");
    (void)mux_output(&mux);
    assert_string_equal(screen, "login: \r\n[two] half whole\r\n");
    put(ONE, "x");
    (void)mux_output(&mux);
    assert_string_equal(screen, "login: \r\n[two] half whole\r\n[one] x");
}

static void a_single_writer_has_no_name(void **state)
{
    (void)state;
    put(TWO, "alone\n");
    (void)mux_output(&mux);
    assert_string_equal(screen, "alone\n");
}

static void an_ended_domains_last_words_need_no_newline(void **state)
{
    (void)state;
    put(TWO, "bye");
    control->consoles[TWO].running = 0;
    put(SYSTEM, "domain two: ended\r\n");
    (void)mux_output(&mux);
    assert_string_equal(screen, "bye\r\ndomain two: ended\r\n");
}

static void the_system_is_heard_beside_a_domain_that_never_stops(void **state)
{
    (void)state;
    put(SYSTEM, "kernel: message\r\n");
    for (unsigned i = 0; i < 600; i++) {
        put(ONE, "line\n");
    }
    (void)mux_output(&mux);
    const char *message = strstr(screen, "kernel: message");
    assert_non_null(message);
    assert_non_null(strstr(message, "line"));
}

static void the_shell_holds_domains_back_and_gives_them_after(void **state)
{
    (void)state;
    mux_input(&mux, "\x1d", 1);
    assert_int_equal(control->focus, SHELL);
    put(ONE, "hidden\n");
    put(SYSTEM, "seen\r\n");
    (void)mux_output(&mux);
    assert_null(strstr(screen, "hidden"));
    assert_non_null(strstr(screen, "seen"));
    mux_input(&mux, "list\n\x1d", 6);
    assert_memory_equal(typed_shell, "list\n", 5);
    assert_int_equal(control->focus, ONE);
    (void)mux_output(&mux);
    assert_non_null(strstr(screen, "hidden"));
}

static void without_a_shell_the_chord_goes_round(void **state)
{
    (void)state;
    mux_init(&mux, &without_shell, NULL, control);
    for (unsigned i = 0; i < 4; i++) {
        mux_attach(&mux, i, rings[i]);
    }
    mux_input(&mux, "a\x1d" "b\x1d" "c", 5);
    assert_int_equal(rings[ONE]->far.typed, 2);
    assert_memory_equal(rings[ONE]->input, "ac", 2);
    assert_int_equal(rings[TWO]->far.typed, 1);
    assert_int_equal(signals[ONE], 2);
}

static void the_focus_leaves_a_domain_that_has_ended(void **state)
{
    (void)state;
    control->consoles[ONE].running = 0;
    assert_true(mux_refocus(&mux, false));
    assert_int_equal(control->focus, TWO);
    control->consoles[TWO].running = 0;
    assert_false(mux_refocus(&mux, false));
    assert_int_equal(control->focus, TWO);
    assert_true(mux_refocus(&mux, true));
    assert_int_equal(control->focus, SHELL);
    assert_int_equal(mux_focus(&mux, "three"), ERR_NONE);
    assert_int_equal(mux_focus(&mux, "two"), OK);
}

static void what_is_overwritten_is_told(void **state)
{
    (void)state;
    rings[ONE]->near.produced = CONSOLE_OUTPUT + 1000;
    memset(rings[ONE]->output, '\n', CONSOLE_OUTPUT);
    (void)mux_output(&mux);
    assert_non_null(strstr(screen, "(1000 bytes of output lost)"));
    assert_int_equal(rings[ONE]->far.printed, CONSOLE_OUTPUT + 1000);
}

static void broken_counts_do_no_harm(void **state)
{
    (void)state;
    rings[ONE]->far.printed = 500;
    rings[ONE]->near.produced = 3; /* went back */
    (void)mux_output(&mux);
    assert_string_equal(screen, "");
    put(ONE, "on\n");
    (void)mux_output(&mux);
    assert_string_equal(screen, "on\n");
    rings[ONE]->near.consumed = 1u << 30; /* has read what nobody typed */
    mux_input(&mux, "x", 1);
    assert_int_equal(rings[ONE]->far.typed, 1);
    control->focus = 12345;
    control->line_owner = 999;
    mux_input(&mux, "y", 1);
    (void)mux_output(&mux);
}

static void input_that_does_not_fit_is_dropped(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CONSOLE_INPUT + 100; i++) {
        mux_input(&mux, "z", 1);
    }
    assert_int_equal(rings[ONE]->far.typed, CONSOLE_INPUT);
}

static void a_full_terminal_loses_nothing(void **state)
{
    (void)state;
    char line[64], expected[8192] = "";
    for (unsigned i = 0; i < 100; i++) {
        snprintf(line, sizeof(line), "line %u of the text\n", i);
        put(ONE, line);
        strcat(expected, line);
    }
    room_left = 50;
    assert_true(mux_output(&mux));
    while (mux_output(&mux)) {
        room_left = 50;
    }
    assert_string_equal(screen, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(focused_comes_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_come_in_whole_lines_with_a_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_single_writer_has_no_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_ended_domains_last_words_need_no_newline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_system_is_heard_beside_a_domain_that_never_stops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_shell_holds_domains_back_and_gives_them_after, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_shell_the_chord_goes_round, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_focus_leaves_a_domain_that_has_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_overwritten_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_counts_do_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(input_that_does_not_fit_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_terminal_loses_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
