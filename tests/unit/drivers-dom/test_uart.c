/* SPDX-License-Identifier: MIT
 * The serial driver against a model of a 16550: nothing waits, nothing is lost, reordered or doubled. */
#include "service_fixture.h"
#include <linux/serial_reg.h>
#include "uart.h"

#define COM1 0x3f8

static struct {
    bool absent, fifo;
    uint8_t lcr, ier, mcr, scratch, dll;
    unsigned waiting;      /* bytes in the transmit FIFO */
    bool thre_pending;     /* interrupt not looked at yet */
    char wire[8192], input[256];
    unsigned sent, input_first, input_count;
    bool overrun;
} chip;
static void (*handler)(void *context);
static bool has_line;
static char got[512];
static unsigned got_count, rooms;

enum status service_line(uint32_t gsi, void (*called)(void *context), void *context)
{
    assert_int_equal(gsi, 4);
    assert_null(context);
    handler = called;
    return has_line ? OK : ERR_NONE;
}

static uint8_t read_port(uint16_t port)
{
    if (chip.absent) {
        return 0xff;
    }
    switch (port - COM1) {
    case UART_RX:
        if (chip.input_count == 0) {
            return 0;
        }
        chip.input_count--;
        return (uint8_t)chip.input[chip.input_first++];
    case UART_IER: return chip.ier;
    case UART_IIR: {
        uint8_t high = chip.fifo ? 0xc0 : 0;
        if (chip.input_count > 0 && (chip.ier & UART_IER_RDI)) {
            return high | UART_IIR_RDI;
        }
        if (chip.thre_pending && (chip.ier & UART_IER_THRI)) {
            chip.thre_pending = false;
            return high | UART_IIR_THRI;
        }
        return high | UART_IIR_NO_INT;
    }
    case UART_LCR: return chip.lcr;
    case UART_LSR:
        return (uint8_t)((chip.input_count > 0 ? UART_LSR_DR : 0) | (chip.waiting == 0 ? UART_LSR_THRE | UART_LSR_TEMT : 0));
    case UART_SCR: return chip.scratch;
    default: return 0;
    }
}

static void write_port(uint16_t port, uint8_t value)
{
    if (chip.absent) {
        return;
    }
    switch (port - COM1) {
    case UART_TX:
        if (chip.lcr & UART_LCR_DLAB) {
            chip.dll = value;
            break;
        }
        chip.overrun |= chip.waiting == (chip.fifo ? 16u : 1u);
        chip.wire[chip.sent++] = (char)value;
        chip.waiting++;
        chip.thre_pending = false;
        break;
    case UART_IER:
        if (chip.lcr & UART_LCR_DLAB) {
            assert_int_equal(value, 0);
            break;
        }
        chip.thre_pending |= (value & UART_IER_THRI) && !(chip.ier & UART_IER_THRI) && chip.waiting == 0;
        chip.ier = value;
        break;
    case UART_FCR: assert_int_equal(value & (UART_FCR_CLEAR_RCVR | UART_FCR_ENABLE_FIFO), UART_FCR_ENABLE_FIFO); break;
    case UART_LCR: chip.lcr = value; break;
    case UART_MCR: chip.mcr = value; break;
    case UART_SCR: chip.scratch = value; break;
    default: break;
    }
}
static const struct port_ops ports = {read_port, write_port};

/* The FIFO has gone out. */
static void drained(void)
{
    chip.waiting = 0;
    chip.thre_pending = true;
    if ((chip.ier & UART_IER_THRI) != 0 && has_line) {
        handler(NULL);
    }
}

static void input(void *context, const char *text, uint32_t size)
{
    assert_ptr_equal(context, &chip);
    memcpy(got + got_count, text, size);
    got_count += size;
}
static void room(void *context)
{
    assert_ptr_equal(context, &chip);
    assert_int_equal(uart_room(), UART_BUFFER);
    rooms++;
}
static const struct uart_user user = {input, room};

static int setup(void **state)
{
    (void)state;
    memset(&chip, 0, sizeof(chip));
    chip.fifo = has_line = true;
    got_count = rooms = 0;
    fixture_reset();
    return 0;
}

