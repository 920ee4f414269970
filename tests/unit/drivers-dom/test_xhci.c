/* SPDX-License-Identifier: MIT
 * USB keyboards at a model of an xHCI controller: plugging, typing, hubs, devices and controllers that misbehave. */
#include "xhci_fixture.h"

static char text[512];
static uint32_t text_size;

static void typed(void *context, const char *what, uint32_t size)
{
    assert_ptr_equal(context, &fake);
    assert_true(text_size + size < sizeof(text));
    memcpy(text + text_size, what, size);
    text_size += size;
}

static void assert_typed(const char *expected)
{
    text[text_size] = 0;
    assert_string_equal(text, expected);
    text_size = 0;
}

static int setup(void **state)
{
    (void)state;
    text_size = 0;
    fake_begin();
    usb_keyboard_init(typed, &fake);
    return 0;
}

static void open_controller(void)
{
    assert_true(xhci_driver.match(&fake_pci));
    assert_int_equal(xhci_driver.probe(&fake_pci), OK);
    fake_pass(1000);
}

static void press(struct fake_device *device, uint8_t modifiers, uint8_t first, uint8_t second)
{
    const uint8_t report[8] = {modifiers, 0, first, second};
    assert_true(fake_report(device, report, sizeof(report), XHCI_SUCCESS));
    fake_pass(2);
}

static struct fake_device *plug_keyboard(unsigned port)
{
    struct fake_device *device = fake_make(0, port, 0, USB_LOW_SPEED, fake_keyboard, sizeof(fake_keyboard));
    fake_plug(port);
    return device;
}

static unsigned count(const char *what)
{
    unsigned found = 0;
    for (const char *at = fixture_log; (at = strstr(at, what)) != NULL; at++) {
        found++;
    }
    return found;
}

/* --- a keyboard's life --- */

/* First: no controller has been found yet. */
static void other_controllers_are_told(void **state)
{
    (void)state;
    struct pci_device pci = {.name = "00:1d.0", .class_code = 0x0c0320};
    assert_true(xhci_driver.match(&pci));
    assert_int_equal(xhci_driver.probe(&pci), ERR_SUPPORT);
    pci.class_code = 0x0c0300;
    assert_int_equal(xhci_driver.probe(&pci), ERR_SUPPORT);
    pci.class_code = 0x0c03fe; /* a device's end */
    assert_int_equal(xhci_driver.probe(&pci), ERR_SUPPORT);
    pci.class_code = 0x0c0500;
    assert_false(xhci_driver.match(&pci));
    assert_false(usb_keyboard_possible());
    assert_logged("PCI 00:1d.0: USB keyboards cannot be reached: only xHCI controllers are driven, and this machine has EHCI");
}

static void a_keyboard_types(void **state)
{
    (void)state;
    struct fake_device *keyboard = plug_keyboard(4);
    open_controller();
    assert_true(usb_keyboard_possible());
    assert_logged("PCI 00:04.0: a USB keyboard (1234:5678) at port 4");
    assert_int_equal(keyboard->configured, 1);
    assert_int_equal(keyboard->protocol, 0);
    assert_int_equal(keyboard->requests[0x0a], 1);
    press(keyboard, 0, 0x04, 0);
    press(keyboard, 0, 0x04, 0x05); /* b, a still held */
    press(keyboard, 0x02, 0x05, 0x06);
    press(keyboard, 0x10, 0, 0);
    press(keyboard, 0x10, 0x30, 0);
    press(keyboard, 0, 0, 0);
    assert_typed("abC\x1d");
    for (unsigned i = 0; i < 200; i++) { /* rings go around */
        press(keyboard, 0, 0x04 + i % 26, 0);
        text_size = 0;
    }
}

static void keys_repeat(void **state)
{
    (void)state;
    struct fake_device *keyboard = plug_keyboard(3);
    open_controller();
    press(keyboard, 0, 0x04, 0);
    fake_pass(490);
    assert_typed("a");
    fake_pass(100);
    press(keyboard, 0, 0, 0);
    fake_pass(1000);
    assert_typed("aaa");
    press(keyboard, 0, 0x05, 0);
    fake_unplug(keyboard); /* with a key held */
    fake_pass(3000);
    assert_typed("b");
}

