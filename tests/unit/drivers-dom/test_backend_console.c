/* SPDX-License-Identifier: MIT
 * virtio-console: both ends of a console, the port's control messages, and going on after another drivers-dom at any point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
static jmp_buf death;
static long kill_at = -1; /* stores until drivers-dom dies */
static void kill_point(void);
#define RING_KILL_POINT() kill_point()
#include "backend.h"
#include "abi/syscall.h"
#include "console_device.h"
#include "console_port.h"
#include "ring_fixture.h"
#include "terminal.h"
#include <linux/virtio_console.h>

#define CONSOLE_HANDLE 40

static struct ring_guest guest;
static struct ring rings[PORT_QUEUES];
static struct console *console;
static void *backend;
static uint64_t data;
static unsigned wakes;

static void kill_point(void)
{
    if (kill_at >= 0 && kill_at-- == 0) {
        longjmp(death, 1);
    }
}

void terminal_wake(void) { wakes++; }

static void connect(uint64_t features)
{
    backend = console_backend.attach(&guest.entry, 0);
    assert_non_null(backend);
    ring_front_run(&guest, features | 1ull << VIRTIO_RING_F_EVENT_IDX);
    console_backend.front_changed(backend);
    ring_settle();
    assert_int_equal(guest.channel->back.state, BACK_CONNECTED);
}

static void prepare(uint32_t near, unsigned queues)
{
    ring_forget();
    kill_at = -1;
    ring_log[0] = 0;
    wakes = 0;
    memset(ring_signals, 0, sizeof(ring_signals));
    ring_guest_init(&guest, CHANNEL_CONSOLE);
    for (unsigned i = 0; i < queues; i++) {
        ring_init(&rings[i], &guest, i, 8, true);
    }
    data = ring_alloc(&guest, 0x10000, 0x1000);
    console = aligned_alloc(PAGE_SIZE, sizeof(*console));
    memset(console, 0, sizeof(*console));
    console->magic = CONSOLE_MAGIC;
    guest.entry.console = dma_of(console);
    guest.entry.console_handle = CONSOLE_HANDLE;
    guest.entry.console_near = near;
    guest.entry.queue_count = queues;
    strcpy(guest.entry.name, "org.bulkhead.control");
}

static int setup_near(void **state)
{
    (void)state;
    prepare(1, 2);
    connect(0);
    return 0;
}

static int setup_port(void **state)
{
    (void)state;
    prepare(0, PORT_QUEUES);
    connect(1ull << VIRTIO_CONSOLE_F_MULTIPORT);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kill_at = -1;
    console_backend.detach(backend);
    assert_int_equal(guest.channel->back.state, BACK_ABSENT);
    ring_guest_free(&guest);
    free(console);
    return 0;
}

/* A buffer of the guest's, at `place` in its data. */
static void send(unsigned queue, const void *bytes, uint32_t size, uint64_t place)
{
    memcpy(ring_at(&guest, data + place), bytes, size);
    ring_add(&rings[queue], &(struct ring_buffer){data + place, size, false}, 1);
}

static void give(unsigned queue, uint32_t size, uint64_t place)
{
    ring_add(&rings[queue], &(struct ring_buffer){data + place, size, true}, 1);
}

static void kick(unsigned queue)
{
    console_backend.kick(backend, queue);
    ring_settle();
}

/* --- the near end: a terminal of the guest --- */

static void output(void **state)
{
    (void)state;
    console->far.sleeping = 1;
    send(1, "hello ", 6, 0);
    send(1, "world\r\n", 7, 100);
    kick(1);
    assert_int_equal(console->near.produced, 13);
    assert_memory_equal(console->output, "hello world\r\n", 13);
    assert_int_equal(ring_used(&rings[1])->idx, 2);
    assert_true(wakes > 0);
    assert_true(ring_signals[CONSOLE_HANDLE] > 0);
    wakes = 0;
    console->far.sleeping = 0;
    send(1, "x", 1, 0);
    kick(1);
    assert_int_equal(wakes, 0);
}

static void much_output(void **state)
{
    (void)state;
    memset(ring_at(&guest, data), 'x', 10000);
    for (unsigned i = 0; i < 20; i++) {
        const struct ring_buffer buffers[] = {{data, 3333, false}, {data + 0x1000, 6667, false}};
        ring_add(&rings[1], buffers, 2);
        kick(1);
    }
    assert_int_equal(console->near.produced, 200000);
    assert_int_equal(ring_used(&rings[1])->idx, 20);
}

static void type(const char *text)
{
    for (; *text != 0; text++) {
        console->input[console->far.typed++ % CONSOLE_INPUT] = *text;
    }
    console_typed(guest.entry.console);
    ring_settle();
}

