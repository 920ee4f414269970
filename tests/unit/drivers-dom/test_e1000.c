/* SPDX-License-Identifier: MIT
 * e1000 and e1000e against registers in memory and a small model of the card: rings, resets, addresses, the end. */
#include "net_fixture.h"
#include "drivers.h"
#include "e1000.h"

extern const struct pci_driver e1000_driver, e1000e_driver;

static uint32_t *registers;
static uint32_t mac_low, mac_high; /* what a reset loads into receive address 0 */
static uint16_t eeprom[3];
static unsigned eeprom_shift, resets;
static bool deaf; /* does not come out of its reset */
static struct pci_device pci = {.vendor = 0x8086, .device = 0x100e, .name = "00:03.0"};

volatile void *pci_map_bar(const struct pci_device *device, unsigned bar, uint64_t min_size)
{
    (void)device;
    assert_int_equal(bar, 0);
    assert_true(min_size <= E1000_REGISTERS_SIZE);
    return registers;
}

/* What the card does by itself. */
static void card_acts(void)
{
    if ((registers[E1000_CTRL / 4] & E1000_CTRL_RST) && !deaf) {
        assert_false(fake_master);
        registers[E1000_CTRL / 4] = 0;
        registers[E1000_RAL0 / 4] = mac_low;
        registers[E1000_RAH0 / 4] = mac_high;
        resets++;
    }
    if (registers[E1000_CTRL / 4] & E1000_CTRL_MASTER_DISABLE) {
        registers[E1000_STATUS / 4] &= ~E1000_STATUS_MASTER_ENABLE;
    }
    uint32_t eerd = registers[E1000_EERD / 4];
    if (eeprom_shift != 0 && (eerd & 1)) {
        uint32_t done = eeprom_shift == 8 ? 1u << 4 : 1u << 1;
        registers[E1000_EERD / 4] = (uint32_t)eeprom[(eerd >> eeprom_shift) % 3] << 16 | done;
    }
}

static void start_with(const struct pci_driver *driver, uint16_t device)
{
    fixture_reset();
    free(registers);
    registers = calloc(1, E1000_REGISTERS_SIZE);
    registers[E1000_STATUS / 4] =
        E1000_STATUS_LINK_UP | E1000_STATUS_FULL_DUPLEX | 2u << E1000_STATUS_SPEED_SHIFT | E1000_STATUS_MASTER_ENABLE;
    pci.device = device;
    on_time = card_acts;
    resets = 0;
    deaf = false;
    assert_true(driver->match(&pci));
    assert_int_equal(driver->probe(&pci), OK);
}

static void start_default(void)
{
    mac_low = 0x12005452;
    mac_high = 0x5634 | E1000_RAH_VALID;
    eeprom_shift = 0;
    start_with(&e1000_driver, 0x100e);
    assert_false(fake_master);
    fire_timer(); /* quiet */
    fire_timer(); /* reset is over */
    the_card = net_next(NULL);
    assert_non_null(the_card);
    the_card->receive = take_frame;
    assert_true(fake_master);
}

static struct e1000 *card(void) { return the_card->driver_data; }

/* --- the model's two ends --- */

/* Sends what the ring holds; the last frame's bytes. Returns the number of frames. */
static unsigned card_sends(uint8_t *bytes, uint32_t *size)
{
    unsigned frames = 0;
    *size = 0;
    uint32_t at = registers[E1000_TDH / 4];
    while (at != registers[E1000_TDT / 4]) {
        volatile struct e1000_tx_desc *desc = &card()->tx[at];
        assert_true(desc->size > 0);
        assert_true(desc->command & E1000_TX_FCS);
        if (*size + desc->size <= FRAME_SIZE) {
            memcpy(bytes + *size, machine(desc->address), desc->size);
        }
        *size += desc->size;
        at = (at + 1) % E1000_TX_RING;
        if (desc->command & E1000_TX_END) {
            assert_true(desc->command & E1000_TX_REPORT);
            desc->status = E1000_TX_DONE;
            frames++;
            if (at != registers[E1000_TDT / 4]) {
                *size = 0;
            }
        }
    }
    registers[E1000_TDH / 4] = at;
    registers[E1000_ICR / 4] = E1000_CAUSE_TXDW;
    return frames;
}

