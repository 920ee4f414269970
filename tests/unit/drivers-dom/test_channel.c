/* SPDX-License-Identifier: MIT
 * The state machine of a channel's back side: a test for each transition of the table in docs/channel.md, named after
 * its row and column. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "channel.h"
#include "ring_fixture.h"

#define FEATURE 5

static struct ring_guest guest;
static struct ring ring;
static struct back *back;
static unsigned started, resumed, stopped, gone;
static struct queue_chain chain;

static void on_start(void *context, bool again)
{
    (void)context;
    started++;
    resumed += again;
}
static void on_stop(void *context)
{
    (void)context;
    stopped++;
}
static void on_gone(void *context)
{
    (void)context;
    gone++;
}
static const struct channel_user user = {"disk", on_start, on_stop, on_gone};

static void open_back(void)
{
    ring_forget();
    memset(back, 0xaa, sizeof(*back));
    started = resumed = stopped = gone = 0;
    assert_int_equal(channel_open(back, &guest.entry, &user, NULL), OK);
    channel_update(back);
}

static int setup(void **state)
{
    (void)state;
    ring_guest_init(&guest, CHANNEL_BLOCK);
    ring_init(&ring, &guest, 0, 8, false);
    back = malloc(sizeof(*back));
    memset(ring_signals, 0, sizeof(ring_signals));
    open_back();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(back);
    ring_guest_free(&guest);
    return 0;
}

static void offer(void)
{
    uint8_t config[] = {1, 2, 3};
    channel_offer(back, 1ull << FEATURE, config, sizeof(config), 1);
}

static void run(void)
{
    ring_front_run(&guest, 1ull << FEATURE);
    channel_update(back);
}

static void idle(void)
{
    ring_front_idle(&guest);
    channel_update(back);
}

static void expect(enum back_phase phase, enum back_state state)
{
    assert_int_equal(back->phase, phase);
    assert_int_equal(guest.channel->back.state, state);
}

static void acknowledged(void)
{
    assert_int_equal(guest.channel->back.seen_generation, guest.channel->front.generation);
}

/* --- ABSENT --- */

static void absent_offer(void **state)
{
    (void)state;
    expect(PHASE_ABSENT, BACK_ABSENT);
    unsigned signals = ring_signals[1];
    offer();
    expect(PHASE_OFFERED, BACK_OFFERED);
    assert_int_equal(ring_signals[1], signals + 1);
    const struct channel_back *shared = &guest.channel->back;
    assert_true(shared->features >> FEATURE & 1);
    assert_true(shared->features >> VIRTIO_F_VERSION_1 & 1);
    assert_int_equal(shared->queue_count, 1);
    assert_int_equal(shared->queue_size, CHANNEL_MAX_QUEUE_SIZE);
    assert_int_equal(shared->config_size, 3);
    assert_int_equal(shared->config[2], 3);
}

static void absent_run_then_offer(void **state)
{
    (void)state;
    run();
    expect(PHASE_ABSENT, BACK_ABSENT);
    offer();
    expect(PHASE_RUNNING, BACK_CONNECTED);
    acknowledged();
}

static void absent_idle(void **state)
{
    (void)state;
    run();
    idle();
    expect(PHASE_ABSENT, BACK_ABSENT);
    acknowledged();
}

static void absent_close(void **state)
{
    (void)state;
    channel_close(back);
    expect(PHASE_CLOSED, BACK_ABSENT);
    assert_int_equal(gone, 1);
    assert_int_equal(stopped, 0);
}

static void absent_fail(void **state)
{
    (void)state;
    channel_fail(back, "no such thing as %s", "x");
    expect(PHASE_FAILED, BACK_FAILED);
    assert_string_equal(guest.channel->back.error, "no such thing as x");
    assert_non_null(strstr(ring_log, "guest web, disk root: no such thing as x"));
}

/* --- OFFERED --- */

static void offered_run(void **state)
{
    (void)state;
    offer();
    run();
    expect(PHASE_RUNNING, BACK_CONNECTED);
    acknowledged();
    assert_int_equal(started, 1);
    assert_int_equal(resumed, 0);
    assert_true(back->queues[0].enabled);
    assert_true(channel_negotiated(back, FEATURE));
}