static void pulled_out_and_put_back(void **state)
{
    (void)state;
    open_controller();
    for (unsigned i = 0; i < 20; i++) {
        struct fake_device *keyboard = plug_keyboard(3 + i % 4);
        fake_pass(500);
        press(keyboard, 0, 0x06, 0);
        assert_typed("c");
        fake_unplug(keyboard);
        fake_pass(500);
        assert_int_equal(keyboard->slot, 0);
    }
    assert_int_equal(count("a USB keyboard ("), 20);
    assert_int_equal(count("is gone"), 20);
}

static void replaced_unseen(void **state)
{
    (void)state;
    struct fake_device *keyboard = plug_keyboard(3);
    open_controller();
    fake_port_changed(3, XHCI_PORT_CONNECT_CHANGE); /* out and in again before anybody looked */
    fake_pass(500);
    assert_int_equal(count("a USB keyboard ("), 2);
    press(keyboard, 0, 0x06, 0);
    assert_typed("c");
}

static void a_lost_interrupt(void **state)
{
    (void)state;
    struct fake_device *keyboard = plug_keyboard(3);
    open_controller();
    const uint8_t report[8] = {0, 0, 0x04};
    assert_true(fake_report(keyboard, report, 8, XHCI_SUCCESS));
    fake.interrupt = false;
    fake_pass(400);
    press(keyboard, 0, 0, 0);
    assert_typed("a");
}

static void full_speed_and_wide_contexts(void **state)
{
    (void)state;
    fake.hcc |= XHCI_HCC_CONTEXT_64;
    fake.structure2 = 3u << 27; /* pages for itself */
    struct fake_device *keyboard = plug_keyboard(3);
    keyboard->speed = USB_FULL_SPEED;
    keyboard->packet = 32;
    open_controller();
    press(keyboard, 0, 0x06, 0);
    assert_typed("c");
    assert_int_equal(((uint64_t *)machine(fake.dcbaap))[0] != 0, true);
}

static void other_devices_are_let_go(void **state)
{
    (void)state;
    struct fake_device *mouse = plug_keyboard(3);
    mouse->configuration[16] = 2; /* protocol */
    fake.portsc[1] = XHCI_PORT_CONNECTED; /* a stick at a port of USB 3 */
    open_controller();
    assert_int_equal(mouse->slot, 0);
    assert_int_equal(mouse->configured, 0);
    assert_string_equal(fixture_log, "");
    fake_unplug(mouse);
    fake_pass(500);
    (void)plug_keyboard(3);
    fake_pass(500);
    assert_logged("a USB keyboard");
}

/* --- hubs --- */

static void connect_behind(struct fake_device *hub, unsigned port, bool connected)
{
    hub->status[port] = connected ? 0x101 : 0x100;
    hub->change[port] |= 1;
    const uint8_t bits = (uint8_t)(1u << port);
    (void)fake_report(hub, &bits, 1, XHCI_SUCCESS);
}

static void behind_a_hub(void **state)
{
    (void)state;
    struct fake_device *hub = fake_make(1, 5, 0, USB_HIGH_SPEED, fake_hub, sizeof(fake_hub));
    struct fake_device *keyboard = fake_make(0, 5, 2, USB_FULL_SPEED, fake_keyboard, sizeof(fake_keyboard));
    hub->status[2] = 0x101;
    fake_plug(5);
    open_controller();
    fake_pass(1000);
    assert_logged("a USB hub with 4 ports");
    assert_logged("a USB keyboard (1234:5678) at a hub's port 2");
    assert_int_equal(fake.slots[hub->slot].context[0] >> 26 & 1, 1);
    assert_int_equal(fake.slots[hub->slot].context[1], HUB_PORTS << 24 | 5 << 16);
    assert_int_equal(fake.slots[hub->slot].context[2], 1 << 16);
    assert_int_equal(fake.slots[keyboard->slot].context[2], hub->slot | 2 << 8); /* who translates for it */
    press(keyboard, 0, 0x06, 0);
    keyboard->present = false;
    connect_behind(hub, 2, false);
    fake_pass(500);
    assert_logged("at a hub's port 2 is gone");
    *keyboard = *fake_make(0, 5, 4, USB_FULL_SPEED, fake_keyboard, sizeof(fake_keyboard));
    connect_behind(hub, 4, true);
    fake_pass(500);
    press(keyboard, 0, 0x06, 0);
    assert_typed("cc");
    keyboard->present = false;
    fake_unplug(hub); /* and all that is behind it */
    fake_pass(500);
    assert_logged("at a hub's port 4 is gone");
    for (unsigned i = 1; i <= FAKE_SLOTS; i++) {
        assert_false(fake.slots[i].used);
    }
}

