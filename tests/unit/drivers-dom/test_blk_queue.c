/* SPDX-License-Identifier: MIT
 * The request queue of disks: order, splitting, exclusive operations, time-outs, resets, devices that fail and
 * vanish. */
#include "service_fixture.h"
#include "blk_queue.h"

#define DEPTH 4

static struct blk_queue queue;
static struct blk_command *hardware[DEPTH];
static unsigned in_hardware, starts, resets, stops, polls;
static enum status reset_result;
static bool is_alive, is_ready;

static bool ready(void *driver)
{
    (void)driver;
    return is_ready;
}

static void issue(void *driver, struct blk_command *command)
{
    (void)driver;
    assert_true(in_hardware < DEPTH);
    hardware[in_hardware++] = command;
}

static void start(void *driver)
{
    (void)driver;
    starts++;
}

static void poll(void *driver)
{
    (void)driver;
    polls++;
}

static bool alive(void *driver)
{
    (void)driver;
    return is_alive;
}

static enum status reset(void *driver, unsigned step)
{
    (void)driver;
    if (step == 0) {
        resets++;
        in_hardware = 0;
    }
    return step < 3 ? ERR_BUSY : reset_result;
}

static void stop(void *driver)
{
    (void)driver;
    stops++;
}

static const struct blk_queue_ops ops = {ready, issue, start, poll, alive, reset, stop};
static const struct blk_ops blk_ops = {.driver = "disk", .submit = blk_queue_submit, .kick = blk_queue_kick};

static struct answer {
    struct blk_request request;
    unsigned calls;
    enum status status;
} answers[32];

static void done(struct blk_request *request, enum status status)
{
    struct answer *answer = request->context;
    answer->calls++;
    answer->status = status;
}

static uint8_t memory[0x10000] __attribute__((aligned(4096)));

static enum status ask(unsigned index, uint8_t op, uint64_t sectors)
{
    struct answer *answer = &answers[index];
    *answer = (struct answer){.request = {.op = op, .sector = index * 16, .sectors = sectors, .segment_count = 1,
                                          .done = done}};
    answer->request.context = answer;
    answer->request.segments[0] = (struct blk_segment){dma_of(memory), (uint32_t)sectors * 512};
    return blk_submit(&queue.device, &answer->request);
}

static void complete(unsigned index, enum status status)
{
    struct blk_command *command = hardware[index];
    hardware[index] = hardware[--in_hardware];
    blk_queue_done(&queue, command, status);
    fixture_settle();
}

static int setup(void **state)
{
    (void)state;
    while (blk_next(NULL) != NULL) {
        blk_unregister(blk_next(NULL));
    }
    fixture_reset();
    in_hardware = starts = resets = stops = polls = 0;
    reset_result = OK;
    is_alive = is_ready = true;
    memset(&queue, 0, sizeof(queue));
    queue.device = (struct blk_device){.ops = &blk_ops, .sectors = 10000, .discard = true};
    queue.ops = &ops;
    queue.depth = DEPTH;
    queue.limits = (struct blk_limits){.block_size = 512, .max_bytes = 4096, .max_pieces = 8, .max_range = 1000,
                                       .align_mask = 3};
    assert_int_equal(blk_queue_open(&queue), OK);
    return 0;
}

static void test_one(void **state)
{
    (void)state;
    assert_int_equal(ask(0, BLK_READ, 8), OK);
    assert_int_equal(in_hardware, 0); /* the end of the round is not yet */
    fixture_settle();
    assert_int_equal(in_hardware, 1);
    assert_int_equal(starts, 1);
    complete(0, OK);
    assert_int_equal(answers[0].calls, 1);
    assert_int_equal(answers[0].status, OK);
}

static void test_split_and_joined(void **state)
{
    (void)state;
    assert_int_equal(ask(0, BLK_READ, 24), OK);
    fixture_settle();
    assert_int_equal(in_hardware, 3);
    complete(1, OK);
    complete(0, ERR_DEVICE);
    assert_int_equal(answers[0].calls, 0);
    complete(0, OK);
    assert_int_equal(answers[0].calls, 1);
    assert_int_equal(answers[0].status, ERR_DEVICE);
}

static void test_error_stops_the_rest(void **state)
{
    (void)state;
    assert_int_equal(ask(0, BLK_WRITE, 8 * 8), OK);
    fixture_settle();
    assert_int_equal(in_hardware, DEPTH);
    complete(0, ERR_DEVICE);
    assert_int_equal(in_hardware, 3); /* nothing of a failed request is started any more */
    complete(0, OK);
    complete(0, OK);
    complete(0, OK);
    assert_int_equal(answers[0].calls, 1);
    assert_int_equal(answers[0].status, ERR_DEVICE);
}

