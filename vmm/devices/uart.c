/* SPDX-License-Identifier: MIT
 * A 16550A serial port, COM1. Register names and bits: PC16550D data sheet. */
#include <string.h>
#include "devices/split.h"
#include "devices/uart.h"
#include "machine.h"
#include "pc.h"

enum uart_register { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

#define IER_RDA 0x01u  /* received data available (and character time-out) */
#define IER_THRE 0x02u
#define IER_RLS 0x04u  /* receiver line status */
#define IER_MODEM 0x08u
#define IER_MASK 0x0fu

#define IIR_NONE 0x01u
#define IIR_MODEM 0x00u
#define IIR_THRE 0x02u
#define IIR_RDA 0x04u
#define IIR_RLS 0x06u
#define IIR_TIMEOUT 0x0cu
#define IIR_ID_MASK 0x0fu
#define IIR_FIFOS 0xc0u

#define FCR_ENABLE 0x01u
#define FCR_CLEAR_RX 0x02u
#define FCR_KEPT 0xc9u     /* enable, DMA mode, trigger level */
#define FCR_TRIGGER_SHIFT 6

#define LCR_DLAB 0x80u

#define MCR_DTR 0x01u
#define MCR_RTS 0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u
#define MCR_LOOP 0x10u
#define MCR_MASK 0x1fu

#define LSR_DR 0x01u
#define LSR_OE 0x02u
#define LSR_THRE 0x20u
#define LSR_TEMT 0x40u

#define MSR_CTS 0x10u
#define MSR_DSR 0x20u
#define MSR_RI 0x40u
#define MSR_DCD 0x80u
#define MSR_DELTA_SHIFT 4

static const uint8_t trigger_levels[4] = { 1, 4, 8, 14 };

static uint32_t fifo_capacity(const struct uart *uart)
{
    return uart->fcr & FCR_ENABLE ? UART_FIFO_SIZE : 1;
}

/* The modem lines: a ready partner outside, or the port's own outputs in loopback. */
static uint8_t modem_lines(const struct uart *uart)
{
    if (!(uart->mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    return (uart->mcr & MCR_RTS ? MSR_CTS : 0) | (uart->mcr & MCR_DTR ? MSR_DSR : 0) |
           (uart->mcr & MCR_OUT1 ? MSR_RI : 0) | (uart->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

/* The pending interrupt of the highest priority, without the FIFO bits. A FIFO below its trigger level counts as timed
 * out at once: nothing else is on the way. */
static uint8_t pending_interrupt(const struct uart *uart)
{
    if ((uart->ier & IER_RLS) && uart->lsr_errors)
        return IIR_RLS;
    if ((uart->ier & IER_RDA) && uart->fifo_count) {
        bool reached = !(uart->fcr & FCR_ENABLE) || uart->fifo_count >= trigger_levels[uart->fcr >> FCR_TRIGGER_SHIFT];
        return reached ? IIR_RDA : IIR_TIMEOUT;
    }
    if ((uart->ier & IER_THRE) && uart->thre_pending)
        return IIR_THRE;
    if ((uart->ier & IER_MODEM) && uart->msr_delta)
        return IIR_MODEM;
    return IIR_NONE;
}

/* OUT2 does not gate the line here: kernels exist that never set it, and nothing shares IRQ 4. */
static void update_irq(struct uart *uart)
{
    bool level = pending_interrupt(uart) != IIR_NONE;
    if (level == uart->irq) /* most accesses change nothing, and drivers make a lot of them */
        return;
    uart->irq = level;
    irq_set(uart->machine, PC_IRQ_COM1, level);
}

static void fifo_put(struct uart *uart, uint8_t byte)
{
    uint32_t capacity = fifo_capacity(uart);
    if (uart->fifo_count == capacity) {
        uart->lsr_errors |= LSR_OE;
        if (capacity == 1) /* the 16450's single register is overwritten, a FIFO keeps what it has */
            uart->fifo[uart->fifo_head] = byte;
        return;
    }
    uart->fifo[(uart->fifo_head + uart->fifo_count++) % UART_FIFO_SIZE] = byte;
}

static uint8_t fifo_get(struct uart *uart)
{
    if (!uart->fifo_count)
        return 0;
    uint8_t byte = uart->fifo[uart->fifo_head];
    uart->fifo_head = (uart->fifo_head + 1) % UART_FIFO_SIZE;
    uart->fifo_count--;
    return byte;
}

/* Moves waiting input into the receiver as far as there is room; in loopback the line is not connected to it. */
static void refill(struct uart *uart)
{
    if (uart->mcr & MCR_LOOP)
        return;
    while (uart->backlog_count && uart->fifo_count < fifo_capacity(uart)) {
        fifo_put(uart, uart->backlog[uart->backlog_head]);
        uart->backlog_head = (uart->backlog_head + 1) % UART_BACKLOG_SIZE;
        uart->backlog_count--;
    }
}

void uart_flush(struct uart *uart)
{
    timer_cancel(&uart->machine->timers, &uart->flush);
    uint32_t count = uart->out_count;
    uart->out_count = 0;
    if (count && uart->output)
        uart->output(uart->output_context, uart->out, count);
}

static void flush_expired(void *context, uint64_t deadline)
{
    (void)deadline;
    uart_flush(context);
}

/* Writing the transmitter takes its interrupt back, and a moment later it is empty and interrupts again: an edge for drivers that
 * never read IIR. */
static void transmit(struct uart *uart, uint8_t byte)
{
    uart->thre_pending = false;
    update_irq(uart);
    uart->thre_pending = true;
    if (uart->mcr & MCR_LOOP) {
        fifo_put(uart, byte);
        return;
    }
    uart_print(uart, byte);
}

void uart_print(struct uart *uart, uint8_t byte)
{
    uart->out[uart->out_count++] = (char)byte;
    if (byte == '\n' || uart->out_count == UART_OUTPUT_SIZE)
        uart_flush(uart);
    else if (uart->out_count == 1)
        timer_arm(&uart->machine->timers, &uart->flush, clock_now(&uart->machine->clock) + UART_FLUSH_NS);
}

static uint8_t read_iir(struct uart *uart)
{
    uint8_t id = pending_interrupt(uart);
    if (id == IIR_THRE) /* the only source that reading its identification acknowledges */
        uart->thre_pending = false;
    return (id & IIR_ID_MASK) | (uart->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static uint8_t read_data(struct uart *uart)
{
    uint8_t byte = fifo_get(uart);
    refill(uart);
    if (!uart->backlog_count && uart->drained)
        uart->drained(uart);
    return byte;
}

static uint8_t read_lsr(struct uart *uart)
{
    uint8_t value = LSR_THRE | LSR_TEMT | uart->lsr_errors | (uart->fifo_count ? LSR_DR : 0);
    uart->lsr_errors = 0;
    return value;
}

static uint8_t read_msr(struct uart *uart)
{
    uint8_t value = modem_lines(uart) | uart->msr_delta;
    uart->msr_delta = 0;
    return value;
}

static uint8_t uart_read_byte(void *device, uint16_t offset)
{
    struct uart *uart = device;
    bool dlab = uart->lcr & LCR_DLAB;
    uint8_t value = 0xff;
    switch ((enum uart_register)offset) {
    case REG_DATA: value = dlab ? uart->dll : read_data(uart); break;
    case REG_IER: value = dlab ? uart->dlm : uart->ier; break;
    case REG_IIR_FCR: value = read_iir(uart); break;
    case REG_LCR: value = uart->lcr; break;
    case REG_MCR: value = uart->mcr; break;
    case REG_LSR: value = read_lsr(uart); break;
    case REG_MSR: value = read_msr(uart); break;
    case REG_SCR: value = uart->scr; break;
    }
    update_irq(uart);
    return value;
}

static void write_ier(struct uart *uart, uint8_t value)
{
    /* Enabling the THRE interrupt while the register is empty raises it, as often as it is enabled anew. */
    if (value & ~uart->ier & IER_THRE)
        uart->thre_pending = true;
    uart->ier = value & IER_MASK;
}

static void write_fcr(struct uart *uart, uint8_t value)
{
    bool toggled = (value ^ uart->fcr) & FCR_ENABLE;
    uart->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    if (toggled || (value & FCR_ENABLE && value & FCR_CLEAR_RX)) {
        uart->fifo_count = 0;
        refill(uart);
    }
}

static void write_mcr(struct uart *uart, uint8_t value)
{
    uint8_t before = modem_lines(uart);
    uart->mcr = value & MCR_MASK;
    uint8_t after = modem_lines(uart);
    uint8_t changed = before ^ after;
    if (after & MSR_RI) /* TERI reports the trailing edge of the ring indicator only */
        changed &= (uint8_t)~MSR_RI;
    uart->msr_delta |= changed >> MSR_DELTA_SHIFT;
    refill(uart);
}

static void uart_write_byte(void *device, uint16_t offset, uint8_t value)
{
    struct uart *uart = device;
    bool dlab = uart->lcr & LCR_DLAB;
    switch ((enum uart_register)offset) {
    case REG_DATA:
        if (dlab)
            uart->dll = value;
        else
            transmit(uart, value);
        break;
    case REG_IER:
        if (dlab)
            uart->dlm = value;
        else
            write_ier(uart, value);
        break;
    case REG_IIR_FCR: write_fcr(uart, value); break;
    case REG_LCR: uart->lcr = value; break;
    case REG_MCR: write_mcr(uart, value); break;
    case REG_LSR: /* factory test only */
    case REG_MSR: break;
    case REG_SCR: uart->scr = value; break;
    }
    update_irq(uart);
}

static uint32_t uart_read(void *device, uint16_t offset, unsigned size)
{
    return split_read(uart_read_byte, device, offset, size, UART_PORTS);
}

static void uart_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    split_write(uart_write_byte, device, offset, size, value, UART_PORTS);
}

uint32_t uart_room(const struct uart *uart)
{
    return UART_BACKLOG_SIZE - uart->backlog_count;
}

uint32_t uart_receive(struct uart *uart, const char *text, uint32_t length)
{
    uint32_t taken = length < uart_room(uart) ? length : uart_room(uart);
    for (uint32_t i = 0; i < taken; i++)
        uart->backlog[(uart->backlog_head + uart->backlog_count++) % UART_BACKLOG_SIZE] = (uint8_t)text[i];
    refill(uart);
    update_irq(uart);
    return taken;
}

void uart_reset(struct uart *uart)
{
    uart_flush(uart);
    uart->ier = uart->fcr = uart->lcr = uart->mcr = uart->scr = 0;
    uart->dll = 1; /* 115200 baud 8N1, as firmware leaves a console */
    uart->dlm = 0;
    uart->lcr = 0x03;
    uart->lsr_errors = uart->msr_delta = 0;
    uart->thre_pending = false;
    uart->fifo_head = uart->fifo_count = 0;
    refill(uart);
    update_irq(uart);
}

enum status uart_init(struct uart *uart, struct machine *machine)
{
    memset(uart, 0, sizeof(*uart));
    uart->machine = machine;
    uart->flush.fire = flush_expired;
    uart->flush.context = uart;
    uart_reset(uart);
    return bus_add_port(&machine->bus, &(struct port_range){
        .base = PC_COM1, .count = UART_PORTS, .read = uart_read, .write = uart_write, .device = uart, .name = "COM1" });
}