/* False: no buffer. */
static bool card_receives(const uint8_t *bytes, uint32_t size, uint8_t status, uint8_t errors)
{
    uint32_t at = registers[E1000_RDH / 4];
    if (at == registers[E1000_RDT / 4]) {
        return false;
    }
    volatile struct e1000_rx_desc *desc = &card()->rx[at];
    assert_int_equal(desc->status, 0);
    memcpy(machine(desc->address), bytes, size);
    desc->size = (uint16_t)size;
    desc->errors = errors;
    desc->status = status;
    registers[E1000_RDH / 4] = (at + 1) % E1000_RX_RING;
    registers[E1000_ICR / 4] = E1000_CAUSE_RXT0;
    return true;
}

/* --- start --- */

static void descriptors_have_the_manuals_layout(void **state)
{
    (void)state;
    assert_int_equal(offsetof(struct e1000_rx_desc, size), 8);
    assert_int_equal(offsetof(struct e1000_rx_desc, status), 12);
    assert_int_equal(offsetof(struct e1000_rx_desc, errors), 13);
    assert_int_equal(offsetof(struct e1000_tx_desc, size), 8);
    assert_int_equal(offsetof(struct e1000_tx_desc, command), 11);
    assert_int_equal(offsetof(struct e1000_tx_desc, status), 12);
}

static void ring_room(void **state)
{
    (void)state;
    assert_int_equal(e1000_tx_free(0, 0), E1000_TX_RING - 1);
    assert_int_equal(e1000_tx_free(0, E1000_TX_RING - 1), 0);
    assert_int_equal(e1000_tx_free(5, 4), 0);
    assert_int_equal(e1000_tx_free(5, 5), E1000_TX_RING - 1);
    assert_int_equal(e1000_tx_free(10, 500), 21);
    assert_int_equal(e1000_tx_free(500, 10), 489);
}

static void address_from_receive_address_0(void **state)
{
    (void)state;
    start_default();
    assert_memory_equal(the_card->mac, "\x52\x54\x00\x12\x34\x56", 6);
    assert_string_equal(the_card->name, "e1000-0");
    assert_true(the_card->ops->link_up(the_card));
    assert_true(said("1000 Mb/s, full duplex"));
}

static void address_from_the_eeprom(void **state)
{
    (void)state;
    static const struct {
        const struct pci_driver *driver;
        uint16_t device;
        unsigned shift;
    } models[] = {{&e1000_driver, 0x100e, 8}, {&e1000e_driver, 0x10d3, 2}};
    for (unsigned i = 0; i < 2; i++) {
        mac_low = mac_high = 0;
        memcpy(eeprom, "\x00\x1b\x21\x01\x02\x03", 6);
        eeprom_shift = models[i].shift;
        start_with(models[i].driver, models[i].device);
        fire_timer();
        fire_timer();
        the_card = net_next(NULL);
        assert_non_null(the_card);
        assert_memory_equal(the_card->mac, eeprom, 6);
    }
}

static void no_address_no_card(void **state)
{
    (void)state;
    mac_low = 0xffffffff; /* a group address */
    mac_high = 0xffff | E1000_RAH_VALID;
    memset(eeprom, 0, sizeof(eeprom));
    for (eeprom_shift = 0; eeprom_shift <= 8; eeprom_shift += 8) { /* no EEPROM at all; an empty one */
        start_with(&e1000_driver, 0x100e);
        fire_timer();
        fire_timer();
        assert_null(net_next(NULL));
        assert_true(said("has no address"));
        assert_false(fake_master);
    }
}

static void a_reset_without_end(void **state)
{
    (void)state;
    start_with(&e1000_driver, 0x100e);
    deaf = true;
    for (unsigned i = 0; i < 2000 && fake_timer != NULL; i++) {
        fire_timer();
    }
    assert_null(fake_timer);
    assert_true(said("does not come out of its reset"));
    assert_null(net_next(NULL));
}

static void msix_maps_all_causes(void **state)
{
    (void)state;
    mac_low = 0x12005452;
    mac_high = 0x5634 | E1000_RAH_VALID;
    start_with(&e1000e_driver, 0x10d3);
    struct e1000 *opened = fake_handler_context;
    opened->msix = true;
    fire_timer();
    fire_timer();
    assert_int_equal(registers[E1000_IVAR / 4], 0x80080808);
    assert_int_equal(registers[E1000_IMS / 4] & (1u << 20 | 1u << 22 | 1u << 24), 1u << 20 | 1u << 22 | 1u << 24);
    assert_int_equal(registers[E1000_IMS / 4] & E1000_CAUSE_RXT0, 0);
}

/* --- frames --- */