static void input(void **state)
{
    (void)state;
    type("abcdef");
    assert_int_equal(ring_used(&rings[0])->idx, 0);
    uint16_t before = rings[0].next_avail;
    give(0, 4, 0);
    assert_true(ring_would_kick(&rings[0], before)); /* input waits for it */
    kick(0);
    give(0, 4, 4);
    kick(0);
    uint32_t head, written;
    assert_true(ring_take(&rings[0], &head, &written));
    assert_int_equal(written, 4);
    assert_true(ring_take(&rings[0], &head, &written));
    assert_int_equal(written, 2);
    assert_memory_equal(ring_at(&guest, data), "abcdef", 6);
    assert_int_equal(console->near.consumed, 6);
    console->far.typed += 100000; /* a broken count */
    console_typed(guest.entry.console);
    ring_settle();
    assert_int_equal(console->near.consumed, console->far.typed);
}

static void a_buffer_that_cannot_be_written(void **state)
{
    (void)state;
    send(0, "x", 1, 0);
    type("a");
    assert_int_equal(guest.channel->back.state, BACK_FAILED);
}

static void lines_to_the_log(void **state)
{
    (void)state;
    prepare(1, 2);
    guest.entry.console = 0;
    connect(0);
    send(1, "one\r\n\ntw", 8, 0);
    kick(1);
    assert_non_null(strstr(ring_log, "[web org.bulkhead.control] one\n"));
    assert_null(strstr(ring_log, "tw"));
    send(1, "o\x1b[0m\n", 6, 0);
    kick(1);
    assert_non_null(strstr(ring_log, "two[0m\n"));
}

static void not_a_console(void **state)
{
    (void)state;
    prepare(1, 2);
    console->magic = 0;
    assert_null(console_backend.attach(&guest.entry, 0));
    console->magic = CONSOLE_MAGIC;
    guest.entry.console++;
    assert_null(console_backend.attach(&guest.entry, 0));
    ring_guest_free(&guest);
    free(console);
}

/* --- the far end: a port --- */

static void control(uint32_t id, uint16_t event, uint16_t value)
{
    const struct virtio_console_control message = {id, event, value};
    send(3, &message, sizeof(message), 0x4000);
    kick(3);
    uint32_t head, written;
    while (ring_take(&rings[3], &head, &written)) {
    }
}

static void assert_message(uint16_t event, const char *name)
{
    uint32_t head, written;
    assert_true(ring_take(&rings[2], &head, &written));
    struct virtio_console_control *message = ring_at(&guest, ring_desc(&rings[2], head)->addr);
    assert_int_equal(message->id, 0);
    assert_int_equal(message->event, event);
    assert_int_equal(message->value, 1);
    assert_int_equal(written, sizeof(*message) + strlen(name));
    assert_memory_equal(message + 1, name, strlen(name));
}

static void assert_no_message(void)
{
    uint32_t head, written;
    assert_false(ring_take(&rings[2], &head, &written));
}

