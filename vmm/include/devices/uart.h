/* SPDX-License-Identifier: MIT
 * A 16550A serial port (National Semiconductor PC16550D data sheet): COM1 at 0x3f8, IRQ 4.
 * Characters leave at once: the transmitter is always ready. They are gathered and handed to `output` at a newline, when
 * the buffer is full, and at the latest UART_FLUSH_NS after the first of them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "abi/status.h"
#include "timer.h"

struct machine;

#define UART_PORTS 8
#define UART_FIFO_SIZE 16
#define UART_OUTPUT_SIZE 256
#define UART_BACKLOG_SIZE 4096
#define UART_FLUSH_NS 2000000ull

struct uart {
    struct machine *machine;
    void (*output)(void *context, const char *text, uint32_t length); /* set by the integrator; may be null */
    void *output_context;
    void (*drained)(void *uart); /* the guest has read all that was received: more may be given by uart_receive; may be null */

    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
    uint8_t lsr_errors;    /* OE, PE, FE, BI: sticky until LSR is read */
    uint8_t msr_delta;     /* bits 3:0 of MSR: sticky until MSR is read */
    bool irq;              /* level of the interrupt line */
    bool thre_pending;     /* the THRE interrupt has been neither seen in IIR nor overtaken by a write */
    uint8_t fifo[UART_FIFO_SIZE]; /* receiver; one entry counts when FIFOs are off */
    uint32_t fifo_head, fifo_count;

    uint8_t backlog[UART_BACKLOG_SIZE]; /* input that the receiver has no room for yet */
    uint32_t backlog_head, backlog_count;

    char out[UART_OUTPUT_SIZE];
    uint32_t out_count;
    struct timer flush;
};

must_use enum status uart_init(struct uart *uart, struct machine *machine);
/* Power-on state of the registers; input that waits is kept. */
void uart_reset(struct uart *uart);
/* Input from the console. Returns how many bytes were taken; the rest can be offered again later. Device lock held. */
uint32_t uart_receive(struct uart *uart, const char *text, uint32_t length);
/* How many bytes uart_receive would take now. */
uint32_t uart_room(const struct uart *uart);
/* A character of the firmware's to the same output; no register changes. Device lock held. */
void uart_print(struct uart *uart, uint8_t byte);
/* Hands gathered output to `output` now (the domain ends, the machine is saved). Device lock held. */
void uart_flush(struct uart *uart);