static void offered_run_with_wrong_features(void **state)
{
    (void)state;
    offer();
    ring_front_run(&guest, 1ull << 40);
    channel_update(back);
    expect(PHASE_FAILED, BACK_FAILED);
    assert_non_null(strstr(guest.channel->back.error, "0x10000000000 are not offered"));
    assert_int_equal(started, 0);
}

static void offered_run_without_version_1(void **state)
{
    (void)state;
    offer();
    ring_front_run(&guest, 0);
    guest.channel->front.features = 0;
    channel_update(back);
    expect(PHASE_FAILED, BACK_FAILED);
    assert_non_null(strstr(guest.channel->back.error, "VIRTIO_F_VERSION_1"));
}

static void offered_run_with_a_wrong_queue(void **state)
{
    (void)state;
    offer();
    guest.channel->front.queues[0].desc = 1;
    run();
    expect(PHASE_FAILED, BACK_FAILED);
    assert_non_null(strstr(guest.channel->back.error, "queue 0: the descriptor table"));
}

static void offered_run_with_too_many_queues(void **state)
{
    (void)state;
    offer();
    guest.channel->front.queues[3] = guest.channel->front.queues[0];
    run();
    expect(PHASE_FAILED, BACK_FAILED);
    assert_non_null(strstr(guest.channel->back.error, "queue 3 is enabled"));
}

static void offered_idle(void **state)
{
    (void)state;
    offer();
    guest.channel->front.generation = 9;
    channel_update(back);
    expect(PHASE_OFFERED, BACK_OFFERED);
    acknowledged();
    unsigned signals = ring_signals[1];
    channel_update(back);
    assert_int_equal(ring_signals[1], signals); /* said once */
}

static void offered_close(void **state)
{
    (void)state;
    offer();
    channel_close(back);
    expect(PHASE_CLOSED, BACK_ABSENT);
    assert_int_equal(gone, 1);
}

static void offered_offer_again(void **state)
{
    (void)state;
    offer();
    uint32_t generation = guest.channel->back.config_generation;
    offer();
    assert_int_equal(guest.channel->back.config_generation, generation);
    uint8_t other[] = {4};
    unsigned signals = ring_signals[1];
    channel_offer(back, 0, other, 1, 1);
    assert_int_equal(guest.channel->back.config_generation, generation + 1);
    assert_int_equal(guest.channel->back.config[1], 0);
    assert_int_equal(ring_signals[1], signals + 1);
}

/* --- RUNNING --- */

static void running_update(void **state)
{
    (void)state;
    offer();
    run();
    unsigned signals = ring_signals[1];
    channel_update(back);
    expect(PHASE_RUNNING, BACK_CONNECTED);
    assert_int_equal(ring_signals[1], signals);
    assert_int_equal(started, 1);
}

static void running_idle(void **state)
{
    (void)state;
    offer();
    run();
    idle();
    expect(PHASE_OFFERED, BACK_OFFERED);
    acknowledged();
    assert_int_equal(stopped, 1);
}

static void running_idle_with_requests(void **state)
{
    (void)state;
    offer();
    run();
    channel_hold(back);
    idle();
    expect(PHASE_STOPPING, BACK_CONNECTED); /* not yet: the device may still write to the guest's memory */
    assert_int_equal(stopped, 1);
    channel_release(back);
    expect(PHASE_OFFERED, BACK_OFFERED);
    assert_int_equal(stopped, 1);
}

static void running_next_generation(void **state)
{
    (void)state;
    offer();
    run();
    ring_add(&ring, &(struct ring_buffer){0x1000, 8, true}, 1);
    assert_int_equal(queue_pop(&back->queues[0], &chain), QUEUE_CHAIN);
    run(); /* without an IDLE that we have seen */
    expect(PHASE_RUNNING, BACK_CONNECTED);
    acknowledged();
    assert_int_equal(stopped, 1);
    assert_int_equal(started, 2);
    assert_int_equal(resumed, 0);
    assert_int_equal(guest.channel->in_flight[0][0], IN_FLIGHT_NONE); /* a new ring, a new record */
    assert_int_equal(guest.channel->back.next_avail[0], 0);
}

static void running_fail(void **state)
{
    (void)state;
    offer();
    run();
    ring_avail(&ring)->idx = 100;
    assert_int_equal(queue_pop(&back->queues[0], &chain), QUEUE_BROKEN);
    channel_fail_queue(back, 0);
    expect(PHASE_FAILED, BACK_FAILED);
    assert_int_equal(stopped, 1);
    assert_non_null(strstr(ring_log, "guest web, disk root: queue 0: avail.idx is 100"));
    ring_signals[2] = 0;
    channel_publish(back, 0);
    assert_int_equal(ring_signals[2], 0);
}