static void hubs_in_a_row(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct fake_device *hub = fake_make(i + 1, 5, i == 0 ? 0 : i == 1 ? 1 : 0x11, USB_HIGH_SPEED, fake_hub, sizeof(fake_hub));
        hub->status[1] = 0x101 | 0x400;
    }
    fake.devices[3].status[1] = 0x101 | 0x200;
    struct fake_device *keyboard = fake_make(0, 5, 0x111, USB_LOW_SPEED, fake_keyboard, sizeof(fake_keyboard));
    fake_plug(5);
    open_controller();
    fake_pass(3000);
    press(keyboard, 0, 0x06, 0);
    assert_typed("c");
}

/* --- devices that misbehave --- */

static void requests_may_be_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        (void)setup(NULL);
        struct fake_device *keyboard = plug_keyboard(3);
        keyboard->refuses = 0x0a + (int)i; /* SET_IDLE, SET_PROTOCOL */
        open_controller();
        press(keyboard, 0, 0x06, 0);
        assert_typed("c");
    }
}

static void a_silent_device(void **state)
{
    (void)state;
    struct fake_device *silent = fake_make(1, 3, 0, USB_HIGH_SPEED, fake_keyboard, sizeof(fake_keyboard));
    silent->silent = true;
    fake_plug(3);
    struct fake_device *keyboard = plug_keyboard(4);
    open_controller();
    fake_pass(20000);
    assert_logged("the device at port 3 is left out: its descriptor failed (11)");
    assert_int_equal(count("left out"), 1);
    assert_int_equal(silent->slot, 0);
    press(keyboard, 0, 0x06, 0);
    assert_typed("c");
    assert_int_equal(fake.resets, 1);
}

static void an_endpoint_that_fails(void **state)
{
    (void)state;
    struct fake_device *keyboard = plug_keyboard(3);
    open_controller();
    const uint8_t report[8] = {0, 0, 0x04};
    for (unsigned i = 0; i < 3; i++) {
        assert_true(fake_report(keyboard, report, 0, 4));
        fake_pass(500);
    }
    assert_logged("left out: its interrupt endpoint failed");
    assert_false(fake_report(keyboard, report, 8, XHCI_SUCCESS));
    assert_typed("");
}

static void any_configuration(void **state)
{
    (void)state;
    srand(1);
    open_controller();
    for (unsigned i = 0; i < 3000; i++) {
        struct fake_device *device = plug_keyboard(3);
        for (unsigned change = 0; change <= i % 4; change++) {
            device->configuration[(unsigned)rand() % sizeof(fake_keyboard)] = (uint8_t)rand();
        }
        device->size = (uint16_t)((unsigned)rand() % 2 ? (unsigned)rand() % 256 : device->size);
        device->claimed = (uint16_t)((unsigned)rand() % 4 == 0 ? rand() : 0);
        device->packet = (uint8_t)((unsigned)rand() % 4 == 0 ? rand() : 8);
        fake_pass(300);
        uint8_t report[64];
        for (unsigned byte = 0; byte < sizeof(report); byte++) {
            report[byte] = (uint8_t)rand();
        }
        (void)fake_report(device, report, (unsigned)rand() % 64, (unsigned)rand() % 8 ? XHCI_SUCCESS : XHCI_SHORT_PACKET);
        fake_unplug(device);
        fake_pass(100);
        text_size = 0;
        fixture_log[0] = 0;
    }
    assert_int_equal(fake.resets, 1);
    fake_pass(3000);
    for (unsigned i = 1; i <= FAKE_SLOTS; i++) {
        assert_false(fake.slots[i].used);
    }
}

/* --- controllers that misbehave --- */