static void test_full(void **state)
{
    (void)state;
    unsigned accepted = 0;
    while (accepted < 32 && ask(accepted, BLK_READ, 1) == OK) {
        accepted++;
    }
    assert_true(accepted >= DEPTH && accepted < 32);
    fixture_settle();
    unsigned left = accepted;
    while (in_hardware > 0) {
        complete(0, OK);
        left--;
    }
    assert_int_equal(left, 0);
    for (unsigned i = 0; i < accepted; i++) {
        assert_int_equal(answers[i].calls, 1);
    }
}

static void test_exclusive(void **state)
{
    (void)state;
    queue.exclusive = 1u << BLK_FLUSH;
    assert_int_equal(ask(0, BLK_WRITE, 1), OK);
    assert_int_equal(ask(1, BLK_FLUSH, 0), OK);
    assert_int_equal(ask(2, BLK_WRITE, 1), OK);
    fixture_settle();
    assert_int_equal(in_hardware, 1);
    complete(0, OK);
    assert_int_equal(in_hardware, 1);
    assert_int_equal(hardware[0]->op, BLK_FLUSH);
    complete(0, OK);
    assert_int_equal(in_hardware, 1);
    assert_int_equal(hardware[0]->op, BLK_WRITE);
    complete(0, OK);
}

static void test_nothing_to_flush(void **state)
{
    (void)state;
    queue.cacheless = true;
    assert_int_equal(ask(0, BLK_FLUSH, 0), OK);
    assert_int_equal(answers[0].calls, 0);
    fixture_settle();
    assert_int_equal(in_hardware, 0);
    assert_int_equal(answers[0].calls, 1);
}

static void test_bounce(void **state)
{
    (void)state;
    for (unsigned op = BLK_READ; op <= BLK_WRITE; op++) {
        ask(0, (uint8_t)op, 8);
        answers[0].request.segments[0].address += 1;
        memset(memory, 0x11, sizeof(memory));
        fixture_settle();
        assert_int_equal(in_hardware, 1);
        uint8_t *bounce = machine(hardware[0]->part.pieces[0].address);
        assert_true(bounce < memory || bounce >= memory + sizeof(memory));
        assert_int_equal(hardware[0]->part.pieces[0].size, 4096);
        assert_int_equal(bounce[4095] == 0x11, op == BLK_WRITE);
        memset(bounce, 0x22, 4096);
        complete(0, OK);
        assert_int_equal(memory[0], 0x11);
        assert_int_equal(memory[1], op == BLK_READ ? 0x22 : 0x11);
        assert_int_equal(memory[4096], op == BLK_READ ? 0x22 : 0x11);
        assert_int_equal(memory[4097], 0x11);
    }
    /* More than there are buffers: the rest waits. */
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(ask(i, BLK_READ, 1), OK);
        answers[i].request.segments[0].address += 2;
    }
    for (fixture_settle(); in_hardware > 0;) {
        complete(0, OK);
    }
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(answers[i].calls, 1);
    }
}

static void test_timeout_is_redone_once(void **state)
{
    (void)state;
    ask(0, BLK_WRITE, 1);
    ask(1, BLK_WRITE, 1);
    fixture_settle();
    fixture_pass(4990);
    assert_int_equal(resets, 0);
    fixture_pass(1100);
    assert_int_equal(resets, 1);
    assert_logged("no answer to a write of 1 sectors at 0 for 5000 ms");
    assert_int_equal(answers[0].calls + answers[1].calls, 0);
    assert_int_equal(in_hardware, 2);
    complete(0, OK);
    assert_int_equal(answers[0].calls + answers[1].calls, 1);
    fixture_pass(6100);
    assert_int_equal(resets, 2);
    assert_logged("no answer, also not after a reset");
    assert_int_equal(answers[0].calls, 1);
    assert_int_equal(answers[1].calls, 1);
    assert_int_equal(answers[0].status + answers[1].status, ERR_TIMEOUT);
    /* It is usable again. */
    ask(2, BLK_READ, 1);
    fixture_settle();
    complete(0, OK);
    assert_int_equal(answers[2].status, OK);
}

static void test_memory_is_the_devices_until_it_is_reset(void **state)
{
    (void)state;
    ask(0, BLK_READ, 1);
    fixture_settle();
    fixture_pass(6000);
    fixture_pass(3); /* in the reset */
    assert_int_equal(answers[0].calls, 0);
}

