/* SPDX-License-Identifier: MIT
 * The control server against good and hostile far ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "control_fixture.h"

static struct console console, other;
static struct control_server server;
static struct control_session *session;
static unsigned told;
static uint64_t wake;

static uint64_t now(void) { return fixture_time++; }
static void tell(void *context) { told++; }

static int setup(void **state)
{
    (void)state;
    memset(&console, 0, sizeof(console));
    memset(&other, 0, sizeof(other));
    memset(&server, 0, sizeof(server));
    server.now = now;
    told = 0;
    fixture_time = 1;
    session = control_open(&server, &console, tell, NULL);
    assert_non_null(session);
    return 0;
}

static void type(struct console *to, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        to->input[to->far.typed++ % CONSOLE_INPUT] = text[i];
    }
}

/* What the far end sees, taken. */
static const char *take(struct console *from)
{
    static char text[CONSOLE_OUTPUT + 1];
    size_t length = 0;
    while (from->far.printed != from->near.produced) {
        assert_true(length < CONSOLE_OUTPUT);
        text[length++] = from->output[from->far.printed++ % CONSOLE_OUTPUT];
    }
    text[length] = 0;
    return text;
}

static void serve(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        fixture_time += 1000;
        if (!control_serve(&server, &wake) && wake == 0) {
            return;
        }
    }
}

static void test_answers(void **state)
{
    (void)state;
    type(&console, "echo a\r\n@2 nul", 14);
    serve();
    assert_string_equal(take(&console), "{\"ok\":true,\"result\":[\"a\"]}\n");
    type(&console, "l\n\n@3 fail x\n", 13);
    serve();
    assert_string_equal(take(&console), "{\"tag\":\"2\",\"ok\":true,\"result\":null}\n");
    serve();
    assert_string_equal(take(&console), "{\"tag\":\"3\",\"ok\":false,\"error\":\"it failed: x\"}\n");
    assert_int_equal(console.near.consumed, console.far.typed);
    assert_int_equal(told, 0);
}

/* The answers go round the ring many times; the far end that sleeps is told of each. */
static void test_rings_go_round(void **state)
{
    (void)state;
    char line[2000];
    console.far.sleeping = 1;
    memset(line, 'x', sizeof(line));
    memcpy(line, "echo ", 5);
    line[sizeof(line) - 1] = '\n';
    for (unsigned i = 0; i < 200; i++) {
        type(&console, line, sizeof(line));
        serve();
        assert_int_equal(strlen(take(&console)), sizeof(line) - 6 + strlen("{'ok':true,'result':['']}\n"));
    }
    assert_int_equal(told, 200);
}

/* A client that never reads gets one answer, and its input is left in the ring. The other is served. */
static void test_never_reads(void **state)
{
    (void)state;
    assert_non_null(control_open(&server, &other, tell, NULL));
    for (unsigned i = 0; i < 100; i++) {
        type(&console, "null\n", 5);
        type(&other, "null\n", 5);
        serve();
        assert_string_equal(take(&other), "{\"ok\":true,\"result\":null}\n");
    }
    assert_int_equal(console.near.produced, strlen("{'ok':true,'result':null}\n"));
    assert_true(console.near.consumed <= 5);
}

static void test_long_line(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        char text[1000];
        memset(text, 'a', sizeof(text));
        type(&console, text, sizeof(text));
        serve();
    }
    type(&console, "\nnull\n", 6);
    serve();
    assert_string_equal(take(&console),
                        "{\"ok\":false,\"error\":\"the line is longer than 4000 bytes, or a part of it was lost\"}\n");
    serve();
    assert_string_equal(take(&console), "{\"ok\":true,\"result\":null}\n");
    char line[4001];
    memset(line, 'b', sizeof(line));
    line[4000] = '\n';
    type(&console, line, sizeof(line)); /* exactly as long as allowed */
    serve();
    assert_non_null(strstr(take(&console), "there is no command"));
}