static void commands_without_an_end(void **state)
{
    (void)state;
    struct fake_device *keyboard = plug_keyboard(3);
    open_controller();
    fake.deaf = true;
    fake_unplug(keyboard);
    fake_pass(5200);
    assert_logged("a command is not completed: resetting it");
    fake.deaf = false;
    keyboard = plug_keyboard(3);
    fake_pass(1000);
    press(keyboard, 0, 0x06, 0);
    assert_typed("c");
    assert_int_equal(fake.resets, 2);
    fake.deaf = true;
    fake_unplug(keyboard);
    (void)plug_keyboard(4);
    fake_pass(40000);
    assert_logged("out of service");
    assert_false(fake.master);
    assert_int_equal(fake.resets, 5);
}

static void errors_and_vanishing(void **state)
{
    (void)state;
    struct fake_device *keyboard = plug_keyboard(3);
    open_controller();
    fake.status |= XHCI_STS_ERROR;
    fake_pass(2500);
    assert_logged("it reports an error of its own: resetting it");
    press(keyboard, 0, 0x06, 0);
    assert_typed("c");
    fake.vanished = true;
    fake_pass(2000);
    assert_logged("it has vanished: out of service");
    assert_false(fake.master);
    fake_pass(2000);
}

static void no_end_of_a_reset(void **state)
{
    (void)state;
    fake.stuck = true;
    open_controller();
    fake_pass(2000);
    assert_logged("it does not come out of its reset: out of service");
    assert_false(fake.master);
}

static void the_firmware_has_it(void **state)
{
    (void)state;
    fake.legacy = 1u << 16;
    fake.legacy_control = 0xffffffff;
    assert_int_equal(xhci_driver.probe(&fake_pci), OK);
    assert_true(fake.legacy & 1u << 24);
    fake.legacy |= 1u << 16; /* not yet */
    fake_pass(500);
    assert_int_equal(fake.resets, 0);
    fake.legacy &= ~(1u << 16);
    fake_pass(100);
    assert_int_equal(fake.resets, 1);
    assert_int_equal(fake.legacy_control & 0xe011, 0); /* no SMI */
    (void)setup(NULL);
    assert_int_equal(xhci_driver.probe(&fake_pci), OK);
    fake.legacy |= 1u << 16;
    fake_pass(1500);
    assert_logged("the firmware does not let go of it");
    assert_int_equal(fake.resets, 1);
}

static void ports_that_are_shared_with_ehci(void **state)
{
    (void)state;
    open_controller();
    assert_int_equal(fake.routing, 0);
    fake_pci.vendor = 0x8086;
    fake_pci.device = 0x8c31;
    open_controller();
    assert_int_equal(fake.routing, 0x3fff);
    fake_pci.vendor = 0;
}

static void any_events(void **state)
{
    (void)state;
    srand(2);
    struct fake_device *keyboard = plug_keyboard(3);
    open_controller();
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t type = (unsigned)rand() % 4 ? 32 + (unsigned)rand() % 4 : (unsigned)rand() % 64;
        fake_event((uint64_t)rand(), (uint32_t)rand(), XHCI_TRB_TYPE(type) | XHCI_TRB_ENDPOINT(rand() % 32) | XHCI_TRB_SLOT(rand() % 256));
        fake_pass(i % 16 == 0);
    }
    fake_pass(1000);
    press(keyboard, 0, 0x06, 0);
    assert_typed("c");
}

static void malformed_registers(void **state)
{
    (void)state;
    uint64_t size = fake_pci.bars[0].size;
    fake_pci.bars[0].size = 0x1000;
    assert_int_equal(xhci_driver.probe(&fake_pci), ERR_FORMAT);
    assert_logged("its registers lie outside of BAR 0");
    fake_pci.bars[0].size = size;
    fake.vanished = true;
    assert_int_equal(xhci_driver.probe(&fake_pci), ERR_FORMAT);
}

/* --- the parts --- */

static bool is_keyboard(const struct usb_interface *interface) { return interface->class == 3; }