static void test_reset_fails(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        ask(i, BLK_WRITE, 1);
    }
    reset_result = ERR_DEVICE;
    fixture_settle();
    fixture_pass(7000);
    assert_int_equal(stops, 1);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(answers[i].calls, 1);
        assert_int_equal(answers[i].status, ERR_TIMEOUT);
    }
    assert_null(blk_next(NULL));
    assert_int_equal(ask(9, BLK_READ, 1), ERR_NONE);
}

static void test_reset_never_ends(void **state)
{
    (void)state;
    reset_result = ERR_BUSY;
    ask(0, BLK_WRITE, 1);
    fixture_settle();
    fixture_pass(17000);
    assert_int_equal(answers[0].calls, 1);
    assert_logged("the reset failed");
}

static void resubmit(struct blk_request *request, enum status status)
{
    struct answer *answer = request->context;
    answer->calls++;
    answer->status = status;
    if (status != OK) {
        assert_int_equal(blk_submit(&queue.device, request), ERR_NONE);
    }
}

static void test_vanished(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        ask(i, BLK_WRITE, 1);
        answers[i].request.done = resubmit;
    }
    fixture_settle();
    is_alive = false;
    fixture_pass(1100);
    assert_logged("the device has vanished");
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(answers[i].calls, 1);
        assert_int_equal(answers[i].status, ERR_NONE);
    }
    assert_null(blk_find("disk0"));
}

static void test_resets_without_end(void **state)
{
    (void)state;
    ask(0, BLK_WRITE, 1);
    fixture_settle();
    for (unsigned i = 0; i < 4; i++) {
        blk_queue_reset(&queue, "an error");
        assert_int_equal(answers[0].calls, 0);
        fixture_pass(10);
    }
    assert_int_equal(answers[0].calls, 1);
    assert_int_equal(answers[0].status, ERR_TIMEOUT);
}

static void test_not_issued(void **state)
{
    (void)state;
    assert_null(blk_queue_issued(&queue, 0));
    assert_null(blk_queue_issued(&queue, DEPTH));
    assert_null(blk_queue_issued(&queue, 65535));
    ask(0, BLK_READ, 1);
    fixture_settle();
    struct blk_command *command = hardware[0];
    assert_ptr_equal(blk_queue_issued(&queue, command->index), command);
    complete(0, OK);
    assert_null(blk_queue_issued(&queue, command->index));
    blk_queue_done(&queue, command, OK); /* told twice */
    assert_int_equal(answers[0].calls, 1);
}

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(ask(0, BLK_READ, 0), ERR_PARAM);
    assert_int_equal(ask(0, BLK_WRITE_ZEROES, 1), ERR_SUPPORT);
    assert_int_equal(ask(0, 77, 1), ERR_SUPPORT);
    answers[0].request = (struct blk_request){.op = BLK_READ, .sector = 9999, .sectors = 2, .segment_count = 1};
    answers[0].request.segments[0].size = 1024;
    assert_int_equal(blk_submit(&queue.device, &answers[0].request), ERR_PARAM);
    answers[0].request.sector = UINT64_MAX;
    assert_int_equal(blk_submit(&queue.device, &answers[0].request), ERR_PARAM);
    answers[0].request.sector = 0;
    answers[0].request.segments[0].size = 1023;
    assert_int_equal(blk_submit(&queue.device, &answers[0].request), ERR_PARAM);
    answers[0].request.segment_count = BLK_MAX_SEGMENTS + 1;
    assert_int_equal(blk_submit(&queue.device, &answers[0].request), ERR_PARAM);
    queue.device.read_only = true;
    assert_int_equal(ask(0, BLK_WRITE, 1), ERR_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one, setup),
        cmocka_unit_test_setup(test_split_and_joined, setup),
        cmocka_unit_test_setup(test_error_stops_the_rest, setup),
        cmocka_unit_test_setup(test_full, setup),
        cmocka_unit_test_setup(test_exclusive, setup),
        cmocka_unit_test_setup(test_nothing_to_flush, setup),
        cmocka_unit_test_setup(test_bounce, setup),
        cmocka_unit_test_setup(test_timeout_is_redone_once, setup),
        cmocka_unit_test_setup(test_memory_is_the_devices_until_it_is_reset, setup),
        cmocka_unit_test_setup(test_reset_fails, setup),
        cmocka_unit_test_setup(test_reset_never_ends, setup),
        cmocka_unit_test_setup(test_vanished, setup),
        cmocka_unit_test_setup(test_resets_without_end, setup),
        cmocka_unit_test_setup(test_not_issued, setup),
        cmocka_unit_test_setup(test_refused, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