/* What a Linux driver does up to a program's open(). */
static void open_port(void)
{
    for (unsigned i = 0; i < 4; i++) {
        give(2, 64, 0x8000 + i * 64);
    }
    control(VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    assert_message(VIRTIO_CONSOLE_PORT_ADD, "");
    assert_no_message();
    control(0, VIRTIO_CONSOLE_PORT_READY, 1);
    assert_message(VIRTIO_CONSOLE_PORT_NAME, "org.bulkhead.control");
    assert_message(VIRTIO_CONSOLE_PORT_OPEN, "");
    control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
    assert_no_message();
}

static void answer(const char *text)
{
    for (; *text != 0; text++) {
        console->output[console->near.produced++ % CONSOLE_OUTPUT] = *text;
    }
    if (console->far.sleeping) {
        console_answered();
        ring_settle();
    }
}

static void port(void **state)
{
    (void)state;
    struct virtio_console_config config;
    memcpy(&config, guest.channel->back.config, sizeof(config));
    assert_int_equal(config.max_nr_ports, 1);
    assert_int_equal(guest.channel->back.queue_count, PORT_QUEUES);
    answer("old ");
    open_port();
    assert_int_equal(console->far.printed, 4); /* was not for the program that has opened it */
    assert_int_equal(console->far.sleeping, 1);
    give(0, 100, 0);
    kick(0);
    send(1, "list\n", 5, 0x2000);
    kick(1);
    assert_memory_equal(console->input, "list\n", 5);
    assert_int_equal(console->far.typed, 5);
    assert_int_equal(ring_signals[CONSOLE_HANDLE], 3); /* one for the start, one for the open */
    answer("{}\n");
    uint32_t head, written;
    assert_true(ring_take(&rings[0], &head, &written));
    assert_int_equal(written, 3);
    assert_memory_equal(ring_at(&guest, data), "{}\n", 3);
}

static void begun_requests_end(void **state)
{
    (void)state;
    open_port();
    send(1, "lis", 3, 0x2000);
    kick(1);
    control(0, VIRTIO_CONSOLE_PORT_OPEN, 0);
    answer("held back");
    give(0, 100, 0);
    kick(0);
    assert_int_equal(ring_used(&rings[0])->idx, 0);
    control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
    assert_int_equal(ring_used(&rings[0])->idx, 0);
    assert_memory_equal(console->input, "lis\n", 4);
    control(0, VIRTIO_CONSOLE_PORT_OPEN, 1); /* it is open: nothing happens */
    assert_int_equal(console->far.typed, 4);
}

static void messages_wait_for_buffers(void **state)
{
    (void)state;
    control(VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    control(0, VIRTIO_CONSOLE_PORT_READY, 1);
    assert_no_message();
    for (unsigned i = 0; i < 3; i++) {
        give(2, 64, 0x8000 + i * 64);
        kick(2);
    }
    assert_message(VIRTIO_CONSOLE_PORT_ADD, "");
    assert_message(VIRTIO_CONSOLE_PORT_NAME, "org.bulkhead.control");
    assert_message(VIRTIO_CONSOLE_PORT_OPEN, "");
}

static void messages_that_mean_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        give(2, 64, 0x8000 + i * 64);
    }
    control(0, VIRTIO_CONSOLE_DEVICE_READY, 0);
    control(7, VIRTIO_CONSOLE_PORT_READY, 1);
    control(7, VIRTIO_CONSOLE_PORT_OPEN, 1);
    control(0, VIRTIO_CONSOLE_RESIZE, 1);
    control(0, 99, 1);
    assert_no_message();
    assert_int_equal(guest.channel->back.state, BACK_CONNECTED);
}

static void short_messages(void **state)
{
    (void)state;
    send(3, "1234567", 7, 0);
    kick(3);
    assert_int_equal(guest.channel->back.state, BACK_FAILED);
    assert_string_equal(guest.channel->back.error, "queue 3: a control message of 7 bytes");
}