static void sends_from_any_pieces(void **state)
{
    (void)state;
    start_default();
    static uint8_t frame[NET_FRAME_MAX], out[FRAME_SIZE];
    uint32_t size;
    for (unsigned i = 0; i < 3000; i++) {
        uint32_t length = NET_FRAME_MIN + i % (NET_FRAME_MAX - NET_FRAME_MIN + 1);
        uint32_t pieces = 1 + i % NET_MAX_SEGMENTS; /* pieces of 0 bytes, too */
        fill(frame, length, i);
        assert_true(send_frame(0, frame, length, pieces));
        the_card->ops->kick(the_card);
        assert_int_equal(card_sends(out, &size), 1);
        assert_int_equal(size, length);
        assert_memory_equal(out, frame, length);
        interrupt();
        assert_int_equal(returned, i + 1);
    }
}

static void a_full_ring_refuses(void **state)
{
    (void)state;
    start_default();
    static uint8_t frame[NET_FRAME_MAX], out[FRAME_SIZE];
    uint32_t size;
    unsigned count = 0;
    fill(frame, sizeof(frame), 1);
    while (send_frame(count, frame, 100, 4)) {
        count++;
    }
    assert_int_equal(count, (E1000_TX_RING - 1) / 4);
    the_card->ops->kick(the_card);
    assert_int_equal(card_sends(out, &size), count);
    interrupt();
    assert_int_equal(returned, count);
    assert_int_equal(outstanding(), 0);
    assert_true(send_frame(0, frame, 100, 4));
}

static void nothing_is_returned_before_it_was_offered(void **state)
{
    (void)state;
    start_default();
    static uint8_t frame[64];
    memset((void *)(uintptr_t)card()->tx, 0xff, E1000_TX_RING * sizeof(struct e1000_tx_desc)); /* all "done" */
    assert_true(send_frame(0, frame, 64, 1));
    registers[E1000_ICR / 4] = E1000_CAUSE_TXDW;
    interrupt();
    assert_int_equal(returned, 0);
}

static void refuses_frames_out_of_bounds(void **state)
{
    (void)state;
    start_default();
    static uint8_t frame[4096];
    assert_false(send_frame(0, frame, NET_FRAME_MIN - 1, 1));
    assert_false(send_frame(0, frame, NET_FRAME_MAX + 1, 1));
    assert_false(send_frame(0, frame, 64, NET_MAX_SEGMENTS + 1));
    const struct net_segment huge[] = {{0, 0xffffffff}, {0, 0xffffffff}};
    assert_false(the_card->ops->transmit(the_card, huge, 2, frame_done, &sent_state[0]));
    assert_false(the_card->ops->transmit(the_card, huge, 0, frame_done, &sent_state[0]));
    assert_int_equal(card()->tx_tail, 0);
}

static void delivers_what_is_whole(void **state)
{
    (void)state;
    start_default();
    static uint8_t frame[FRAME_SIZE];
    for (unsigned i = 0; i < 1000; i++) {
        fill(frame, sizeof(frame), i);
        assert_true(card_receives(frame, NET_FRAME_MIN + i, E1000_RX_DONE | E1000_RX_END, 0));
        interrupt();
        assert_int_equal(received, i + 1);
        assert_int_equal(received_size, NET_FRAME_MIN + i);
        assert_memory_equal(received_frame, frame, received_size);
    }
    static const struct {
        uint32_t size;
        uint8_t status, errors;
    } bad[] = {{NET_FRAME_MIN - 1, 3, 0},
               {NET_FRAME_MAX + 1, 3, 0},
               {100, 3, 0x80},
               {100, 3, 1},
               {2048, 1, 0},
               {2048, 1, 0},
               {100, 3, 0}};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(card_receives(frame, bad[i].size, bad[i].status, bad[i].errors));
        interrupt();
    }
    assert_int_equal(received, 1000); /* the last is the end of the one that was too long */
    assert_int_equal(card()->rx_dropped, sizeof(bad) / sizeof(bad[0]));
    card_receives(frame, 100, 3, 0x60); /* wrong checksums are not the card's business */
    interrupt();
    assert_int_equal(received, 1001);
}

static void a_flood_is_cut_into_rounds(void **state)
{
    (void)state;
    start_default();
    static uint8_t frame[64];
    unsigned count = 0;
    while (card_receives(frame, 64, 3, 0)) {
        count++;
    }
    assert_int_equal(count, E1000_RX_RING - 1);
    interrupt();
    assert_true(received < count);
    while (fake_bottom != NULL) {
        run_bottom();
    }
    assert_int_equal(received, count);
    assert_true(card_receives(frame, 64, 3, 0)); /* buffers are back */
}

