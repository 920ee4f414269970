/* SPDX-License-Identifier: MIT
 * The keyboard controller: what Linux's driver, small kernels and reset code ask of it. */
#include "fake_pc.h"
#include "abi/syscall.h"
#include "devices/i8042.h"

#define DATA 0x60
#define COMMAND 0x64
#define PORT_A 0x92

static struct machine *pc;
static struct i8042 i8042;

static int setup(void **state)
{
    (void)state;
    pc = fake_machine(1 * MIB, 0, 1000000000, 0);
    assert_int_equal(i8042_init(&i8042, pc), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(pc);
    return 0;
}

static uint8_t status(void) { return inb(pc, COMMAND); }

static uint8_t answer(void)
{
    assert_int_equal(status() & 1, 1);
    return inb(pc, DATA);
}

static uint8_t ask(uint8_t command)
{
    outb(pc, COMMAND, command);
    return answer();
}

static void tell(uint8_t command, uint8_t parameter)
{
    outb(pc, COMMAND, command);
    assert_int_equal(status() & 0x0a, 0x08); /* input buffer empty, last byte was a command */
    outb(pc, DATA, parameter);
    assert_int_equal(status() & 0x08, 0);
}

static void self_tests_pass(void **state)
{
    (void)state;
    assert_int_equal(status(), 0x14); /* unlocked, system flag, nothing to read */
    assert_int_equal(ask(0xaa), 0x55);
    assert_int_equal(ask(0xab), 0x00);
    assert_int_equal(ask(0xa9), 0x00);
    assert_int_equal(ask(0xa4), 0xf1);
    assert_int_equal(status() & 1, 0);
}

/* i8042_controller_init and its checks: the command byte reads back as written. */
static void command_byte_can_be_changed(void **state)
{
    (void)state;
    uint8_t byte = ask(0x20);
    assert_int_equal(byte, 0x65);
    assert_int_equal(ask(0x20), byte);
    tell(0x60, 0x74);
    assert_int_equal(ask(0x20), 0x74);
    outb(pc, COMMAND, 0xa8);
    assert_int_equal(ask(0x20), 0x54);
    outb(pc, COMMAND, 0xa7);
    outb(pc, COMMAND, 0xae);
    assert_int_equal(ask(0x20), 0x64);
    outb(pc, COMMAND, 0xad);
    assert_int_equal(ask(0x20), 0x74);
    tell(0x71, 0xc3); /* a byte of its RAM */
    assert_int_equal(ask(0x31), 0xc3);
}

static void keyboard_answers_with_an_interrupt_per_byte(void **state)
{
    (void)state;
    outb(pc, DATA, 0xff); /* reset */
    assert_true(fake.level[1]);
    assert_int_equal(status() & 0x21, 0x01);
    assert_int_equal(answer(), 0xfa);
    assert_int_equal(fake.edges[1], 2); /* the next byte is an edge of its own */
    assert_int_equal(answer(), 0xaa);
    assert_false(fake.level[1]);
    assert_int_equal(inb(pc, DATA), 0xaa); /* the buffer keeps its last byte */
    assert_int_equal(fake.edges[1], 2);
}

static void keyboard_identifies_itself(void **state)
{
    (void)state;
    outb(pc, DATA, 0xf2);
    assert_int_equal(answer(), 0xfa);
    assert_int_equal(answer(), 0xab);
    assert_int_equal(answer(), 0x41); /* 0x83, translated */
    tell(0x60, 0x25);
    outb(pc, DATA, 0xf2);
    assert_int_equal(answer(), 0xfa);
    assert_int_equal(answer(), 0xab);
    assert_int_equal(answer(), 0x83);
    assert_int_equal(status() & 1, 0);
}

static void keyboard_takes_all_commands(void **state)
{
    (void)state;
    static const uint8_t plain[] = { 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa };
    static const uint8_t with_parameter[][2] = { { 0xed, 0x07 }, { 0xf3, 0x00 }, { 0xf0, 0x02 }, { 0xfb, 0x1c }, { 0xfd, 0x1c } };
    for (unsigned i = 0; i < sizeof(plain); i++) {
        outb(pc, DATA, plain[i]);
        assert_int_equal(answer(), 0xfa);
    }
    for (unsigned i = 0; i < sizeof(with_parameter) / 2; i++) {
        outb(pc, DATA, with_parameter[i][0]);
        assert_int_equal(answer(), 0xfa);
        outb(pc, DATA, with_parameter[i][1]);
        assert_int_equal(answer(), 0xfa);
    }
    outb(pc, DATA, 0xf0);
    assert_int_equal(answer(), 0xfa);
    outb(pc, DATA, 0x00); /* which scan-code set? */
    assert_int_equal(answer(), 0xfa);
    assert_int_equal(answer(), 0x41);
    outb(pc, DATA, 0xee);
    assert_int_equal(answer(), 0xee);
    outb(pc, DATA, 0xfe); /* again, please */
    assert_int_equal(answer(), 0xee);
    outb(pc, DATA, 0x12); /* no such command */
    assert_int_equal(answer(), 0xfe);
    outb(pc, DATA, 0xed); /* a command in place of a parameter */
    assert_int_equal(answer(), 0xfa);
    outb(pc, DATA, 0xf2);
    assert_int_equal(answer(), 0xfa);
    assert_int_equal(answer(), 0xab);
    assert_int_equal(answer(), 0x41);
    assert_int_equal(status() & 1, 0);
}

static void disabled_keyboard_holds_its_bytes(void **state)
{
    (void)state;
    outb(pc, DATA, 0xf2);
    outb(pc, COMMAND, 0xad);
    assert_int_equal(answer(), 0xfa); /* was in the buffer already */
    assert_int_equal(status() & 1, 0);
    assert_int_equal(ask(0x20) & 0x10, 0x10); /* controller's answers come */
    outb(pc, COMMAND, 0xae);
    assert_int_equal(answer(), 0xab);
    outb(pc, COMMAND, 0xad);
    outb(pc, DATA, 0xee); /* a byte for the keyboard enables it */
    assert_int_equal(answer(), 0x41);
    assert_int_equal(answer(), 0xee);
}

static void mouse_answers_on_the_second_port(void **state)
{
    (void)state;
    static const uint8_t commands[] = { 0xe6, 0xea, 0xf4, 0xf6, 0xf5 };
    tell(0x60, 0x47);
    tell(0xd3, 0x5a); /* loopback of the second port */
    assert_int_equal(status() & 0x21, 0x21);
    assert_true(fake.level[12]);
    assert_int_equal(answer(), 0x5a);
    assert_false(fake.level[12]);
    tell(0xd4, 0xff); /* reset */
    assert_int_equal(status() & 0x21, 0x21);
    assert_int_equal(answer(), 0xfa);
    assert_int_equal(answer(), 0xaa);
    assert_int_equal(answer(), 0x00);
    for (unsigned i = 0; i < sizeof(commands); i++) {
        tell(0xd4, commands[i]);
        assert_int_equal(answer(), 0xfa);
    }
    tell(0xd4, 0xf3); /* 200 samples a second */
    assert_int_equal(answer(), 0xfa);
    tell(0xd4, 200);
    assert_int_equal(answer(), 0xfa);
    tell(0xd4, 0xe9);
    assert_int_equal(answer(), 0xfa);
    assert_int_equal(answer(), 0x00);
    assert_int_equal(answer(), 0x02);
    assert_int_equal(answer(), 200);
    tell(0xd4, 0xeb); /* where has it moved? */
    assert_int_equal(answer(), 0xfa);
    assert_int_equal(answer(), 0x08);
    assert_int_equal(answer(), 0x00);
    assert_int_equal(answer(), 0x00);
    tell(0xd4, 0x11);
    assert_int_equal(answer(), 0xfe);
    tell(0xd4, 0xee); /* wrap mode: an echo of everything */
    assert_int_equal(answer(), 0xfa);
    tell(0xd4, 0xf2);
    assert_int_equal(answer(), 0xf2);
    tell(0xd4, 0xec);
    assert_int_equal(answer(), 0xfa);
    tell(0xd2, 0x1e); /* as if a key had been pressed */
    assert_int_equal(status() & 0x21, 0x01);
    assert_true(fake.level[1]);
    assert_int_equal(answer(), 0x1e);
}

static void a20_is_recorded(void **state)
{
    (void)state;
    assert_int_equal(ask(0xd0) & 0x03, 0x03);
    assert_int_equal(inb(pc, PORT_A), 0x02);
    tell(0xd1, 0xdd);
    assert_int_equal(inb(pc, PORT_A), 0x00);
    outb(pc, PORT_A, 0x02);
    assert_int_equal(ask(0xd0) & 0x02, 0x02);
    outb(pc, COMMAND, 0xdd);
    assert_int_equal(inb(pc, PORT_A), 0x00);
    outb(pc, COMMAND, 0xdf);
    assert_int_equal(inb(pc, PORT_A), 0x02);
    assert_int_equal(fake.ends, 0);
}

static void three_ways_to_reset(void **state)
{
    (void)state;
    outb(pc, COMMAND, 0xff); /* pulses nothing */
    assert_int_equal(fake.ends, 0);
    outb(pc, COMMAND, 0xfe);
    assert_int_equal(fake.ends, 1);
    assert_int_equal(fake.end_code, END_REBOOT);
    tell(0xd1, 0x02);
    assert_int_equal(fake.ends, 2);
    outb(pc, PORT_A, 0x01);
    assert_int_equal(fake.ends, 3);
    assert_int_equal(fake.end_code, END_REBOOT);
}

static void any_access_is_survived(void **state)
{
    (void)state;
    srand(5);
    for (unsigned i = 0; i < 200000; i++) {
        static const uint16_t ports[] = { DATA, COMMAND, PORT_A };
        uint16_t port = ports[rand() % 3];
        if (rand() & 1)
            bus_port_write(&pc->bus, port, 1u << rand() % 3, (uint32_t)rand());
        else
            (void)bus_port_read(&pc->bus, port, 1u << rand() % 3);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(self_tests_pass), CASE(command_byte_can_be_changed), CASE(keyboard_answers_with_an_interrupt_per_byte),
        CASE(keyboard_identifies_itself), CASE(keyboard_takes_all_commands), CASE(disabled_keyboard_holds_its_bytes),
        CASE(mouse_answers_on_the_second_port), CASE(a20_is_recorded), CASE(three_ways_to_reset),
        CASE(any_access_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