/* Counts that no ring can have. */
static void test_counts_jump(void **state)
{
    (void)state;
    type(&console, "echo ab", 7);
    serve();
    console.far.typed += 1000000;
    serve();
    assert_int_equal(console.near.consumed, console.far.typed);
    type(&console, "c\nnull\n", 7);
    serve();
    assert_non_null(strstr(take(&console), "a part of it was lost"));
    serve();
    assert_string_equal(take(&console), "{\"ok\":true,\"result\":null}\n");
    console.far.typed -= 100; /* backwards */
    serve();
    assert_int_equal(console.near.consumed, console.far.typed);
    console.far.printed = console.near.produced + 5; /* ahead of us: as if all were taken */
    type(&console, "\n", 1);
    type(&console, "null\n", 5);
    serve();
    assert_true(console.near.produced > console.far.printed - 5);
    /* What the page says of the near end is the server's business: it does not read it back. */
    console.near.produced = console.near.consumed = 0x123456789;
    console.far.printed = session->produced;
    type(&console, "null\n", 5);
    serve();
    assert_true(console.near.produced < 0x123456789);
}

static void test_later(void **state)
{
    (void)state;
    assert_non_null(control_open(&server, &other, tell, NULL));
    type(&console, "sleep 5000\nnull\n", 16);
    type(&other, "null\n", 5);
    uint64_t begin = fixture_time;
    while (control_serve(&server, &wake)) {
    }
    assert_string_equal(take(&other), "{\"ok\":true,\"result\":null}\n");
    assert_string_equal(take(&console), "");
    assert_in_range(wake, begin + 5000, begin + 5100);
    fixture_time = wake;
    serve();
    assert_string_equal(take(&console), "{\"ok\":true,\"result\":null}\n");
    serve();
    assert_string_equal(take(&console), "{\"ok\":true,\"result\":null}\n");
}

/* A client that has lost patience gets an error, and the session is free again. */
static void test_cancel(void **state)
{
    (void)state;
    type(&console, "\x18sleep 5000\n", 12);
    while (control_serve(&server, &wake)) {
    }
    assert_string_equal(take(&console), "");
    type(&console, "\x18null\n", 6);
    serve();
    assert_non_null(strstr(take(&console), "\"ok\":false,\"error\":\"given up"));
    serve();
    assert_string_equal(take(&console), "{\"ok\":true,\"result\":null}\n");
}

/* Between two requests of a client the server does nothing for it. */
static void test_pause(void **state)
{
    (void)state;
    server.pause = 100000;
    type(&console, "null\nnull\n", 10);
    assert_true(control_serve(&server, &wake));
    take(&console);
    uint64_t begin = fixture_time;
    assert_false(control_serve(&server, &wake));
    assert_in_range(wake, begin + 99000, begin + 100000);
    assert_string_equal(take(&console), "");
    fixture_time = wake;
    assert_true(control_serve(&server, &wake));
    assert_string_equal(take(&console), "{\"ok\":true,\"result\":null}\n");
}

static void test_sessions(void **state)
{
    (void)state;
    static struct console many[CONTROL_SESSIONS];
    for (unsigned i = 1; i < CONTROL_SESSIONS; i++) {
        assert_non_null(control_open(&server, &many[i], tell, NULL));
    }
    assert_null(control_open(&server, &many[0], tell, NULL));
    control_close(session);
    assert_ptr_equal(control_open(&server, &many[0], tell, NULL), session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_answers, setup),     cmocka_unit_test_setup(test_rings_go_round, setup),
        cmocka_unit_test_setup(test_never_reads, setup), cmocka_unit_test_setup(test_long_line, setup),
        cmocka_unit_test_setup(test_counts_jump, setup), cmocka_unit_test_setup(test_later, setup),
        cmocka_unit_test_setup(test_cancel, setup),
        cmocka_unit_test_setup(test_pause, setup),       cmocka_unit_test_setup(test_sessions, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
