/* SPDX-License-Identifier: MIT
 * The serial port as drivers use it: detection, loopback, interrupts, FIFOs, and how output is gathered. */
#include "fake_pc.h"
#include "devices/uart.h"

#define DATA 0x3f8
#define IER 0x3f9
#define IIR 0x3fa
#define FCR 0x3fa
#define LCR 0x3fb
#define MCR 0x3fc
#define LSR 0x3fd
#define MSR 0x3fe
#define SCR 0x3ff

static struct machine *pc;
static struct uart *uart;
static char console[8192];
static uint32_t console_length;
static unsigned console_calls;

static void output(void *context, const char *text, uint32_t length)
{
    (void)context;
    assert_true(console_length + length < sizeof(console));
    memcpy(console + console_length, text, length);
    console_length += length;
    console_calls++;
}

static int setup(void **state)
{
    (void)state;
    pc = fake_machine(1 * MIB, 0, 1000000000, 12345);
    uart = calloc(1, sizeof(*uart));
    console_length = console_calls = 0;
    memset(console, 0, sizeof(console));
    assert_int_equal(uart_init(uart, pc), OK);
    uart->output = output;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(uart);
    fake_free(pc);
    return 0;
}

static void send(const char *text)
{
    for (; *text; text++)
        outb(pc, DATA, (uint8_t)*text);
}

/* What Linux's 8250 driver does to find out what the port is. */
static void is_detected_as_16550a(void **state)
{
    (void)state;
    outb(pc, IER, 0);
    assert_int_equal(inb(pc, IER) & 0x0f, 0);
    outb(pc, IER, 0x0f);
    assert_int_equal(inb(pc, IER) & 0x0f, 0x0f);
    outb(pc, IER, 0x40 | 0x0f); /* an XScale port would keep bit 6 */
    assert_int_equal(inb(pc, IER), 0x0f);
    outb(pc, IER, 0);

    uint8_t mcr = inb(pc, MCR);
    outb(pc, MCR, 0x10 | 0x0a); /* loopback with RTS and OUT2 */
    assert_int_equal(inb(pc, MSR) & 0xf0, 0x90);
    outb(pc, MCR, mcr);
    assert_int_equal(inb(pc, MSR) & 0xf0, 0xb0);

    assert_int_equal(inb(pc, IIR) >> 6, 0);
    outb(pc, FCR, 0x01);
    assert_int_equal(inb(pc, IIR) >> 6, 3);
    outb(pc, LCR, 0x80); /* an EFR at offset 2 would read 0 */
    assert_int_not_equal(inb(pc, IIR), 0);
    outb(pc, LCR, 0xbf);
    assert_int_not_equal(inb(pc, IIR), 0);
    outb(pc, LCR, 0);
    outb(pc, FCR, 0x21); /* a 16750 has a bit for 64-byte FIFOs */
    assert_int_equal(inb(pc, IIR) & 0x20, 0);
    outb(pc, FCR, 0x01);
    outb(pc, SCR, 0xa5);
    assert_int_equal(inb(pc, SCR), 0xa5);
}

/* ... and how it measures the FIFO: more bytes than fit, in loopback. */
static void fifo_holds_16_bytes(void **state)
{
    (void)state;
    unsigned count;
    outb(pc, FCR, 0x07);
    outb(pc, MCR, 0x10);
    for (unsigned i = 0; i < 256; i++)
        outb(pc, DATA, (uint8_t)i);
    assert_int_equal(inb(pc, LSR) & 0x02, 0x02); /* overrun */
    assert_int_equal(inb(pc, LSR) & 0x02, 0);    /* reading clears it */
    for (count = 0; inb(pc, LSR) & 1; count++)
        assert_int_equal(inb(pc, DATA), count);
    assert_int_equal(count, 16);
    assert_int_equal(console_length, 0);
}

static void without_fifo_the_last_byte_wins(void **state)
{
    (void)state;
    outb(pc, MCR, 0x10);
    outb(pc, DATA, 'a');
    outb(pc, DATA, 'b');
    assert_int_equal(inb(pc, LSR) & 0x03, 0x03);
    assert_int_equal(inb(pc, DATA), 'b');
    assert_int_equal(inb(pc, LSR) & 0x01, 0);
}