static void running_close(void **state)
{
    (void)state;
    offer();
    run();
    channel_hold(back);
    channel_close(back);
    expect(PHASE_CLOSING, BACK_CONNECTED);
    assert_int_equal(stopped, 1);
    assert_int_equal(gone, 0);
    channel_update(back);
    assert_int_equal(gone, 0);
    channel_release(back);
    expect(PHASE_CLOSED, BACK_ABSENT);
    assert_int_equal(gone, 1);
}

/* --- STOPPING --- */

static void stopping_run(void **state)
{
    (void)state;
    offer();
    run();
    channel_hold(back);
    idle();
    run();
    expect(PHASE_STOPPING, BACK_CONNECTED);
    channel_release(back);
    expect(PHASE_RUNNING, BACK_CONNECTED);
    acknowledged();
    assert_int_equal(started, 2);
}

static void stopping_close(void **state)
{
    (void)state;
    offer();
    run();
    channel_hold(back);
    idle();
    channel_close(back);
    expect(PHASE_CLOSING, BACK_CONNECTED);
    channel_release(back);
    assert_int_equal(gone, 1);
    assert_int_equal(stopped, 1);
}

static void stopping_fail(void **state)
{
    (void)state;
    offer();
    run();
    channel_hold(back);
    idle();
    channel_fail(back, "late");
    expect(PHASE_FAILED, BACK_FAILED);
    channel_update(back);
    expect(PHASE_FAILED, BACK_FAILED); /* still held */
    channel_release(back);
    expect(PHASE_OFFERED, BACK_OFFERED);
}

/* --- FAILED --- */

static void failed_idle(void **state)
{
    (void)state;
    offer();
    run();
    channel_fail(back, "bad");
    channel_update(back);
    expect(PHASE_FAILED, BACK_FAILED);
    idle();
    expect(PHASE_OFFERED, BACK_OFFERED);
    acknowledged();
    run();
    expect(PHASE_RUNNING, BACK_CONNECTED);
}

static void failed_idle_with_requests(void **state)
{
    (void)state;
    offer();
    run();
    channel_hold(back);
    channel_fail(back, "bad");
    idle();
    expect(PHASE_FAILED, BACK_FAILED);
    channel_release(back);
    expect(PHASE_OFFERED, BACK_OFFERED);
}

static void failed_next_generation(void **state)
{
    (void)state;
    offer();
    run();
    channel_fail(back, "bad");
    run();
    expect(PHASE_RUNNING, BACK_CONNECTED);
    acknowledged();
}

static void failed_fail(void **state)
{
    (void)state;
    offer();
    run();
    channel_fail(back, "first");
    channel_fail(back, "second");
    assert_string_equal(guest.channel->back.error, "first");
    assert_int_equal(stopped, 1);
}

static void failed_close(void **state)
{
    (void)state;
    offer();
    run();
    channel_fail(back, "bad");
    channel_close(back);
    expect(PHASE_CLOSED, BACK_ABSENT);
    assert_int_equal(gone, 1);
    assert_int_equal(stopped, 1);
}

static void failures_do_not_fill_the_log(void **state)
{
    (void)state;
    offer();
    ring_log[0] = 0;
    unsigned lines = 0;
    for (unsigned i = 0; i < 1000; i++) {
        run();
        channel_fail(back, "bad");
        idle();
        for (const char *c = ring_log; *c != 0; c++) {
            lines += *c == '\n';
        }
        ring_log[0] = 0;
    }
    assert_in_range(lines, 64, 80);
}

/* --- a new drivers-dom --- */

static void restart_before_the_source_is_there(void **state)
{
    (void)state;
    offer();
    run();
    ring_add(&ring, &(struct ring_buffer){0x1000, 8, true}, 1);
    assert_int_equal(queue_pop(&back->queues[0], &chain), QUEUE_CHAIN);
    open_back();
    expect(PHASE_ABSENT, BACK_CONNECTED); /* the guest notices nothing */
    ring_signals[2] = 0;
    offer();
    expect(PHASE_RUNNING, BACK_CONNECTED);
    assert_int_equal(resumed, 1);
    assert_int_equal(ring_signals[2], 1); /* the last signal may have been lost */
    assert_int_equal(queue_pop(&back->queues[0], &chain), QUEUE_CHAIN);
}