static void descriptors(void **state)
{
    (void)state;
    struct usb_interface found;
    assert_true(usb_find_interface(fake_keyboard, sizeof(fake_keyboard), is_keyboard, &found));
    assert_int_equal(found.endpoint, 1);
    assert_int_equal(found.packet, 8);
    assert_int_equal(found.interval, 10);
    assert_int_equal(found.configuration, 1);
    assert_false(usb_find_interface(fake_hub, sizeof(fake_hub), is_keyboard, &found));
    for (uint32_t size = 0; size < sizeof(fake_keyboard); size++) { /* cut anywhere */
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, fake_keyboard, size);
        assert_false(usb_find_interface(copy + 0, size, is_keyboard, &found));
        free(copy);
    }
    uint8_t zero[40] = {9, 2, 40, 0, 1, 1}; /* a length of zero: no loop */
    assert_false(usb_find_interface(zero, sizeof(zero), is_keyboard, &found));
}

static void intervals(void **state)
{
    (void)state;
    assert_int_equal(xhci_interval(USB_LOW_SPEED, 10), 6); /* 8 ms */
    assert_int_equal(xhci_interval(USB_FULL_SPEED, 1), 3);
    assert_int_equal(xhci_interval(USB_FULL_SPEED, 0), 3);
    assert_int_equal(xhci_interval(USB_FULL_SPEED, 255), 10);
    assert_int_equal(xhci_interval(USB_HIGH_SPEED, 1), 3);
    assert_int_equal(xhci_interval(USB_HIGH_SPEED, 7), 6);
    assert_int_equal(xhci_interval(USB_HIGH_SPEED, 255), 15);
}

static void reports(void **state)
{
    (void)state;
    struct usb_keys keys = {0};
    char out[USB_KEYBOARD_TEXT];
    static const uint8_t held[8] = {0, 0, 4}, rolled[8] = {2, 0, 1, 1, 1, 1, 1, 1}, none[8] = {0};
    assert_int_equal(usb_keys_report(&keys, held, 8, out), 1);
    assert_int_equal(usb_keys_report(&keys, rolled, 8, out), 0);
    assert_int_equal(keys.repeating, 4); /* still held, as far as anybody knows */
    assert_int_equal(usb_keys_report(&keys, none, 7, out), 0);
    assert_int_equal(usb_keys_repeat(&keys, out), 1);
    assert_int_equal(usb_keys_report(&keys, none, 8, out), 0);
    assert_int_equal(usb_keys_repeat(&keys, out), 0);
    static const struct { uint8_t modifiers, usage; const char *types; } table[] = {
        {0, 0x28, "\r"}, {0, 0x2a, "\x7f"}, {0, 0x2b, "\t"}, {0, 0x2c, " "}, {0x20, 0x2e, "+"}, {0, 0x52, "\033[A"}, {0, 0x4f, "\033[C"},
        {0, 0x4c, "\033[3~"}, {0, 0x3a, "\033OP"}, {0, 0x45, "\033[24~"}, {0x01, 0x06, "\x03"}, {0x40, 0x05, "\033b"}, {0, 0x27, "0"},
        {0, 0x38, "/"}, {0, 0x54, "/"}, {0, 0x58, "\r"}, {0, 0x48, ""}, {0, 0xe0, ""}, {0, 0xff, ""}, {0, 0x1d, "z"}, {0x02, 0x64, ""},
    };
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const uint8_t report[8] = {table[i].modifiers, 0, table[i].usage};
        uint32_t size = usb_keys_report(&keys, report, 8, out);
        assert_int_equal(size, strlen(table[i].types));
        assert_memory_equal(out, table[i].types, size);
        (void)usb_keys_report(&keys, none, 8, out);
    }
    srand(3);
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t report[8];
        for (unsigned byte = 0; byte < 8; byte++) {
            report[byte] = (uint8_t)rand();
        }
        assert_true(usb_keys_report(&keys, report, 8, out) <= sizeof(out));
    }
}

#define T(name) cmocka_unit_test_setup(name, setup)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(other_controllers_are_told), T(a_keyboard_types), T(keys_repeat), T(pulled_out_and_put_back), T(replaced_unseen), T(a_lost_interrupt),
        T(full_speed_and_wide_contexts), T(other_devices_are_let_go), T(behind_a_hub), T(hubs_in_a_row), T(requests_may_be_refused),
        T(a_silent_device), T(an_endpoint_that_fails), T(any_configuration), T(commands_without_an_end), T(errors_and_vanishing),
        T(no_end_of_a_reset), T(the_firmware_has_it), T(ports_that_are_shared_with_ehci), T(any_events), T(malformed_registers), T(descriptors), T(intervals), T(reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
