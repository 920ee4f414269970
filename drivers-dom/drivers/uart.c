/* SPDX-License-Identifier: MIT
 * The serial port COM1 (PC16550D data sheet, section 8; the registers of its predecessors are a subset). Nothing waits: what does not fit
 * into the transmit FIFO stays in a buffer until the port says by interrupt that the FIFO is empty. */
#include "uart.h"
#include <linux/serial_reg.h>
#include <stdbool.h>
#include <string.h>
#include "service.h"

#define COM1 0x3f8u
#define COM1_IRQ 4u
#define FIFO_DEPTH 16u
#define RECEIVE_ROUND 64u      /* bytes taken at once */
#define SERVE_ROUNDS 16u       /* looks at the port in one round */
#define LOOK_NS 20000000u      /* an interrupt that does not come costs this, no more */
#define POLL_NS 5000000u       /* without an interrupt: the receive FIFO lasts 1.4 ms at full speed, but nobody types that fast */
#define GONE 0xffu

static struct {
    const struct port_ops *ports;
    const struct uart_user *user;
    void *context;
    bool present, line, full;    /* has an interrupt line; the buffer has been in use */
    uint8_t interrupts;          /* as last written to IER */
    uint32_t depth;              /* of the transmit FIFO */
    char buffer[UART_BUFFER];
    uint32_t first, used;        /* of buffer: a ring */
    struct service_timer timer;
    struct service_bottom bottom;
} uart;

static uint8_t get(unsigned reg) { return uart.ports->in8((uint16_t)(COM1 + reg)); }
static void set(unsigned reg, uint8_t value) { uart.ports->out8((uint16_t)(COM1 + reg), value); }

static void set_interrupts(uint8_t interrupts)
{
    if (interrupts != uart.interrupts) {
        uart.interrupts = interrupts;
        set(UART_IER, interrupts);
    }
}

/* --- output --- */

static void feed_fifo(void)
{
    for (uint32_t i = 0; i < uart.depth && uart.used > 0; i++) {
        set(UART_TX, (uint8_t)uart.buffer[uart.first]);
        uart.first = (uart.first + 1) % UART_BUFFER;
        uart.used--;
    }
}

static void transmit(void)
{
    while (uart.used > 0 && (get(UART_LSR) & UART_LSR_THRE) != 0) {
        feed_fifo();
    }
    set_interrupts((uint8_t)(UART_IER_RDI | (uart.used > 0 ? UART_IER_THRI : 0)));
    if (uart.used > 0 && uart.timer.deadline == 0) {
        service_timer_arm(&uart.timer, service_now() + LOOK_NS);
    }
}

uint32_t uart_room(void) { return UART_BUFFER - uart.used; }

uint32_t uart_pending(void) { return uart.used; }

void uart_write(const char *text, uint32_t size)
{
    if (!uart.present) {
        return;
    }
    for (uint32_t i = 0; i < size && uart.used < UART_BUFFER; i++) {
        uart.buffer[(uart.first + uart.used++) % UART_BUFFER] = text[i];
    }
    transmit();
    uart.full |= uart.used > 0;
}

/* --- input --- */

/* True: there may be more. */
static bool receive(void)
{
    char text[RECEIVE_ROUND];
    uint32_t size = 0;
    uint8_t status = 0;
    while (size < RECEIVE_ROUND && ((status = get(UART_LSR)) & UART_LSR_DR) != 0 && status != GONE) {
        char c = (char)get(UART_RX);
        if ((status & (UART_LSR_BI | UART_LSR_FE)) == 0) { /* a break is no character */
            text[size++] = c;
        }
    }
    if (status == GONE) {
        service_log("COM1 has vanished");
        uart.present = false;
        uart.used = 0;
        return false;
    }
    if (size > 0) {
        uart.user->input(uart.context, text, size);
    }
    return size == RECEIVE_ROUND;
}

/* --- both --- */

/* The line is edge-triggered: all reasons must be gone before it can fire again. */
static void serve(void *context)
{
    (void)context;
    for (unsigned i = 0; i < SERVE_ROUNDS && uart.present; i++) {
        bool more = receive();
        if (uart.present) {
            transmit();
            (void)get(UART_MSR);
        }
        if (uart.full && uart.used == 0) {
            uart.full = false;
            uart.user->room(uart.context);
        }
        if (!more && (!uart.present || (get(UART_IIR) & UART_IIR_NO_INT) != 0)) {
            return;
        }
    }
    if (uart.present) {
        service_bottom_arm(&uart.bottom);
    }
}

static void timer_fired(void *context)
{
    serve(context);
    if (uart.present && !uart.line) {
        service_timer_arm(&uart.timer, service_now() + POLL_NS);
    }
}

/* A UART keeps what is written to its scratch register (not the 8250, which nobody has) and to LCR. */
static bool present(void)
{
    set(UART_LCR, UART_LCR_WLEN8);
    set(UART_SCR, 0x5a);
    bool good = get(UART_SCR) == 0x5a && get(UART_LCR) == UART_LCR_WLEN8;
    set(UART_SCR, 0xa5);
    return good && get(UART_SCR) == 0xa5;
}

enum status uart_init(const struct port_ops *ports, const struct uart_user *user, void *context)
{
    service_timer_cancel(&uart.timer);
    service_bottom_cancel(&uart.bottom);
    memset(&uart, 0, sizeof(uart));
    uart.ports = ports;
    uart.user = user;
    uart.context = context;
    if (!present()) {
        return ERR_NONE;
    }
    uart.present = true;
    uart.bottom = (struct service_bottom){.run = serve};
    uart.timer = (struct service_timer){.fire = timer_fired};
    set(UART_IER, 0);
    set(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
    set(UART_DLL, 1); /* 115200 */
    set(UART_DLM, 0);
    set(UART_LCR, UART_LCR_WLEN8);
    /* Without emptying the FIFOs: somebody may have typed. A FIFO that was off is empty afterwards. */
    set(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
    set(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2); /* OUT2 lets the interrupt out of a PC's UART */
    uart.depth = (get(UART_IIR) & 0xc0) == 0xc0 ? FIFO_DEPTH : 1;
    uart.line = service_line(COM1_IRQ, serve, NULL) == OK;
    set_interrupts(UART_IER_RDI);
    timer_fired(NULL);
    return OK;
}