static void a_shared_line(void **state)
{
    (void)state;
    start_default();
    static uint8_t frame[64];
    assert_true(card_receives(frame, 64, 3, 0));
    registers[E1000_ICR / 4] = 0;
    interrupt();
    assert_int_equal(received, 0);
}

/* --- trouble --- */

static void a_hang_ends_in_a_reset(void **state)
{
    (void)state;
    start_default();
    static uint8_t frame[64];
    for (unsigned i = 0; i < 10; i++) {
        assert_true(send_frame(i, frame, 64, 2));
    }
    the_card->ops->kick(the_card);
    registers[E1000_ICR / 4] = 0;
    while (resets == 1) {
        assert_int_equal(returned, 0); /* not before the card has been reset */
        fire_timer();
    }
    fire_timer();
    assert_int_equal(returned, 10);
    assert_true(said("nothing was sent for 5 s: resetting it"));
    assert_true(fake_master);
    assert_false(the_card->gone);
    assert_true(send_frame(0, frame, 64, 1));
}

static void hangs_without_end_retire_it(void **state)
{
    (void)state;
    start_default();
    static uint8_t frame[64];
    for (unsigned i = 0; i < 1000 && !the_card->gone; i++) {
        if (outstanding() == 0 && send_frame(0, frame, 64, 1)) {
            the_card->ops->kick(the_card);
        }
        fire_timer();
    }
    assert_true(the_card->gone);
    assert_int_equal(outstanding(), 0);
    assert_false(fake_master);
    assert_false(send_frame(0, frame, 64, 1));
    assert_null(fake_timer);
}

static void a_lost_link_gives_frames_back(void **state)
{
    (void)state;
    start_default();
    static uint8_t frame[64];
    assert_true(send_frame(0, frame, 64, 2));
    the_card->ops->kick(the_card);
    registers[E1000_STATUS / 4] &= ~E1000_STATUS_LINK_UP;
    registers[E1000_ICR / 4] = E1000_CAUSE_LSC;
    interrupt();
    assert_false(the_card->ops->link_up(the_card));
    assert_false(send_frame(1, frame, 64, 2));
    fire_timer(); /* watchdog */
    fire_timer(); /* quiet */
    fire_timer(); /* reset is over */
    assert_int_equal(returned, 1);
    registers[E1000_STATUS / 4] |= E1000_STATUS_LINK_UP;
    fire_timer();
    assert_true(the_card->ops->link_up(the_card));
}

static void a_vanished_card_is_retired(void **state)
{
    (void)state;
    static uint8_t frame[64];
    for (unsigned way = 0; way < 3; way++) {
        start_default();
        assert_true(send_frame(0, frame, 64, 2));
        the_card->ops->kick(the_card);
        if (way < 2) {
            memset(registers, 0xff, E1000_REGISTERS_SIZE);
        } else {
            fake_present = false;
        }
        if (way == 0) {
            interrupt();
        } else {
            fire_timer();
        }
        assert_true(the_card->gone);
        assert_true(said("it has vanished: out of service"));
        assert_int_equal(returned, 1);
        assert_null(fake_timer);
        interrupt();
        the_card->ops->kick(the_card);
        assert_false(send_frame(0, frame, 64, 1));
        assert_null(net_next(NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_have_the_manuals_layout),
        cmocka_unit_test(ring_room),
        cmocka_unit_test(address_from_receive_address_0),
        cmocka_unit_test(address_from_the_eeprom),
        cmocka_unit_test(no_address_no_card),
        cmocka_unit_test(a_reset_without_end),
        cmocka_unit_test(msix_maps_all_causes),
        cmocka_unit_test(sends_from_any_pieces),
        cmocka_unit_test(a_full_ring_refuses),
        cmocka_unit_test(nothing_is_returned_before_it_was_offered),
        cmocka_unit_test(refuses_frames_out_of_bounds),
        cmocka_unit_test(delivers_what_is_whole),
        cmocka_unit_test(a_flood_is_cut_into_rounds),
        cmocka_unit_test(a_shared_line),
        cmocka_unit_test(a_hang_ends_in_a_reset),
        cmocka_unit_test(hangs_without_end_retire_it),
        cmocka_unit_test(a_lost_link_gives_frames_back),
        cmocka_unit_test(a_vanished_card_is_retired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