/* The tests of serial8250_do_startup: a port without the THRE and TXEN bugs. */
static void thre_interrupt_returns_when_enabled_anew(void **state)
{
    (void)state;
    outb(pc, IER, 0x02);
    assert_true(fake.level[4]);
    assert_int_equal(inb(pc, IIR) & 0x0f, 0x02);
    assert_false(fake.level[4]); /* reading IIR acknowledged it */
    assert_int_equal(inb(pc, IIR) & 0x0f, 0x01);
    outb(pc, IER, 0);
    outb(pc, IER, 0x02);
    assert_int_equal(inb(pc, LSR) & 0x60, 0x60);
    assert_int_equal(inb(pc, IIR) & 0x0f, 0x02);
    outb(pc, DATA, 'x'); /* the next character raises it again */
    assert_true(fake.level[4]);
}

/* A driver that writes at every interrupt without asking which it was: writing the transmitter resets its interrupt (PC16550D,
 * interrupt control functions), so each character is an edge of its own. Else an edge-triggered pin never interrupts again. */
static void each_character_is_an_edge(void **state)
{
    (void)state;
    outb(pc, IER, 0x02);
    assert_int_equal(fake.edges[4], 1);
    outb(pc, DATA, 'a');
    assert_true(fake.level[4]);
    assert_int_equal(fake.edges[4], 2);
    outb(pc, DATA, 'b');
    assert_int_equal(fake.edges[4], 3);
    outb(pc, IER, 0);
    outb(pc, DATA, 'c');
    assert_false(fake.level[4]);
    assert_int_equal(fake.edges[4], 3);
}

static void divisor_is_behind_dlab(void **state)
{
    (void)state;
    outb(pc, LCR, 0x83);
    outb(pc, DATA, 0x0c);
    outb(pc, IER, 0x34);
    assert_int_equal(inb(pc, DATA), 0x0c);
    assert_int_equal(inb(pc, IER), 0x34);
    outb(pc, LCR, 0x03);
    assert_int_equal(inb(pc, IER), 0);
    assert_int_equal(console_length, 0);
    assert_int_equal(bus_port_read(&pc->bus, LCR, 2), 0x0003); /* LCR and MCR in one access */
    bus_port_write(&pc->bus, LCR, 2, 0x0b03);
    assert_int_equal(inb(pc, MCR), 0x0b);
    assert_int_equal(bus_port_read(&pc->bus, SCR, 1), 0);
    assert_int_equal(bus_port_read(&pc->bus, 0x2f8 + 5, 1), 0xff); /* no COM2 */
}

static void a_line_costs_one_console_call(void **state)
{
    (void)state;
    send("[    0.000000] Linux version 6.1\r\n");
    assert_int_equal(console_calls, 1);
    assert_string_equal(console, "[    0.000000] Linux version 6.1\r\n");
}

static void a_prompt_appears_within_5_ms(void **state)
{
    (void)state;
    send("~ # ");
    assert_int_equal(console_calls, 0);
    advance(pc, 5 * MS);
    assert_int_equal(console_calls, 1);
    assert_string_equal(console, "~ # ");
    advance(pc, 100 * MS);
    assert_int_equal(console_calls, 1);
}

static void a_long_line_is_flushed_when_full(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * UART_OUTPUT_SIZE; i++)
        outb(pc, DATA, 'x');
    assert_int_equal(console_calls, 3);
    assert_int_equal(console_length, 3 * UART_OUTPUT_SIZE);
    outb(pc, DATA, 'y');
    uart_flush(uart);
    assert_int_equal(console_length, 3 * UART_OUTPUT_SIZE + 1);
}