static void short_buffers(void **state)
{
    (void)state;
    give(2, 8, 0x8000);
    give(2, 20, 0x8100);
    control(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
    assert_int_equal(guest.channel->back.state, BACK_CONNECTED);
    control(0, VIRTIO_CONSOLE_PORT_READY, 1);
    assert_int_equal(guest.channel->back.state, BACK_FAILED);
    assert_string_equal(guest.channel->back.error, "queue 2: a buffer of 20 bytes for a control message of 28");
}

/* There is no room for the end of a begun request: it comes before the next program's. */
static void begun_requests_end_later(void **state)
{
    (void)state;
    open_port();
    memset(ring_at(&guest, data), 'x', CONSOLE_INPUT);
    ring_add(&rings[1], &(struct ring_buffer){data, CONSOLE_INPUT, false}, 1);
    kick(1);
    assert_int_equal(console->far.typed, CONSOLE_INPUT);
    control(0, VIRTIO_CONSOLE_PORT_OPEN, 0);
    control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
    send(1, "list\n", 5, 0x2000);
    kick(1);
    assert_int_equal(console->far.typed, CONSOLE_INPUT);
    console->near.consumed = 100;
    ring_now += 10000000;
    ring_settle();
    assert_int_equal(console->far.typed, CONSOLE_INPUT + 6);
    assert_memory_equal(console->input, "\nlist\n", 6);
}

static unsigned answers_left;

/* A manager that answers the next request as soon as it hears that the answer before it has been taken. */
static void answer_at_once(uint32_t handle)
{
    if (handle != CONSOLE_HANDLE || answers_left == 0 || console->near.produced != console->far.printed) {
        return;
    }
    answers_left--;
    memcpy(&console->output[console->near.produced % CONSOLE_OUTPUT], "{}\n", 3);
    console->near.produced += 3;
    if (console->far.sleeping) {
        console_answered();
    }
}

static void answers_at_once(void **state)
{
    (void)state;
    open_port();
    answers_left = 6;
    ring_on_signal = answer_at_once;
    for (unsigned i = 0; i < 8; i++) {
        give(0, 16, i * 16);
    }
    send(1, "a\nb\nc\nd\ne\nf\n", 12, 0x2000);
    kick(0);
    kick(1);
    ring_on_signal = NULL;
    assert_int_equal(ring_used(&rings[0])->idx, 6);
    assert_int_equal(answers_left, 0);
}

/* What does not fit waits in the guest's ring. */
static void nothing_is_lost(void **state)
{
    (void)state;
    open_port();
    for (unsigned i = 0; i < 0x1800; i++) {
        ((char *)ring_at(&guest, data))[i] = (char)('a' + i % 26);
    }
    ring_add(&rings[1], &(struct ring_buffer){data, 0x1800, false}, 1);
    kick(1);
    assert_int_equal(console->far.typed, CONSOLE_INPUT);
    assert_int_equal(ring_used(&rings[1])->idx, 0);
    console->near.consumed = 1000;
    ring_now += 10000000;
    ring_settle();
    assert_int_equal(console->far.typed, CONSOLE_INPUT + 1000);
    console->near.consumed = 0x1000;
    ring_now += 10000000;
    ring_settle();
    assert_int_equal(console->far.typed, 0x1800);
    assert_int_equal(ring_used(&rings[1])->idx, 1);
    assert_int_equal(console->input[0x17ff % CONSOLE_INPUT], 'a' + 0x17ff % 26);
    for (unsigned i = 0; i < 100; i++) {
        answer("0123456789");
    }
    give(0, 600, 0x3000);
    kick(0);
    give(0, 600, 0x3258);
    kick(0);
    assert_memory_equal((char *)ring_at(&guest, data + 0x3000) + 990, "0123456789", 10);
    assert_int_equal(console->far.printed, 1000);
}

static void without_multiport(void **state)
{
    (void)state;
    prepare(0, 2);
    connect(0);
    assert_int_equal(guest.channel->back.queue_count, 2);
    send(1, "list\n", 5, 0);
    kick(1);
    assert_int_equal(console->far.typed, 5);
    give(0, 10, 0);
    kick(0);
    answer("{}\n");
    assert_int_equal(ring_used(&rings[0])->idx, 1);
}

/* --- killed --- */

/* Three requests and three answers, drivers-dom dying after `stores` steps; then everything must be there once. */
static bool killed_after(long stores)
{
    prepare(0, PORT_QUEUES);
    connect(1ull << VIRTIO_CONSOLE_F_MULTIPORT);
    open_port();
    for (unsigned i = 0; i < 3; i++) {
        give(0, 5, i * 5);
        char text[16] = "request 0 -----\n";
        text[8] = (char)('0' + i);
        send(1, text, 16, 0x2000 + i * 16);
    }
    const char *answers = "answer 0 1 2\n";
    for (const char *at = answers; *at != 0; at++) {
        console->output[console->near.produced++ % CONSOLE_OUTPUT] = *at;
    }
    bool died = true;
    kill_at = stores;
    if (setjmp(death) == 0) {
        kick(1);
        died = false;
    }
    kill_at = -1;
    if (died) { /* the old one's memory is gone; its list of consoles with it */
        ring_forget();
        backend = console_backend.attach(&guest.entry, 0);
        assert_non_null(backend);
        ring_settle();
    }
    assert_int_equal(guest.channel->back.state, BACK_CONNECTED);
    assert_int_equal(console->far.typed, 48);
    assert_memory_equal(console->input, "request 0 -----\nrequest 1 -----\nrequest 2 -----\n", 48);
    assert_int_equal(ring_used(&rings[1])->idx, 3);
    assert_int_equal(console->far.printed - 0, strlen(answers));
    assert_int_equal(ring_used(&rings[0])->idx, 3);
    char got[16];
    memcpy(got, ring_at(&guest, data), 13);
    assert_memory_equal(got, answers, 13);
    teardown(NULL);
    return died;
}

static void killed(void **state)
{
    (void)state;
    long at = 0;
    while (killed_after(at)) {
        at++;
    }
    assert_true(at > 5);
}

#define NEAR(name) cmocka_unit_test_setup_teardown(name, setup_near, teardown)
#define PORT(name) cmocka_unit_test_setup_teardown(name, setup_port, teardown)
#define OWN(name) cmocka_unit_test_teardown(name, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        NEAR(output), NEAR(much_output), NEAR(input), NEAR(a_buffer_that_cannot_be_written), OWN(lines_to_the_log),
        cmocka_unit_test(not_a_console), PORT(port), PORT(begun_requests_end), PORT(messages_wait_for_buffers),
        PORT(messages_that_mean_nothing), PORT(short_messages), PORT(short_buffers), PORT(nothing_is_lost),
        PORT(begun_requests_end_later), PORT(answers_at_once),
        OWN(without_multiport), cmocka_unit_test(killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
