/* SPDX-License-Identifier: MIT
 * The monitor's hypercalls: who may, what is answered, and that no argument reaches outside of guest memory. */
#include "fake_pc.h"
#include "abi/hypercall.h"
#include "abi/syscall.h"
#include "console.h"
#include "fault.h"
#include "fetch.h"
#include "hypercall.h"
#include "vcpu_loop.h"

#define IDENTITY 0x40000000ull
#define RAM 0x4000ull

static struct machine *pc;
static struct vcpu_state vcpu_state;
static struct vcpu *vcpu;
static unsigned skips, exceptions, writes;
static const char *text;
static uint32_t text_length;

bool vcpu_skip(struct vcpu *v)
{
    assert_ptr_equal(v, vcpu);
    skips++;
    return true;
}

void vcpu_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
    assert_ptr_equal(v, vcpu);
    assert_int_equal(vector, EXCEPTION_UD);
    assert_false(has_error || error);
    exceptions++;
}

void console_write(struct machine *machine, const char *from, uint32_t length)
{
    assert_ptr_equal(machine, pc);
    text = from;
    text_length = length;
    writes++;
}

static int setup(void **state)
{
    (void)state;
    pc = fake_machine(RAM, 0, 2000000000, 5000000000);
    pc->memory = (struct memory){ .base = pc->memory.base - IDENTITY, .high = RAM, .high_base = IDENTITY };
    fake.start.epoch = 1700000000;
    vcpu = &pc->vcpus[0];
    vcpu->machine = pc;
    vcpu->state = &vcpu_state;
    memset(&vcpu_state, 0, sizeof(vcpu_state));
    vcpu_state.valid = FETCH_GROUPS;
    skips = exceptions = writes = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(pc->memory.base + IDENTITY);
    free(pc);
    return 0;
}

static uint64_t call(uint64_t number, uint64_t first, uint64_t second)
{
    vcpu_state.gpr[RAX] = number;
    vcpu_state.gpr[RDI] = first;
    vcpu_state.gpr[RSI] = second;
    exit_hypercall(vcpu);
    return vcpu_state.gpr[RAX];
}

static void test_console(void **state)
{
    (void)state;
    assert_int_equal(call(HYPERCALL_CONSOLE_WRITE, IDENTITY + 8, 4096), OK);
    assert_ptr_equal(text, pc->memory.base + IDENTITY + 8);
    assert_int_equal(text_length, 4096);
    assert_int_equal(call(HYPERCALL_CONSOLE_WRITE, IDENTITY + RAM - 3, 3), OK);
    assert_int_equal(writes, 2);
    static const uint64_t bad[][2] = {
        { IDENTITY, 4097 }, { IDENTITY, ~0ull }, { IDENTITY + RAM - 3, 4 }, { IDENTITY - 1, 2 }, { 0, 1 }, { ~0ull, 2 }, { IDENTITY + RAM, 1 },
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(call(HYPERCALL_CONSOLE_WRITE, bad[i][0], bad[i][1]), ERR_PARAM);
    assert_int_equal(writes, 2);
    assert_int_equal(skips, 2 + 7);
}

static void test_shutdown(void **state)
{
    (void)state;
    (void)call(HYPERCALL_SHUTDOWN, 0, 0);
    assert_int_equal(fake.end_code, END_POWEROFF);
    (void)call(HYPERCALL_SHUTDOWN, 0x123456789, 0);
    assert_int_equal(fake.end_code, END_GUEST_ERROR);
    assert_non_null(strstr(fake.end_reason, "4886718345"));
}

static void test_exits(void **state)
{
    static uint64_t exits[EXIT_COUNT];
    (void)state;
    vcpu->exits = exits;
    exits[EXIT_COUNT - 1] = 7;
    vcpu_state.exits_kernel = 8;
    assert_int_equal(call(HYPERCALL_EXITS, EXIT_COUNT - 1, 0), OK);
    assert_int_equal(vcpu_state.gpr[RDI], 7);
    assert_int_equal(call(HYPERCALL_EXITS, EXIT_NONE, 0), OK);
    assert_int_equal(vcpu_state.gpr[RDI], 8);
    assert_int_equal(call(HYPERCALL_EXITS, EXIT_COUNT, 0), ERR_PARAM);
    assert_int_equal(call(HYPERCALL_EXITS, ~0ull, 0), ERR_PARAM);
}

static void test_time(void **state)
{
    (void)state;
    fake.tsc += 3ull * 2000000000 + 20;
    assert_int_equal(call(HYPERCALL_TIME, 0, 0), OK);
    assert_true(vcpu_state.gpr[RDI] == 1700000003000000010ull);
}

static void test_unknown(void **state)
{
    (void)state;
    assert_int_equal(call(HYPERCALL_EXITS + 1, 0, 0), ERR_CALL);
    assert_int_equal(call(HYPERCALL_BASE + 0x1ff, 0, 0), ERR_CALL);
    assert_true(call(HYPERCALL_BASE + 0x200, 0, 0) == (uint64_t)-1000);
    assert_true(call(HYPERCALL_BASE - 1, 0, 0) == (uint64_t)-1000);
    assert_true(call(1, 0, 0) == (uint64_t)-1000);
    assert_true(call(1ull << 32 | HYPERCALL_CONSOLE_WRITE, IDENTITY, 1) == (uint64_t)-1000);
    assert_int_equal(call(HYPERCALL_EVENT_WAIT, 0, 0), OK);
    assert_int_equal(call(HYPERCALL_EVENT_WAIT, 0, 1), ERR_BUSY); /* with a signal, which is the kernel's */
    assert_int_equal(call(HYPERCALL_EVENT_SIGNAL, 0, 0), ERR_BUSY);
    assert_int_equal(call(HYPERCALL_IRQ_UNMASK, 0, 0), ERR_BUSY);
    assert_int_equal(writes, 0);
}

static void test_privilege(void **state)
{
    (void)state;
    vcpu_state.seg[SEG_SS].attr = 3u << SEG_ATTR_DPL_SHIFT;
    assert_true(call(HYPERCALL_CONSOLE_WRITE, IDENTITY, 1) == HYPERCALL_CONSOLE_WRITE);
    assert_int_equal(exceptions, 1);
    assert_int_equal(skips + writes, 0);
}

/* The register groups are asked for when a hypercall turns out to be the monitor's; the guest then makes it again. */
static void test_groups(void **state)
{
    (void)state;
    vcpu_state.valid = 0;
    assert_true(call(HYPERCALL_CONSOLE_WRITE, IDENTITY, 1) == HYPERCALL_CONSOLE_WRITE);
    assert_int_equal(skips + writes + exceptions, 0);
    assert_int_equal(vcpu_state.wanted[EXIT_HYPERCALL], FETCH_GROUPS);
    vcpu_state.valid = FETCH_GROUPS;
    assert_int_equal(call(HYPERCALL_CONSOLE_WRITE, IDENTITY, 1), OK);
    assert_int_equal(vcpu_state.wanted[EXIT_HYPERCALL], 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = { TEST(test_console), TEST(test_shutdown), TEST(test_time), TEST(test_exits), TEST(test_unknown), TEST(test_privilege),
                                         TEST(test_groups) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