static void input_interrupts_at_the_trigger_level_and_on_timeout(void **state)
{
    (void)state;
    outb(pc, FCR, 0x81); /* trigger at 8 */
    outb(pc, IER, 0x05);
    assert_int_equal(uart_receive(uart, "ls\n", 3), 3);
    assert_true(fake.level[4]);
    assert_int_equal(inb(pc, IIR) & 0x0f, 0x0c); /* below the level: character time-out */
    assert_int_equal(uart_receive(uart, "01234", 5), 5);
    assert_int_equal(inb(pc, IIR) & 0x0f, 0x04);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(inb(pc, DATA), "ls\n01234"[i]);
    assert_false(fake.level[4]);
    assert_int_equal(inb(pc, LSR) & 1, 0);
}

/* A paste of 3000 bytes arrives complete: the receiver takes what fits, the rest waits. */
static void a_paste_is_not_lost(void **state)
{
    (void)state;
    char text[6000];
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    outb(pc, FCR, 0xc1);
    uint32_t taken = uart_receive(uart, text, sizeof(text));
    assert_int_equal(taken, UART_BACKLOG_SIZE);
    for (unsigned i = 0; i < sizeof(text); i++) {
        assert_int_equal(inb(pc, LSR) & 3, 1); /* data, no overrun */
        assert_int_equal((char)inb(pc, DATA), text[i]);
        taken += uart_receive(uart, text + taken, (uint32_t)sizeof(text) - taken);
    }
    assert_int_equal(inb(pc, LSR) & 1, 0);
}

static void modem_lines_report_their_changes(void **state)
{
    (void)state;
    outb(pc, IER, 0x08);
    outb(pc, MCR, 0x10); /* all of CTS, DSR, DCD fall */
    assert_int_equal(inb(pc, IIR) & 0x0f, 0x00);
    assert_int_equal(inb(pc, MSR), 0x0b);
    assert_false(fake.level[4]);
    outb(pc, MCR, 0x14); /* OUT1: RI rises, which is no event */
    assert_int_equal(inb(pc, MSR), 0x40);
    outb(pc, MCR, 0x10); /* its trailing edge is */
    assert_int_equal(inb(pc, MSR), 0x04);
}

static void line_status_comes_first(void **state)
{
    (void)state;
    outb(pc, FCR, 0x01);
    outb(pc, MCR, 0x10);
    for (unsigned i = 0; i < 17; i++)
        outb(pc, DATA, 'z');
    outb(pc, IER, 0x0f);
    assert_int_equal(inb(pc, IIR) & 0x0f, 0x06);
    (void)inb(pc, LSR);
    assert_int_equal(inb(pc, IIR) & 0x0f, 0x04);
    outb(pc, FCR, 0x03); /* clear the receiver */
    assert_int_equal(inb(pc, IIR) & 0x0f, 0x02);
    assert_int_equal(inb(pc, IIR) & 0x0f, 0x00);
    (void)inb(pc, MSR);
    assert_int_equal(inb(pc, IIR), 0xc1);
}

static void any_write_is_survived(void **state)
{
    (void)state;
    srand(1);
    for (unsigned i = 0; i < 200000; i++) {
        uint16_t port = (uint16_t)(DATA + rand() % 8);
        unsigned size = 1u << rand() % 3;
        if (rand() & 1)
            bus_port_write(&pc->bus, port, size, (uint32_t)rand());
        else
            (void)bus_port_read(&pc->bus, port, size);
        if (rand() % 16 == 0)
            uart_receive(uart, "hello", (uint32_t)(rand() % 6));
        console_length = 0;
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(is_detected_as_16550a), CASE(fifo_holds_16_bytes), CASE(without_fifo_the_last_byte_wins),
        CASE(thre_interrupt_returns_when_enabled_anew), CASE(each_character_is_an_edge), CASE(divisor_is_behind_dlab),
        CASE(a_line_costs_one_console_call), CASE(a_prompt_appears_within_5_ms), CASE(a_long_line_is_flushed_when_full),
        CASE(input_interrupts_at_the_trigger_level_and_on_timeout), CASE(a_paste_is_not_lost),
        CASE(modem_lines_report_their_changes), CASE(line_status_comes_first), CASE(any_write_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