static void begin(void) { assert_int_equal(uart_init(&ports, &user, &chip), OK); }

static void type(const char *text)
{
    strcpy(chip.input, text);
    chip.input_first = 0;
    chip.input_count = (unsigned)strlen(text);
}

static void set_up(void **state)
{
    (void)state;
    begin();
    assert_int_equal(chip.lcr, UART_LCR_WLEN8);
    assert_int_equal(chip.dll, 1);
    assert_int_equal(chip.mcr, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
    assert_int_equal(chip.ier, UART_IER_RDI);
    assert_int_equal(uart_room(), UART_BUFFER);
}

static void nobody_there(void **state)
{
    (void)state;
    chip.absent = true;
    assert_int_equal(uart_init(&ports, &user, &chip), ERR_NONE);
    assert_int_equal(uart_room(), UART_BUFFER);
    uart_write("x", 1);
    assert_int_equal(uart_room(), UART_BUFFER);
    assert_int_equal(uart_pending(), 0);
}

static void output_in_pieces_of_the_fifo(void **state)
{
    (void)state;
    char text[400];
    for (unsigned i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i % 26);
    }
    begin();
    uart_write(text, sizeof(text));
    assert_int_equal(chip.sent, 16);
    assert_int_equal(chip.ier, UART_IER_RDI | UART_IER_THRI);
    assert_int_equal(uart_pending(), sizeof(text) - 16);
    assert_int_equal(uart_room(), UART_BUFFER - (sizeof(text) - 16));
    for (unsigned i = 0; i < 25; i++) {
        drained();
    }
    assert_int_equal(chip.sent, sizeof(text));
    assert_memory_equal(chip.wire, text, sizeof(text));
    assert_false(chip.overrun);
    assert_int_equal(chip.ier, UART_IER_RDI);
    assert_int_equal(rooms, 1);
}

static void without_fifo(void **state)
{
    (void)state;
    chip.fifo = false;
    begin();
    uart_write("abc", 3);
    assert_int_equal(chip.sent, 1);
    drained();
    drained();
    assert_int_equal(chip.sent, 3);
    assert_false(chip.overrun);
}

static void a_lost_interrupt(void **state)
{
    (void)state;
    begin();
    char text[40] = {0};
    uart_write(text, sizeof(text));
    chip.waiting = 0;
    fixture_pass(25);
    assert_int_equal(chip.sent, 32);
}

static void more_than_the_buffer(void **state)
{
    (void)state;
    static char text[UART_BUFFER + 200];
    begin();
    uart_write(text, sizeof(text));
    assert_int_equal(uart_pending(), UART_BUFFER - 16);
    assert_int_equal(uart_room(), 16);
}

static void typed_before_and_after(void **state)
{
    (void)state;
    type("before");
    begin();
    assert_int_equal(got_count, 6);
    type("after");
    handler(NULL);
    assert_memory_equal(got, "beforeafter", 11);
}

static void without_a_line(void **state)
{
    (void)state;
    has_line = false;
    begin();
    char text[40] = {0};
    uart_write(text, sizeof(text));
    type("x");
    drained();
    fixture_pass(10);
    drained();
    fixture_pass(10);
    assert_int_equal(got_count, 1);
    assert_int_equal(chip.sent, 40);
}

static void vanishes(void **state)
{
    (void)state;
    begin();
    char text[40] = {0};
    uart_write(text, sizeof(text));
    chip.absent = true;
    handler(NULL);
    assert_logged("COM1 has vanished");
    assert_int_equal(uart_room(), UART_BUFFER);
    fixture_pass(100);
}

#define T(name) cmocka_unit_test_setup(name, setup)
int main(void)
{
    const struct CMUnitTest tests[] = {T(set_up), T(nobody_there), T(output_in_pieces_of_the_fifo), T(without_fifo),
                                       T(a_lost_interrupt), T(more_than_the_buffer), T(typed_before_and_after),
                                       T(without_a_line), T(vanishes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
