/* SPDX-License-Identifier: MIT
 * virtio-console: output to the sink or the log, input as the guest makes room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "backend.h"
#include "console_device.h"
#include "ring_fixture.h"

static struct ring_guest guest;
static struct ring rx, tx;
static void *backend;
static uint64_t data;
static char shown[20000];
static unsigned shown_length;

static void show(void *context, const char *domain, const char *name, const uint8_t *text, uint32_t size)
{
    assert_null(context);
    assert_string_equal(domain, "web");
    assert_string_equal(name, "root");
    memcpy(shown + shown_length, text, size);
    shown_length += size;
    shown[shown_length] = 0;
}
static const struct console_sink sink = {show, NULL};

static int setup(void **state)
{
    (void)state;
    ring_forget();
    ring_log[0] = 0;
    shown_length = 0;
    console_set_sink(&sink);
    ring_guest_init(&guest, CHANNEL_CONSOLE);
    ring_init(&rx, &guest, 0, 8, true);
    ring_init(&tx, &guest, 1, 8, true);
    data = ring_alloc(&guest, 0x10000, 0x1000);
    backend = console_backend.attach(&guest.entry, 0);
    assert_non_null(backend);
    ring_front_run(&guest, 1ull << VIRTIO_RING_F_EVENT_IDX);
    console_backend.front_changed(backend);
    ring_settle();
    return guest.channel->back.state == BACK_CONNECTED ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    console_backend.detach(backend);
    assert_int_equal(guest.channel->back.state, BACK_ABSENT);
    ring_guest_free(&guest);
    return 0;
}

static void print(const char *text)
{
    memcpy(ring_at(&guest, data), text, strlen(text));
    ring_add(&tx, &(struct ring_buffer){data, (uint32_t)strlen(text), false}, 1);
    console_backend.kick(backend, 1);
    ring_settle();
    uint32_t head, written;
    assert_true(ring_take(&tx, &head, &written));
}

static void output_to_the_sink(void **state)
{
    (void)state;
    print("hello ");
    print("world\r\n");
    assert_string_equal(shown, "hello world\r\n");
}

static void much_output(void **state)
{
    (void)state;
    memset(ring_at(&guest, data), 'x', 10000);
    const struct ring_buffer buffers[] = {{data, 3333, false}, {data + 0x1000, 6667, false}};
    ring_add(&tx, buffers, 2);
    console_backend.kick(backend, 1);
    ring_settle();
    assert_int_equal(shown_length, 10000);
    assert_int_equal(ring_used(&tx)->idx, 1);
}

static void lines_to_the_log(void **state)
{
    (void)state;
    console_set_sink(NULL);
    print("one\r\n\ntw");
    assert_non_null(strstr(ring_log, "[web root] one\n"));
    assert_null(strstr(ring_log, "tw"));
    print("o\x1b[0m\n");
    assert_non_null(strstr(ring_log, "[web root] two[0m\n"));
}

static void input(void **state)
{
    (void)state;
    assert_int_equal(console_input("web", "other", (const uint8_t *)"x", 1), 0);
    assert_int_equal(console_input("web", "root", (const uint8_t *)"abcdef", 6), 6);
    ring_settle();
    assert_int_equal(ring_used(&rx)->idx, 0);
    uint16_t before = rx.next_avail;
    ring_add(&rx, &(struct ring_buffer){data, 4, true}, 1);
    assert_true(ring_would_kick(&rx, before)); /* input waits for it */
    console_backend.kick(backend, 0);
    ring_settle();
    ring_add(&rx, &(struct ring_buffer){data + 4, 4, true}, 1);
    console_backend.kick(backend, 0);
    ring_settle();
    uint32_t head, written;
    assert_true(ring_take(&rx, &head, &written));
    assert_int_equal(written, 4);
    assert_true(ring_take(&rx, &head, &written));
    assert_int_equal(written, 2);
    assert_memory_equal(ring_at(&guest, data), "abcdef", 6);
    static uint8_t much[5000];
    assert_int_equal(console_input("web", "root", much, sizeof(much)), 1024);
}

static void a_buffer_that_cannot_be_written(void **state)
{
    (void)state;
    ring_add(&rx, &(struct ring_buffer){data, 4, false}, 1);
    console_input("web", "root", (const uint8_t *)"a", 1);
    ring_settle();
    assert_int_equal(guest.channel->back.state, BACK_FAILED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = { T(output_to_the_sink), T(much_output), T(lines_to_the_log), T(input),
                                        T(a_buffer_that_cannot_be_written) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
