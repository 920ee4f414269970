/* SPDX-License-Identifier: MIT
 * The keyboard: what keys type, and the controller's conversation. */
#include "service_fixture.h"
#include "ps2.h"

static struct ps2_keys keys;
static char text[256];
static uint32_t size;

static int setup(void **state)
{
    (void)state;
    memset(&keys, 0, sizeof(keys));
    size = 0;
    fixture_reset();
    return 0;
}

static void assert_types(const char *expected, const uint8_t *codes, unsigned count)
{
    size = 0;
    for (unsigned i = 0; i < count; i++) {
        size += ps2_decode(&keys, codes[i], text + size);
    }
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(text, expected, size);
}
#define TYPES(expected, ...) assert_types(expected, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void letters(void **state)
{
    (void)state;
    TYPES("ab1 \r\x7f\t\x1b", 0x1e, 0x9e, 0x30, 0xb0, 0x02, 0x82, 0x39, 0xb9, 0x1c, 0x0e, 0x0f, 0x01);
    TYPES("AaB!a", 0x2a, 0x1e, 0xaa, 0x1e, 0x36, 0x30, 0x02, 0xb6, 0x1e);
    TYPES("A1a!", 0x3a, 0xba, 0x1e, 0x02, 0x2a, 0x1e, 0x02, 0xaa); /* caps lock turns letters only */
    TYPES("a", 0x3a, 0xba, 0x1e);
    TYPES("'`\\[]{}|~\"", 0x28, 0x29, 0x2b, 0x1a, 0x1b, 0x2a, 0x1a, 0x1b, 0x2b, 0x29, 0x28, 0xaa);
}

static void modifiers(void **state)
{
    (void)state;
    TYPES("\x01\x1d\x03", 0x1d, 0x1e, 0x1b, 0x2e, 0x9d);
    TYPES("\x1d", 0xe0, 0x1d, 0x1b, 0xe0, 0x9d); /* the right one */
    TYPES("a", 0x1e);
    TYPES("\033b", 0x38, 0x30, 0xb8);
    TYPES("\x1f", 0x1d, 0x35, 0x9d);
}

static void special(void **state)
{
    (void)state;
    TYPES("\033[A\033[B\033[D\033[C", 0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0x50, 0xe0, 0x4b, 0xe0, 0x4d);
    TYPES("\033[H\033[F\033[3~\033[5~\033[6~\033[2~", 0xe0, 0x47, 0xe0, 0x4f, 0xe0, 0x53, 0xe0, 0x49, 0xe0, 0x51, 0xe0, 0x52);
    TYPES("/\r-+", 0xe0, 0x35, 0xe0, 0x1c, 0x4a, 0x4e);
    TYPES("\033[A8", 0x48, 0x45, 0xc5, 0x48); /* the keypad, without and with num lock */
    TYPES("\033OP\033[24~", 0x3b, 0x58);
    TYPES("\033[A", 0xe0, 0x2a, 0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0xaa); /* made-up shift */
    TYPES("a", 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5, 0x1e);            /* Pause */
    TYPES("", 0x54, 0x5b, 0x7f, 0xe0, 0x5b, 0xe0, 0x37, 0x00);
}

static void any_codes(void **state)
{
    (void)state;
    srand(1);
    for (unsigned i = 0; i < 200000; i++) {
        assert_true(ps2_decode(&keys, (uint8_t)rand(), text) <= KEYBOARD_MAX_BYTES);
    }
}

/* --- the controller --- */

static struct {
    bool absent, dead;
    uint8_t config, output[16], command;
    unsigned count;
    bool aux;
} chip;
static void (*handler)(void *context);
static bool has_line;

enum status service_line(uint32_t gsi, void (*called)(void *context), void *context)
{
    assert_int_equal(gsi, 1);
    assert_null(context);
    handler = called;
    return has_line ? OK : ERR_NONE;
}

static void answer(uint8_t value) { chip.output[chip.count++] = value; }

static uint8_t read_port(uint16_t port)
{
    if (chip.absent) {
        return 0xff;
    }
    if (port == 0x64) {
        return (uint8_t)((chip.count > 0) | (chip.dead ? 2 : 0) | (chip.aux ? 0x20 : 0));
    }
    uint8_t value = chip.output[0];
    if (chip.count > 0) {
        chip.count--;
        memmove(chip.output, chip.output + 1, chip.count);
    }
    return value;
}

static void write_port(uint16_t port, uint8_t value)
{
    if (port == 0x64) {
        chip.command = value;
        if (value == 0x20) {
            answer(chip.config);
        }
    } else if (chip.command == 0x60) {
        chip.config = value;
        chip.command = 0;
    } else {
        answer(0xfa);
    }
}
static const struct port_ops ports = {read_port, write_port};

static void typed(void *context, const char *what, uint32_t length)
{
    assert_ptr_equal(context, &chip);
    memcpy(text + size, what, length);
    size += length;
}

static void begin(void)
{
    memset(&chip, 0, sizeof(chip));
    has_line = true;
    chip.config = 0x32;
}

static void controller(void **state)
{
    (void)state;
    begin();
    answer(0x1e); /* pressed before anybody cared */
    assert_int_equal(ps2_init(&ports, typed, &chip), OK);
    assert_int_equal(chip.config, 0x61);
    assert_int_equal(chip.count, 0);
    assert_int_equal(size, 0);
    answer(0x30);
    handler(NULL);
    assert_int_equal(size, 1);
    assert_int_equal(text[0], 'b');
    chip.aux = true; /* a mouse */
    answer(0x30);
    handler(NULL);
    assert_int_equal(size, 1);
    assert_int_equal(chip.count, 0);
}

static void without_a_line(void **state)
{
    (void)state;
    begin();
    has_line = false;
    assert_int_equal(ps2_init(&ports, typed, &chip), OK);
    answer(0x30);
    fixture_pass(50);
    assert_int_equal(size, 1);
}

static void no_controller(void **state)
{
    (void)state;
    begin();
    chip.absent = true;
    assert_int_equal(ps2_init(&ports, typed, &chip), ERR_NONE);
    chip.absent = false;
    chip.dead = true;
    assert_int_equal(ps2_init(&ports, typed, &chip), ERR_TIMEOUT);
}

#define T(name) cmocka_unit_test_setup(name, setup)
int main(void)
{
    const struct CMUnitTest tests[] = {T(letters), T(modifiers), T(special), T(any_codes), T(controller), T(without_a_line),
                                       T(no_controller)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
