/* SPDX-License-Identifier: MIT
 * The 8259 pair: initialisation, priorities, cascade, all ends of interrupt, special modes, level control, poll. */
#include "irq_fixture.h"

static struct pic_taken taken;

static int take_pic(void) { return pic_pending(&platform.pic) ? pic_acknowledge(&platform.pic, &taken) : -1; }

/* As an OS does it: vectors 0x20 and 0x28, everything unmasked. */
static int setup(void **state)
{
    static const uint16_t words[][2] = { { 0x20, 0x11 }, { 0x21, 0x20 }, { 0x21, 4 }, { 0x21, 1 }, { 0xa0, 0x11 }, { 0xa1, 0x28 },
                                         { 0xa1, 2 }, { 0xa1, 1 }, { 0x21, 0 }, { 0xa1, 0 } };
    (void)state;
    machine_create(1);
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        out(words[i][0], words[i][1]);
    return 0;
}

static void interrupts_nest(void **state)
{
    (void)state;
    irq_set(&machine, 4, true);
    assert_int_equal(take_pic(), 0x24);
    irq_set(&machine, 6, true); /* lower: waits */
    assert_int_equal(take_pic(), -1);
    irq_set(&machine, 1, true);
    assert_int_equal(take_pic(), 0x21);
    out(0x20, 0x0b);
    assert_int_equal(in(0x20), 0x12);
    out(0x20, 0x0a);
    assert_int_equal(in(0x20), 0x40);
    out(0x20, 0x20); /* ends 1, the highest */
    assert_int_equal(take_pic(), -1);
    out(0x20, 0x64); /* ends 4 */
    assert_int_equal(take_pic(), 0x26);
}

static void the_cascade(void **state)
{
    (void)state;
    irq_set(&machine, 12, true);
    assert_int_equal(take_pic(), 0x2c);
    out(0x20, 0x0b);
    out(0xa0, 0x0b);
    assert_int_equal(in(0x20), 0x04);
    assert_int_equal(in(0xa0), 0x10);
    irq_set(&machine, 8, true); /* higher, but the first chip has 2 in service */
    assert_int_equal(take_pic(), -1);
    irq_set(&machine, 0, true);
    assert_int_equal(take_pic(), 0x20);
    out(0x20, 0x20);
    out(0x20, 0x20);
    assert_int_equal(take_pic(), 0x28);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    out(0xa0, 0x20);
    assert_int_equal(in(0xa0), 0);
    assert_int_equal(take_pic(), -1);
}

static void special_fully_nested(void **state)
{
    (void)state;
    out(0x20, 0x11);
    out(0x21, 0x20);
    out(0x21, 4);
    out(0x21, 0x11);
    irq_set(&machine, 12, true);
    assert_int_equal(take_pic(), 0x2c);
    irq_set(&machine, 8, true); /* now it may interrupt */
    assert_int_equal(take_pic(), 0x28);
}

static void masks(void **state)
{
    (void)state;
    out(0x21, 0xff);
    irq_set(&machine, 3, true);
    assert_int_equal(take_pic(), -1);
    assert_int_equal(in(0x21), 0xff);
    out(0x21, 0xf7);
    assert_int_equal(take_pic(), 0x23); /* the edge was remembered */
}

static void spurious(void **state)
{
    (void)state;
    irq_set(&machine, 3, true);
    out(0x21, 0xff);
    assert_false(pic_pending(&platform.pic));
    assert_int_equal(pic_acknowledge(&platform.pic, &taken), 0x27);
    out(0x20, 0x0b);
    assert_int_equal(in(0x20), 0); /* nothing is in service */
}

/* What was acknowledged and not taken comes again, in the order of what is due then. */
static void withdrawn_requests_come_again(void **state)
{
    (void)state;
    irq_set(&machine, 4, true);
    irq_set(&machine, 12, true);
    irq_set(&machine, 12, false);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(take_pic(), 0x2c);
        assert_int_equal(take_pic(), -1);
        pic_withdraw(&platform.pic, &taken);
        assert_true(pic_pending(&platform.pic));
    }
    irq_set(&machine, 1, true);
    assert_int_equal(take_pic(), 0x21);
    out(0x20, 0x20);
    assert_int_equal(take_pic(), 0x2c);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    assert_int_equal(take_pic(), 0x24);
    out(0x20, 0x20);
    assert_int_equal(take_pic(), -1);
    /* a level follows its line; what is masked now waits */
    out(0x4d0, 0x20);
    irq_set(&machine, 5, true);
    assert_int_equal(take_pic(), 0x25);
    irq_set(&machine, 5, false);
    pic_withdraw(&platform.pic, &taken);
    assert_false(pic_pending(&platform.pic));
    irq_set(&machine, 3, true);
    assert_int_equal(take_pic(), 0x23);
    out(0x21, 0x08);
    pic_withdraw(&platform.pic, &taken);
    assert_false(pic_pending(&platform.pic));
    out(0x21, 0);
    assert_int_equal(take_pic(), 0x23);
    /* a spurious one leaves nothing behind */
    (void)pic_acknowledge(&platform.pic, &taken);
    pic_withdraw(&platform.pic, &taken);
    assert_int_equal(take_pic(), -1);
}

