/* SPDX-License-Identifier: MIT
 * VGA registers: what a kernel that programs text mode does, and the debug-exit port. */
#include "fake_pc.h"
#include "abi/syscall.h"
#include "devices/debug_exit.h"
#include "devices/vga.h"

static struct machine *pc;
static struct vga vga;
static struct debug_exit debug_exit;

static int setup(void **state)
{
    (void)state;
    pc = fake_machine(1 * MIB, 0, 1000000000, 0);
    assert_int_equal(vga_init(&vga, pc), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(pc);
    return 0;
}

static void cursor_registers_remember(void **state)
{
    (void)state;
    bus_port_write(&pc->bus, 0x3d4, 2, 0x0e | 0x07 << 8);
    bus_port_write(&pc->bus, 0x3d4, 2, 0x0f | 0xd0 << 8);
    outb(pc, 0x3d4, 0x0e);
    assert_int_equal(inb(pc, 0x3d5), 0x07);
    assert_int_equal(bus_port_read(&pc->bus, 0x3d4, 2), 0x070e);
    outb(pc, 0x3d4, 0x0f);
    assert_int_equal(inb(pc, 0x3d5), 0xd0);
    outb(pc, 0x3d4, 0xff);
    assert_int_equal(inb(pc, 0x3d5), 0);
    assert_int_equal(inb(pc, 0x3b5), 0xff); /* colour adapter: nothing at the monochrome ports */
    outb(pc, 0x3c2, inb(pc, 0x3cc) & 0xfe);
    outb(pc, 0x3b4, 0x0f);
    assert_int_equal(inb(pc, 0x3b5), 0xd0);
    assert_int_equal(inb(pc, 0x3d5), 0xff);
}

static void crtc_timing_is_protected(void **state)
{
    (void)state;
    bus_port_write(&pc->bus, 0x3d4, 2, 0x00 | 0x11 << 8); /* register 0x11 has its protection bit set at reset */
    outb(pc, 0x3d4, 0x00);
    assert_int_equal(inb(pc, 0x3d5), 0x5f);
    bus_port_write(&pc->bus, 0x3d4, 2, 0x11 | 0x0e << 8);
    bus_port_write(&pc->bus, 0x3d4, 2, 0x00 | 0x11 << 8);
    outb(pc, 0x3d4, 0x00);
    assert_int_equal(inb(pc, 0x3d5), 0x11);
}

static void nobody_waits_long_for_the_retrace(void **state)
{
    (void)state;
    unsigned tries = 0;
    while (inb(pc, 0x3da) & 8)
        assert_true(tries++ < 3);
    while (!(inb(pc, 0x3da) & 8))
        assert_true(tries++ < 3);
}

static void attribute_port_flips_between_index_and_data(void **state)
{
    (void)state;
    (void)inb(pc, 0x3da);
    outb(pc, 0x3c0, 0x10);
    outb(pc, 0x3c0, 0x04);
    outb(pc, 0x3c0, 0x30);
    assert_int_equal(inb(pc, 0x3c1), 0x04);
    (void)inb(pc, 0x3da);
    outb(pc, 0x3c0, 0x3f); /* an index without a register */
    outb(pc, 0x3c0, 0x55);
    assert_int_equal(inb(pc, 0x3c1), 0);
}

static void palette_is_read_and_written_in_threes(void **state)
{
    (void)state;
    outb(pc, 0x3c8, 255);
    for (uint8_t i = 0; i < 6; i++) /* wraps to colour 0 */
        outb(pc, 0x3c9, (uint8_t)(0x80 | i));
    outb(pc, 0x3c7, 255);
    assert_int_equal(inb(pc, 0x3c7), 3);
    for (uint8_t i = 0; i < 6; i++)
        assert_int_equal(inb(pc, 0x3c9), i);
    outb(pc, 0x3c7, 0x3f);
    assert_int_equal(inb(pc, 0x3c9), 63); /* white */
    outb(pc, 0x3c7, 0x01);
    assert_int_equal(inb(pc, 0x3c9), 0); /* blue */
    (void)inb(pc, 0x3c9);
    assert_int_equal(inb(pc, 0x3c9), 42);
}

static void any_access_is_survived(void **state)
{
    (void)state;
    srand(7);
    for (unsigned i = 0; i < 200000; i++) {
        uint16_t port = (uint16_t)(0x3b0 + rand() % 0x30);
        if (rand() & 1)
            bus_port_write(&pc->bus, port, 1u << rand() % 3, (uint32_t)rand());
        else
            (void)bus_port_read(&pc->bus, port, 1u << rand() % 3);
    }
}

static void debug_exit_port_ends_the_domain(void **state)
{
    (void)state;
    assert_int_equal(debug_exit_init(&debug_exit, pc), OK);
    outb(pc, 0xf4, 1); /* not configured: nobody's port */
    assert_int_equal(fake.ends, 0);
    fake.start.debug_exit = 1;
    assert_int_equal(debug_exit_init(&debug_exit, pc), OK);
    outb(pc, 0xf4, 0);
    assert_int_equal(fake.end_code, END_DEBUG_EXIT);
    bus_port_write(&pc->bus, 0xf4, 2, 0x0100);
    assert_int_equal(fake.end_code, END_DEBUG_EXIT_FAILED);
    assert_non_null(strstr(fake.end_reason, "256"));
    bus_port_write(&pc->bus, 0xf4, 4, 0xdeadbeef);
    assert_non_null(strstr(fake.end_reason, "0xdeadbeef"));
    assert_int_equal(fake.ends, 3);
    outb(pc, 0xf6, 1);
    assert_int_equal(fake.ends, 3);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(cursor_registers_remember), CASE(crtc_timing_is_protected), CASE(nobody_waits_long_for_the_retrace),
        CASE(attribute_port_flips_between_index_and_data), CASE(palette_is_read_and_written_in_threes),
        CASE(any_access_is_survived), CASE(debug_exit_port_ends_the_domain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
