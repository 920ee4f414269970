/* SPDX-License-Identifier: MIT
 * The device for test suites: ports that remember, interrupt lines by command, memory that exits. */
#include "fake_pc.h"
#include "devices/test_device.h"

static struct machine *pc;
static struct test_device device;
static uint8_t memory[PC_TEST_MEMORY_SIZE];

static int setup(void **state)
{
    (void)state;
    pc = fake_machine(4 * MIB, 0, SECOND_NS, 1000);
    fake.start.debug_exit = 1;
    pc->test_memory = memory;
    return test_device_init(&device, pc) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(pc);
    return 0;
}

static void absent_unless_configured(void **state)
{
    (void)state;
    struct machine *plain = fake_machine(4 * MIB, 0, SECOND_NS, 1000);
    static struct test_device none;
    assert_int_equal(test_device_init(&none, plain), OK);
    outb(plain, 0xe0, 0x55);
    assert_int_equal(inb(plain, 0xe0), 0xff);
    outb(plain, 0x200e, 1);
    assert_int_equal(fake.edges[14], 0);
    assert_null(bus_find_mmio(&plain->bus, 0xff000000));
    fake_free(plain);
}

static void ports_remember_any_part(void **state)
{
    (void)state;
    bus_port_write(&pc->bus, 0xe0, 4, 0x44332211);
    bus_port_write(&pc->bus, 0xe1, 2, 0xbbaa);
    outb(pc, 0xe3, 0x99);
    assert_int_equal(bus_port_read(&pc->bus, 0xe0, 4), 0x99bbaa11);
    assert_int_equal(bus_port_read(&pc->bus, 0xe2, 2), 0x99bb);
    assert_int_equal(inb(pc, 0xe1), 0xaa);
}

static void ports_drive_interrupt_lines(void **state)
{
    (void)state;
    outb(pc, 0x200e, 1);
    assert_true(fake.level[14]);
    outb(pc, 0x200e, 0);
    assert_false(fake.level[14]);
    outb(pc, 0x2017, 2);
    assert_int_equal(fake.edges[23], 1);
    bus_port_write(&pc->bus, 0x2016, 4, 0x0101); /* reaches beyond the last line */
    assert_true(fake.level[22] && fake.level[23]);
}

static void memory_takes_accesses_of_every_size(void **state)
{
    (void)state;
    bus_mmio_write(&pc->bus, 0xff000000, 8, 0x8877665544332211);
    assert_int_equal(bus_mmio_read(&pc->bus, 0xff000003, 4), 0x77665544);
    bus_mmio_write(&pc->bus, 0xff00fffc, 8, 0x1122334455667788); /* the half behind the end is lost */
    assert_int_equal(bus_mmio_read(&pc->bus, 0xff00fffc, 8), 0xffffffff55667788);
    bus_mmio_write(&pc->bus, 0xff00ffff, 1, 0xab);
    assert_int_equal(bus_mmio_read(&pc->bus, 0xff00fffe, 2), 0xab66);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(absent_unless_configured), CASE(ports_remember_any_part), CASE(ports_drive_interrupt_lines),
        CASE(memory_takes_accesses_of_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