static void automatic_eoi_and_rotation(void **state)
{
    (void)state;
    out(0x20, 0x11);
    out(0x21, 0x20);
    out(0x21, 4);
    out(0x21, 3);
    out(0x20, 0x80); /* rotate in automatic EOI mode */
    irq_pulse(&machine, 3);
    irq_pulse(&machine, 5);
    assert_int_equal(take_pic(), 0x23);
    irq_pulse(&machine, 3);
    irq_pulse(&machine, 1);
    assert_int_equal(take_pic(), 0x25); /* 3 went to the end, so 4 is first */
    assert_int_equal(take_pic(), 0x21);
    assert_int_equal(take_pic(), 0x23);
    out(0x20, 0x0b);
    assert_int_equal(in(0x20), 0);
}

static void rotation_by_command(void **state)
{
    (void)state;
    out(0x20, 0xc4); /* 4 has the lowest priority, 5 the highest */
    irq_pulse(&machine, 4);
    irq_pulse(&machine, 0);
    irq_pulse(&machine, 5);
    assert_int_equal(take_pic(), 0x25);
    out(0x20, 0xa0); /* rotate on EOI: 5 is the lowest now */
    assert_int_equal(take_pic(), 0x20);
    out(0x20, 0xe0); /* rotate on the EOI of 0 */
    assert_int_equal(take_pic(), 0x24);
}

static void special_mask_lets_lower_ones_in(void **state)
{
    (void)state;
    irq_pulse(&machine, 1);
    assert_int_equal(take_pic(), 0x21);
    irq_pulse(&machine, 6);
    assert_int_equal(take_pic(), -1);
    out(0x20, 0x68);
    out(0x21, 0x02); /* mask the one in service */
    assert_int_equal(take_pic(), 0x26);
    out(0x20, 0x20); /* ends 6: 1 is hidden */
    out(0x20, 0x0b);
    assert_int_equal(in(0x20), 0x02);
    out(0x20, 0x48);
}

static void level_triggered_lines(void **state)
{
    (void)state;
    out(0x4d0, 0xff);
    out(0x4d1, 0xff);
    assert_int_equal(bus_port_read(&machine.bus, 0x4d0, 2), 0xdef8);
    irq_set(&machine, 10, true);
    assert_int_equal(take_pic(), 0x2a);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    assert_int_equal(take_pic(), 0x2a); /* still high */
    irq_set(&machine, 10, false);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    assert_int_equal(take_pic(), -1);
    irq_set(&machine, 10, true);
    irq_set(&machine, 10, false);
    assert_int_equal(take_pic(), -1); /* gone before anybody looked */
}

static void poll(void **state)
{
    (void)state;
    out(0x20, 0x0c);
    assert_int_equal(in(0x20), 0);
    irq_pulse(&machine, 5);
    out(0x20, 0x0c);
    assert_int_equal(in(0x20), 0x85);
    out(0x20, 0x0b);
    assert_int_equal(in(0x20), 0x20);
    assert_int_equal(take_pic(), -1);
}

static void initialisation_forgets_edges(void **state)
{
    (void)state;
    irq_set(&machine, 3, true);
    out(0x20, 0x11);
    assert_int_equal(take_pic(), -1);
    out(0x21, 0x40);
    out(0x21, 4);
    out(0x21, 1);
    assert_int_equal(in(0x21), 0);
    assert_int_equal(take_pic(), -1); /* the line must fall first */
    irq_pulse(&machine, 3);
    irq_pulse(&machine, 3);
    assert_int_equal(take_pic(), 0x43);
    out(0x20, 0x12); /* single, no ICW4: one more word only */
    out(0x21, 0x50);
    out(0x21, 0xfe);
    assert_int_equal(in(0x21), 0xfe);
}

static void wide_accesses_are_bytes(void **state)
{
    (void)state;
    bus_port_write(&machine.bus, 0x20, 2, 0x5a20); /* EOI, mask */
    assert_int_equal(in(0x21), 0x5a);
    assert_int_equal(bus_port_read(&machine.bus, 0x20, 2), 0x5a00);
}

static void pci_lines_are_routed(void **state)
{
    (void)state;
    irq_set(&machine, 17, true);
    assert_int_equal(take_pic(), -1);
    irq_route_pci(&machine, 17, 11);
    assert_int_equal(take_pic(), 0x2b);
    irq_route_pci(&machine, 17, 2); /* no such route */
    assert_int_equal(platform.irq.pci_route[1], 0);
    irq_route_pci(&machine, 3, 11);
    irq_route_pci(&machine, 24, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(interrupts_nest, setup),
        cmocka_unit_test_setup(the_cascade, setup),
        cmocka_unit_test_setup(special_fully_nested, setup),
        cmocka_unit_test_setup(masks, setup),
        cmocka_unit_test_setup(spurious, setup),
        cmocka_unit_test_setup(withdrawn_requests_come_again, setup),
        cmocka_unit_test_setup(automatic_eoi_and_rotation, setup),
        cmocka_unit_test_setup(rotation_by_command, setup),
        cmocka_unit_test_setup(special_mask_lets_lower_ones_in, setup),
        cmocka_unit_test_setup(level_triggered_lines, setup),
        cmocka_unit_test_setup(poll, setup),
        cmocka_unit_test_setup(initialisation_forgets_edges, setup),
        cmocka_unit_test_setup(wide_accesses_are_bytes, setup),
        cmocka_unit_test_setup(pci_lines_are_routed, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
