/* SPDX-License-Identifier: MIT
 * Busses: ownership, holes, accesses that cross borders, moving ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "bus.h"

static struct bus bus;
static struct { uint64_t offset, value; unsigned size, count; } last;

static uint32_t port_read(void *device, uint16_t offset, unsigned size)
{
    (void)size;
    return 0x11223300u * (device != NULL) + 0x40 + offset;
}

static void port_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    (void)device;
    last.offset = offset;
    last.value = value;
    last.size = size;
    last.count++;
}

static uint64_t mmio_read(void *device, uint64_t offset, unsigned size)
{
    (void)device;
    (void)size;
    return 0x8877665544332200ull + offset;
}

static void mmio_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device;
    last.offset = offset;
    last.value = value;
    last.size = size;
    last.count++;
}

static int setup(void **state)
{
    (void)state;
    memset(&bus, 0, sizeof bus);
    memset(&last, 0, sizeof last);
    return 0;
}

static struct port_range ports(uint16_t base, uint16_t count)
{
    return (struct port_range){ .base = base, .count = count, .read = port_read, .write = port_write, .name = "test" };
}

static struct mmio_range memory(uint64_t base, uint64_t count)
{
    return (struct mmio_range){ .base = base, .count = count, .read = mmio_read, .write = mmio_write, .name = "test" };
}

static void nobody_reads_as_ones(void **state)
{
    (void)state;
    assert_int_equal(bus_port_read(&bus, 0x80, 1), 0xff);
    assert_int_equal(bus_port_read(&bus, 0x80, 4), 0xffffffff);
    assert_int_equal(bus_mmio_read(&bus, 0xf0000000, 8), UINT64_MAX);
    bus_port_write(&bus, 0x80, 4, 1);
    bus_mmio_write(&bus, 0xf0000000, 8, 1);
}

static void a_port_device_sees_offset_and_size(void **state)
{
    struct port_range r = ports(0x3f8, 8);
    (void)state;
    assert_int_equal(bus_add_port(&bus, &r), OK);
    assert_int_equal(bus_port_read(&bus, 0x3fa, 1), 0x42);
    bus_port_write(&bus, 0x3fc, 2, 0x12345678);
    assert_int_equal(last.offset, 4);
    assert_int_equal(last.size, 2);
    assert_int_equal(last.value, 0x5678);
    assert_int_equal(last.count, 1);
}

static void an_access_over_the_border_is_split(void **state)
{
    struct port_range r = ports(0x60, 1), s = ports(0x62, 4);
    (void)state;
    assert_int_equal(bus_add_port(&bus, &r), OK);
    assert_int_equal(bus_add_port(&bus, &s), OK);
    assert_int_equal(bus_port_read(&bus, 0x60, 4), 0x4140ff40);
    bus_port_write(&bus, 0x60, 4, 0xaabbccdd);
    assert_int_equal(last.count, 3);
    assert_int_equal(last.offset, 1);
    assert_int_equal(last.value, 0xaa);
}

static void the_last_port_is_not_the_first(void **state)
{
    struct port_range r = ports(0xffff, 1), s = ports(0, 1);
    (void)state;
    assert_int_equal(bus_add_port(&bus, &r), OK);
    assert_int_equal(bus_add_port(&bus, &s), OK);
    assert_int_equal(bus_port_read(&bus, 0xffff, 4), 0xffffff40);
    bus_port_write(&bus, 0xffff, 4, 0);
    assert_int_equal(last.count, 1);
}

static void ranges_are_checked(void **state)
{
    struct port_range none = { .base = 1, .count = 1 }, r = ports(0x40, 4), over = ports(0x43, 2), wrap = ports(0xfff0, 17);
    struct mmio_range m = memory(0x1000, 0x1000), n = memory(0x1fff, 1), w = memory(UINT64_MAX, 2), top = memory(UINT64_MAX, 1);
    (void)state;
    assert_int_equal(bus_add_port(&bus, &none), ERR_PARAM);
    assert_int_equal(bus_add_port(&bus, &wrap), ERR_PARAM);
    assert_int_equal(bus_add_port(&bus, &r), OK);
    assert_int_equal(bus_add_port(&bus, &over), ERR_EXISTS);
    assert_int_equal(bus_add_mmio(&bus, &m), OK);
    assert_int_equal(bus_add_mmio(&bus, &n), ERR_EXISTS);
    assert_int_equal(bus_add_mmio(&bus, &w), ERR_PARAM);
    assert_int_equal(bus_add_mmio(&bus, &top), OK);
    assert_int_equal(bus_mmio_read(&bus, UINT64_MAX, 1), 0);
}

static void tables_fill_up_and_empty(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BUS_MAX_PORT_RANGES; i++) {
        struct port_range r = ports((uint16_t)(i * 16), 16);
        assert_int_equal(bus_add_port(&bus, &r), OK);
    }
    struct port_range more = ports(0x8000, 1);
    assert_int_equal(bus_add_port(&bus, &more), ERR_MEMORY);
    bus_remove_port(&bus, 0x105); /* not a base: nothing happens */
    assert_int_equal(bus_port_read(&bus, 0x105, 1), 0x45);
    bus_remove_port(&bus, 0x10);
    assert_int_equal(bus_port_read(&bus, 0x10, 1), 0xff);
    for (unsigned i = 2; i < BUS_MAX_PORT_RANGES; i++)
        assert_int_equal(bus_port_read(&bus, (uint16_t)(i * 16 + 3), 1), 0x43);
    assert_int_equal(bus_add_port(&bus, &more), OK);
    assert_int_equal(bus_port_read(&bus, 0x8000, 1), 0x40);
}

static void memory_moves(void **state)
{
    struct mmio_range m = memory(0xfebf0000, 0x1000), n = memory(0xfebf1000, 0x10);
    (void)state;
    assert_int_equal(bus_add_mmio(&bus, &m), OK);
    assert_int_equal(bus_add_mmio(&bus, &n), OK);
    assert_int_equal(bus_mmio_read(&bus, 0xfebf0008, 8), 0x8877665544332208ull);
    assert_ptr_equal(bus_find_mmio(&bus, 0xfebf1001)->name, n.name);
    bus_remove_mmio(&bus, 0xfebf0000);
    assert_null(bus_find_mmio(&bus, 0xfebf0000));
    assert_int_equal(bus_mmio_read(&bus, 0xfebf0ffe, 4), 0x0100ffff);
    bus_mmio_write(&bus, 0xfebf100c, 8, 0x1122334455667788);
    assert_int_equal(last.count, 4);
    assert_int_equal(last.value, 0x55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nobody_reads_as_ones, setup),
        cmocka_unit_test_setup(a_port_device_sees_offset_and_size, setup),
        cmocka_unit_test_setup(an_access_over_the_border_is_split, setup),
        cmocka_unit_test_setup(the_last_port_is_not_the_first, setup),
        cmocka_unit_test_setup(ranges_are_checked, setup),
        cmocka_unit_test_setup(tables_fill_up_and_empty, setup),
        cmocka_unit_test_setup(memory_moves, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