static void restart_and_the_guest_has_left(void **state)
{
    (void)state;
    offer();
    run();
    ring_front_idle(&guest);
    open_back();
    expect(PHASE_ABSENT, BACK_ABSENT);
    acknowledged();
    offer();
    expect(PHASE_OFFERED, BACK_OFFERED);
}

static void restart_and_the_guest_leaves_while_waiting(void **state)
{
    (void)state;
    offer();
    run();
    open_back();
    expect(PHASE_ABSENT, BACK_CONNECTED);
    idle();
    expect(PHASE_ABSENT, BACK_ABSENT);
    acknowledged();
}

static void restart_and_the_guest_has_a_new_generation(void **state)
{
    (void)state;
    offer();
    run();
    ring_front_run(&guest, 0);
    open_back();
    offer();
    expect(PHASE_RUNNING, BACK_CONNECTED);
    acknowledged();
    assert_int_equal(resumed, 0);
    assert_int_equal(started, 1);
}

static void restart_between_record_and_connected(void **state)
{
    (void)state;
    offer();
    run();
    guest.channel->back.state = BACK_OFFERED; /* killed before CONNECTED was written */
    open_back();
    offer();
    expect(PHASE_RUNNING, BACK_CONNECTED);
    assert_int_equal(resumed, 0);
}

static void restart_when_failed(void **state)
{
    (void)state;
    offer();
    run();
    channel_fail(back, "bad");
    open_back();
    expect(PHASE_FAILED, BACK_FAILED);
    offer();
    expect(PHASE_FAILED, BACK_FAILED);
    idle();
    expect(PHASE_OFFERED, BACK_OFFERED);
}

static void restart_when_failed_and_left(void **state)
{
    (void)state;
    offer();
    run();
    channel_fail(back, "bad");
    ring_front_idle(&guest);
    open_back();
    expect(PHASE_ABSENT, BACK_ABSENT);
}

static void restart_with_fewer_features(void **state)
{
    (void)state;
    offer();
    run();
    open_back();
    channel_offer(back, 0, "", 0, 1);
    expect(PHASE_FAILED, BACK_FAILED);
    assert_non_null(strstr(guest.channel->back.error, "features 0x20 are not offered"));
}

/* --- no channel at all --- */

static void refuses_what_is_no_channel(void **state)
{
    (void)state;
    guest.channel->magic = 1;
    assert_int_equal(channel_open(back, &guest.entry, &user, NULL), ERR_FORMAT);
    guest.channel->magic = CHANNEL_MAGIC;
    guest.channel->type = CHANNEL_NET;
    assert_int_equal(channel_open(back, &guest.entry, &user, NULL), ERR_FORMAT);
    guest.channel->type = CHANNEL_BLOCK;
    guest.entry.extents[1].guest = 0;
    assert_int_equal(channel_open(back, &guest.entry, &user, NULL), ERR_FORMAT);
    guest.entry.extent_count = 1000;
    assert_int_equal(channel_open(back, &guest.entry, &user, NULL), ERR_FORMAT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(absent_offer),
        T(absent_run_then_offer),
        T(absent_idle),
        T(absent_close),
        T(absent_fail),
        T(offered_run),
        T(offered_run_with_wrong_features),
        T(offered_run_without_version_1),
        T(offered_run_with_a_wrong_queue),
        T(offered_run_with_too_many_queues),
        T(offered_idle),
        T(offered_close),
        T(offered_offer_again),
        T(running_update),
        T(running_idle),
        T(running_idle_with_requests),
        T(running_next_generation),
        T(running_fail),
        T(running_close),
        T(stopping_run),
        T(stopping_close),
        T(stopping_fail),
        T(failed_idle),
        T(failed_idle_with_requests),
        T(failed_next_generation),
        T(failed_fail),
        T(failed_close),
        T(failures_do_not_fill_the_log),
        T(restart_before_the_source_is_there),
        T(restart_and_the_guest_has_left),
        T(restart_and_the_guest_leaves_while_waiting),
        T(restart_and_the_guest_has_a_new_generation),
        T(restart_between_record_and_connected),
        T(restart_when_failed),
        T(restart_when_failed_and_left),
        T(restart_with_fewer_features),
        T(refuses_what_is_no_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
